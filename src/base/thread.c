/* Bodies of thread.h. A thread that nobody named is main. */
#include "thread.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[] = {
    [TB_MAIN] = "main",     [TB_LOOP] = "loop",     [TB_WRITER] = "writer", [TB_CHECKPOINTER] = "checkpoint",
    [TB_READER] = "reader", [TB_HASHER] = "hasher", [TB_SYNC] = "sync",     [TB_ARCHIVE] = "archive",
    [TB_CONTROL] = "control",
    [TB_WATCHDOG] = "watchdog",
};

static _Thread_local enum tb_thread_id mine = TB_MAIN;

static void *
begin(void *arg)
{
    struct tb_thread *t = arg;

    tb_thread_become(t->id);
    pthread_setname_np(pthread_self(), names[t->id]);
    t->run(t->ctx);
    return NULL;
}

void
tb_thread_start(struct tb_thread *t, enum tb_thread_id id, void (*run)(void *ctx), void *ctx)
{
    sigset_t all, before;

    *t = (struct tb_thread){ .id = id, .run = run, .ctx = ctx };
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&t->handle, NULL, begin, t);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed) {
        fprintf(stderr, "tombolo: cannot start the %s thread: %s\n", names[id], strerror(failed));
        abort();
    }
    t->is_started = true;
}

void
tb_thread_join(struct tb_thread *t)
{
    if (!t->is_started)
        return;
    pthread_join(t->handle, NULL);
    t->is_started = false;
}

bool
tb_thread_is(enum tb_thread_id id)
{
    return mine == id;
}

void
tb_thread_become(enum tb_thread_id id)
{
    mine = id;
}

const char *
tb_thread_name(void)
{
    return names[mine];
}
