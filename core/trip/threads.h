/* threads.h -- the crew's threads, and the crew itself, as its parts see them.
 *
 * crew.c      threads lead and run jobs; the crew starts and stops
 * watchdog.c  finds threads that are inside one job for long, and gives up those it must
 *
 * Not     for other files: they include crew.h.
 * Thread  as the groups of the structs say. `_locked`: the caller holds the crew's m. */
#ifndef HW_THREADS_H
#define HW_THREADS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "trip/crew_config.h"
#include "trip/queue.h"

struct hw_thread {
    /* constant after start */
    struct hw_crew *crew;
    uv_thread_t id;

    /* this thread only */
    struct hw_worker *worker;
    uint64_t jobs; /* counts up */

    /* atomic: the number of its present job; 0: none */
    _Atomic uint64_t inside;

    /* watchdog only */
    uint64_t inside_before;
    uint64_t spin_from_ns; /* its CPU time when its job was first found overdue; 0: it is not */

    /* constant after start: only in a thread that replaces another one */
    struct hw_thread *replaces;
    const struct hw_worker *model;

    /* this thread only, until it is in the list of free workers */
    struct hw_worker own; /* made like `model` */

    /* guarded by m */
    struct hw_thread *idle_next;
    bool blocked; /* not counted as active: inside one job for over a tick */
    bool roused;
    struct hw_job *job;      /* its present job; NULL: it tidies a worker */
    bool lost, replaced;     /* it was given up */
    bool is_news;            /* in the list of which the leader is to be told */
    struct hw_thread *news;  /* the next in that list */
    struct hw_job *lost_job; /* the job that it was in */
    uv_cond_t wake;
};

struct hw_crew {
    /* constant after start */
    struct hw_crew_config config;
    void (*run)(void *thread); /* what each thread does, until it ends */
    struct hw_thread *threads; /* with room for one replacement for each worker */
    uv_thread_t watchdog;

    /* leader only */
    struct hw_queue fresh;      /* submitted since the leader last held m */
    struct hw_queue fresh_last; /* likewise, those that are last in line */
    uv_prepare_t prepare;

    /* guarded by m */
    uv_mutex_t m;
    struct hw_queue ready, done;
    struct hw_queue ready_last; /* taken only when `ready` is empty */
    struct hw_worker *free_workers;
    struct hw_thread *idle; /* the last to park is the first to be roused: its cache is warm */
    struct hw_thread *leader;
    unsigned thread_count;
    unsigned active, running, alive, lost;
    struct hw_thread *news;
    unsigned handled;    /* jobs since the last tick */
    bool busy;           /* the last tick had many: a second thread is worth its wake-up */
    uint64_t leads;      /* how often the lead was taken */
    bool polling, woken; /* the leader may sleep in the loop; a wake-up was sent */
    bool lead_wanted;
    bool tidying; /* some free workers may be untidy */
    bool watchdog_sleeps;
    bool stopping;
    uv_cond_t watchdog_wake, ended;

    /* any thread: uv_async_send is made for that */
    uv_async_t wake;
};

/* ---- who is awake ---- */

static inline bool hw_threads_has_ready_locked(const struct hw_crew *c)
{
    return c->ready.head || c->ready_last.head;
}

static inline bool hw_threads_can_run_locked(const struct hw_crew *c)
{
    return hw_threads_has_ready_locked(c) && c->free_workers;
}

/* Wakes one more thread, if there is work for it and a core to run on. */
static inline void hw_threads_rouse_locked(struct hw_crew *c)
{
    struct hw_thread *t = c->idle;
    if (!t || c->active >= c->config.active_max || (c->leader && !hw_threads_can_run_locked(c)))
        return;
    c->idle = t->idle_next;
    c->active++;
    t->roused = true;
    uv_cond_signal(&t->wake);
}

static inline void hw_threads_wake_leader_locked(struct hw_crew *c)
{
    if (!c->polling || c->woken)
        return;
    c->woken = true;
    uv_async_send(&c->wake);
}

#endif
