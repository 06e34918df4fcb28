/* job.c -- see job.h */
#include "trip/job.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "http/kept_headers.h"

/* ---- the three headers ---- */

static unsigned find(const struct hw_request *r, struct hw_str lower, struct hw_str *value)
{
    return hw_http_find(&r->http, r->bytes, lower, value);
}

static int read_signature(struct hw_job *job, const struct hw_request *r)
{
    unsigned n = find(r, HW_STR("x-signature"), &job->n.signature);
    if (n == 0)
        return HW_EMISSING_SIGNATURE;
    return n == 1 && job->n.signature.len ? 0 : HW_EMALFORMED_SIGNATURE;
}

static int read_id(struct hw_job *job, const struct hw_request *r)
{
    unsigned n = find(r, HW_STR("x-jobid"), &job->n.id);
    if (n == 0)
        return 0;
    if (n > 1 || job->n.id.len == 0 || job->n.id.len > HW_JOB_ID_MAX)
        return HW_EMALFORMED_JOB_ID;
    for (size_t i = 0; i < job->n.id.len; i++)
        if (job->n.id.ptr[i] < ' ' || job->n.id.ptr[i] > '~')
            return HW_EMALFORMED_JOB_ID;
    job->n.has_id = true;
    return 0;
}

static int read_attempt(struct hw_job *job, const struct hw_request *r)
{
    struct hw_str text;
    unsigned n = find(r, HW_STR("x-jobattempt"), &text);
    if (n == 0)
        return 0;
    if (n > 1 || text.len == 0 || text.len > HW_ATTEMPT_DIGITS_MAX)
        return HW_EMALFORMED_JOB_ATTEMPT;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return HW_EMALFORMED_JOB_ATTEMPT;
        job->n.attempt = job->n.attempt * 10 + (uint32_t)(text.ptr[i] - '0');
    }
    return 0;
}

/* ---- birth and death ---- */

/* Without X-JobId the content is the name. */
static int name_by_digest(struct hw_job *job)
{
    static const char hex[] = "0123456789abcdef";
    char *text = hw_arena_alloc(&job->arena, 16);
    if (!text)
        return HW_ENOMEM;
    for (int i = 0; i < 8; i++) {
        text[2 * i] = hex[job->n.identity.digest[i] >> 4];
        text[2 * i + 1] = hex[job->n.identity.digest[i] & 15];
    }
    job->n.id = (struct hw_str){text, 16};
    return 0;
}

static int read_request(struct hw_job *job, const struct hw_request *r, struct hw_hasher *hasher,
                        bool by_body)
{
    int rc = read_signature(job, r);
    if (rc == 0)
        rc = read_id(job, r);
    if (rc == 0)
        rc = read_attempt(job, r);
    if (rc)
        return rc;
    job->n.body = (struct hw_str){r->bytes + r->head_len, (size_t)r->http.body_length};
    rc = hw_hasher_digest(hasher, job->n.body, job->n.identity.digest);
    if (rc == 0 && !job->n.has_id)
        rc = name_by_digest(job);
    if (!by_body)
        job->n.identity.id = job->n.id;
    return rc;
}

static struct hw_job *new_job(uint64_t now_ns)
{
    struct hw_job *job = malloc(sizeof *job);
    if (!job)
        return NULL;
    memset(job, 0, offsetof(struct hw_job, first_block));
    hw_arena_init(&job->arena, job->first_block, sizeof job->first_block);
    job->n.arena = &job->arena;
    job->n.cut_ns = now_ns;
    return job;
}

struct hw_job *hw_job_revive(int64_t row, bool force, uint64_t now_ns)
{
    struct hw_job *job = new_job(now_ns);
    if (!job)
        return NULL;
    job->n.from_row = row;
    job->n.force = force;
    return job;
}

static bool copy_texts(struct hw_job *job, struct hw_str *const *texts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!texts[i]->ptr)
            continue;
        *texts[i] = hw_arena_copy(&job->arena, *texts[i]);
        if (!texts[i]->ptr)
            return false;
    }
    return true;
}

struct hw_job *hw_job_take(const struct hw_notification *taken, int64_t due_at, uint64_t now_ns)
{
    struct hw_job *job = new_job(now_ns);
    if (!job)
        return NULL;
    job->n = *taken;
    job->n.arena = &job->arena;
    job->n.cut_ns = now_ns;
    job->due_at = due_at;
    job->row = taken->row;
    struct hw_str *const texts[] = {&job->n.body,    &job->n.id,   &job->n.identity.id,
                                    &job->n.headers, &job->n.key,  &job->n.event,
                                    &job->n.lane,    &job->n.pool, &job->n.client};
    if (copy_texts(job, texts, sizeof texts / sizeof *texts))
        return job;
    hw_job_free(job);
    return NULL;
}

