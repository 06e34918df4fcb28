/* claims.c -- see claims.h */
#include "trip/claims.h"

#include "base/clock.h"

enum { FIRST_MS = 20, LONGEST_MS = 500 };

static void on_timer(uv_timer_t *timer);

void hw_claims_init(struct hw_claims *c, uv_loop_t *loop, uint64_t random, hw_forsaken_fn *forsaken,
                    void *owner)
{
    *c = (struct hw_claims){.forsaken = forsaken, .owner = owner, .random = random};
    hw_queue_init(&c->elsewhere);
    uv_timer_init(loop, &c->timer);
    c->timer.data = c;
}

void hw_claims_ask(struct hw_claims *c, struct hw_job *jobs)
{
    hw_claimer_put(c->claimer, jobs);
}

/* A quarter less, or up to a quarter more, so that copies at several hosts don't ask all at once. */
static uint64_t spread(struct hw_claims *c, uint32_t ms)
{
    c->random = c->random * 6364136223846793005u + 1442695040888963407u;
    return ms - ms / 4 + (c->random >> 33) % (ms / 2 + 1);
}

static void set_timer(struct hw_claims *c, uint64_t now, uint64_t at)
{
    uint64_t ms = at > now ? (at - now) / 1000000 + 1 : 1;
    uv_update_time(c->timer.loop);
    uv_timer_start(&c->timer, on_timer, ms, 0);
}

void hw_claims_wait(struct hw_claims *c, struct hw_job *job)
{
    uint64_t now = hw_now_ns();
    job->ask_ms = job->ask_ms ? 2 * job->ask_ms : FIRST_MS;
    if (job->ask_ms > LONGEST_MS)
        job->ask_ms = LONGEST_MS;
    job->ask_at_ns = now + spread(c, job->ask_ms) * 1000000;
    job->elsewhere = true;
    hw_queue_push(&c->elsewhere, job);
    uint64_t due_in = uv_timer_get_due_in(&c->timer);
    if (!uv_is_active((uv_handle_t *)&c->timer) || due_in * 1000000 > job->ask_at_ns - now)
        set_timer(c, now, job->ask_at_ns);
}

static void take_out(struct hw_claims *c, struct hw_job *job)
{
    hw_queue_take_out(&c->elsewhere, job);
    job->elsewhere = false;
}

bool hw_claims_leave(struct hw_claims *c, struct hw_job *job)
{
    if (!job->elsewhere)
        return false;
    take_out(c, job);
    return true;
}

struct hw_job *hw_claims_take_all(struct hw_claims *c)
{
    struct hw_job *jobs = hw_queue_take_all(&c->elsewhere);
    for (struct hw_job *job = jobs; job; job = job->next)
        job->elsewhere = false;
    return jobs;
}

/* Moves those that are due, or that nobody waits for, to lists of their own. Returns when the next
 * one is due; 0: none. */
static uint64_t part(struct hw_claims *c, uint64_t now, struct hw_queue *due,
                     struct hw_queue *forsaken)
{
    uint64_t next_at = 0;
    for (struct hw_job *job = c->elsewhere.head, *next; job; job = next) {
        next = job->next;
        if (job->waiters && job->ask_at_ns > now) {
            next_at = !next_at || job->ask_at_ns < next_at ? job->ask_at_ns : next_at;
            continue;
        }
        take_out(c, job);
        hw_queue_push(job->waiters ? due : forsaken, job);
    }
    return next_at;
}

static void on_timer(uv_timer_t *timer)
{
    struct hw_claims *c = timer->data;
    struct hw_queue due, forsaken;
    uint64_t now = hw_now_ns();
    hw_queue_init(&due);
    hw_queue_init(&forsaken);
    uint64_t next_at = part(c, now, &due, &forsaken);
    if (next_at)
        set_timer(c, now, next_at);
    if (due.head)
        hw_claims_ask(c, due.head);
    for (struct hw_job *job = forsaken.head, *next; job; job = next) {
        next = job->next;
        c->forsaken(c->owner, job);
    }
}
