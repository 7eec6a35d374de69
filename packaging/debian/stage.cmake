# Between installing into the package's folder and packing it: what Debian wants otherwise than others.
set(root "${CPACK_TEMPORARY_DIRECTORY}")
set(doc "${root}/usr/share/doc/tombolo")
set(here "${CMAKE_CURRENT_LIST_DIR}")

file(MAKE_DIRECTORY "${root}/etc/tombolo")
file(RENAME "${doc}/examples/tombolo.conf" "${root}/etc/tombolo/tombolo.conf")
file(REMOVE_RECURSE "${doc}/examples")

file(REMOVE "${doc}/LICENSE")
file(READ "${here}/../../LICENSE" licence)
string(REGEX REPLACE "^MIT License\n\n" "" licence "${licence}")
string(REGEX MATCH "Copyright [^\n]*" copyright "${licence}")
string(REPLACE "${copyright}\n\n" "" licence "${licence}")
string(REPLACE "Copyright (c)" "Copyright:" copyright "${copyright}")
string(REGEX REPLACE "\n\n" "\n.\n" licence "${licence}")
string(REGEX REPLACE "\n([^\n])" "\n \\1" licence "${licence}")
file(WRITE "${doc}/copyright" "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: tombolo

Files: *
${copyright}
License: MIT
 ${licence}
Files: usr/bin/tombolo
Copyright: 2014-present Guillermo Rauch and Socket.IO contributors
License: MIT
Comment: The page at /app/, which is in the program, uses socket.io-client and its parts; licences.txt has the licence of each.
")

file(RENAME "${doc}/CHANGELOG.md" "${doc}/changelog")
string(TIMESTAMP date "%a, %d %b %Y %H:%M:%S +0000" UTC)
file(WRITE "${doc}/changelog.Debian" "tombolo (${CPACK_PACKAGE_VERSION}-${CPACK_DEBIAN_PACKAGE_RELEASE}) unstable; urgency=medium

  * What is new in tombolo ${CPACK_PACKAGE_VERSION} is in changelog.gz.

 -- ${CPACK_PACKAGE_CONTACT}  ${date}
")
execute_process(COMMAND gzip -9n "${doc}/changelog" "${doc}/changelog.Debian" "${root}/usr/share/man/man1/tombolo.1"
                COMMAND_ERROR_IS_FATAL ANY)

# The Debian bug tracker knows nothing of a package that is not Debian's.
file(WRITE "${root}/usr/share/lintian/overrides/tombolo" "tombolo: initial-upload-closes-no-bugs\n")
