#pragma once
/* Numbered schema files (schema/<where>/NNNN_name.sql), built into the program by scripts/embed_sql.cmake. */

struct tb_migration {
    int         number;     /* 1, 2, 3, ... without gaps; the last array element has 0 */
    const char *name;       /* "0001_journal" */
    const char *sql;        /* the whole file */
};
