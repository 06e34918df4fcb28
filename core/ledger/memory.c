/* memory.c -- a ledger that forgets: bounded, in memory, for tests and trials.
 *
 * How     A ring of HW_LEDGER_MEMORY_MAX entries; the newest replaces the oldest. One hash index
 *         over the job id (over the digest, when that alone is the identity). All entries of an id
 *         are in one chain, so one walk finds the identity and the id's other bodies.
 * Thread  look_up: any; commit: the leader. A lock guards the index. */
#include <pthread.h>
#include <stdlib.h>
#include <sys/random.h>

#include "ledger/ledger.h"

enum { NONE = -1 };

struct entry {
    uint64_t hash;
    uint8_t digest[HW_DIGEST_SIZE];
    uint32_t deliveries, attempt, retries;
    enum hw_ledger_state state;
    bool given_up, accepted;
    uint32_t runs;
    int64_t next_run_at; /* nobody picks it here; a spec runs it by itself */
    int32_t next;        /* in the chain */
};

struct memory {
    struct hw_ledger ledger;

    /* constant after open */
    uint64_t seed;

    /* guarded by m */
    pthread_mutex_t m;
    uint32_t count; /* entries ever added */
    int32_t heads[HW_LEDGER_MEMORY_MAX];
    struct entry ring[HW_LEDGER_MEMORY_MAX];
};

static uint64_t hash_of(const struct memory *m, const struct hw_identity *identity)
{
    struct hw_str text = identity->id;
    if (text.len == 0)
        text = (struct hw_str){(const char *)identity->digest, HW_DIGEST_SIZE};
    uint64_t h = hw_str_hash(m->seed, text);
    return h ^ h >> 29;
}

static int32_t *head_of(struct memory *m, uint64_t hash)
{
    return &m->heads[hash % HW_LEDGER_MEMORY_MAX];
}

/* *other_body says whether the id is known, but not with this digest. */
static struct entry *find_locked(struct memory *m, const struct hw_identity *identity,
                                 uint64_t hash, bool *other_body)
{
    bool same_id = false;
    for (int32_t i = *head_of(m, hash); i != NONE; i = m->ring[i].next) {
        struct entry *e = &m->ring[i];
        if (e->hash != hash)
            continue;
        if (memcmp(e->digest, identity->digest, HW_DIGEST_SIZE) == 0)
            return e;
        same_id = true;
    }
    *other_body = same_id;
    return NULL;
}

static void unlink_locked(struct memory *m, int32_t index)
{
    int32_t *link = head_of(m, m->ring[index].hash);
    while (*link != index)
        link = &m->ring[*link].next;
    *link = m->ring[index].next;
}

static void tally(struct memory *m, enum hw_ledger_state state, int change)
{
    atomic_fetch_add_explicit(&m->ledger.rows[state], change, memory_order_relaxed);
}

static struct entry *add_locked(struct memory *m, const struct hw_identity *identity, uint64_t hash)
{
    int32_t index = (int32_t)(m->count % HW_LEDGER_MEMORY_MAX);
    if (m->count >= HW_LEDGER_MEMORY_MAX) {
        unlink_locked(m, index);
        tally(m, m->ring[index].state, -1);
    }
    if (++m->count == 2u * HW_LEDGER_MEMORY_MAX)
        m->count = HW_LEDGER_MEMORY_MAX; /* only whether the ring is full matters */
    struct entry *e = &m->ring[index];
    *e = (struct entry){.hash = hash, .next = *head_of(m, hash)};
    tally(m, e->state, 1);
    memcpy(e->digest, identity->digest, HW_DIGEST_SIZE);
    *head_of(m, hash) = index;
    return e;
}

/* ---- the interface ---- */

static struct hw_ledger_reader *reader_open(struct hw_ledger *ledger, char *why, size_t why_size)
{
    (void)why;
    (void)why_size;
    return (struct hw_ledger_reader *)ledger; /* a reader has nothing of its own */
}

static void reader_close(struct hw_ledger_reader *reader)
{
    (void)reader;
}

static int look_up(struct hw_ledger_reader *reader, const struct hw_identity *identity,
                   struct hw_known *known)
{
    struct memory *m = (struct memory *)reader;
    uint64_t hash = hash_of(m, identity);
    *known = (struct hw_known){0};
    pthread_mutex_lock(&m->m);
    struct entry *e = find_locked(m, identity, hash, &known->other_body);
    if (e) {
        known->state = e->state;
        known->deliveries = e->deliveries;
        known->attempt = e->attempt;
        known->retries = e->retries;
        known->next_run_at = e->next_run_at;
        known->given_up = e->given_up;
        known->accepted = e->accepted;
        known->runs = e->runs;
    }
    pthread_mutex_unlock(&m->m);
    return 0;
}

static int commit(struct hw_ledger *ledger, struct hw_notification *const *batch, size_t count)
{
    struct memory *m = (struct memory *)ledger;
    pthread_mutex_lock(&m->m);
    for (size_t i = 0; i < count; i++) {
        const struct hw_notification *n = batch[i];
        bool unused = false;
        uint64_t hash = hash_of(m, &n->identity);
        struct entry *e = find_locked(m, &n->identity, hash, &unused);
        if (!e)
            e = add_locked(m, &n->identity, hash);
        e->deliveries += n->copies;
        e->attempt = hw_notification_last_attempt(n);
        if (n->outcome.from_ledger)
            continue;
        e->runs += n->state == HW_STARTED || (n->outcome.ran && !n->started);
        tally(m, e->state, -1);
        tally(m, e->state = n->state, 1);
        e->retries = n->retries;
        e->next_run_at = n->next_run_at;
        e->accepted = e->accepted || n->accepted;
        e->given_up = n->outcome.code == HW_EGIVEN_UP;
    }
    pthread_mutex_unlock(&m->m);
    return 0;
}

static int change_pauses(struct hw_ledger *ledger, struct hw_pause *pause)
{
    int rc = 0;
    pause->changed = hw_pauses_has(&ledger->pauses, pause->pattern) == pause->resume;
    if (pause->resume)
        hw_pauses_remove(&ledger->pauses, pause->pattern);
    else
        rc = hw_pauses_add(&ledger->pauses, pause->pattern, pause->since);
    if (rc == 0 && pause->changed)
        hw_pauses_log(pause);
    return rc;
}

static void close_memory(struct hw_ledger *ledger)
{
    struct memory *m = (struct memory *)ledger;
    hw_pauses_fini(&ledger->pauses);
    pthread_mutex_destroy(&m->m);
    free(m);
}

static const struct hw_ledger_type type = {
    .name = "memory",
    .waits = false,
    .reader_open = reader_open,
    .reader_close = reader_close,
    .look_up = look_up,
    .commit = commit,
    .pause = change_pauses,
    .close = close_memory,
};

struct hw_ledger *hw_ledger_memory_open(void)
{
    struct memory *m = calloc(1, sizeof *m);
    if (!m)
        return NULL;
    hw_ledger_init(&m->ledger, &type);
    pthread_mutex_init(&m->m, NULL);
    if (getrandom(&m->seed, sizeof m->seed, 0) != sizeof m->seed)
        m->seed = (uint64_t)(uintptr_t)m;
    for (int32_t i = 0; i < HW_LEDGER_MEMORY_MAX; i++)
        m->heads[i] = NONE;
    return &m->ledger;
}
