/* Bodies of keeper.h. A request is freed when its answer has been booked; a message's content is its number and letters, so
 * what comes back proves itself. */
#include "keeper.h"

#include "folder.h"
#include "store/check.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    PATIENCE_MS = 60000,        /* the store must answer: longer means it has lost a request */
    MAX_CONTENT = 1500,         /* letters */
    MAX_IN_FLIGHT = 120,
    QUEUE = 512,
    PAGE = 100,
    ROOMY = 1000000,
};

static const tb_str email = { "keeper@example.org", 18 };

/* ---- asking and waiting for one answer ---- */

static void
note_done(struct store_op *op)
{
    op->reply_to = NULL;        /* seen by wait_for */
}

#define ASK(k, name, r)                     \
    do {                                    \
        (r)->op.reply_to = (k)->answers;    \
        (r)->op.on_done = note_done;        \
        store_##name((k)->store, (r));      \
        wait_for((k), &(r)->op);            \
    } while (0)

static void
hear(struct keeper *k, int timeout_ms)
{
    struct tb_msg_list l = { 0 };
    struct tb_msg     *m;

    if (tb_mailbox_wait(k->answers, &l, SIZE_MAX, timeout_ms) == 0 && timeout_ms > 0) {
        fprintf(stderr, "keeper: no answer for %d ms\n", timeout_ms);
        abort();
    }
    while ((m = tb_msg_list_take(&l)) != NULL)
        m->run(m);
}

static void
wait_for(struct keeper *k, const struct store_op *op)
{
    while (op->reply_to != NULL)
        hear(k, PATIENCE_MS);
}

/* ---- opening ---- */

struct keeper *
keeper_new(uint64_t seed)
{
    struct keeper *k = TB_NEW(struct keeper);

    k->disk = rig_disk_new();
    k->chance = (struct rig_random){ seed };
    k->answers = tb_mailbox_new(ROOMY, NULL, NULL);
    rig_clock_init(&k->clock, 1700000000000);
    folder_name(k->dir, sizeof k->dir, "keeper");
    if (mkdtemp(k->dir) == NULL)
        abort();
    return k;
}

void
keeper_free(struct keeper **kp)
{
    struct keeper *k = *kp;
    char           path[sizeof k->dir + 20];

    rig_disk_resume(k->disk);
    keeper_close(k);
    snprintf(path, sizeof path, "%s/tombolo.lock", k->dir);
    unlink(path);
    rmdir(k->dir);
    rig_disk_free(&k->disk);
    tb_mailbox_free(&k->answers);
    tb_free(k->entries);
    tb_free(k);
    *kp = NULL;
}

static bool
find_user(struct keeper *k)
{
    struct store_find_login r = { .email = email };

    ASK(k, find_login, &r);
    if (r.op.err.code == TB_OK)
        k->user_id = r.user.id;
    store_op_fini(&r.op);
    return r.op.err.code == TB_OK || r.op.err.code == TB_ENOTFOUND;
}

static bool
make_user(struct keeper *k)
{
    struct store_add_user r = { .email = email, .username = TB_LIT("keeper"), .password_hash = TB_LIT("none") };

    ASK(k, add_user, &r);
    if (r.op.err.code == TB_OK)
        k->user_id = r.user.id;
    store_op_fini(&r.op);
    return r.op.err.code == TB_OK;
}

static bool
find_room(struct keeper *k)
{
    struct store_list_rooms r = { .user_id = k->user_id };

    ASK(k, list_rooms, &r);
    if (r.op.err.code == TB_OK && r.n > 0)
        k->room_id = r.rooms[0].id;
    store_op_fini(&r.op);
    return r.op.err.code == TB_OK;
}

static bool
make_room(struct keeper *k)
{
    struct store_add_room r = { .creator_id = k->user_id, .name = TB_LIT("room") };

    ASK(k, add_room, &r);
    if (r.op.err.code == TB_OK)
        k->room_id = r.room_id;
    store_op_fini(&r.op);
    return r.op.err.code == TB_OK;
}

/* Neither is made twice: an answer that the power cut swallowed may have been a yes. */
static bool
settle(struct keeper *k)
{
    if (k->user_id == 0 && (!find_user(k) || (k->user_id == 0 && !make_user(k))))
        return false;
    return k->room_id != 0 || (find_room(k) && (k->room_id != 0 || make_room(k)));
}

