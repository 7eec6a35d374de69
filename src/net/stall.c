/* Bodies of stall.h. The loop answers in on_wake (server.c), where it also runs its mailbox, so a loop that turns answers within a
 * turn. What it was doing it leaves in struct net_doing as it goes. */
#include "net/stall.h"

#include "base/thread.h"
#include "net/internal.h"

#include <assert.h>
#include <errno.h>
#include <semaphore.h>
#include <time.h>

struct net_watchdog {
    /* fixed */
    struct net *net;
    unsigned    tick_ms;
    void      (*on_stall)(void *ctx, const struct net_stall *);
    void       *ctx;
    /* the watchdog's */
    struct net_silence silence;
    int64_t            cpu_ms;      /* of the loop, when it answered last */
    struct tb_thread   thread;
    sem_t              is_over;
};

int64_t
net_silence_look(struct net_silence *s, int64_t now_ms, int64_t tick_ms, uint64_t answered)
{
    int64_t since_ms = s->looked_ms == 0 ? 0 : now_ms - s->looked_ms;

    s->looked_ms = now_ms;
    if (answered == s->asked)
        s->silent_ms = 0;
    else
        s->silent_ms += since_ms < tick_ms ? since_ms : tick_ms;    /* more, and it is us who were held up */
    s->asked++;
    return s->silent_ms;
}

static int64_t
cpu_ms_of(struct net *net)
{
    struct timespec t = { 0 };

    if (clock_gettime(net->doing.cpu_clock, &t) != 0)
        return 0;
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void
tell(struct net_watchdog *w)
{
    struct net_doing *d = &w->net->doing;
    struct net_stall  stall = { .for_ms = w->silence.silent_ms, .cpu_ms = cpu_ms_of(w->net) - w->cpu_ms,
                                .doing = atomic_load(&d->what), .connections = atomic_load(&d->n_conns) };

    for (size_t i = 0; i < NET_PEER_WORDS; i++) {
        uint64_t word = atomic_load_explicit(&d->peer[i], memory_order_relaxed);
        memcpy(stall.peer + i * sizeof word, &word, sizeof word);
    }
    stall.peer[sizeof stall.peer - 1] = '\0';
    w->on_stall(w->ctx, &stall);
}

static void
look(struct net_watchdog *w)
{
    uint64_t answered = atomic_load(&w->net->doing.answered);

    if (net_silence_look(&w->silence, tb_mono_ms(&tb_clock_system), w->tick_ms, answered) == 0)
        w->cpu_ms = cpu_ms_of(w->net);
    else
        tell(w);
    net_ask(w->net, w->silence.asked);
}

/* false: it is over. */
static bool
wait_a_tick(struct net_watchdog *w)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += w->tick_ms / 1000;
    until.tv_nsec += (long)(w->tick_ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    while (sem_clockwait(&w->is_over, CLOCK_MONOTONIC, &until) != 0)
        if (errno != EINTR)
            return true;
    return false;
}

static void
run(void *ctx)
{
    struct net_watchdog *w = ctx;

    while (wait_a_tick(w))
        look(w);
}

struct net_watchdog *
net_watchdog_start(struct net *net, unsigned tick_ms, void (*on_stall)(void *ctx, const struct net_stall *), void *ctx)
{
    struct net_watchdog *w = TB_NEW(struct net_watchdog);

    assert(tick_ms > 0);
    *w = (struct net_watchdog){ .net = net, .tick_ms = tick_ms, .on_stall = on_stall, .ctx = ctx };
    w->silence.asked = atomic_load(&net->doing.answered);
    sem_init(&w->is_over, 0, 0);
    tb_thread_start(&w->thread, TB_WATCHDOG, run, w);
    return w;
}

void
net_watchdog_stop(struct net_watchdog **wp)
{
    struct net_watchdog *w = *wp;

    if (w == NULL)
        return;
    sem_post(&w->is_over);
    tb_thread_join(&w->thread);
    sem_destroy(&w->is_over);
    tb_free(w);
    *wp = NULL;
}
