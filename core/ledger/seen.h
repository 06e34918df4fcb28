/* seen.h -- a filter in memory: has this ever been recorded? "No" is certain, "maybe" is not.
 *
 * Why     Nearly every notification is new. A look-up in the file costs several system calls and a
 *         search in a tree, only to find nothing.
 * How     A Bloom filter in layers, each twice as large as the one before, so it grows with what it
 *         holds. A key takes about 12 bits; a look-up reads one cache line in each layer. About one
 *         look-up in a hundred is a false "maybe", and goes to the file.
 * Thread  add: one thread. may_hold: any thread, at the same time. A look-up is sure to see a key
 *         only if something else orders it after the add (until then the job is in flight). */
#ifndef HW_SEEN_H
#define HW_SEEN_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

enum { HW_SEEN_LAYERS = 20, HW_SEEN_FIRST = 32768 /* keys of the first layer */ };

struct hw_seen_layer;

struct hw_seen {
    /* atomic: published by the adding thread */
    struct hw_seen_layer *_Atomic layers[HW_SEEN_LAYERS];
    /* the adding thread only */
    size_t top;
    bool full; /* no memory for another layer: from then on everything is a "maybe" */
    /* constant after init */
    uint64_t seed;
    /* atomic: everything that was recorded before is in it */
    atomic_bool complete;
};

void hw_seen_init(struct hw_seen *seen);
void hw_seen_fini(struct hw_seen *seen);
void hw_seen_add(struct hw_seen *seen, struct hw_str key);

/* All earlier records were added: from now on a "no" is certain. */
void hw_seen_complete(struct hw_seen *seen);

/* False: it was never added. */
bool hw_seen_may_hold(const struct hw_seen *seen, struct hw_str key);

#endif