bool
keeper_open(struct keeper *k)
{
    struct store_settings settings = {
        .dir = k->dir, .vfs = rig_disk_vfs(k->disk), .clock = &k->clock.clock, .queue = QUEUE, .reader_queue = QUEUE,
        .batch = 256, .members_per_room = ROOMY, .rooms_per_user = ROOMY, .key_keep_days = 7,
    };
    struct tb_err e = { 0 };

    assert(k->store == NULL);
    if (store_open(&k->store, &settings, &e) != TB_OK) {
        k->store = NULL;
        if (!rig_disk_is_off(k->disk))
            printf("# cannot open: %s\n", e.why);
        return false;
    }
    return settle(k);
}

void
keeper_close(struct keeper *k)
{
    if (k->store != NULL)
        store_close(&k->store);
    keeper_wait(k, 0);
}

/* ---- sending ---- */

struct sending {
    struct store_add_message r;
    struct keeper           *k;
    size_t                   number;
    char                    *content;       /* owned */
    char                     key[24];
};

/* The number, then letters that begin at another one for each number. */
static char *
make_content(size_t number, size_t n_letters)
{
    static char   letters[MAX_CONTENT + 26];
    struct tb_buf b = TB_BUF_INIT;
    size_t        n;

    for (size_t i = 0; i < sizeof letters && letters[sizeof letters - 1] == '\0'; i++)
        letters[i] = (char)('a' + i % 26);
    tb_buf_printf(&b, "%zu ", number);
    tb_buf_add(&b, (tb_str){ .p = letters + number % 26, .n = n_letters });
    return tb_buf_take(&b, &n);
}

static void
book(struct store_op *op)
{
    struct sending      *s = TB_CONTAINER(op, struct sending, r.op);
    struct keeper_entry *entry = &s->k->entries[s->number];

    assert(!entry->is_answered);
    entry->is_answered = true;
    entry->code = op->err.code;
    if (op->err.code == TB_OK) {
        s->k->n_new_ids += entry->id != 0 && entry->id != s->r.message.id;
        entry->must_stay = true;
        entry->id = s->r.message.id;
    }
    s->k->n_waiting--;
    store_op_fini(op);
    tb_free(s->content);
    tb_free(s);
}

static void
post_one(struct keeper *k, size_t number)
{
    struct sending *s = TB_NEW(struct sending);

    s->k = k;
    s->number = number;
    s->content = make_content(number, k->entries[number].n_letters);
    k->entries[number].is_answered = false;
    k->n_waiting++;
    snprintf(s->key, sizeof s->key, "key %zu", number);
    s->r = (struct store_add_message){ .room_id = k->room_id, .sender_id = k->user_id, .content = tb_str_of(s->content),
                                       .key = tb_str_of(s->key) };
    s->r.op.reply_to = k->answers;
    s->r.op.on_done = book;
    store_add_message(k->store, &s->r);
}

void
keeper_post(struct keeper *k, size_t n)
{
    k->entries = tb_realloc(k->entries, (k->n + n) * sizeof *k->entries);
    for (size_t i = 0; i < n; i++) {
        k->entries[k->n] = (struct keeper_entry){ .n_letters = rig_random_below(&k->chance, MAX_CONTENT) };
        post_one(k, k->n++);
    }
}

void
keeper_repeat(struct keeper *k)
{
    for (size_t i = 0; i < k->n; i++) {
        post_one(k, i);
        keeper_wait(k, MAX_IN_FLIGHT);
    }
    keeper_wait(k, 0);
}

void
keeper_hear(struct keeper *k)
{
    hear(k, 0);
}

void
keeper_wait(struct keeper *k, size_t n_waiting)
{
    while (k->n_waiting > n_waiting)
        hear(k, PATIENCE_MS);
}

size_t
keeper_count(const struct keeper *k, enum tb_code code)
{
    size_t n = 0;

    for (size_t i = 0; i < k->n; i++)
        n += k->entries[i].is_answered && k->entries[i].code == code;
    return n;
}

void
keeper_run(struct keeper *k, size_t n)
{
    size_t end = k->n + n, burst = 1 + rig_random_below(&k->chance, MAX_IN_FLIGHT);

    while (k->n < end && !rig_disk_is_off(k->disk)) {
        size_t more = 1 + rig_random_below(&k->chance, burst);
        keeper_post(k, more < end - k->n ? more : end - k->n);
        rig_clock_move(&k->clock, (int64_t)rig_random_below(&k->chance, 20));
        keeper_wait(k, rig_random_below(&k->chance, burst));
    }
    keeper_wait(k, 0);
}

/* ---- looking ---- */

static void
found(unsigned *what, struct keeper_findings *f, const char *text, size_t number, int64_t id)
{
    if (f->lost + f->twice + f->changed + f->other == 0)
        snprintf(f->first, sizeof f->first, "%s: message %zu, id %" PRId64, text, number, id);
    ++*what;
}

