/* sample.h -- notifications as the ledger sees them, for the tests. */
#ifndef HW_SPEC_SAMPLE_H
#define HW_SPEC_SAMPLE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "notification.h"

/* Makes it a notification with this id and body, which succeeded. Its digest is the body itself, of
 * at most 32 bytes: an identity needs no hash here. The texts are copied. */
static inline void sample_fill(struct hw_notification *n, const char *id, const char *body)
{
    n->id = n->identity.id = hw_arena_copy(n->arena, hw_str_of(id));
    n->body = hw_arena_copy(n->arena, hw_str_of(body));
    HW_CHECK(n->body.len <= HW_DIGEST_SIZE);
    memcpy(n->identity.digest, body, n->body.len);
    n->event = HW_STR("Badge.Created");
    n->key = HW_STR("test.pem");
    n->signature = HW_STR("signature");
    n->received_at = hw_now();
    n->outcome.authentic = true;
    n->outcome.ran = true;
    n->state = HW_SUCCEEDED;
    n->outcome.finished_ns = hw_now_ns();
    n->copies = 1;
}

/* What became of it, while its sender delivers again. */
static inline void sample_end(struct hw_notification *n, int code)
{
    n->outcome.code = code;
    n->state = code ? HW_FAILED : HW_SUCCEEDED;
}

struct sample {
    struct hw_notification n; /* first: the functions below hand it out and take it back */
    struct hw_arena arena;
};

/* An empty notification, to be freed by free_notification(). */
static inline struct hw_notification *empty_notification(void)
{
    struct sample *sample = calloc(1, sizeof *sample);
    HW_CHECK(sample);
    hw_arena_init(&sample->arena, NULL, 0);
    sample->n.arena = &sample->arena;
    return &sample->n;
}

/* A notification that the ledger is to fill in from its row. */
static inline struct hw_notification *revived_notification(int64_t row)
{
    struct hw_notification *n = empty_notification();
    n->from_row = row;
    return n;
}

static inline void free_notification(struct hw_notification *n)
{
    struct sample *sample = (struct sample *)n;
    hw_arena_fini(&sample->arena);
    free(sample);
}

static inline struct hw_notification *notification(const char *id, const char *body)
{
    struct hw_notification *n = empty_notification();
    sample_fill(n, id, body);
    return n;
}

static inline struct hw_notification *numbered_notification(int number)
{
    char id[32];
    snprintf(id, sizeof id, "job-%d", number);
    return notification(id, "{}");
}

#endif
