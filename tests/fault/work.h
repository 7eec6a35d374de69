#pragma once
/* Work for a journal, and the proof that the centre has exactly what the journal has. On top of the store's fixture.
 * Threads: the test's main thread. */
#include "centre.h"
#include "fixture.h"
#include "sync/sync.h"

enum { WORK_USERS = 6, WORK_ROOMS = 3 };

struct work {
    struct fixture *f;
    uint64_t        chance;         /* printed by the test: the same seed does the same work */
    int64_t         users[WORK_USERS], rooms[WORK_ROOMS];
    int64_t         last_message, n_messages;
};

void work_begin(struct work *w, struct fixture *f, uint64_t seed);  /* people, rooms, memberships */
void work_do(struct work *w, size_t n);     /* n changes of all kinds, with contents that SQL finds hard */

/* By the system's clock, connecting within 1 s; answers are waited for 2 s, or as long as is said. Untimed: by the journal's clock,
 * so that nothing is due again before the test moves it. */
struct sync *work_sync(struct fixture *f, const char *url);
struct sync *work_sync_untimed(struct fixture *f, const char *url);
struct sync *work_sync_patient(struct fixture *f, const char *url, int io_timeout_ms);

/* The same, and what all sites have leaves op_log: after WORK_KEEP_DAYS, or WORK_LEASE_DAYS where a site is silent. */
enum { WORK_KEEP_DAYS = 30, WORK_LEASE_DAYS = 90 };
struct sync *work_sync_forgetful(struct fixture *f, const char *url);

/* Closes one of the above. A test that fails leaves some open, and they use its journals: a teardown begins with work_end_all. */
void work_end(struct sync **s);
void work_end_all(void);
int  work_teardown(void **state);           /* that, and the log goes to stderr again */

/* Waits until the state is that, and (SYNC_UP) nothing is behind. Fails the test after a minute. */
void work_wait(const struct sync *s, enum sync_link state);

/* The log, from work_listen on, goes to the test instead of stderr. Has there been a line with that text in it? */
void work_listen(void);
bool work_heard(const char *text);
char *work_lines(void);                     /* all of them; tb_free it */
void work_await_line(const char *text);     /* fails the test after a minute */

/* Fails the test at the first row of op_log or of a table that is not as in the journal: of all sites, when there are more. */
void work_compare(struct fixture *f, struct centre *c);
void work_compare_folder(const char *folder, struct centre *c);

/* The same, but of op_log only what has not left it, here or there: that is gapless, and the same on both sides. */
void work_compare_kept(struct fixture *f, struct centre *c);

/* Rows of the journal in that folder as lines, columns parted by blanks; tb_free it. */
char *work_dump(const char *folder, const char *sql);