static void
look_at_message(struct keeper *k, const struct store_message *m, bool is_restarted, struct keeper_findings *f)
{
    size_t number = (size_t)strtoull(m->content.n > 0 ? m->content.p : "", NULL, 10);

    if (number >= k->n) {
        found(&f->other, f, "never told", number, m->id);
        return;
    }
    struct keeper_entry *entry = &k->entries[number];
    char                *expected = make_content(number, entry->n_letters);
    if (entry->n_seen++ > 0)
        found(&f->twice, f, "there twice", number, m->id);
    if (!tb_str_eq(tb_str_of(expected), m->content) || (entry->id != 0 && entry->id != m->id))
        found(&f->changed, f, "changed", number, m->id);
    if (!entry->must_stay && !is_restarted)
        found(&f->other, f, "there although not answered with yes", number, m->id);
    entry->must_stay = true;
    entry->id = m->id;
    tb_free(expected);
}

/* One page; false at the end or when it could not be read. Newest first, so ids go down: this site gives them in order. */
static bool
look_at_page(struct keeper *k, int64_t *cursor, bool is_restarted, struct keeper_findings *f)
{
    struct store_list_messages r = { .room_id = k->room_id, .user_id = k->user_id, .cursor = *cursor, .limit = PAGE };

    ASK(k, list_messages, &r);
    if (r.op.err.code != TB_OK)
        found(&f->other, f, r.op.err.why, 0, *cursor);
    for (size_t i = 0; r.op.err.code == TB_OK && i < r.n; i++) {
        if (*cursor != 0 && r.items[i].id >= *cursor)
            found(&f->twice, f, "ids out of order", 0, r.items[i].id);
        *cursor = r.items[i].id;
        look_at_message(k, &r.items[i], is_restarted, f);
    }
    bool has_more = r.op.err.code == TB_OK && r.next_cursor != 0;
    store_op_fini(&r.op);
    return has_more;
}

/* An offset that was given out is a promise too: it still is one, and what was there before does not come again. */
static void
look_since_offset(struct keeper *k, struct keeper_findings *f)
{
    struct store_list_messages r = { .room_id = k->room_id, .user_id = k->user_id, .limit = PAGE };

    if (k->offset[0] != '\0') {
        r.since = tb_str_of(k->offset);
        ASK(k, list_messages, &r);
        if (r.op.err.code != TB_OK)
            found(&f->lost, f, "an offset is not known any more", 0, 0);
        store_op_fini(&r.op);
    }
    r = (struct store_list_messages){ .room_id = k->room_id, .user_id = k->user_id, .limit = 1 };
    ASK(k, list_messages, &r);
    if (r.op.err.code == TB_OK)
        snprintf(k->offset, sizeof k->offset, "%s", r.offset);
    store_op_fini(&r.op);
}

void
keeper_look(struct keeper *k, bool is_restarted, struct keeper_findings *f)
{
    int64_t cursor = 0;

    for (size_t i = 0; i < k->n; i++)
        k->entries[i].n_seen = 0;
    while (look_at_page(k, &cursor, is_restarted, f))
        ;
    for (size_t i = 0; i < k->n; i++) {
        if (k->entries[i].must_stay && k->entries[i].n_seen == 0)
            found(&f->lost, f, "lost", i, k->entries[i].id);
    }
    f->twice += k->n_new_ids;
    look_since_offset(k, f);
}

static void
note_fault(void *ctx, tb_str line)
{
    struct keeper_findings *f = ctx;
    char                    text[100];

    snprintf(text, sizeof text, TB_STR_FMT, TB_STR_ARG(line));
    found(&f->other, f, text, 0, 0);
}

static void
remove_copies(const struct keeper *k)
{
    static const char *const names[] = { "tombolo.db", "tombolo.db-wal", "tombolo.db-shm", "tombolo.db-journal" };
    char                     path[sizeof k->dir + 20];

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "%s/%s", k->dir, names[i]);
        unlink(path);
    }
}

void
keeper_check(struct keeper *k, struct keeper_findings *f)
{
    struct tb_err e = { 0 };
    size_t        n_faults = 0;

    keeper_close(k);
    if (!rig_disk_copy_out(k->disk))
        found(&f->other, f, "cannot copy the journal out", 0, 0);
    else if (store_check(k->dir, note_fault, f, &n_faults, &e) != TB_OK)
        found(&f->other, f, e.why, 0, 0);
    remove_copies(k);
}

bool
keeper_is_clean(const struct keeper_findings *f)
{
    if (f->lost + f->twice + f->changed + f->other == 0)
        return true;
    printf("# lost %u, twice %u, changed %u, other %u; first: %s\n", f->lost, f->twice, f->changed, f->other, f->first);
    return false;
}