bool hw_job_copy_headers(struct hw_job *to, const struct hw_job *from)
{
    char text[HW_KEPT_HEADERS_MAX];
    struct hw_str headers = from->n.headers;
    if (from->n.request)
        headers = (struct hw_str){text, hw_kept_headers_write(from->n.request, text)};
    if (headers.ptr)
        to->n.headers = hw_arena_copy(&to->arena, headers);
    return !headers.ptr || to->n.headers.ptr;
}

static struct hw_outcome outcome_of_lost(const struct hw_job *job, enum hw_progress progress)
{
    if (progress == HW_SETTLING)
        return job->n.outcome;
    return (struct hw_outcome){
        .code = HW_EHANDLER_TIMEOUT,
        .authentic = true,
        .ran = true,
        .detail = HW_STR("it could not be stopped: its thread was given up"),
        .taken_ns = job->n.outcome.taken_ns,
        .began_ns = job->n.outcome.taken_ns, /* the thread may be writing began_ns */
        .finished_ns = hw_now_ns(),
    };
}

/* The texts are copied: the job may come back and be freed before its stand-in. */
struct hw_job *hw_job_stand_in(const struct hw_job *job)
{
    enum hw_progress progress = atomic_load_explicit(&job->progress, memory_order_acquire);
    bool may_run_yet =
        progress < HW_RUNNING || job->n.outcome.held || job->starting || job->accepting;
    bool claimed = job->n.claim == HW_CLAIM_MINE;
    struct hw_job *s = may_run_yet || claimed ? NULL : new_job(job->n.cut_ns);
    if (!s)
        return NULL;
    s->n.outcome = outcome_of_lost(job, progress);
    struct hw_str *const texts[] = {&s->n.body,          &s->n.id,    &s->n.identity.id,
                                    &s->n.key,           &s->n.event, &s->n.outcome.reason,
                                    &s->n.lane,          &s->n.pool,  &s->n.outcome.detail,
                                    &s->n.outcome.place, &s->n.client};
    s->n.identity = job->n.identity;
    s->n.body = job->n.body;
    s->n.id = job->n.id;
    s->n.key = job->n.key;
    s->n.client = job->n.client;
    s->n.event = job->n.event;
    s->n.lane = job->n.lane;
    s->n.pool = job->n.pool;
    s->n.pool_max = job->n.pool_max;
    s->n.accepted = job->n.accepted;
    bool copied = hw_job_copy_headers(s, job) && copy_texts(s, texts, sizeof texts / sizeof *texts);
    s->n.has_id = job->n.has_id;
    s->n.attempt = job->n.attempt;
    s->n.received_at = job->n.received_at;
    s->n.peer = job->n.peer;
    s->n.from_row = job->n.from_row;
    s->n.known = job->n.known;
    s->n.by_host = job->n.by_host;
    s->n.retry = job->n.retry;
    s->n.started = job->n.started;
    s->due_at = job->due_at;
    s->in_hand = job->in_hand;
    s->pool = job->pool;
    s->accepted = job->accepted;
    s->told = job->told;
    s->timed = job->timed;
    s->joined = job->joined;
    s->counted = job->counted;
    s->joined_attempt = job->joined_attempt;
    memcpy(s->n.version, job->n.version, sizeof s->n.version);
    if (copied)
        return s;
    hw_job_free(s);
    return NULL;
}

struct hw_job *hw_job_cut(struct hw_request **request, struct hw_hasher *hasher, bool by_body,
                          uint64_t now_ns, int *code)
{
    struct hw_job *job = new_job(now_ns);
    *code = HW_ENOMEM;
    if (!job)
        return NULL;
    *code = read_request(job, *request, hasher, by_body);
    if (*code) {
        hw_job_free(job);
        return NULL;
    }
    job->n.received_at = hw_now();
    job->n.request = *request;
    *request = NULL;
    return job;
}

void hw_job_free(struct hw_job *job)
{
    hw_arena_fini(&job->arena);
    free(job);
}

bool hw_job_same(const struct hw_job *a, const struct hw_job *b)
{
    return memcmp(a->n.identity.digest, b->n.identity.digest, HW_DIGEST_SIZE) == 0 &&
           hw_str_eq(a->n.identity.id, b->n.identity.id);
}
