/* patience.c -- see patience.h
 *
 * Four lists of deadlines, each nearly in order, so setting one needs no search. A stage may begin
 * and fall due between two checks, so these are never further apart than the shortest time-out. */
#include "trip/patience.h"

#include <stddef.h>

static void on_deadline(struct hw_deadlines *all, struct hw_deadline *deadline);

void hw_patience_init(struct hw_patience *p, uv_loop_t *loop, hw_impatient_fn *impatient,
                      void *owner)
{
    *p = (struct hw_patience){.impatient = impatient, .owner = owner};
    hw_deadlines_init(&p->deadlines, loop, on_deadline);
    hw_deadlines_last(&p->deadlines, HW_DEADLINE_LATE, HW_PATIENCE_GRACE_MS);
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

void hw_patience_limit(struct hw_patience *p, uint64_t queue_ms, uint64_t handler_ms)
{
    p->queue_ms = queue_ms;
    p->handler_ms = handler_ms;
    hw_deadlines_last(&p->deadlines, HW_DEADLINE_LOOK,
                      least(HW_PATIENCE_LOOK_MS, least(queue_ms, handler_ms)));
}

void hw_patience_begin(struct hw_patience *p, struct hw_job *job, uint64_t since_ns)
{
    atomic_store_explicit(&job->due_ns, since_ns + p->queue_ms * 1000000, memory_order_relaxed);
    hw_deadline_set(&p->deadlines, &job->patience, HW_DEADLINE_LOOK);
}

void hw_patience_again(struct hw_patience *p, struct hw_job *job)
{
    if (!job->patience.next)
        hw_deadline_set_in(&p->deadlines, &job->patience, HW_DEADLINE_STAGE, p->handler_ms);
}

void hw_patience_go_on(struct hw_patience *p, struct hw_job *job)
{
    hw_deadline_set(&p->deadlines, &job->patience, HW_DEADLINE_LOOK);
}

/* When its stage is due, and no later than a stage that begins now could be due. */
static void look_again(struct hw_patience *p, struct hw_job *job, uint64_t left_ns)
{
    uint64_t left_ms = left_ns / 1000000 + 1;
    bool queued = atomic_load_explicit(&job->progress, memory_order_relaxed) == HW_WAITING;
    if (left_ms > p->deadlines.durations_ms[HW_DEADLINE_LOOK])
        hw_deadline_set(&p->deadlines, &job->patience, HW_DEADLINE_LOOK);
    else
        hw_deadline_set_in(&p->deadlines, &job->patience,
                           queued ? HW_DEADLINE_QUEUED : HW_DEADLINE_STAGE, left_ms);
}

static void look(struct hw_patience *p, struct hw_job *job)
{
    uint64_t now = hw_now_ns(), due = atomic_load_explicit(&job->due_ns, memory_order_relaxed);
    if (now < due) {
        look_again(p, job, due - now);
    } else if (job->missed_ns != due) {
        job->missed_ns = due;
        hw_deadline_set(&p->deadlines, &job->patience, HW_DEADLINE_LATE);
    } else {
        p->impatient(p->owner, job);
    }
}

static void on_deadline(struct hw_deadlines *all, struct hw_deadline *deadline)
{
    struct hw_patience *p =
        (struct hw_patience *)((char *)all - offsetof(struct hw_patience, deadlines));
    look(p, (struct hw_job *)((char *)deadline - offsetof(struct hw_job, patience)));
}
