/* tls_set.c -- see tls_set.h */
#include "http/tls_set.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/log.h"

struct listener {
    char *address;
    struct hw_tls_context *context;
};

struct hw_tls_set {
    atomic_int refs;

    /* constant after make */
    size_t count;
    struct listener listeners[];
};

/* ---- files ---- */

static bool same_text(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool same_pairs(const struct hw_tls_files *a, const struct hw_tls_files *b)
{
    bool same = a->pair_count == b->pair_count;
    for (size_t i = 0; same && i < a->pair_count; i++)
        same = same_text(a->pairs[i].cert, b->pairs[i].cert) &&
               same_text(a->pairs[i].key, b->pairs[i].key);
    return same;
}

bool hw_tls_set_same_files(const struct hw_tls_files *a, const struct hw_tls_files *b)
{
    if (!a || !b)
        return a == b;
    return same_pairs(a, b) && same_text(a->client_ca, b->client_ca) && same_text(a->crl, b->crl);
}

static bool same_names(const struct hw_tls_files *a, const struct hw_tls_files *b)
{
    bool same = a->name_count == b->name_count;
    for (size_t i = 0; same && i < a->name_count; i++)
        same = same_text(a->client_names[i], b->client_names[i]);
    return same;
}

void hw_tls_set_each_file(const struct hw_tls_files *files,
                          void (*each)(void *ud, const char *path), void *ud)
{
    for (size_t i = 0; i < files->pair_count; i++) {
        each(ud, files->pairs[i].cert);
        each(ud, files->pairs[i].key);
    }
    if (files->client_ca)
        each(ud, files->client_ca);
    if (files->crl)
        each(ud, files->crl);
}

/* ---- making ---- */

/* The context of an earlier listener of this configuration with the same settings. */
static struct hw_tls_context *find_made(const struct hw_tls_set *set,
                                        const struct hw_listen *listen, size_t at)
{
    for (size_t i = 0, made = 0; i < at; i++) {
        if (!listen[i].tls)
            continue;
        if (hw_tls_set_same_files(listen[i].tls, listen[at].tls) &&
            same_names(listen[i].tls, listen[at].tls))
            return hw_tls_context_ref(set->listeners[made].context);
        made++;
    }
    return NULL;
}

static int add(struct hw_tls_set *set, const struct hw_listen *listen, size_t at,
               const struct hw_tls_set *old, char *why, size_t size)
{
    const char *address = listen[at].address;
    struct listener *l = &set->listeners[set->count];
    l->context = find_made(set, listen, at);
    if (!l->context)
        l->context = hw_tls_context_renew(listen[at].tls,
                                          old ? hw_tls_set_find(old, address) : NULL, why, size);
    if (!l->context)
        return -1;
    l->address = strdup(address);
    set->count++;
    if (!l->address)
        snprintf(why, size, "out of memory");
    return l->address ? 0 : -1;
}

struct hw_tls_set *hw_tls_set_make(const struct hw_listen *listen, size_t count,
                                   const struct hw_tls_set *old, char *why, size_t size)
{
    struct hw_tls_set *set = calloc(1, sizeof *set + count * sizeof *set->listeners);
    snprintf(why, size, "out of memory");
    if (!set)
        return NULL;
    atomic_init(&set->refs, 1);
    for (size_t i = 0; i < count; i++) {
        if (listen[i].tls && add(set, listen, i, old, why, size)) {
            hw_tls_set_unref(set);
            return NULL;
        }
    }
    return set;
}

struct hw_tls_set *hw_tls_set_ref(struct hw_tls_set *set)
{
    atomic_fetch_add_explicit(&set->refs, 1, memory_order_relaxed);
    return set;
}

void hw_tls_set_unref(struct hw_tls_set *set)
{
    if (!set)
        return;
    int before = atomic_fetch_sub_explicit(&set->refs, 1, memory_order_acq_rel);
    HW_CHECK(before > 0);
    if (before > 1)
        return;
    for (size_t i = 0; i < set->count; i++) {
        free(set->listeners[i].address);
        hw_tls_context_unref(set->listeners[i].context);
    }
    free(set);
}

/* ---- reading ---- */

struct hw_tls_context *hw_tls_set_find(const struct hw_tls_set *set, const char *address)
{
    for (size_t i = 0; i < set->count; i++)
        if (strcmp(set->listeners[i].address, address) == 0)
            return set->listeners[i].context;
    return NULL;
}

static bool is_first(const struct hw_tls_set *set, size_t at)
{
    for (size_t i = 0; i < at; i++)
        if (set->listeners[i].context == set->listeners[at].context)
            return false;
    return true;
}

struct hw_tls_context *hw_tls_set_context(const struct hw_tls_set *set, size_t index)
{
    for (size_t i = 0; i < set->count; i++)
        if (is_first(set, i) && index-- == 0)
            return set->listeners[i].context;
    return NULL;
}

bool hw_tls_set_same(const struct hw_tls_set *a, const struct hw_tls_set *b)
{
    bool same = a->count == b->count;
    for (size_t i = 0; same && i < a->count; i++)
        same = strcmp(a->listeners[i].address, b->listeners[i].address) == 0 &&
               a->listeners[i].context == b->listeners[i].context;
    return same;
}

size_t hw_tls_set_count(const struct hw_tls_set *set)
{
    size_t count = 0;
    struct hw_tls_context *context;
    for (size_t i = 0; (context = hw_tls_set_context(set, i)); i++)
        for (size_t k = 0; hw_tls_context_certificate(context, k); k++)
            count++;
    return count;
}

void hw_tls_set_warn(const struct hw_tls_set *set)
{
    char line[1024];
    struct hw_tls_context *context;
    for (size_t i = 0; (context = hw_tls_set_context(set, i)); i++)
        if (hw_tls_context_twice(context, line, sizeof line))
            hw_log_say(HW_LOG_WARN, "%s", line);
}
