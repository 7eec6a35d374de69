/* The MySQL sync_target, over a mysql_link. What always holds: results of a batch are read after all of it has been sent;
 * after a failure the connection is not used again, since nobody can say what state its transaction is in. */
#include "target.h"

#include "mysql_answer.h"
#include "mysql_auth.h"
#include "mysql_link.h"
#include "mysql_read.h"
#include "mysql_rows.h"
#include "sql.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/migration.h"

#include <assert.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

/* A batch is at most this much text: more gains nothing, and it is held twice in memory here and once at the server. */
#define MAX_TEXT_BYTES ((size_t)8 << 20)

/* Of what the server takes at once; the rest is for its own view of the same text. */
#define PACKET_SHARE 4

/* Text per byte of body: each byte is written as two hex digits in op_log and, at most, as ten more for a list of short
 * ids, of which each becomes a row. A guess too high reads the same ops twice, one too low makes batches smaller. */
#define TEXT_PER_BODY_BYTE 4

enum { MAX_NODE = STORE_NODES - 1 };

#define SCHEMA_LOCK_WAIT_S 5        /* another site is migrating: come back later rather than hang */

extern const struct tb_migration sync_migrations[];

struct mysql_target {
    struct sync_target target;
    /* fixed before the thread starts */
    struct sync_url            url;
    struct sync_mysql_settings settings;
    /* sync thread only */
    struct mysql_link  link;
    struct sql_batch  *batches[2];  /* one on its way, one being filled */
    int                filling;     /* which */
    size_t             n_expected;  /* results of the one on its way */
    struct tb_buf      scratch;
    bool               is_told_unverified;
    /* any thread */
    pthread_mutex_t fd_lock;        /* so that interrupt never meets a descriptor that has been closed and given away */
    int             fd;             /* -1: none */
};

static struct mysql_target *
self(struct sync_target *t)
{
    return TB_CONTAINER(t, struct mysql_target, target);
}

/* ---- connecting ---- */

static void
set_fd(struct mysql_target *m, int fd)
{
    pthread_mutex_lock(&m->fd_lock);
    m->fd = fd;
    pthread_mutex_unlock(&m->fd_lock);
}

/* Tables user, room and message and views User, Room and Message must be different names. */
static enum tb_code
check_server(struct mysql_target *m, struct tb_err *e)
{
    int64_t folds_names = 0, max_packet = 0;

    if (link_ask_int(&m->link, "names", "SELECT @@lower_case_table_names", &folds_names, e) != TB_OK ||
        link_ask_int(&m->link, "packet", "SELECT @@max_allowed_packet", &max_packet, e) != TB_OK)
        return e->code;
    if (folds_names != 0)
        return tb_fail(e, TB_EDENIED, NULL,
                       "the server folds the case of table names: make it anew with lower_case_table_names=0");
    m->link.max_packet = (size_t)max_packet;
    m->target.max_body_bytes = m->link.max_packet / PACKET_SHARE;
    if (m->target.max_body_bytes > MAX_TEXT_BYTES)
        m->target.max_body_bytes = MAX_TEXT_BYTES;
    m->target.max_body_bytes /= TEXT_PER_BODY_BYTE;
    return TB_OK;
}

/* Once: what is sent there goes to whoever answered, and the password's hash with it. */
static void
warn_unverified(struct mysql_target *m)
{
    bool is_told = m->is_told_unverified;

    m->is_told_unverified = true;
    if (!is_told && !auth_is_verified(&m->url) && !auth_is_here(&m->url))
        log_warn("sync.unverified", "host=\"%s\" why=\"nobody has verified who answers there: set ssl-ca in sync.url\"",
                 m->url.host);
}

static enum tb_code
tell_refusal(const struct mysql_target *m, struct tb_err *e)
{
    if (e->code != TB_OK && link_was_refused(&m->link))
        e->code = TB_EDENIED;
    return e->code;
}

static enum tb_code
connect_to(struct sync_target *t, struct tb_err *e)
{
    struct mysql_target *m = self(t);

    if (link_open(&m->link, &m->url, m->settings.connect_timeout_ms, m->settings.io_timeout_ms, e) != TB_OK)
        return tell_refusal(m, e);
    set_fd(m, (int)m->link.sql->net.fd);
    warn_unverified(m);
    return link_settle(&m->link, e) == TB_OK ? check_server(m, e) : e->code;
}

