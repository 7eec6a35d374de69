#pragma once
/* What import.c and import_ops.c share. */
#include "import.h"
#include "journal.h"

/* Where rows are gathered: a database of its own without a name, which SQLite keeps in a temporary file, so that memory stays
 * bounded. step has a row for each op to come, or for each message in one, in the order in which they are written. */
#define GATHER_SCHEMA                                                                                              \
    "CREATE TABLE user (id INTEGER PRIMARY KEY, created INTEGER, seen INTEGER, is_parked INTEGER, email TEXT,"     \
    " username TEXT, hash TEXT) STRICT;"                                                                           \
    "CREATE TABLE email (key TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;"                                             \
    "CREATE TABLE room (id INTEGER PRIMARY KEY, created INTEGER, is_private INTEGER, creator INTEGER, name TEXT) STRICT;" \
    "CREATE TABLE member (room INTEGER, user INTEGER, id INTEGER, PRIMARY KEY (room, user)) STRICT, WITHOUT ROWID;" \
    "CREATE TABLE message (id INTEGER PRIMARY KEY, room INTEGER, sender INTEGER, created INTEGER, content TEXT) STRICT;" \
    "CREATE TABLE step (at INTEGER, rank INTEGER, user INTEGER, id INTEGER, time INTEGER, room INTEGER,"           \
    " PRIMARY KEY (at, rank, user, id)) STRICT, WITHOUT ROWID;"

#define GATHER_QUERIES(X)                                                                                          \
    X(G_ADD_USER, "INSERT INTO user VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")                                          \
    X(G_TAKE_EMAIL, "INSERT OR IGNORE INTO email VALUES (?1)")                                                     \
    X(G_ADD_ROOM, "INSERT INTO room VALUES (?1, ?2, ?3, 0, ?4)")                                                   \
    X(G_ADD_MEMBER, "INSERT OR IGNORE INTO member VALUES (?1, ?2, ?3)")                                            \
    X(G_ADD_MESSAGE, "INSERT INTO message VALUES (?1, ?2, ?3, ?4, ?5)")                                            \
    X(G_ADD_STEP, "INSERT OR IGNORE INTO step VALUES (?1, ?2, ?3, ?4, ?5, ?6)")                                    \
    X(G_USER_CREATED, "SELECT created FROM user WHERE id = ?1")                                                    \
    X(G_ROOM_CREATED, "SELECT created FROM room WHERE id = ?1")                                                    \
    X(G_MESSAGE_FACTS, "SELECT room, sender, created FROM message WHERE id = ?1")                                  \
    X(G_SET_CREATORS, "UPDATE room SET creator = IFNULL((SELECT user FROM member m WHERE m.room = room.id ORDER BY id LIMIT 1), 0)") \
    X(G_NEXT_WITHOUT, "SELECT id FROM room WHERE creator = 0 AND id > ?1 ORDER BY id LIMIT 1")                     \
    X(G_FIRST_SENDER, "SELECT sender FROM message WHERE room = ?1 ORDER BY id LIMIT 1")                            \
    X(G_FIRST_USER, "SELECT id FROM user ORDER BY id LIMIT 1")                                                     \
    X(G_SET_CREATOR, "UPDATE room SET creator = ?2 WHERE id = ?1")                                                 \
    X(G_STEPS, "SELECT at, rank, user, id, time, room FROM step ORDER BY at, rank, user, id")                      \
    X(G_COUNT_STEPS, "SELECT COUNT(*) FROM step")                                                                  \
    X(G_USER, "SELECT created, is_parked, email, username, hash FROM user WHERE id = ?1")                          \
    X(G_ROOM, "SELECT created, is_private, creator, name FROM room WHERE id = ?1")                                 \
    X(G_MESSAGE, "SELECT room, sender, created, content FROM message WHERE id = ?1")                               \
    X(G_SEEN, "SELECT id, seen FROM user WHERE seen > 0 ORDER BY id")

enum gather_query {
#define X(name, sql) name,
    GATHER_QUERIES(X)
#undef X
    GATHER_QUERY_COUNT
};

/* At the same time, what is referred to comes first. */
enum import_rank { RANK_USER, RANK_ROOM, RANK_MEMBER, RANK_MESSAGE, RANK_DELIVERED, RANK_READ };

struct store_import {
    struct store_import_settings settings;
    int                  lock_fd;           /* -1: a dry run */
    char                *new_path, *path;   /* where the journal is made, and its place; NULL: a dry run */
    struct db            rows;
    int64_t              now_ms;            /* when it began */
    int64_t              last_time[IMPORT_TABLE_COUNT];     /* of the row before */
    int64_t              highest[IMPORT_TABLE_COUNT];       /* id that was read, also if refused */
    struct journal       journal;           /* db.sql NULL: not open */
    struct import_result result;
};

/* Makes the journal at new_path from the gathered rows, and closes it. */
enum tb_code import_write_ops(struct store_import *i, void (*on_progress)(void *ctx, int64_t n_done, int64_t n_all), void *ctx,
                              struct tb_err *e) TB_MUST_CHECK;
