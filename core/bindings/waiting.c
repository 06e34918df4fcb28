/* waiting.c -- see waiting.h */
#include "bindings/waiting.h"

#include <string.h>

static struct hw_job *take_from(struct hw_waiting *w, struct hw_job **link)
{
    struct hw_job *job = *link;
    *link = job->next;
    job->next = NULL;
    w->count--;
    return job;
}

void hw_waiting_fini(struct hw_waiting *w)
{
    while (w->first)
        hw_job_free(take_from(w, &w->first));
}

/* ---- keeping ---- */

/* The link to the one with this identity, or the list's end. */
static struct hw_job **find(struct hw_waiting *w, const struct hw_job *job)
{
    struct hw_job **link = &w->first;
    while (*link && !hw_job_same(*link, job))
        link = &(*link)->next;
    return link;
}

static bool copy_texts(struct hw_job *to, const struct hw_job *from)
{
    to->n.body = hw_arena_copy(&to->arena, from->n.body);
    to->n.id = hw_arena_copy(&to->arena, from->n.id);
    to->n.key = hw_arena_copy(&to->arena, from->n.key);
    if (from->n.lane.ptr)
        to->n.lane = hw_arena_copy(&to->arena, from->n.lane);
    return to->n.body.ptr && to->n.id.ptr && to->n.key.ptr &&
           !to->n.lane.ptr == !from->n.lane.ptr && hw_job_copy_headers(to, from);
}

/* The job that runs it again, with what the ledger's load would fill in. */
static struct hw_job *revive(int64_t row, const struct hw_job *job)
{
    struct hw_job *again = hw_job_revive(row, false, hw_now_ns());
    if (!again)
        return NULL;
    if (!copy_texts(again, job)) {
        hw_job_free(again);
        return NULL;
    }
    memcpy(again->n.identity.digest, job->n.identity.digest, HW_DIGEST_SIZE);
    if (job->n.identity.id.len)
        again->n.identity.id = again->n.id;
    again->n.has_id = true;
    again->n.attempt = hw_notification_last_attempt(&job->n);
    again->n.received_at = job->n.received_at;
    again->n.accepted = job->n.accepted;
    again->n.by_host = true;
    again->n.retry = job->n.retries;
    again->n.state = job->n.state;
    again->n.next_run_at = job->n.next_run_at;
    return again;
}

static void append(struct hw_waiting *w, struct hw_job *job)
{
    struct hw_job **link = &w->first;
    while (*link)
        link = &(*link)->next;
    *link = job;
    w->count++;
}

static bool is_behind(const struct hw_job *job)
{
    return job->n.state == HW_QUEUED && job->n.next_run_at == 0;
}

/* The next of a lane is due, now that the one before it is gone. */
static void promote(struct hw_waiting *w, struct hw_str lane, int64_t now_ms)
{
    for (struct hw_job *job = w->first; lane.ptr && job; job = job->next)
        if (is_behind(job) && hw_str_eq(job->n.lane, lane)) {
            job->n.next_run_at = now_ms;
            return;
        }
}

static void forget_oldest(struct hw_waiting *w, int64_t now_ms)
{
    struct hw_job *oldest = take_from(w, &w->first);
    if (!is_behind(oldest))
        promote(w, oldest->n.lane, now_ms);
    hw_job_free(oldest);
}

/* What failed is also kept while its sender delivers again: a row knows when it first came. */
int hw_waiting_keep(struct hw_waiting *w, const struct hw_job *job)
{
    struct hw_job *again = NULL, **before = find(w, job);
    if (job->n.state == HW_FAILED || job->n.state == HW_QUEUED) {
        again = revive(++w->last_row, job);
        if (!again)
            return HW_ENOMEM;
    }
    if (*before) {
        if (again)
            again->n.received_at = (*before)->n.received_at;
        hw_job_free(take_from(w, before));
    }
    if (again)
        append(w, again);
    else
        promote(w, job->n.lane, job->n.settled_at);
    if (w->count > HW_WAITING_MAX)
        forget_oldest(w, job->n.settled_at);
    return 0;
}

bool hw_waiting_holds_lane(const struct hw_waiting *w, struct hw_str lane)
{
    for (const struct hw_job *job = w->first; lane.ptr && job; job = job->next)
        if (hw_str_eq(job->n.lane, lane))
            return true;
    return false;
}

/* ---- what is due ---- */

/* Of two with the same time it is the one that failed first. */
const struct hw_job *hw_waiting_next(const struct hw_waiting *w)
{
    const struct hw_job *next = NULL;
    for (const struct hw_job *job = w->first; job; job = job->next)
        if (job->n.next_run_at && (!next || job->n.next_run_at < next->n.next_run_at))
            next = job;
    return next;
}

struct hw_job *hw_waiting_take(struct hw_waiting *w)
{
    const struct hw_job *next = hw_waiting_next(w);
    return next ? take_from(w, find(w, next)) : NULL;
}
