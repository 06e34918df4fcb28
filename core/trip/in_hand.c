/* in_hand.c -- see in_hand.h */
#include "trip/in_hand.h"

#include "trip/retry.h"

bool hw_in_hand_take(struct hw_in_hand *h, struct hw_job *job, struct hw_str pool)
{
    if (pool.ptr)
        job->pool = hw_pools_enter(&h->pools, pool);
    return job->in_hand = job->pool || !pool.ptr;
}

void hw_in_hand_end(struct hw_in_hand *h, struct hw_job *job, bool moot)
{
    if (!job->in_hand)
        return;
    bool others = !moot && (job->pool || job->n.lane.ptr);
    job->in_hand = false;
    if (job->pool)
        hw_pools_leave(job->pool);
    job->pool = NULL;
    h->ended(h->owner, job->due_at ? job->n.from_row : 0, moot);
    if (others)
        h->added(h->owner);
}

void hw_in_hand_learn(struct hw_in_hand *h, const struct hw_job *job)
{
    if (job->in_hand && job->n.pool.ptr && job->n.outcome.place.ptr)
        hw_pools_learn(&h->pools, job->n.pool, job->n.pool_max);
}

void hw_in_hand_add(struct hw_in_hand *h)
{
    if (h->added)
        h->added(h->owner);
}

/* ---- accepting ---- */

struct hw_str hw_in_hand_why_full(const struct hw_in_hand *h)
{
    if (hw_ledger_disk_is_low(h->ledger))
        return HW_STR("the host has too little room on its disk; try again later");
    int64_t backlog = hw_ledger_backlog(h->ledger);
    if ((backlog > 0 ? (size_t)backlog : 0) + h->accepting >= h->backlog_max)
        return HW_STR("the host has too much that is still to run; try again later");
    return HW_STR_NONE;
}

static bool has_room(struct hw_in_hand *h, const struct hw_job *job)
{
    if (!h->take || hw_pauses_hold(&h->ledger->pauses, job->n.event))
        return false;
    if (!job->n.pool.ptr)
        return true;
    hw_pools_learn(&h->pools, job->n.pool, job->n.pool_max);
    return hw_pools_room(&h->pools, job->n.pool) > 0;
}

void hw_in_hand_accept(struct hw_in_hand *h, struct hw_job *job, bool may_start, int64_t now_ms,
                       uint64_t timeout_ms)
{
    h->accepting++;
    job->to_accept = job->n.accepted = true;
    job->in_hand = may_start && has_room(h, job) && h->take(h->owner);
    if (job->in_hand && !hw_in_hand_take(h, job, job->n.pool))
        h->ended(h->owner, 0, true); /* without memory */
    if (job->in_hand)
        hw_retry_start(&job->n, now_ms, timeout_ms);
    else
        hw_retry_queue(&job->n, now_ms);
}

/* The limit of its pool may be new, or known only now: then others may run beside it. If its row had
 * no pool yet, it counts from now on, and none begins beside it that has. */
void hw_in_hand_start(struct hw_in_hand *h, struct hw_job *job, int64_t now_ms, uint64_t timeout_ms)
{
    if (job->in_hand && !job->pool && job->n.pool.ptr)
        job->pool = hw_pools_enter(&h->pools, job->n.pool);
    size_t before = job->pool ? hw_pools_room(&h->pools, job->n.pool) : 0;
    hw_retry_start(&job->n, now_ms, timeout_ms);
    hw_in_hand_learn(h, job);
    if (job->pool && hw_pools_room(&h->pools, job->n.pool) > before)
        h->added(h->owner);
}