static void
drop(struct sync_target *t)
{
    struct mysql_target *m = self(t);

    if (m->link.sql == NULL)
        return;
    set_fd(m, -1);
    link_close(&m->link);
}

static void
interrupt(struct sync_target *t)
{
    struct mysql_target *m = self(t);

    pthread_mutex_lock(&m->fd_lock);
    if (m->fd >= 0)
        shutdown(m->fd, SHUT_RDWR);
    pthread_mutex_unlock(&m->fd_lock);
}

/* ---- schema ---- */

static enum tb_code
read_version(struct mysql_target *m, int64_t *out, struct tb_err *e)
{
    int64_t exists = 0;

    *out = 0;
    if (link_ask_int(&m->link, "schema", "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema=DATABASE()"
                " AND table_name=_utf8mb4 X'736368656d615f76657273696f6e'", &exists, e) != TB_OK)
        return e->code;
    return exists == 0 ? TB_OK
                       : link_ask_int(&m->link, "schema", "SELECT COALESCE(MAX(`version`),0) FROM `schema_version`", out, e);
}

static enum tb_code
step_to(struct mysql_target *m, const struct tb_migration *step, struct tb_err *e)
{
    if (link_run(&m->link, step->name, tb_str_of(step->sql), e) != TB_OK)
        return e->code;
    tb_buf_clear(&m->scratch);
    tb_buf_printf(&m->scratch, "INSERT INTO `schema_version` (`version`,`name`,`applied_at`) VALUES (%d,", step->number);
    sql_add_text(&m->scratch, tb_str_of(step->name));
    tb_buf_printf(&m->scratch, "," SQL_TIME("%" PRId64) ")", tb_wall_ms(m->settings.clock));
    if (link_run(&m->link, step->name, tb_buf_str(&m->scratch), e) != TB_OK)
        return e->code;
    log_info("sync.migrated", "to=%s", step->name);
    return TB_OK;
}

static enum tb_code
step_up(struct mysql_target *m, struct tb_err *e)
{
    int64_t version = 0;

    if (read_version(m, &version, e) != TB_OK)      /* again: another site may have been faster */
        return e->code;
    for (const struct tb_migration *step = sync_migrations; step->number != 0; step++)
        if (step->number > version && step_to(m, step, e) != TB_OK)
            return e->code;
    return TB_OK;
}

/* The lock is the server's, not the database's, so its name holds a hash of the latter. MySQL 9 has no MD5() by itself. */
#define SCHEMA_LOCK "CONCAT(_utf8mb4 X'746f6d626f6c6f2e',LEFT(SHA2(DATABASE(),256),32))"

static enum tb_code
migrate(struct sync_target *t, struct tb_err *e)
{
    struct mysql_target *m = self(t);
    int64_t              version = 0, got = 0, newest = 0;
    char                 lock[128];

    for (const struct tb_migration *step = sync_migrations; step->number != 0; step++)
        newest = step->number;
    if (read_version(m, &version, e) != TB_OK)
        return e->code;
    if (version > newest + 1)       /* steps only add, and a program one behind is promised to work */
        return tb_fail(e, TB_EDENIED, NULL, "the centre has schema %" PRId64 ", this program knows up to %" PRId64
                       ": use a newer tombolo", version, newest);
    if (version >= newest)
        return TB_OK;
    snprintf(lock, sizeof lock, "SELECT COALESCE(GET_LOCK(" SCHEMA_LOCK ",%d),0)", SCHEMA_LOCK_WAIT_S);
    if (link_ask_int(&m->link, "schema lock", lock, &got, e) != TB_OK)
        return e->code;
    if (got != 1)
        return tb_fail(e, TB_EIO, NULL, "schema lock: another site holds it");
    if (step_up(m, e) != TB_OK)
        return tell_refusal(m, e);  /* the lock goes with the connection */
    return link_ask_int(&m->link, "schema lock", "SELECT COALESCE(RELEASE_LOCK(" SCHEMA_LOCK "),0)", &got, e);
}

/* ---- enrolment ---- */

