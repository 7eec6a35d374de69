#pragma once
/* A real MariaDB for a test, or the MySQL whose mysqld TB_MYSQLD names: its own folder, port and process, on loopback only, gone when the test ends (also when it
 * crashes). Failing to do what is asked fails the test. Threads: the test's main thread. */
#include "tap.h"

#include <stdbool.h>
#include <sys/types.h>

struct centre {
    char               dir[64];         /* a new folder below /dev/shm or /tmp */
    unsigned           port;
    pid_t              pid;             /* 0: not running */
    const char *const *options;         /* of the server, NULL-terminated; or NULL */
    char               url_options[160];        /* of that address: MySQL gets the password under its own key */
    char               url[256];        /* with the user that tombolo has */
};

bool centre_is_mysql(void);                                         /* the two differ in what options they know */

void centre_start(struct centre *c, const char *const *options);    /* with an empty database "chat" */
void centre_kill(struct centre *c);                                 /* with -9 */
void centre_freeze(struct centre *c);                               /* SIGSTOP: takes connections, answers nothing */
void centre_thaw(struct centre *c);
void centre_resume(struct centre *c);                               /* on the same folder and port; returns when it answers */
void centre_stop(struct centre *c);                                 /* ends it and removes the folder */

void centre_empty(struct centre *c);                                /* a new database "chat" instead of what was in it */

/* tap_run for tests that share one centre, which is there from before the first until after the last of them. */
#define centre_run_tests(tests, c, options) \
    (centre_to_share((c), (options)), tap_run_with(tests, centre_before_all, centre_after_all))
void centre_to_share(struct centre *c, const char *const *options);
int  centre_before_all(void **state);
int  centre_after_all(void **state);

void  centre_sql(struct centre *c, const char *sql);                /* as root, one statement */
char *centre_dump(struct centre *c, const char *sql);               /* rows as lines, columns parted by blanks; tb_free it */

void  centre_cut_sessions(struct centre *c);                        /* ends those of tombolo@ */
void  centre_await_lock(struct centre *c);                          /* until a transaction waits for another's lock */

void  centre_exec(const char *const *arguments);                    /* runs a program to its end, which must be a good one */

/* Another client of the same database, as root. */
struct centre_session;
struct centre_session *centre_open(struct centre *c);
void                   centre_run(struct centre_session *s, const char *sql);
void                   centre_close(struct centre_session *s);
