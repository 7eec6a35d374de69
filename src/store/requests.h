#pragma once
/* What the store's threads do for each request of store.h: the tables from its number to its function. For src/store only. */
#include "store/feed.h"
#include "store/follow.h"
#include "store/journal.h"
#include "store/store.h"

/* number, struct */
#define STORE_CHANGES(X)                                                                                          \
    X(add_user) X(change_user) X(add_room) X(add_member) X(remove_member) X(add_message) X(add_read)              \
    X(add_delivered) X(set_last_seen) X(mark_pushed) X(add_remote) X(take_rows) X(restore_own) X(set_node) X(set_epoch)      \
    X(set_parked) X(go_alone) X(repeat_op) X(begin_backup) X(end_backup)
#define STORE_QUERIES_BY_LANE(X)                                                                                  \
    X(find_login, LANE_LOGIN) X(find_user, LANE_LOGIN) X(find_sent, LANE_LOGIN) X(list_rooms, LANE_LOGIN)         \
    X(list_members, LANE_LOGIN) X(list_messages, LANE_LOGIN) X(list_receipts, LANE_LOGIN) X(list_online, LANE_LOGIN) \
    X(catch_up, LANE_CATCH_UP) X(find_offset, LANE_CATCH_UP)

enum store_lane { LANE_LOGIN, LANE_CATCH_UP, LANE_COUNT };     /* so that neither waits for the other */

enum store_what {
#define X(name) WHAT_##name,
    STORE_CHANGES(X)
#undef X
#define X(name, lane) WHAT_##name,
    STORE_QUERIES_BY_LANE(X)
#undef X
    WHAT_COUNT
};

extern const char *const store_what_names[WHAT_COUNT];      /* for the log */

/* One change inside the transaction under way: checks, then ops. Failing, the caller undoes what it wrote; it may run again then. */
enum tb_code change_run(struct journal *j, const struct store_settings *limits, struct store_op *op) TB_MUST_CHECK;

/* Those of sync (remote.c, take.c). */
enum tb_code run_take_rows(struct journal *j, const struct store_settings *limits, struct store_take_rows *r) TB_MUST_CHECK;
enum tb_code run_add_remote(struct journal *j, const struct store_settings *limits, struct store_add_remote *r) TB_MUST_CHECK;
enum tb_code run_restore_own(struct journal *j, const struct store_settings *limits, struct store_restore_own *r)
    TB_MUST_CHECK;
enum tb_code run_set_node(struct journal *j, const struct store_settings *limits, struct store_set_node *r) TB_MUST_CHECK;
enum tb_code run_set_parked(struct journal *j, const struct store_settings *limits, struct store_set_parked *r)
    TB_MUST_CHECK;
enum tb_code run_go_alone(struct journal *j, const struct store_settings *limits, struct store_go_alone *r) TB_MUST_CHECK;
enum tb_code run_set_epoch(struct journal *j, const struct store_settings *limits, struct store_set_epoch *r) TB_MUST_CHECK;

/* One query inside a read transaction. own: self as that transaction sees it. */
enum tb_code query_run(struct db *d, const struct self *own, const struct store_settings *limits, struct store_op *op)
    TB_MUST_CHECK;

/* What followers and inspectors are told of us. */
void identity_of(const struct self *own, struct store_identity *out);

/* A read-only connection to the store's file, for the thread that asks. */
enum tb_code store_open_read_only(const struct store *s, struct db *d, struct tb_err *e) TB_MUST_CHECK;

/* ---- rows that changes and queries read alike (rows.c) ---- */

/* In front of the hash of an account that is disabled, as passwd(1) has it in shadow(5): no password fits, at any site. */
#define USER_LOCK TB_LIT("!")

struct user_row {
    struct store_user user;
    tb_str            hash;         /* without the lock */
    int64_t           profile_stamp, password_stamp;
};
enum tb_code user_read(struct db *d, int64_t id, int64_t now_ms, struct tb_arena *mem, struct user_row *out, struct tb_err *e)
    TB_MUST_CHECK;
int64_t      seen_by(int64_t now_ms, int64_t at);       /* when somebody was last seen, as it is shown: never in the future */

/* TB_EAUTH: see struct store_who. */
enum tb_code account_check(struct db *d, const struct store_who *who, struct tb_err *e) TB_MUST_CHECK;

/* TB_EDENIED: he is no member. */
enum tb_code member_check(struct db *d, int64_t room_id, int64_t user_id, struct tb_err *e) TB_MUST_CHECK;

/* Offsets: "<pos>-<8 hex digits of the chain there>"; position 0 has the journal's first chain. With ".<parts>" behind it the
 * op at pos was taken in so far: *pos is the one before it then, and *parts their number, else 0. offset_read: TB_EINPUT when
 * text is none of this journal's, or its op is not here (ahead of the head, or pruned); *at: its hlc, 0 for position 0. */
void         offset_write(char out[STORE_OFFSET_SIZE], int64_t pos, const uint8_t *chain);
enum tb_code offset_of_head(struct db *d, const struct self *own, char out[STORE_OFFSET_SIZE], int64_t *pos,
                            struct tb_err *e) TB_MUST_CHECK;
enum tb_code offset_at(struct db *d, const struct self *own, int64_t pos, char out[STORE_OFFSET_SIZE], int64_t *at,
                       struct tb_err *e) TB_MUST_CHECK;
enum tb_code offset_read(struct db *d, const struct self *own, tb_str text, int64_t *pos, uint32_t *parts, int64_t *at,
                         struct tb_err *e) TB_MUST_CHECK;

enum tb_code catch_up_run(struct db *d, const struct self *own, struct store_catch_up *r) TB_MUST_CHECK;

/* Idempotency keys: the hash that is stored, the day that a time falls on, and the message that a key has given (0: none). */
struct chain send_key_hash(tb_str key);
int64_t      send_key_day(int64_t ms);
enum tb_code send_key_find(struct db *d, int64_t now_ms, unsigned keep_days, int64_t user_id, tb_str key,
                           int64_t *message_id, struct tb_err *e) TB_MUST_CHECK;

/* The message of the row that st stands on; its columns are those of Q_MESSAGE and Q_PAGE. */
enum tb_code message_take(struct db *d, const struct self *own, sqlite3_stmt *st, struct tb_arena *mem,
                          struct store_message *out, struct tb_err *e) TB_MUST_CHECK;

/* A message with its sender, as answers carry it. TB_ENOTFOUND. own: to say when it was at the centre. */
enum tb_code message_read(struct db *d, const struct self *own, int64_t id, struct tb_arena *mem,
                          struct store_message *out, struct tb_err *e) TB_MUST_CHECK;