/* Both rows are made only where there is none: whoever comes first has the number, also of two who come at once. */
static void
write_claims(struct mysql_target *m, const struct store_identity *me)
{
    static const uint8_t no_chain[16];
    int64_t              now_ms = tb_wall_ms(m->settings.clock);
    char                 uuid[SYNC_UUID_SIZE];

    store_make_uuid(uuid);
    tb_buf_clear(&m->scratch);
    tb_buf_printf(&m->scratch, "INSERT INTO `centre` (`id`,`uuid`,`made_at`) VALUES (1,");
    sql_add_text(&m->scratch, tb_str_of(me->centre_uuid[0] != '\0' ? me->centre_uuid : uuid));
    tb_buf_printf(&m->scratch, "," SQL_TIME("%" PRId64) ") ON DUPLICATE KEY UPDATE `id`=`centre`.`id`;\n", now_ms);
    tb_buf_printf(&m->scratch, "INSERT INTO `site` (`id`,`uuid`,`epoch`,`last_seq`,`chain`,`seen_at`) VALUES (%" PRIu32 ",",
                  me->node);
    sql_add_text(&m->scratch, tb_str_of(me->journal_uuid));
    tb_buf_printf(&m->scratch, ",%" PRIu32 ",0,", me->epoch);
    sql_add_bytes(&m->scratch, no_chain, sizeof no_chain);
    tb_buf_printf(&m->scratch, "," SQL_TIME("%" PRId64) ") ON DUPLICATE KEY UPDATE `id`=`site`.`id`", now_ms);
}

static void
copy_uuid(char out[SYNC_UUID_SIZE], tb_str text)
{
    snprintf(out, SYNC_UUID_SIZE, TB_STR_FMT, TB_STR_ARG(text));
}

static enum tb_code
enrol(struct sync_target *t, const struct store_identity *me, struct sync_place *out, struct tb_err *e)
{
    struct mysql_target *m = self(t);
    char                 sql[512];
    struct link_rows     rows;
    tb_str               column[9] = { 0 };
    uint64_t             epoch = 0, last_seq = 0, now_ms = 0, floor = 0, here_ago_ms = 0;

    write_claims(m, me);
    if (link_run(&m->link, "enrol", tb_buf_str(&m->scratch), e) != TB_OK)
        return tell_refusal(m, e);
    snprintf(sql, sizeof sql,
        "SELECT c.`uuid`,s.`uuid`,s.`epoch`,s.`last_seq`,s.`chain`,CAST(UNIX_TIMESTAMP(NOW(3))*1000 AS "
        "UNSIGNED),s.`floor`,"
        "COALESCE(f.`chain`,X'')," SQL_HERE_AGO_MS("s.") " FROM `site` s JOIN `centre` c ON c.`id`=1"
        " LEFT JOIN `op_floor` f ON f.`node`=s.`id` AND f.`seq`=s.`floor` WHERE s.`id`=%" PRIu32, me->node);
    if (link_ask(&m->link, "enrol", sql, 9, &rows, column, e) != TB_OK) {
        link_rows_free(&rows);
        return e->code;
    }
    bool is_sound = tb_str_to_uint(column[2], UINT32_MAX, &epoch) && tb_str_to_uint(column[3], INT64_MAX, &last_seq) &&
                    column[4].n == sizeof out->chain && tb_str_to_uint(column[5], INT64_MAX, &now_ms) &&
                    tb_str_to_uint(column[6], INT64_MAX, &floor) &&
                    tb_str_to_uint(column[8], INT64_MAX, &here_ago_ms);
    if (is_sound) {
        *out = (struct sync_place){ .epoch = (uint32_t)epoch, .last_seq = (int64_t)last_seq, .now_ms = (int64_t)now_ms,
                                    .floor = (int64_t)floor, .here_ago_ms = (int64_t)here_ago_ms };
        copy_uuid(out->centre_uuid, column[0]);
        copy_uuid(out->owner_uuid, column[1]);
        memcpy(out->chain, column[4].p, sizeof out->chain);
        if (column[7].n == sizeof out->floor_chain)
            memcpy(out->floor_chain, column[7].p, sizeof out->floor_chain);
    }
    link_rows_free(&rows);
    return is_sound ? TB_OK : tb_fail(e, TB_EIO, NULL, "enrol: the row of site %" PRIu32 " makes no sense", me->node);
}

/* Of sites that are enrolled, and of those that others have met before the centre was emptied: they will be back. */
#define HIGHEST_NUMBER "GREATEST(COALESCE(MAX(`id`),0),(SELECT COALESCE(MAX(`origin`),0) FROM `seen`))"

