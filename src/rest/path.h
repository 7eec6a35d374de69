#pragma once
/* Paths and queries. Threads: any; pure. */
#include "base/arena.h"
#include "tombolo/str.h"

/* text with its percent-escapes decoded (RFC 3986 section 2.1), in mem if there are any; what is none stays as it is. An escaped
 * slash stays escaped, so that a segment remains one. */
tb_str rest_unescape(tb_str text, struct tb_arena *mem);

/* path against a pattern of ours, in which one segment may be "*": *wild gets what stands there, at least one byte. One slash more
 * at the end of path does not matter, nor, with any_case, the case of letters: Express, which the old backend ran on, takes both. */
bool rest_path_matches(tb_str path, tb_str pattern, bool any_case, tb_str *wild);

/* As they stand in the request: the value of the first name=value in query; p NULL when there is none. An empty value counts as
 * none: clients write "?cursor=" for the first page. */
tb_str rest_query_find(tb_str query, tb_str name);

/* Whether a header's comma-separated list names what is wanted, not with a weight of 0 (RFC 9110 section 12.4.2). "*" names only
 * itself here, and a weak tag ("W/...") counts as itself. */
bool rest_lists(tb_str header, tb_str wanted);

/* type is application/json, whatever parameters follow. */
bool rest_is_json(tb_str type);
