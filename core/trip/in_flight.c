/* in_flight.c -- see in_flight.h */
#include "trip/in_flight.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum { BUCKETS_MIN = 64, BUCKETS_MAX = 65536 };

int hw_in_flight_init(struct hw_in_flight *table, size_t jobs)
{
    *table = (struct hw_in_flight){.bucket_count = BUCKETS_MIN};
    while (table->bucket_count < jobs && table->bucket_count < BUCKETS_MAX)
        table->bucket_count *= 2;
    table->buckets = calloc(table->bucket_count, sizeof(struct hw_job *));
    if (!table->buckets)
        return HW_ENOMEM;
    if (getrandom(&table->seed, sizeof table->seed, 0) != sizeof table->seed)
        table->seed = hw_now_ns();
    return 0;
}

void hw_in_flight_fini(struct hw_in_flight *table)
{
    free(table->buckets);
}

static struct hw_job **bucket_of(const struct hw_in_flight *table, const struct hw_job *job)
{
    uint64_t h;
    memcpy(&h, job->n.identity.digest, sizeof h);
    h = hw_str_hash(h ^ table->seed, job->n.identity.id) * 0x9e3779b97f4a7c15u;
    return &table->buckets[(h >> 40) & (table->bucket_count - 1)];
}

struct hw_job *hw_in_flight_find(const struct hw_in_flight *table, const struct hw_job *job)
{
    struct hw_job *first = *bucket_of(table, job);
    while (first && !hw_job_same(first, job))
        first = first->bucket_next;
    return first;
}

void hw_in_flight_add(struct hw_in_flight *table, struct hw_job *job)
{
    struct hw_job **bucket = bucket_of(table, job);
    job->in_flight = true;
    job->bucket_next = *bucket;
    *bucket = job;
}

void hw_in_flight_remove(struct hw_in_flight *table, struct hw_job *job)
{
    if (!job->in_flight)
        return;
    struct hw_job **link = bucket_of(table, job);
    while (*link != job)
        link = &(*link)->bucket_next;
    *link = job->bucket_next;
}

struct hw_job *hw_in_flight_find_signed(struct hw_job *first, const struct hw_job *job)
{
    while (first && !hw_str_eq(first->n.signature, job->n.signature))
        first = first->behind;
    return first;
}

int hw_in_flight_go_behind(struct hw_job *first, struct hw_job *job)
{
    unsigned count = 0;
    while (first->behind && count++ < HW_BEHIND_MAX)
        first = first->behind;
    if (first->behind || count == HW_BEHIND_MAX)
        return HW_EOVERLOADED;
    first->behind = job;
    job->in_flight = true;
    return 0;
}

void hw_in_flight_leave_behind(struct hw_job *first, struct hw_job *job)
{
    while (first->behind != job)
        first = first->behind;
    first->behind = job->behind;
    job->behind = NULL;
    job->in_flight = false;
}