/* One more than the highest, so that a number is never given twice, also when its site has gone. Two who ask at once get
 * the same one; the second insert fails then, and is tried again with the link. */
static enum tb_code
insert_number(struct mysql_target *m, const struct store_identity *me, struct tb_err *e)
{
    static const uint8_t no_chain[16];

    tb_buf_clear(&m->scratch);
    tb_buf_printf(&m->scratch, "INSERT INTO `site` (`id`,`uuid`,`epoch`,`last_seq`,`chain`,`seen_at`)"
                  " SELECT " HIGHEST_NUMBER "+1,");
    sql_add_text(&m->scratch, tb_str_of(me->journal_uuid));
    tb_buf_printf(&m->scratch, ",%" PRIu32 ",0,", me->epoch);
    sql_add_bytes(&m->scratch, no_chain, sizeof no_chain);
    tb_buf_printf(&m->scratch, "," SQL_TIME("%" PRId64) " FROM `site` HAVING " HIGHEST_NUMBER "<%d",
                  tb_wall_ms(m->settings.clock), MAX_NODE);
    return link_run(&m->link, "number", tb_buf_str(&m->scratch), e);
}

static enum tb_code
find_number(struct mysql_target *m, const struct store_identity *me, int64_t *out, struct tb_err *e)
{
    tb_buf_clear(&m->scratch);
    tb_buf_printf(&m->scratch, "SELECT COALESCE(MAX(`id`),0) FROM `site` WHERE `uuid`=");
    sql_add_text(&m->scratch, tb_str_of(me->journal_uuid));
    return link_ask_int(&m->link, "number", m->scratch.p, out, e);
}

static enum tb_code
take_number(struct sync_target *t, const struct store_identity *me, uint32_t *node, struct tb_err *e)
{
    struct mysql_target *m = self(t);
    int64_t              n = 0;

    if (find_number(m, me, &n, e) != TB_OK ||
        (n == 0 && (insert_number(m, me, e) != TB_OK || find_number(m, me, &n, e) != TB_OK)))
        return e->code;
    if (n == 0)
        return tb_fail(e, TB_EIO, NULL, "number: node %d is taken; set sync.node to one that is free", MAX_NODE);
    *node = (uint32_t)n;
    return TB_OK;
}

static enum tb_code
set_epoch(struct sync_target *t, const struct store_identity *me, struct tb_err *e)
{
    struct mysql_target *m = self(t);

    tb_buf_clear(&m->scratch);
    tb_buf_printf(&m->scratch, "UPDATE `site` SET `epoch`=GREATEST(`epoch`,%" PRIu32 ") WHERE `id`=%" PRIu32 " AND `uuid`=",
                  me->epoch, me->node);
    sql_add_text(&m->scratch, tb_str_of(me->journal_uuid));
    return link_run(&m->link, "epoch", tb_buf_str(&m->scratch), e);
}

/* ---- other sites ---- */

static enum tb_code
heads(struct sync_target *t, const struct store_identity *me, void (*each)(void *ctx, const struct sync_head *), void *ctx,
      struct tb_err *e)
{
    return read_heads(&self(t)->link, me, each, ctx, e);
}

static enum tb_code
ops_of(struct sync_target *t, uint32_t node, int64_t after, int64_t upto, size_t max, size_t max_bytes,
       void (*each)(void *ctx, const struct store_entry *), void *ctx, struct tb_err *e)
{
    return read_ops(&self(t)->link, node, after, upto, max, max_bytes, each, ctx, e);
}

static enum tb_code
parked(struct sync_target *t, const struct store_identity *me, size_t max, void (*each)(void *ctx, int64_t seq), void *ctx,
       struct tb_err *e)
{
    return read_parked(&self(t)->link, me->node, max, each, ctx, e);
}

static enum tb_code
tell_seen(struct sync_target *t, const struct store_identity *me, const struct sync_seen *seen, size_t n, struct tb_err *e)
{
    struct mysql_target *m = self(t);

    tb_buf_clear(&m->scratch);
    tb_buf_printf(&m->scratch, "INSERT INTO `seen` (`site`,`origin`,`seq`) SELECT n.s,n.o,n.q FROM (");
    for (size_t i = 0; i < n; i++)
        tb_buf_printf(&m->scratch, "%sSELECT %" PRIu32 " AS s,%" PRIu32 " AS o,%" PRId64 " AS q", i > 0 ? " UNION ALL " : "",
                      me->node, seen[i].node, seen[i].seq);
    tb_buf_printf(&m->scratch,
                  ") n ON DUPLICATE KEY UPDATE `seq`=n.q"); /* less than before, if an older copy was restored */
    return link_run(&m->link, "seen", tb_buf_str(&m->scratch), e);
}

