/* sample_job.h -- jobs as the leader sees them, for the tests. */
#ifndef HW_SPEC_SAMPLE_JOB_H
#define HW_SPEC_SAMPLE_JOB_H

#include "sample.h"
#include "trip/job.h"

/* A job of the notification that sample_fill makes. */
static inline struct hw_job *sample_job(const char *id, const char *body)
{
    struct hw_job *job = hw_job_revive(0, false, hw_now_ns());
    HW_CHECK(job);
    sample_fill(&job->n, id, body);
    job->n.outcome.finished_ns = job->n.cut_ns;
    return job;
}

static inline struct hw_job *numbered_job(int number)
{
    char id[32];
    snprintf(id, sizeof id, "job-%d", number);
    return sample_job(id, "{}");
}

#endif
