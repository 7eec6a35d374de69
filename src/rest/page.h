#pragma once
/* The page at /app/: files that are built into the program, with the headers that keep it to itself. Its index is asked for anew
 * each time (ETag); everything else lies in a folder named by the hash of it all, and may be kept for ever.
 * Threads: the loop; the table is constant. */
#include "tombolo/str.h"

struct rest_exchange;

struct page_file {
    const char *path;               /* "/app/" for the index, "/app/<hash of all>/<name>" for the others */
    const char *type;               /* Content-Type */
    const char *etag;               /* with its quotes */
    tb_str      plain, gzip;
};

/* Made by scripts/embed_page.cmake; ends with path NULL. Nothing before that: the page was left out when this was built. */
extern const struct page_file page_files[];

/* The start of its routes. */
void page_start(struct rest_exchange *x);
