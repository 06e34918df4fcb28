/* queue.h -- jobs that wait, in the order in which they came.
 *
 * How     A list by job->next. A job knows what points to it (job->link), so it can be taken out of
 *         the middle without a search.
 * Thread  as the owner of each queue says. */
#ifndef HW_QUEUE_H
#define HW_QUEUE_H

#include <stddef.h>

#include "trip/job.h"

struct hw_queue {
    struct hw_job *head, **tail;
    size_t count;
};

static inline void hw_queue_init(struct hw_queue *q)
{
    *q = (struct hw_queue){.tail = &q->head};
}

static inline void hw_queue_push(struct hw_queue *q, struct hw_job *job)
{
    job->next = NULL;
    job->link = q->tail;
    *q->tail = job;
    q->tail = &job->next;
    q->count++;
}

static inline void hw_queue_take_out(struct hw_queue *q, struct hw_job *job)
{
    *job->link = job->next;
    if (job->next)
        job->next->link = job->link;
    else
        q->tail = job->link;
    q->count--;
    job->next = NULL;
    job->link = NULL;
}

static inline struct hw_job *hw_queue_pop(struct hw_queue *q)
{
    struct hw_job *job = q->head;
    hw_queue_take_out(q, job);
    return job;
}

static inline struct hw_job *hw_queue_take_all(struct hw_queue *q)
{
    struct hw_job *head = q->head;
    hw_queue_init(q);
    return head;
}

static inline void hw_queue_move_all(struct hw_queue *from, struct hw_queue *to)
{
    if (!from->head)
        return;
    *to->tail = from->head;
    from->head->link = to->tail;
    to->tail = from->tail;
    to->count += from->count;
    hw_queue_init(from);
}

#endif
