/* Queries that wait together share a read transaction: it begins after they were posted, so each sees what was answered
 * before. It is kept short, since an open read transaction holds back checkpoints. */
#include "reader.h"

#include "answers.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/slow.h"
#include "base/thread.h"
#include "queries.h"

enum { QUERIES_AT_ONCE = 64 };

static const char *const lane_names[LANE_COUNT] = { [LANE_LOGIN] = "login", [LANE_CATCH_UP] = "catch_up" };
static const uint64_t    edges[] = { TB_LATENCY_EDGES };
TB_HISTOGRAM_BY(durations, TB_UNIT_US, edges, "tombolo_journal_read_duration_seconds", "lane", lane_names,
                "Read transactions; queries that wait together share one. login: history and rooms, too.");

struct reader {
    /* fixed before the thread starts */
    enum store_lane              lane;
    const struct store_settings *settings;
    struct tb_mailbox           *inbox;
    struct tb_thread             thread;
    /* reader only */
    struct db db;
};

/* The next one begins where this one ends. */
static void
note_query(const struct reader *r, const struct store_op *op, int64_t *begun_us)
{
    int64_t now_us = tb_mono_us(r->settings->clock), took_us = now_us - *begun_us;

    if (slow_is(took_us))
        slow_log(SLOW_READ, took_us, "query=%s", store_what_names[op->what]);
    *begun_us = now_us;
}

/* Whoever asks and goes away, again and again, must not keep others waiting. */
static bool
is_unwanted(struct store_op *op)
{
    if (op->is_unwanted == NULL || !atomic_load(op->is_unwanted))
        return false;
    TB_TRY(tb_fail(&op->err, TB_EBUSY, NULL, "nobody waits for it any more"));
    return true;
}

static void
run_batch(struct reader *r, struct tb_msg_list *batch)
{
    struct tb_err e = { 0 }, at_end = { 0 };
    struct self   own;
    int64_t       begun_us = tb_mono_us(r->settings->clock);

    if (db_run(&r->db, Q_BEGIN_READ, NO_ARGS, &e) == TB_OK)
        TB_TRY(journal_read_self(&r->db, &own, &e));
    for (struct tb_msg *m = batch->first; m != NULL; m = m->next) {
        struct store_op *op = TB_CONTAINER(m, struct store_op, msg);
        log_about(op->about);
        if (e.code != TB_OK)
            op->err = e;
        else if (!is_unwanted(op) && account_check(&r->db, &op->who, &op->err) == TB_OK)
            TB_TRY(query_run(&r->db, &own, r->settings, op));
        note_query(r, op, &begun_us);
        log_about(TB_STR_NULL);
    }
    if (db_in_transaction(&r->db))
        TB_TRY(db_run(&r->db, Q_COMMIT, NO_ARGS, &at_end));   /* a read transaction has nothing to lose */
}

static void
run(void *ctx)
{
    struct reader *r = ctx;

    for (;;) {
        struct tb_msg_list batch = { 0 };
        if (tb_mailbox_wait(r->inbox, &batch, QUERIES_AT_ONCE, -1) == 0)
            return;
        int64_t begun_us = tb_mono_us(r->settings->clock);
        run_batch(r, &batch);
        tb_observe(&durations, r->lane, (uint64_t)(tb_mono_us(r->settings->clock) - begun_us));
        answers_post(&batch);
    }
}

enum tb_code
reader_open(struct reader **out, const char *path, enum store_lane lane, const struct store_settings *settings, struct tb_err *e)
{
    struct reader *r = TB_NEW(struct reader);

    r->lane = lane;
    r->settings = settings;
    if (db_open(&r->db, path, settings->vfs, DB_READ_ONLY, store_query_texts, Q_COUNT, e) != TB_OK) {
        tb_free(r);
        return tb_wrap(e, "reader");
    }
    r->inbox = tb_mailbox_new(settings->reader_queue, NULL, NULL);
    tb_thread_start(&r->thread, TB_READER, run, r);
    *out = r;
    return TB_OK;
}

void
reader_close(struct reader **rp)
{
    struct reader *r = *rp;

    if (r == NULL)
        return;
    tb_mailbox_close(r->inbox);
    tb_thread_join(&r->thread);
    db_close(&r->db);
    tb_mailbox_free(&r->inbox);
    tb_free(r);
    *rp = NULL;
}

struct tb_mailbox *
reader_inbox(struct reader *r)
{
    return r->inbox;
}
