#pragma once
/* Paths and queries, as they stand in the request: what we look for needs no decoding.
 * Threads: any; pure. */
#include "tombolo/str.h"

/* path against a pattern of ours, in which one segment may be "*": *wild gets what stands there, at least one byte. One
 * slash more at the end of path does not matter. */
bool rest_path_matches(tb_str path, tb_str pattern, tb_str *wild);

/* The value of the first name=value in query; p NULL when there is none. An empty value counts as none: clients write
 * "?cursor=" for the first page. */
tb_str rest_query_find(tb_str query, tb_str name);

/* Whether a header's comma-separated list names what is wanted, not with a weight of 0 (RFC 9110 section 12.4.2). "*" names only
 * itself here, and a weak tag ("W/...") counts as itself. */
bool rest_lists(tb_str header, tb_str wanted);

/* type is application/json, whatever parameters follow. */
bool rest_is_json(tb_str type);
