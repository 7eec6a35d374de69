#pragma once
/* The centre as the operator's commands see it: looked into, compared, brought to a schema. Nothing of the sync thread's.
 * Threads: a centre belongs to the thread that opened it. After a failure nothing but sync_centre_close is called. */
#include "store/compare.h"
#include "tombolo/err.h"

struct sync_centre;

struct sync_centre_settings {
    const char *url;                /* mysql://... */
    int         connect_timeout_ms;
    int         io_timeout_ms;      /* for one answer */
};

/* TB_EINPUT: the URL, as sync_url_parse. TB_EIO: it cannot be reached. */
enum tb_code sync_centre_open(struct sync_centre **out, const struct sync_centre_settings *settings, struct tb_err *e)
    TB_MUST_CHECK;
void         sync_centre_close(struct sync_centre **c);     /* accepts NULL inside */

int64_t sync_schema_known(void);    /* the newest that this program knows */

struct sync_centre_facts {
    int64_t schema;                 /* 0: the database is empty; what follows says nothing then */
    char    centre_uuid[37];        /* "": nobody has enrolled */
    char    journal_uuid[37];       /* who has our node number there; "": nobody */
    int64_t epoch, last_seq;        /* of that journal, as it is known there */
    int64_t here_ago_ms;            /* since it said last that it is here; INT64_MAX: never */
    int64_t n_parked;               /* ops of that node whose effect was refused */
};
enum tb_code sync_centre_facts(struct sync_centre *c, uint32_t node, struct sync_centre_facts *out, struct tb_err *e)
    TB_MUST_CHECK;

struct sync_floor {
    int64_t seq;       /* the site's ops up to there have left op_log; 0: none has */
    uint8_t chain[16]; /* of that op; zeros: nobody has written it down */
};
enum tb_code sync_centre_floor(struct sync_centre *c, uint32_t node, struct sync_floor *out,
                               struct tb_err *e) TB_MUST_CHECK;

struct sync_parked {
    int64_t seq, code;              /* code: the server's error number */
    int     kind;                   /* enum op_kind; what it was */
    tb_str  reason;                 /* valid for the call */
};
/* The parked ops of a node with seq > after, in order; at most max. */
enum tb_code sync_centre_parked(struct sync_centre *c, uint32_t node, int64_t after, size_t max,
                                void (*each)(void *ctx, const struct sync_parked *), void *ctx, struct tb_err *e)
    TB_MUST_CHECK;
/* *was_parked: there was such a row, and now there is none. */
enum tb_code sync_centre_unpark(struct sync_centre *c, uint32_t node, int64_t seq, bool *was_parked, struct tb_err *e)
    TB_MUST_CHECK;

/* ---- comparing, as in store/compare.h ---- */

/* From here to sync_centre_close everything is read as it is now. */
enum tb_code sync_centre_hold(struct sync_centre *c, struct tb_err *e) TB_MUST_CHECK;

/* How far each site has come there, by node. */
enum tb_code sync_centre_heads(struct sync_centre *c, void (*each)(void *ctx, uint32_t node, int64_t last_seq), void *ctx,
                               struct tb_err *e) TB_MUST_CHECK;

/* Up to where each site's ops have left op_log, by node. */
enum tb_code sync_centre_floors(struct sync_centre *c, void (*each)(void *ctx, uint32_t node, int64_t floor), void *ctx,
                                struct tb_err *e) TB_MUST_CHECK;

struct sync_claim { int64_t user_id, stamp, node, parked_stamp; };

/* Those of these users to these e-mails that are there, by user. n > 0; only user_id and key are looked at. */
enum tb_code sync_centre_claims(struct sync_centre *c, const struct store_claim *of, size_t n,
                                void (*each)(void *ctx, const struct sync_claim *), void *ctx, struct tb_err *e) TB_MUST_CHECK;

/* A site's ops with after < seq <= upto, as store_inspect_ops. TB_ENOTFOUND: some have left op_log. */
enum tb_code sync_centre_ops(struct sync_centre *c, uint32_t node, int64_t after, int64_t upto,
                             enum tb_code (*each)(void *ctx, const struct store_entry *, struct tb_err *e), void *ctx,
                             struct tb_err *e) TB_MUST_CHECK;

/* Up to max rows of a list after a key, at most COMPARE_PAGE. *n < max: that was its end. */
enum { COMPARE_PAGE = 500 };
enum tb_code sync_centre_compare(struct sync_centre *c, enum compare_list list, int64_t of, const int64_t after[2], size_t max,
                                 struct compare_row *out, size_t *n, struct tb_err *e) TB_MUST_CHECK;