static enum tb_code
rows_of(struct sync_target *t, struct sync_rows_at *at, size_t max, struct tb_arena *mem,
        void (*each)(void *ctx, const struct op *), void *ctx, struct tb_err *e)
{
    return rows_read(&self(t)->link, at, max, mem, each, ctx, e);
}

/* ---- what may be forgotten ---- */

#define TODAY "TO_DAYS(UTC_DATE())"

static enum tb_code
say_here(struct sync_target *t, const struct store_identity *me, struct tb_err *e)
{
    struct mysql_target *m = self(t);

    tb_buf_clear(&m->scratch);
    tb_buf_printf(&m->scratch,
                  "INSERT INTO `site_day` (`site`,`day`,`seq`) SELECT `id`," TODAY ",`last_seq` FROM `site`"
                  " WHERE `id`=%" PRIu32 " AND `uuid`=",
                  me->node);
    sql_add_text(&m->scratch, tb_str_of(me->journal_uuid));
    tb_buf_printf(&m->scratch, " ON DUPLICATE KEY UPDATE `site`=`site_day`.`site`;\n"
                               "UPDATE `site` SET `here_at`=UTC_TIMESTAMP(3) WHERE `id`=%" PRIu32
                               " AND `epoch`=%" PRIu32 " AND `uuid`=",
                  me->node, me->epoch);
    sql_add_text(&m->scratch, tb_str_of(me->journal_uuid));
    return link_run(&m->link, "day", tb_buf_str(&m->scratch), e);
}

struct bound {
    int64_t floor, may_rise_to, day; /* day: the last one that is old enough; 0: none is */
};

/* A site that has never said that it was here, as older programs do not, was when it pushed last, by its own clock. */
static enum tb_code
find_bound(struct mysql_target *m, const struct store_identity *me, const struct sync_keep *keep, struct bound *out,
           struct tb_err *e)
{
    struct mysql_answer a;

    tb_buf_clear(&m->scratch);
    tb_buf_printf(
        &m->scratch,
        "SELECT s.`floor`,LEAST(s.`last_seq`,d.`seq`,COALESCE((SELECT MIN(COALESCE(n.`seq`,0)) FROM `site` o LEFT JOIN"
        " `seen` n ON n.`site`=o.`id` AND n.`origin`=%" PRIu32 " WHERE o.`id`<>%" PRIu32 " AND COALESCE((SELECT"
        " MAX(h.`day`) FROM `site_day` h WHERE h.`site`=o.`id`),TO_DAYS(o.`seen_at`))>=" TODAY "-%u),s.`last_seq`)),"
        "d.`day` FROM `site` s JOIN `site_day` d ON d.`site`=s.`id` WHERE s.`id`=%" PRIu32 " AND d.`day`<=" TODAY "-%u"
        " ORDER BY d.`day` DESC LIMIT 1",
        me->node, me->node, keep->lease_days, me->node, keep->days);
    *out = (struct bound){ 0 };
    if (answer_ask(&m->link, "floor", tb_buf_str(&m->scratch), 3, 1, &a, e) != TB_OK)
        return e->code;
    if (answer_next(&a)) {
        *out = (struct bound){ .floor = answer_number(&a, 0, INT64_MAX),
                               .may_rise_to = answer_number(&a, 1, INT64_MAX),
                               .day = answer_number(&a, 2, INT64_MAX) };
        if (!a.is_sound)
            tb_fail(e, TB_EIO, NULL, "floor: a row makes no sense");
    }
    answer_free(&a);
    return e->code;
}

