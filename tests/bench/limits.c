/* Bodies of limits.h. Connection, schema and checkpointer are the store's own, so that they cannot differ from what is
 * measured; the statements are written out here, so that the store's may change and still be compared with these rows. */
#include "limits.h"

#include "store/checkpoint.h"
#include "store/db.h"
#include "store/migrate.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

enum { APPEND_BYTES = 4096, KIND_MESSAGE_SENT = 8, CHAIN_BYTES = 16 };

double
bench_fdatasync_rate(double seconds)
{
    static const char page[APPEND_BYTES];
    char             *path = bench_path("fdatasync");
    int               fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    struct bench_span span;
    double            n = 0;

    if (fd < 0)
        bench_die("%s: %s", path, strerror(errno));
    bench_span_start(&span);
    do {
        if (write(fd, page, sizeof page) != (ssize_t)sizeof page || fdatasync(fd) != 0)
            bench_die("%s: %s", path, strerror(errno));
        n++;
        bench_span_end(&span);
        span.cpu_s = span.own_cpu_s = 0;
    } while (span.wall_s < seconds);
    close(fd);
    unlink(path);
    tb_free(path);
    return n / span.wall_s;
}

/* ---- the bare group commit ---- */

#define BARE_SQL(X)                                                                                                    \
    X(BEGIN, "BEGIN IMMEDIATE")                                                                                        \
    X(COMMIT, "COMMIT")                                                                                                \
    X(SELF, "UPDATE self SET seq = ?1, hlc = ?2, chain = ?3, messages = ?1")                                           \
    X(JOURNAL, "INSERT INTO journal (node, seq, at, kind, version, room_id, user_id, body, chain)"                     \
               " VALUES (0, ?1, ?2, ?3, 1, ?4, ?5, ?6, ?7)")                                                           \
    X(MESSAGE, "INSERT INTO message (id, room_id, sender_id, hlc, created_at, pos, seq, node, content)"                \
               " VALUES (?1, ?2, ?3, ?4, ?5, ?1, ?1, 0, ?6)")                                                          \
    X(ROOM_COUNT, "UPDATE room_count SET messages = messages + 1 WHERE room_id = ?1")                                  \
    X(MEMBER, "UPDATE member SET own = own + 1 WHERE room_id = ?1 AND user_id = ?2")                                   \
    X(ADD_SELF, "INSERT INTO self (one, uuid, epoch, node, seq, hlc, chain, users, rooms, members, messages)"          \
                " VALUES (1, 'bare', 1, 0, 0, 0, ?1, 0, 0, 0, 0)")                                                     \
    X(ADD_ROOM_COUNT, "INSERT INTO room_count (room_id) VALUES (?1)")                                                  \
    X(ADD_MEMBER, "INSERT INTO member (room_id, user_id, id, is_member, stamp, node, joined_at, join_pos, before)"     \
                  " VALUES (?1, ?2, ?2, 1, 0, 0, 0, 0, 0)")

enum {
#define X(name, sql) name,
    BARE_SQL(X)
#undef X
    BARE_SQL_COUNT
};

static const char *const bare_sql[] = {
#define X(name, sql) sql,
    BARE_SQL(X)
#undef X
};

struct bench_bare {
    struct db            db;
    struct checkpointer *checkpointer;
    char                *path;
    int64_t              n_users, n_rooms;
    tb_str               content;
    struct tb_buf        body;              /* as long as a real one */
    int64_t              seq, hlc;
    int                  frames, frames_seen;
};

static const unsigned char chain[CHAIN_BYTES];

static void
must(enum tb_code code, const struct tb_err *e)
{
    if (code != TB_OK)
        bench_die("bare group commit: %s", e->why);
}

#define RUN(b, name, ...)                                                     \
    do {                                                                      \
        struct tb_err e_ = { 0 };                                             \
        must(db_run(&(b)->db, name, __VA_ARGS__, &e_), &e_);                  \
    } while (0)

static int
note_frames(void *ctx, sqlite3 *sql, const char *name, int n_frames)
{
    struct bench_bare *b = ctx;
    (void)sql, (void)name;
    b->frames = n_frames;
    return SQLITE_OK;
}

