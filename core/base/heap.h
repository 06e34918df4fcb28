/* heap.h -- the largest of many, for which nothing is searched and nothing allocated.
 *
 * How     a pairing heap: each node's key is at least as large as those below it. Putting one in
 *         takes constant time, taking any one out O(log n), amortised.
 * Thread  the owner's. */
#ifndef HW_HEAP_H
#define HW_HEAP_H

#include <stdint.h>

/* Part of what is in the heap. It must not move while it is in, nor may its key change. */
struct hw_heap_node {
    uint64_t key; /* the caller's */
    struct hw_heap_node *child, *next, **link;
};

/* A heap is a pointer to its top: a node with the largest key; NULL when it is empty. */
void hw_heap_put(struct hw_heap_node **top, struct hw_heap_node *node);
void hw_heap_take(struct hw_heap_node **top, struct hw_heap_node *node);

#endif