/* Its chain first: a floor whose chain nobody knows is none. */
static void
write_floor(struct mysql_target *m, const struct store_identity *me, const struct bound *b)
{
    tb_buf_clear(&m->scratch);
    tb_buf_printf(&m->scratch,
                  "START TRANSACTION READ WRITE;\nINSERT INTO `op_floor` (`node`,`seq`,`chain`) SELECT `node`,`seq`,"
                  "`chain` FROM `op_log` WHERE `node`=%" PRIu32 " AND `seq`=%" PRId64 " ON DUPLICATE KEY UPDATE"
                  " `seq`=`op_log`.`seq`,`chain`=`op_log`.`chain`;\n",
                  me->node, b->may_rise_to);
    tb_buf_printf(&m->scratch,
                  "UPDATE `site` SET `floor`=%" PRId64 " WHERE `id`=%" PRIu32 " AND `epoch`=%" PRIu32
                  " AND `floor`<%" PRId64 " AND EXISTS (SELECT 1 FROM `op_floor` WHERE `node`=%" PRIu32
                  " AND `seq`=%" PRId64 ")"
                  " AND `uuid`=",
                  b->may_rise_to, me->node, me->epoch, b->may_rise_to, me->node, b->may_rise_to);
    sql_add_text(&m->scratch, tb_str_of(me->journal_uuid));
    tb_buf_printf(&m->scratch,
                  ";\nDELETE FROM `site_day` WHERE `site`=%" PRIu32 " AND `day`<%" PRId64
                  ";\nCOMMIT AND NO CHAIN NO RELEASE",
                  me->node, b->day);
}

static enum tb_code
raise_floor(struct sync_target *t, const struct store_identity *me, const struct sync_keep *keep, int64_t *floor,
            struct tb_err *e)
{
    struct mysql_target *m = self(t);
    struct bound b;

    if (find_bound(m, me, keep, &b, e) != TB_OK)
        return e->code;
    *floor = b.floor;
    if (b.may_rise_to <= b.floor)
        return TB_OK;
    write_floor(m, me, &b);
    if (link_run(&m->link, "floor", tb_buf_str(&m->scratch), e) != TB_OK)
        return e->code;
    *floor = b.may_rise_to;
    return TB_OK;
}

/* By the floor that is written there, whatever we believe it to be. */
static enum tb_code
forget_ops(struct sync_target *t, const struct store_identity *me, int64_t floor, size_t max, size_t *n,
           struct tb_err *e)
{
    struct mysql_target *m = self(t);
    struct link_results results;
    char sql[256];

    snprintf(sql, sizeof sql,
             "DELETE FROM `op_log` WHERE `node`=%" PRIu32 " AND `seq`<=LEAST(%" PRId64 ",(SELECT `floor` FROM"
             " `site` WHERE `id`=%" PRIu32 ")) ORDER BY `seq` LIMIT %zu",
             me->node, floor, me->node, max);
    if (link_send(&m->link, "forget", tb_str_of(sql), e) != TB_OK ||
        link_read_results(&m->link, "forget", &results, e) != TB_OK)
        return e->code;
    *n = (size_t)results.first_rows;
    return TB_OK;
}

/* ---- batches ---- */

static void
begin(struct sync_target *t, const struct store_identity *me, int64_t last_seq)
{
    struct mysql_target *m = self(t);
    struct sql_fence     fence = { .node = me->node, .epoch = me->epoch, .last_seq = last_seq };
    size_t               max_bytes = m->link.max_packet / PACKET_SHARE;

    copy_uuid(fence.journal_uuid, tb_str_of(me->journal_uuid));
    sql_batch_begin(m->batches[m->filling], &fence, max_bytes < MAX_TEXT_BYTES ? max_bytes : MAX_TEXT_BYTES);
}

static enum tb_code
add(struct sync_target *t, const struct store_entry *entry, struct tb_err *e)
{
    struct mysql_target *m = self(t);
    return sql_batch_add(m->batches[m->filling], entry, e);
}

static enum tb_code
park(struct sync_target *t, const struct store_entry *entry, unsigned refusal, const char *why, struct tb_err *e)
{
    struct mysql_target *m = self(t);
    return sql_batch_park(m->batches[m->filling], entry, refusal, tb_str_of(why), e);
}

static enum tb_code
add_row(struct sync_target *t, const struct op *op, struct tb_err *e)
{
    struct mysql_target *m = self(t);
    return sql_batch_add_row(m->batches[m->filling], op, e);
}

static void
park_row(struct sync_target *t, const struct op *op, unsigned refusal, const char *why)
{
    struct mysql_target *m = self(t);
    sql_batch_park_row(m->batches[m->filling], op, refusal, tb_str_of(why));
}

