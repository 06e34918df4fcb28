/* bloom.c -- see bloom.h */
#include "ledger/bloom.h"

#include <stdlib.h>
#include <sys/random.h>

enum {
    LINE_WORDS = 8, /* 64 bytes: all bits of a key are in one cache line */
    KEYS_A_LINE = 40,
    BITS_A_KEY = 7
};

struct line {
    _Atomic uint64_t words[LINE_WORDS];
};

struct hw_bloom_layer {
    size_t lines; /* a power of two */
    size_t keys, keys_max;
    struct line at[];
};

void hw_bloom_init(struct hw_bloom *bloom)
{
    memset(bloom, 0, sizeof *bloom);
    if (getrandom(&bloom->seed, sizeof bloom->seed, 0) != sizeof bloom->seed)
        bloom->seed = (uint64_t)(uintptr_t)bloom;
}

void hw_bloom_fini(struct hw_bloom *bloom)
{
    for (size_t i = 0; i < HW_BLOOM_LAYERS; i++)
        free(bloom->layers[i]);
}

/* Seeded, so that a stranger can't choose keys that share a line. */
static uint64_t hash(const struct hw_bloom *bloom, struct hw_str key)
{
    uint64_t h = hw_str_hash(bloom->seed, key);
    h = (h ^ h >> 32) * 0x9e3779b97f4a7c15u;
    h = (h ^ h >> 29) * 0xbf58476d1ce4e5b9u;
    return h ^ h >> 32;
}

static struct line *line_of(struct hw_bloom_layer *layer, uint64_t h)
{
    return &layer->at[(h >> 20) & (layer->lines - 1)];
}

/* The bits of a key. Nine bits of a second hash give each: a word, and a bit in it. */
static uint64_t bits_of(uint64_t h)
{
    return h * 0xd6e8feb86659fd93u;
}

static struct hw_bloom_layer *new_layer(size_t keys)
{
    size_t lines = 1;
    while (lines * KEYS_A_LINE < keys)
        lines *= 2;
    struct hw_bloom_layer *layer = calloc(1, sizeof *layer + lines * sizeof(struct line));
    if (!layer)
        return NULL;
    layer->lines = lines;
    layer->keys_max = lines * KEYS_A_LINE;
    return layer;
}

/* The layer that has room, or NULL when no more can be made. */
static struct hw_bloom_layer *top_layer(struct hw_bloom *bloom)
{
    struct hw_bloom_layer *top =
        atomic_load_explicit(&bloom->layers[bloom->top], memory_order_relaxed);
    if (top && top->keys < top->keys_max)
        return top;
    size_t next = top ? bloom->top + 1 : 0;
    struct hw_bloom_layer *layer =
        next < HW_BLOOM_LAYERS ? new_layer((size_t)HW_BLOOM_FIRST << next) : NULL;
    if (!layer)
        return NULL;
    atomic_store_explicit(&bloom->layers[next], layer, memory_order_release);
    bloom->top = next;
    return layer;
}

void hw_bloom_add(struct hw_bloom *bloom, struct hw_str key)
{
    struct hw_bloom_layer *layer = bloom->full ? NULL : top_layer(bloom);
    if (!layer) {
        bloom->full = true;
        bloom->complete = false;
        return;
    }
    uint64_t h = hash(bloom, key), bits = bits_of(h);
    struct line *line = line_of(layer, h);
    for (int i = 0; i < BITS_A_KEY; i++, bits >>= 9)
        atomic_fetch_or_explicit(&line->words[(bits >> 6) & (LINE_WORDS - 1)],
                                 (uint64_t)1 << (bits & 63), memory_order_relaxed);
    layer->keys++;
}

void hw_bloom_complete(struct hw_bloom *bloom)
{
    if (!bloom->full)
        bloom->complete = true;
}

static bool holds(struct hw_bloom_layer *layer, uint64_t h)
{
    uint64_t bits = bits_of(h);
    struct line *line = line_of(layer, h);
    for (int i = 0; i < BITS_A_KEY; i++, bits >>= 9) {
        uint64_t word = atomic_load_explicit(&line->words[(bits >> 6) & (LINE_WORDS - 1)],
                                             memory_order_relaxed);
        if (!(word >> (bits & 63) & 1))
            return false;
    }
    return true;
}

bool hw_bloom_may_hold(const struct hw_bloom *bloom, struct hw_str key)
{
    if (!bloom->complete)
        return true;
    uint64_t h = hash(bloom, key);
    for (size_t i = 0; i < HW_BLOOM_LAYERS; i++) {
        struct hw_bloom_layer *layer =
            atomic_load_explicit(&bloom->layers[i], memory_order_acquire);
        if (!layer)
            return false;
        if (holds(layer, h))
            return true;
    }
    return true;
}
