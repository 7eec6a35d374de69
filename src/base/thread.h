#pragma once
/* Which thread am I: entry points assert it, so a struct's owner is checked and not only written down. */
#include <pthread.h>
#include <stdbool.h>

enum tb_thread_id { TB_MAIN, TB_LOOP, TB_WRITER, TB_CHECKPOINTER, TB_READER, TB_HASHER, TB_SYNC, TB_ARCHIVE, TB_CONTROL, TB_WATCHDOG };

struct tb_thread {
    pthread_t          handle;
    enum tb_thread_id  id;
    void             (*run)(void *ctx);
    void              *ctx;
    bool               is_started;
};

/* Starts t, which must stay in place until tb_thread_join. All signals are blocked on it: main hears them.
 * Aborts when the system has no thread left to give: that happens at start or not at all. */
void tb_thread_start(struct tb_thread *t, enum tb_thread_id id, void (*run)(void *ctx), void *ctx);
void tb_thread_join(struct tb_thread *t);       /* nothing when it was not started */

bool        tb_thread_is(enum tb_thread_id id);
void        tb_thread_become(enum tb_thread_id id);     /* names the calling thread: main, and tests */
const char *tb_thread_name(void);                       /* of the calling thread, for the log */
