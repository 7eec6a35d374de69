#pragma once
/* The database of the Node/Express/Prisma backend that this server replaces, as rows for an import: tables User, Room,
 * RoomMember, Message and MessageReceipt on MySQL. It is only read, in one transaction that sees one state of it, in pages by
 * id, a row at a time.
 * Threads: one; it may be main. */
#include "store/import.h"
#include "tombolo/err.h"

struct sync_old;

struct sync_old_size {
    int64_t n_rows, last_id;        /* 0, 0: empty */
};

/* Connects, begins the transaction, looks for the tables and columns, and counts rows. Names are found in any case; columns
 * that may be missing are lastSeen, isPrivate, joinedAt, delivered, read, deliveredAt and readAt, and so may the whole of
 * MessageReceipt.
 * TB_EINPUT: the URL, as sync_url_parse. TB_EIO: no link, or not such a database; why never holds the password. */
enum tb_code sync_old_open(struct sync_old **out, tb_str url, struct tb_err *e) TB_MUST_CHECK;
void         sync_old_close(struct sync_old **o);

const char                 *sync_old_place(const struct sync_old *o);       /* "host:port/database" */
const struct sync_old_size *sync_old_sizes(const struct sync_old *o);       /* by enum import_table */

/* Hands every row to the import. on_page hears of it after every page: rows of all tables so far. */
enum tb_code sync_old_copy(struct sync_old *o, struct store_import *to, void (*on_page)(void *ctx, int64_t n_rows), void *ctx,
                           struct tb_err *e) TB_MUST_CHECK;

/* "2026-11-22 09:00:00.123", what DATETIME looks like as text, in ms; IMPORT_BAD_TIME when it is no time since 1970. */
int64_t sync_old_time(tb_str text);
