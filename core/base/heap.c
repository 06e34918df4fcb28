/* heap.c -- see heap.h
 *
 * A node's children stand in a list; `link` is the pointer that leads to a node from its parent or
 * from the sibling before it. The top has neither. */
#include "base/heap.h"

#include <stddef.h>

/* Both are tops. The smaller one becomes the other's first child. */
static struct hw_heap_node *merge(struct hw_heap_node *a, struct hw_heap_node *b)
{
    struct hw_heap_node *parent = a->key >= b->key ? a : b, *child = parent == a ? b : a;
    child->next = parent->child;
    child->link = &parent->child;
    if (child->next)
        child->next->link = &child->next;
    parent->child = child;
    return parent;
}

/* Merges siblings in pairs, and returns the pairs as a list, the last one first. */
static struct hw_heap_node *merge_pairs(struct hw_heap_node *first)
{
    struct hw_heap_node *pairs = NULL;
    while (first) {
        struct hw_heap_node *a = first, *b = a->next;
        first = b ? b->next : NULL;
        struct hw_heap_node *pair = b ? merge(a, b) : a;
        pair->next = pairs;
        pairs = pair;
    }
    return pairs;
}

static struct hw_heap_node *merge_all(struct hw_heap_node *first)
{
    struct hw_heap_node *top = NULL;
    while (first) {
        struct hw_heap_node *next = first->next;
        top = top ? merge(top, first) : first;
        first = next;
    }
    return top;
}

void hw_heap_put(struct hw_heap_node **top, struct hw_heap_node *node)
{
    node->child = NULL;
    *top = *top ? merge(*top, node) : node;
}

void hw_heap_take(struct hw_heap_node **top, struct hw_heap_node *node)
{
    struct hw_heap_node *below = merge_all(merge_pairs(node->child));
    if (*top == node) {
        *top = below;
        return;
    }
    *node->link = node->next;
    if (node->next)
        node->next->link = node->link;
    if (below)
        *top = merge(*top, below);
}