static void
skip_to(struct sync_target *t, int64_t seq, const uint8_t chain[16])
{
    struct mysql_target *m = self(t);
    sql_batch_skip_to(m->batches[m->filling], seq, chain);
}

/* What the server says of a value, and of nothing else: it may be the link, the schema or the disk as well. */
static bool
is_about_content(unsigned code)
{
    static const unsigned codes[] = {
        1264,   /* out of range */
        1292,   /* incorrect value */
        1300,   /* invalid character string */
        1366,   /* incorrect value for a column */
        1406,   /* too long */
    };
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        if (codes[i] == code)
            return true;
    return false;
}

static enum tb_code
wrap(struct mysql_target *m, const struct sql_batch *b, struct tb_err *e)
{
    m->target.refusal = mysql_errno(m->link.sql);
    if (is_about_content(m->target.refusal))
        e->code = TB_EINPUT;
    return tb_wrap(e, "batch of %zu up to op %" PRId64, sql_batch_ops(b), sql_batch_last_seq(b));
}

static enum tb_code
send_batch(struct sync_target *t, int64_t now_ms, struct tb_err *e)
{
    struct mysql_target *m = self(t);
    struct sql_batch    *b = m->batches[m->filling];

    m->filling = 1 - m->filling;
    if (link_send(&m->link, "send", sql_batch_text(b, now_ms, &m->n_expected), e) != TB_OK)
        return wrap(m, b, e);
    return TB_OK;
}

/* Nothing is taken for done before the last result, which is COMMIT's. The fence cannot speak for a row that has gone (the
 * centre was emptied under us): then what we wrote is of no harm, but it is not what we believe it to be. */
static enum tb_code
finish(struct sync_target *t, struct tb_err *e)
{
    struct mysql_target *m = self(t);
    struct link_results  results;

    if (link_read_results(&m->link, "answer", &results, e) != TB_OK)
        return wrap(m, m->batches[1 - m->filling], e);
    if (results.n != m->n_expected)
        return tb_fail(e, TB_EIO, NULL, "push: %zu results of %zu", results.n, m->n_expected);
    if (results.second_rows != 1)
        return tb_fail(e, TB_EIO, NULL, "push: " SYNC_NO_NUMBER);
    return TB_OK;
}

static const struct sync_sent *
sent(struct sync_target *t, size_t *n)
{
    struct mysql_target *m = self(t);
    return sql_batch_sent(m->batches[1 - m->filling], n);
}

/* ---- the target ---- */

static void
free_target(struct sync_target *t)
{
    struct mysql_target *m = self(t);

    assert(m->link.sql == NULL);
    sync_url_fini(&m->url);
    sql_batch_free(&m->batches[0]);
    sql_batch_free(&m->batches[1]);
    tb_buf_fini(&m->scratch);
    pthread_mutex_destroy(&m->fd_lock);
    tb_free(m);
}

static const struct sync_target_ops ops = {
    .connect = connect_to, .migrate = migrate, .enrol = enrol, .take_number = take_number, .set_epoch = set_epoch,
    .heads = heads, .parked = parked, .read_ops = ops_of, .read_rows = rows_of,
    .tell_seen = tell_seen,
    .say_here = say_here,
    .raise_floor = raise_floor,
    .forget_ops = forget_ops, .begin = begin, .add = add, .park = park,
    .add_row = add_row, .park_row = park_row, .skip_to = skip_to, .send = send_batch, .finish = finish, .sent = sent,
    .drop = drop, .interrupt = interrupt, .free = free_target,
};

enum tb_code
sync_mysql_new(struct sync_target **out, tb_str url, const struct sync_mysql_settings *settings, struct tb_err *e)
{
    struct mysql_target *m = TB_NEW(struct mysql_target);

    if (sync_url_parse(url, &m->url, e) != TB_OK) {
        tb_free(m);
        return e->code;
    }
    if (mysql_library_init(0, NULL, NULL) != 0)
        abort();    /* out of memory; it must run before there are threads that use the library */
    m->target.ops = &ops;
    m->settings = *settings;
    m->batches[0] = sql_batch_new();
    m->batches[1] = sql_batch_new();
    m->fd = -1;
    pthread_mutex_init(&m->fd_lock, NULL);
    *out = &m->target;
    return TB_OK;
}