static int64_t
room_of(const struct bench_bare *b, int64_t user)
{
    return (user - 1) % b->n_rooms + 1;
}

static void
add_people(struct bench_bare *b)
{
    RUN(b, BEGIN, NO_ARGS);
    RUN(b, ADD_SELF, ARGS(B(chain, CHAIN_BYTES)));
    for (int64_t room = 1; room <= b->n_rooms; room++)
        RUN(b, ADD_ROOM_COUNT, ARGS(I(room)));
    for (int64_t user = 1; user <= b->n_users; user++)
        RUN(b, ADD_MEMBER, ARGS(I(room_of(b, user)), I(user)));
    RUN(b, COMMIT, NO_ARGS);
}

struct bench_bare *
bench_bare_open(int64_t n_users, int64_t n_rooms, tb_str content)
{
    struct bench_bare *b = TB_NEW(struct bench_bare);
    struct tb_err      e = { 0 };

    assert(n_users > 0 && n_rooms > 0);
    *b = (struct bench_bare){ .n_users = n_users, .n_rooms = n_rooms, .content = content,
                              .hlc = INT64_C(1700000000000) << 16, .path = bench_path("bare.db") };
    tb_buf_printf(&b->body, "{\"id\":1234567,\"room\":12,\"sender\":12,\"content\":\"" TB_STR_FMT
                  "\",\"createdAt\":1700000000000}", TB_STR_ARG(content));
    must(db_open(&b->db, b->path, NULL, DB_READ_WRITE, bare_sql, BARE_SQL_COUNT, &e), &e);
    must(store_migrate(&b->db, store_migrations, &e), &e);
    must(checkpointer_open(&b->checkpointer, b->path, NULL, &e), &e);
    sqlite3_wal_hook(b->db.sql, note_frames, b);
    add_people(b);
    return b;
}

/* As the store's writer does it. */
static void
checkpoint_if_due(struct bench_bare *b)
{
    if (b->frames < b->frames_seen)
        b->frames_seen = 0;
    if (b->frames - b->frames_seen >= CHECKPOINT_FRAMES) {
        b->frames_seen = b->frames;
        checkpointer_wake(b->checkpointer);
    }
    if (b->frames >= CHECKPOINT_FRAMES_WRITER)
        sqlite3_wal_checkpoint_v2(b->db.sql, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
}

static void
write_op(struct bench_bare *b)
{
    int64_t seq = ++b->seq, at = ++b->hlc, user = seq % b->n_users + 1, room = room_of(b, user);

    RUN(b, JOURNAL, ARGS(I(seq), I(at), I(KIND_MESSAGE_SENT), I(room), I(user), T(tb_buf_str(&b->body)),
                         B(chain, CHAIN_BYTES)));
    RUN(b, MESSAGE, ARGS(I(seq), I(room), I(user), I(at), I(at >> 16), T(b->content)));
    RUN(b, ROOM_COUNT, ARGS(I(room)));
    RUN(b, MEMBER, ARGS(I(room), I(user)));
}

struct bench_bare_figures
bench_bare_run(struct bench_bare *b, size_t batch, double seconds)
{
    struct bench_span span;
    int64_t           first = b->seq, until;
    double            commits = 0;

    bench_span_start(&span);
    until = span.started_us + (int64_t)(seconds * 1e6);
    do {
        RUN(b, BEGIN, NO_ARGS);
        for (size_t i = 0; i < batch; i++)
            write_op(b);
        RUN(b, SELF, ARGS(I(b->seq), I(b->hlc), B(chain, CHAIN_BYTES)));
        RUN(b, COMMIT, NO_ARGS);
        commits++;
        checkpoint_if_due(b);
    } while (bench_now_us() < until);
    bench_span_end(&span);
    double n = (double)(b->seq - first);
    return (struct bench_bare_figures){ .rows_per_s = n / span.wall_s, .commits_per_s = commits / span.wall_s,
                                        .cpu_us = span.cpu_s * 1e6 / n };
}

void
bench_bare_close(struct bench_bare **bp)
{
    struct bench_bare *b = *bp;

    checkpointer_close(&b->checkpointer);
    db_close(&b->db);
    tb_buf_fini(&b->body);
    unlink(b->path);
    tb_free(b->path);
    tb_free(b);
    *bp = NULL;
}
