#pragma once
/* Another backend's rows become a journal: first they are judged and gathered (import.c), then written as ops in the order of
 * their times (import_ops.c). The journal is made beside its place and renamed into it at the end: whatever ends an import
 * early leaves no journal, and the next one begins again. That is simpler than to go on in the middle, and right: the other
 * database has moved meanwhile, so two halves would not fit.
 * What always holds: ids stay as they are (node 0); an op's hlc is its time, but never behind the op before and never ahead
 * of now, so that history's order is (createdAt, id); every op goes through journal_append.
 * Threads: one at a time, no others are started. */
#include "base/clock.h"
#include "tombolo/err.h"

/* name; of the old backend's table */
#define IMPORT_TABLES(X)                                                                                \
    X(IMPORT_USERS,    "User")   X(IMPORT_ROOMS, "Room")   X(IMPORT_MEMBERS, "RoomMember")               \
    X(IMPORT_MESSAGES, "Message") X(IMPORT_RECEIPTS, "MessageReceipt")

enum import_table {
#define X(name, text) name,
    IMPORT_TABLES(X)
#undef X
    IMPORT_TABLE_COUNT
};

/* name; the row is left out; text */
#define IMPORT_FINDINGS(X)                                                                                              \
    X(IMPORT_BAD_ID,      true,  "the id is not in 1..2199023255551")                                                   \
    X(IMPORT_NULL,        true,  "NULL where a value is needed")                                                        \
    X(IMPORT_NOT_TEXT,    true,  "text that is not UTF-8")                                                              \
    X(IMPORT_TOO_LONG,    true,  "too long: an e-mail over 254 bytes, a name or hash over 255 characters,"              \
                                 " a message over 65535 bytes")                                                         \
    X(IMPORT_NO_EMAIL,    true,  "the e-mail is blank")                                                                 \
    X(IMPORT_NO_USER,     true,  "refers to a user that is missing or was refused")                                     \
    X(IMPORT_NO_ROOM,     true,  "refers to a room that is missing or was refused")                                     \
    X(IMPORT_NO_MESSAGE,  true,  "refers to a message that is missing or was refused")                                  \
    X(IMPORT_TWICE,       true,  "the same user in the same room as a lower id")                                        \
    X(IMPORT_OWN_RECEIPT, true,  "a receipt of one's own message, which is none")                                       \
    X(IMPORT_NO_RECEIPT,  true,  "neither delivered nor read")                                                          \
    X(IMPORT_PARKED,      false, "a lower id has the same e-mail but for case and blanks: kept and parked;"             \
                                 " its owner has to choose another")                                                    \
    X(IMPORT_NO_LOGIN,    false, "the password is no bcrypt hash: kept, but no login fits it")                          \
    X(IMPORT_NO_TIME,     false, "no time of its own that makes sense: has that of the row before, or of its user and room") \
    X(IMPORT_DEAR_HASH,   false, "the password's hash is of another kind or costs too much to verify: left out, so nobody"  \
                                 " can log in until a password is set")                                                  \
    X(IMPORT_AHEAD,       false, "its time lies ahead: kept, but sorted as if it were now")                             \
    X(IMPORT_NO_CREATOR,  false, "a room without members: its creator is a guess")                                      \
    X(IMPORT_BAD_SEEN,    false, "lastSeen or readAt makes no sense: taken as never")                                   \
    X(IMPORT_MARKED,      false, "marked as delivered or read without a time: has that of its delivery or its message")     \
    X(IMPORT_DELIVERED,   false, "read without, or before, its delivery: delivered when it was read")

enum import_finding {
#define X(name, is_refusal, text) name,
    IMPORT_FINDINGS(X)
#undef X
    IMPORT_FINDING_COUNT
};

const char *import_table_name(enum import_table t);

/* ---- rows, as they were read ---- */

/* Times are milliseconds since 1970 in UTC, 0 and up. Ids: 0 stands for NULL. Text: p NULL for NULL, borrowed for the call. */
#define IMPORT_NULL_TIME INT64_C(-1)
#define IMPORT_BAD_TIME  INT64_C(-2)        /* one that makes no sense, as 0000-00-00 */

struct import_user    { int64_t id, created_at, last_seen; tb_str email, username, hash; };
struct import_room    { int64_t id, created_at; bool is_private; tb_str name; };
struct import_member  { int64_t id, user_id, room_id, joined_at; };
struct import_message { int64_t id, sender_id, room_id, created_at; tb_str content; };
struct import_receipt { int64_t id, message_id, user_id, delivered_at, read_at; bool is_delivered, is_read; };

enum {
    IMPORT_MAX_EMAIL_BYTES = 254,       /* as for everybody who registers */
    IMPORT_MAX_NAME_CHARS = 255,        /* what the centre's columns hold */
    IMPORT_MAX_CONTENT_BYTES = 65535,   /* what TEXT holds; more than a client may send, for what was said was said */
    IMPORT_SHOWN_IDS = 10,              /* of each finding, in the report */
};

/* ---- one import ---- */

struct store_import_settings {
    const char            *dir;         /* the data folder; NULL: judge only, write nothing */
    const struct tb_clock *clock;
};

struct store_import;

/* Takes the data folder. TB_ETAKEN: it has a journal; store_import_find_report may know of where. TB_EIO: in use, or not
 * writable. */
enum tb_code store_import_begin(struct store_import **out, const struct store_import_settings *settings, struct tb_err *e)
    TB_MUST_CHECK;

/* Table by table in the order of enum import_table, each by ascending id. A row that is refused is counted, and no failure. */
enum tb_code store_import_user(struct store_import *, const struct import_user *, struct tb_err *e) TB_MUST_CHECK;
enum tb_code store_import_room(struct store_import *, const struct import_room *, struct tb_err *e) TB_MUST_CHECK;
enum tb_code store_import_member(struct store_import *, const struct import_member *, struct tb_err *e) TB_MUST_CHECK;
enum tb_code store_import_message(struct store_import *, const struct import_message *, struct tb_err *e) TB_MUST_CHECK;
enum tb_code store_import_receipt(struct store_import *, const struct import_receipt *, struct tb_err *e) TB_MUST_CHECK;

struct import_findings {                /* of one table */
    int64_t n_read, n_refused;
    struct {
        int64_t n;
        int64_t ids[IMPORT_SHOWN_IDS];  /* the first ones */
    } of[IMPORT_FINDING_COUNT];
};

struct import_result {                  /* the store's; valid until store_import_end */
    struct import_findings tables[IMPORT_TABLE_COUNT];
    int64_t                n_ops;       /* written */
    char                   journal_uuid[37];    /* empty until written */
};

/* Judges what only the whole can tell and, unless it is a dry run, writes the ops; on_progress hears of it now and then. */
enum tb_code store_import_write(struct store_import *, void (*on_progress)(void *ctx, int64_t n_done, int64_t n_all), void *ctx,
                                struct tb_err *e) TB_MUST_CHECK;

const struct import_result *store_import_result(const struct store_import *);

/* Puts the journal in its place, and the report (JSON, an object that begins with journal_uuid as "journal") beside it. */
enum tb_code store_import_keep(struct store_import *, tb_str report, struct tb_err *e) TB_MUST_CHECK;

/* Forgets everything that was not kept. Accepts NULL inside. */
void store_import_end(struct store_import **);

/* The report of the import that made the journal in dir, appended to out. TB_ENOTFOUND: no import made it. */
enum tb_code store_import_find_report(const char *dir, struct tb_buf *out, struct tb_err *e) TB_MUST_CHECK;
