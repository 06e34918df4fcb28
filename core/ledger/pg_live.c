/* pg_live.c -- see postgres.h
 *
 * Why     The audit must tell what runs here from what nobody here knows. And the number from which
 *         on a successor looks for what this host left behind has to be known before it ends: there
 *         is no index on rows that run, since it would slow every success down.
 * How     An open table by claim. Claims count up, so their own low bits spread them perfectly. The
 *         least row is found by a walk, once a beat; what is asked for each notification (begin,
 *         got, end) is one look under the lock.
 *         A claim that may have inserted a row whose answer was lost stays for a while, as `lost`:
 *         nobody here knows its row, and yet a successor must find it. */
#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"
#include "ledger/postgres.h"

enum {
    SLOTS_MIN = 1024 /* a power of two */
};

/* A statement that was lost on its way can still take effect for so long: it ends by the server's
 * statement_timeout, and another round of it. */
#define LINGER_NS 10000000000u

struct entry {
    int64_t claim; /* 0: the slot is empty */
    int64_t low; /* no row of it is below; INT64_MAX: its rows stand in the index of what is due */
    uint64_t lost_ns; /* its answer was lost then; 0: it was not */
    uint32_t rows;
};

struct hw_pg_live {
    /* guarded by m */
    pthread_mutex_t m;
    int64_t last; /* the last number that was given out */
    int64_t mark;
    uint64_t lost_ns; /* the last time that an answer was lost; 0: never */
    struct entry *slots;
    size_t size, used; /* size: a power of two, used at most half of it */
};

struct hw_pg_live *hw_pg_live_new(void)
{
    struct hw_pg_live *live = calloc(1, sizeof *live);
    if (live)
        live->slots = calloc(SLOTS_MIN, sizeof *live->slots);
    if (!live || !live->slots) {
        free(live);
        return NULL;
    }
    live->size = SLOTS_MIN;
    pthread_mutex_init(&live->m, NULL);
    return live;
}

void hw_pg_live_free(struct hw_pg_live *live)
{
    if (!live)
        return;
    pthread_mutex_destroy(&live->m);
    free(live->slots);
    free(live);
}

/* ---- the table ---- */

/* Its slot, or the empty one where it would be. */
static struct entry *find_locked(struct hw_pg_live *live, int64_t claim)
{
    size_t i = (size_t)claim & (live->size - 1);
    while (live->slots[i].claim && live->slots[i].claim != claim)
        i = (i + 1) & (live->size - 1);
    return &live->slots[i];
}

static bool grow_locked(struct hw_pg_live *live)
{
    struct entry *before = live->slots;
    size_t size = live->size;
    struct entry *slots = calloc(size * 2, sizeof *slots);
    if (!slots)
        return false;
    live->slots = slots;
    live->size = size * 2;
    for (size_t i = 0; i < size; i++)
        if (before[i].claim)
            *find_locked(live, before[i].claim) = before[i];
    free(before);
    return true;
}

/* Empties a slot, and moves those behind it that would not be found any more. */
static void remove_locked(struct hw_pg_live *live, struct entry *e)
{
    size_t mask = live->size - 1, hole = (size_t)(e - live->slots);
    live->used--;
    for (size_t i = (hole + 1) & mask; live->slots[i].claim; i = (i + 1) & mask) {
        size_t home = (size_t)live->slots[i].claim & mask;
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            live->slots[hole] = live->slots[i];
            hole = i;
        }
    }
    live->slots[hole] = (struct entry){0};
}

/* ---- claims ---- */

int64_t hw_pg_live_begin(struct hw_pg_live *live, bool fresh)
{
    int64_t claim = 0;
    pthread_mutex_lock(&live->m);
    if (live->used * 2 < live->size || grow_locked(live)) {
        claim = ++live->last;
        *find_locked(live, claim) =
            (struct entry){.claim = claim, .low = fresh ? live->mark : INT64_MAX, .rows = 1};
        live->used++;
    }
    pthread_mutex_unlock(&live->m);
    return claim;
}

