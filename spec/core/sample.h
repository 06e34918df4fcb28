/* sample.h -- jobs as the ledger and the leader see them, for the tests. */
#ifndef HW_SPEC_SAMPLE_H
#define HW_SPEC_SAMPLE_H

#include <stdio.h>

#include "base/check.h"
#include "trip/job.h"

/* A job with this id and body; its digest is the body itself (of at most 32 bytes): no hashing is
 * needed to be an identity. The texts are copied. */
static inline struct hw_job *notification(const char *id, const char *body)
{
    struct hw_job *job = hw_job_revive(0, false, hw_now_ns());
    HW_CHECK(job);
    job->id = job->identity.id = hw_arena_copy(&job->arena, hw_str_of(id));
    job->body = hw_arena_copy(&job->arena, hw_str_of(body));
    HW_CHECK(job->body.len <= HW_DIGEST_SIZE);
    memcpy(job->identity.digest, body, job->body.len);
    job->event = HW_STR("Badge.Created");
    job->key = HW_STR("test.pem");
    job->signature = HW_STR("signature");
    job->received_at = hw_now();
    job->outcome.authentic = true;
    job->outcome.ran = true;
    job->outcome.finished_ns = job->cut_ns;
    job->copies = 1;
    return job;
}

static inline struct hw_job *numbered_notification(int number)
{
    char id[32];
    snprintf(id, sizeof id, "job-%d", number);
    return notification(id, "{}");
}

#endif
