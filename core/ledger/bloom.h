/* bloom.h -- a filter in memory: has this ever been recorded? "No" is certain, "maybe" is not.
 *
 * Not     the look-up itself, which asks here first: look_up.c.
 * Why     Nearly every notification is new. A look-up in the file costs several system calls and a
 *         search in a tree, only to find nothing.
 * How     A Bloom filter in layers, each twice as large as the one before, so it grows with what it
 *         holds. A key takes about 12 bits; a look-up reads one cache line in each layer. About one
 *         look-up in a hundred is a false "maybe", and goes to the file.
 * Thread  add: one thread. may_hold: any thread, at the same time. A look-up is sure to see a key
 *         only if something else orders it after the add (until then the job is in flight). */
#ifndef HW_BLOOM_H
#define HW_BLOOM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

enum { HW_BLOOM_LAYERS = 20, HW_BLOOM_FIRST = 32768 /* keys of the first layer */ };

struct hw_bloom_layer;

struct hw_bloom {
    /* atomic: published by the adding thread */
    struct hw_bloom_layer *_Atomic layers[HW_BLOOM_LAYERS];
    /* the adding thread only */
    size_t top;
    bool full; /* no memory for another layer: from then on everything is a "maybe" */
    /* constant after init */
    uint64_t seed;
    /* atomic: everything that was recorded before is in it */
    atomic_bool complete;
};

void hw_bloom_init(struct hw_bloom *bloom);
void hw_bloom_fini(struct hw_bloom *bloom);
void hw_bloom_add(struct hw_bloom *bloom, struct hw_str key);

/* All earlier records were added: from now on a "no" is certain. */
void hw_bloom_complete(struct hw_bloom *bloom);

/* False: it was never added. */
bool hw_bloom_may_hold(const struct hw_bloom *bloom, struct hw_str key);

#endif
