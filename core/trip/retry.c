/* retry.c -- see retry.h */
#include "trip/retry.h"

enum {
    GRACE_MS = 60 * 1000,  /* after handler_timeout, for a handler that can't be stopped */
    NO_HANDLER_MS = 60000, /* for scripts that are on their way */
    PUT_OFF_MS = 1000      /* of one that was accepted and that the host could not run */
};

/* What another run may mend. The rest is in the body, which stays as it is. */
static bool may_be_mended(int code)
{
    switch (code) {
    case HW_EHANDLER_REFUSED:
    case HW_EHANDLER_ERROR:
    case HW_EHANDLER_TIMEOUT:
    case HW_EHOST_LOST:
    case HW_ENO_HANDLER:
    case HW_ESCHEMA_VIOLATION:
    case HW_EOVERLOADED: /* for want of memory */
        return true;
    default:
        return false;
    }
}

/* The host stood in its way. */
static bool was_put_off(const struct hw_outcome *o)
{
    return !o->ran && (o->code == HW_EPAUSED || o->code == HW_ELEDGER_UNAVAILABLE ||
                       o->code == HW_EQUEUE_TIMEOUT || o->code == HW_EDRAINING);
}

/* What the host runs by itself is not the sender's affair any more; nor is what it has had its 200
 * for, or what was dead. */
static bool sender_delivers_again(const struct hw_notification *n)
{
    return !n->by_host && !n->accepted && n->known.state != HW_DEAD &&
           hw_notification_last_attempt(n) < HW_ATTEMPT_LAST;
}

bool hw_retry_is_for_host(const struct hw_notification *n)
{
    return !sender_delivers_again(n);
}

/* Those that have run: of a replay none, since it starts anew. */
static uint32_t retries_before(const struct hw_notification *n)
{
    return n->from_row ? n->retry : n->known.retries;
}

bool hw_retry_is_last(const struct hw_retries *retries, const struct hw_notification *n)
{
    return !sender_delivers_again(n) && retries_before(n) >= retries->count;
}

bool hw_retry_records_start(const struct hw_retries *retries, const struct hw_notification *n)
{
    return n->by_host || (!sender_delivers_again(n) && retries->count > 0);
}

/* Within a tenth of it either way; exact for 0. */
static int64_t spread(uint64_t delay_ms, uint64_t random)
{
    uint64_t tenth = delay_ms / 10, width = 2 * tenth + 1;
    return (int64_t)(delay_ms - tenth + (random % width + tenth) % width);
}

static int64_t delay_of(const struct hw_retries *retries, const struct hw_notification *n,
                        uint64_t random)
{
    size_t before = retries_before(n);
    if (n->outcome.retry_after_ms)
        return n->outcome.retry_after_ms;
    if (n->outcome.code == HW_EPAUSED)
        return 0; /* it is set aside until its event is resumed */
    return spread(retries->delays_ms[before < retries->count ? before : retries->count - 1],
                  random);
}

/* It did not run, and that counts as no retry. */
static void wait_for_host(struct hw_notification *n, uint32_t retries, int64_t at_ms)
{
    n->state = retries > 0 ? HW_FAILED : HW_QUEUED;
    n->next_run_at = at_ms;
}

/* It was claimed to run again, and did not run: its row becomes what it was before. */
static void put_back(struct hw_notification *n, int64_t now_ms)
{
    bool was_done = n->known.state == HW_SUCCEEDED || n->known.state == HW_UNHANDLED;
    int64_t at_ms = n->outcome.code == HW_EDRAINING ? now_ms : now_ms + PUT_OFF_MS;
    n->retries = n->by_host ? n->retry : n->known.retries;
    n->state = HW_FAILED;
    if (!n->by_host && (was_done || n->known.state == HW_DEAD))
        n->state = n->known.state;
    else if (n->accepted)
        wait_for_host(n, n->retries, at_ms);
    else if (!sender_delivers_again(n))
        n->next_run_at = at_ms;
}

void hw_retry_settle(const struct hw_retries *retries, struct hw_notification *n, int64_t now_ms,
                     uint64_t random)
{
    int code = n->outcome.code;
    uint32_t before = retries_before(n);
    n->next_run_at = 0;
    n->settled_at = now_ms;
    n->retries = before;
    if (code == 0) {
        n->state = n->outcome.unhandled ? HW_UNHANDLED : HW_SUCCEEDED;
    } else if (n->claim == HW_CLAIM_MINE && n->from_row && was_put_off(&n->outcome)) {
        put_back(n, now_ms);
    } else if (code == HW_EGIVEN_UP) {
        n->state = HW_DEAD;
    } else if (sender_delivers_again(n)) {
        n->state = HW_FAILED;
    } else if (n->accepted && code == HW_ENO_HANDLER) {
        wait_for_host(n, before, now_ms + NO_HANDLER_MS);
    } else if (n->accepted && was_put_off(&n->outcome)) {
        wait_for_host(n, before, code == HW_EDRAINING ? now_ms : now_ms + PUT_OFF_MS);
    } else if (was_put_off(&n->outcome) && retries->count > 0) {
        n->state = HW_FAILED;
        n->next_run_at = now_ms + delay_of(retries, n, random);
    } else if (may_be_mended(code) && before < retries->count) {
        n->state = HW_FAILED;
        n->next_run_at = now_ms + delay_of(retries, n, random);
        n->retries = before + 1;
    } else {
        n->state = HW_DEAD;
    }
}

void hw_retry_queue(struct hw_notification *n, int64_t now_ms)
{
    n->state = HW_QUEUED;
    n->retries = 0;
    n->settled_at = n->next_run_at = now_ms;
}

void hw_retry_start(struct hw_notification *n, int64_t now_ms, uint64_t timeout_ms)
{
    n->state = HW_STARTED;
    n->retries = retries_before(n);
    n->settled_at = now_ms;
    n->next_run_at = now_ms + (int64_t)timeout_ms + GRACE_MS;
}