/* After a failover the sequence may have gone back, so a row may be below the mark. */
void hw_pg_live_got(struct hw_pg_live *live, int64_t claim, size_t rows, int64_t seq)
{
    pthread_mutex_lock(&live->m);
    struct entry *e = find_locked(live, claim);
    if (e->claim && rows == 0) {
        remove_locked(live, e);
    } else if (e->claim) {
        e->rows = (uint32_t)rows;
        if (e->low != INT64_MAX)
            e->low = seq;
    }
    pthread_mutex_unlock(&live->m);
}

void hw_pg_live_end(struct hw_pg_live *live, int64_t claim)
{
    pthread_mutex_lock(&live->m);
    struct entry *e = find_locked(live, claim);
    if (e->claim && !e->lost_ns && --e->rows == 0)
        remove_locked(live, e);
    pthread_mutex_unlock(&live->m);
}

/* Of a claim for several rows one is lost: it is let go of once nothing of that claim is known. */
void hw_pg_live_lost(struct hw_pg_live *live, int64_t claim)
{
    pthread_mutex_lock(&live->m);
    struct entry *e = find_locked(live, claim);
    live->lost_ns = hw_now_ns();
    if (e->claim && e->rows > 1)
        e->rows--;
    else if (e->claim && e->low == INT64_MAX)
        remove_locked(live, e);
    else if (e->claim && !e->lost_ns)
        e->lost_ns = live->lost_ns;
    pthread_mutex_unlock(&live->m);
}

void hw_pg_live_is_due(struct hw_pg_live *live, int64_t claim)
{
    pthread_mutex_lock(&live->m);
    struct entry *e = find_locked(live, claim);
    if (e->claim && !e->lost_ns)
        e->low = INT64_MAX;
    pthread_mutex_unlock(&live->m);
}

bool hw_pg_live_has(struct hw_pg_live *live, int64_t claim)
{
    pthread_mutex_lock(&live->m);
    const struct entry *e = find_locked(live, claim);
    bool has = e->claim && !e->lost_ns;
    pthread_mutex_unlock(&live->m);
    return has;
}

/* Of those that were not fresh there is no entry any more. */
bool hw_pg_live_has_lost(struct hw_pg_live *live)
{
    pthread_mutex_lock(&live->m);
    bool found = live->lost_ns && hw_now_ns() < live->lost_ns + LINGER_NS;
    for (size_t i = 0; !found && i < live->size; i++)
        found = live->slots[i].claim && live->slots[i].lost_ns;
    pthread_mutex_unlock(&live->m);
    return found;
}

size_t hw_pg_live_count(struct hw_pg_live *live)
{
    pthread_mutex_lock(&live->m);
    size_t count = live->used;
    pthread_mutex_unlock(&live->m);
    return count;
}

/* ---- the least row ---- */

int64_t hw_pg_live_low_seq(struct hw_pg_live *live)
{
    pthread_mutex_lock(&live->m);
    int64_t low = live->mark;
    for (size_t i = 0; i < live->size; i++)
        if (live->slots[i].claim && live->slots[i].low < low)
            low = live->slots[i].low;
    pthread_mutex_unlock(&live->m);
    return low;
}

void hw_pg_live_mark(struct hw_pg_live *live, int64_t last_value)
{
    pthread_mutex_lock(&live->m);
    live->mark = last_value;
    pthread_mutex_unlock(&live->m);
}

/* Each slot is looked at again after a removal, which may have moved another one into it. One that
 * moves from the end of the table to its beginning was looked at already or is left to the next
 * audit. */
void hw_pg_live_audited(struct hw_pg_live *live, uint64_t began_ns)
{
    pthread_mutex_lock(&live->m);
    for (size_t i = 0; i < live->size; i++) {
        struct entry *e = &live->slots[i];
        while (e->claim && e->lost_ns && e->lost_ns + LINGER_NS < began_ns)
            remove_locked(live, e);
    }
    pthread_mutex_unlock(&live->m);
}
