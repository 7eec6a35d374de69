# cmake -DOUT=x.c -DNAME=rest_openapi -DFILE=docs/api/openapi.json -P embed_document.cmake
# Writes FILE's text as `const struct rest_document NAME`, with an entity tag that changes with it.
file(READ ${FILE} text)
file(SHA256 ${FILE} hash)
string(SUBSTRING ${hash} 0 32 tag)
string(LENGTH "${text}" n)
string(REPLACE "\\" "\\\\" text "${text}")
string(REPLACE "\"" "\\\"" text "${text}")
string(REPLACE "\n" "\\n\"\n    \"" text "${text}")
file(WRITE ${OUT} "/* Made from a document in docs/api by scripts/embed_document.cmake. */
#include \"rest/document.h\"

const struct rest_document ${NAME} = {
    .etag = { \"\\\"${tag}\\\"\", 34 },
    .text = { \"${text}\", ${n} },
};
")
