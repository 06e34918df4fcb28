/* deadline.c -- see deadline.h */
#include "http/deadline.h"

#include <stddef.h>

static void on_timer(uv_timer_t *timer);
static void on_check(uv_check_t *check);
static void on_idle(uv_idle_t *idle);

void hw_deadlines_init(struct hw_deadlines *all, uv_loop_t *loop, hw_deadline_fn *expired)
{
    uv_timer_init(loop, &all->timer);
    uv_check_init(loop, &all->check);
    uv_idle_init(loop, &all->idle);
    all->timer.data = all->check.data = all;
    all->expired = expired;
    for (int i = 0; i < HW_DEADLINE_KINDS; i++)
        all->lists[i].prev = all->lists[i].next = &all->lists[i];
}

/* The timer is postponed only when it fires: under load the first deadline of a list changes with
 * every request, and one wake-up too early is cheaper. After it has fired, and while it runs for a
 * grace period, it is left alone: all lists are checked then anyway. */
static void arm(struct hw_deadlines *all, uint64_t at_ms)
{
    uint64_t now = uv_now(all->timer.loop);
    uint64_t in_ms = at_ms > now ? at_ms - now : 0;
    if (all->looks || all->excused ||
        (uv_is_active((uv_handle_t *)&all->timer) && all->due_ms <= now + in_ms))
        return;
    all->due_ms = now + in_ms;
    uv_timer_start(&all->timer, on_timer, in_ms, 0);
}

void hw_deadlines_last(struct hw_deadlines *all, enum hw_deadline_kind kind, uint64_t duration_ms)
{
    struct hw_deadline *ring = &all->lists[kind];
    uint64_t latest = uv_now(all->timer.loop) + duration_ms;
    all->durations_ms[kind] = duration_ms;
    if (kind == HW_DEADLINE_ANSWER)
        return;
    for (struct hw_deadline *d = ring->prev; d != ring && d->at_ms > latest; d = d->prev)
        d->at_ms = latest;
    if (ring->next != ring)
        arm(all, ring->next->at_ms);
}

void hw_deadline_clear(struct hw_deadline *deadline)
{
    if (!deadline->next)
        return;
    deadline->prev->next = deadline->next;
    deadline->next->prev = deadline->prev;
    deadline->prev = deadline->next = NULL;
}

/* The deadline after which one at `at_ms` belongs: nearly always the last. */
static struct hw_deadline *last_before(struct hw_deadline *ring, uint64_t at_ms)
{
    struct hw_deadline *last = ring->prev;
    while (last != ring && last->at_ms > at_ms)
        last = last->prev;
    return last;
}

void hw_deadline_set(struct hw_deadlines *all, struct hw_deadline *deadline,
                     enum hw_deadline_kind kind)
{
    hw_deadline_set_in(all, deadline, kind, all->durations_ms[kind]);
}

void hw_deadline_set_in(struct hw_deadlines *all, struct hw_deadline *deadline,
                        enum hw_deadline_kind kind, uint64_t in_ms)
{
    hw_deadline_clear(deadline);
    deadline->kind = kind;
    deadline->at_ms = uv_now(all->timer.loop) + in_ms;
    deadline->prev = last_before(&all->lists[kind], deadline->at_ms);
    deadline->next = deadline->prev->next;
    deadline->prev->next = deadline->next->prev = deadline;
    arm(all, deadline->at_ms);
}

void hw_deadline_postpone(struct hw_deadlines *all, struct hw_deadline *deadline, uint64_t ms)
{
    struct hw_deadline *ring = &all->lists[deadline->kind], *last = ring;
    deadline->at_ms = uv_now(all->timer.loop) + ms;
    while (last->next != ring && last->next->at_ms < deadline->at_ms) /* equal ones may be many */
        last = last->next;
    deadline->prev = last;
    deadline->next = last->next;
    last->next = deadline->next->prev = deadline;
    arm(all, deadline->at_ms);
}

/* Moves the deadlines that have passed to a ring of their own, so that hw_deadline_postpone need
 * not walk past them. */
static void take_passed(struct hw_deadline *ring, uint64_t now, struct hw_deadline *passed)
{
    struct hw_deadline *last = ring;
    passed->prev = passed->next = passed;
    while (last->next != ring && last->next->at_ms <= now)
        last = last->next;
    if (last == ring)
        return;
    passed->next = ring->next;
    passed->prev = last;
    ring->next = last->next;
    ring->next->prev = ring;
    passed->next->prev = last->next = passed;
}

static void expire(struct hw_deadlines *all, struct hw_deadline *ring)
{
    struct hw_deadline passed;
    take_passed(ring, uv_now(all->timer.loop), &passed);
    while (passed.next != &passed) {
        struct hw_deadline *deadline = passed.next;
        hw_deadline_clear(deadline);
        all->expired(all, deadline);
    }
    if (ring->next != ring)
        arm(all, ring->next->at_ms);
}

static void expire_all(struct hw_deadlines *all)
{
    all->excused = false;
    for (int i = 0; i < HW_DEADLINE_KINDS; i++)
        expire(all, &all->lists[i]);
}

/* ---- after a pause ---- */

/* A loop that is late has paused: returns true, and gives all deadlines a grace period, but
 * never twice in a row: otherwise nothing would ever expire on a machine that is always late. */
static bool excuse(struct hw_deadlines *all)
{
    uint64_t now = uv_now(all->timer.loop);
    bool late = now > all->due_ms + HW_DEADLINE_LATE_MS;
    all->due_ms = now;
    if (!late || all->excused)
        return false;
    all->excused = true;
    all->due_ms += HW_DEADLINE_GRACE_MS;
    uv_timer_start(&all->timer, on_timer, HW_DEADLINE_GRACE_MS, 0);
    return true;
}

static void begin_looking(struct hw_deadlines *all)
{
    all->looks = 2;
    uv_check_start(&all->check, on_check);
    uv_idle_start(&all->idle, on_idle);
}

static void end_looking(struct hw_deadlines *all)
{
    all->looks = 0;
    uv_check_stop(&all->check);
    uv_idle_stop(&all->idle);
}

static void on_timer(uv_timer_t *timer)
{
    struct hw_deadlines *all = timer->data;
    if (!excuse(all))
        begin_looking(all);
}

static void on_check(uv_check_t *check)
{
    struct hw_deadlines *all = check->data;
    if (excuse(all)) {
        end_looking(all);
    } else if (--all->looks == 0) {
        end_looking(all);
        expire_all(all);
    }
}

static void on_idle(uv_idle_t *idle)
{
    (void)idle; /* it only has to be active */
}
