#pragma once
/* A store in a temporary folder, with a clock that the test moves, and calls that wait for their answer. */
#include "base/clock.h"
#include "store/store.h"
#include "tap.h"

#include <stdatomic.h>

struct fixture {
    struct store          *store;
    struct store_settings  settings;
    struct tb_mailbox     *inbox;       /* answers arrive here */
    struct tb_clock        clock;
    _Atomic int64_t        wall_ms, mono_us;
    char                   dir[64];
};

void fixture_open(struct fixture *f);           /* a new folder and journal */
void fixture_reopen(struct fixture *f);         /* closes and opens the same journal */
void fixture_close(struct fixture *f);          /* and removes the folder */
struct store_op *fixture_prepare(struct fixture *f, struct store_op *op);       /* before a store_* call */
void fixture_wait(struct fixture *f);           /* until the answer of the one request under way has come */

/* fixture_call(f, add_room, &r): posts r and waits; gives r's code. */
#define fixture_call(f, name, request) \
    (fixture_prepare((f), &(request)->op), store_##name((f)->store, (request)), fixture_wait(f), (request)->op.err.code)

int64_t fixture_user(struct fixture *f, const char *name);      /* <name>@x.test; its id */
int64_t fixture_room(struct fixture *f, int64_t creator, bool is_private);
enum tb_code fixture_join(struct fixture *f, int64_t room, int64_t user, int64_t by);
int64_t fixture_send(struct fixture *f, int64_t room, int64_t sender, const char *content);
size_t  fixture_faults(struct fixture *f);      /* of store_check */
/* Rows as lines, columns parted by blanks; of the open store or the closed one. tb_free it. */
char   *fixture_dump(struct fixture *f, const char *sql);
void    fixture_forget_id(struct fixture *f);           /* before another tombolo.db is put into its folder; closed */
void    fixture_sql(struct fixture *f, const char *sql);        /* on the closed store's file */
