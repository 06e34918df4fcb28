/* pauses.c -- see pauses.h */
#include "ledger/pauses.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"

void hw_pauses_init(struct hw_pauses *p)
{
    *p = (struct hw_pauses){0};
    pthread_mutex_init(&p->m, NULL);
}

void hw_pauses_fini(struct hw_pauses *p)
{
    for (struct hw_paused *one = p->first, *next; one; one = next) {
        next = one->next;
        free(one);
    }
    pthread_mutex_destroy(&p->m);
}

/* ---- patterns ---- */

static bool is_printable(struct hw_str text)
{
    for (size_t i = 0, n; i < text.len; i += n) {
        n = hw_str_utf8(text, i);
        if (n == 0 || (unsigned char)text.ptr[i] < ' ' || text.ptr[i] == 0x7f)
            return false;
    }
    return true;
}

static bool begins_with_star(struct hw_str p)
{
    return p.len > 2 && p.ptr[0] == '*' && p.ptr[1] == '.';
}

static bool ends_with_star(struct hw_str p)
{
    return p.len > 2 && p.ptr[p.len - 1] == '*' && p.ptr[p.len - 2] == '.';
}

bool hw_pauses_is_pattern(struct hw_str p)
{
    size_t stars = 0;
    if (p.len == 0 || p.len > HW_PAUSES_PATTERN_MAX || !is_printable(p))
        return false;
    for (size_t i = 0; i < p.len; i++)
        stars += p.ptr[i] == '*';
    return stars == 0 || (stars == 1 && (p.len == 1 || begins_with_star(p) || ends_with_star(p)));
}

bool hw_pauses_matches(struct hw_str p, struct hw_str event)
{
    size_t part = p.len - 1; /* of a pattern, without its star */
    if (p.len == 1 && *p.ptr == '*')
        return true;
    if (ends_with_star(p))
        return event.len >= part && memcmp(event.ptr, p.ptr, part) == 0;
    if (begins_with_star(p))
        return event.len >= part && memcmp(event.ptr + event.len - part, p.ptr + 1, part) == 0;
    return hw_str_eq(p, event);
}

/* ---- the list ---- */

bool hw_pauses_compare(struct hw_pauses *p, struct hw_str event)
{
    bool hold = false;
    pthread_mutex_lock(&p->m);
    for (struct hw_paused *one = p->first; one && !hold; one = one->next)
        hold = hw_pauses_matches(one->pattern, event);
    pthread_mutex_unlock(&p->m);
    return hold;
}

/* Returns what points to it, or the list's end. */
static struct hw_paused **find_locked(struct hw_pauses *p, struct hw_str pattern)
{
    struct hw_paused **link = &p->first;
    while (*link && !hw_str_eq((*link)->pattern, pattern))
        link = &(*link)->next;
    return link;
}

bool hw_pauses_has(struct hw_pauses *p, struct hw_str pattern)
{
    pthread_mutex_lock(&p->m);
    bool has = *find_locked(p, pattern) != NULL;
    pthread_mutex_unlock(&p->m);
    return has;
}

int hw_pauses_add(struct hw_pauses *p, struct hw_str pattern, int64_t since)
{
    struct hw_paused *one = malloc(sizeof *one + pattern.len);
    if (!one)
        return HW_ENOMEM;
    char *text = memcpy(one + 1, pattern.ptr, pattern.len);
    *one = (struct hw_paused){.since = since, .pattern = {text, pattern.len}};
    pthread_mutex_lock(&p->m);
    struct hw_paused **link = find_locked(p, pattern);
    bool full = !*link && p->count == HW_PAUSES_MAX;
    if (!*link && !full) {
        *link = one;
        p->count++;
        one = NULL;
    }
    atomic_store_explicit(&p->any, p->count > 0, memory_order_release);
    pthread_mutex_unlock(&p->m);
    free(one);
    return full ? HW_EOVERLOADED : 0;
}

void hw_pauses_remove(struct hw_pauses *p, struct hw_str pattern)
{
    pthread_mutex_lock(&p->m);
    struct hw_paused **link = find_locked(p, pattern), *one = *link;
    if (one) {
        *link = one->next;
        p->count--;
    }
    atomic_store_explicit(&p->any, p->count > 0, memory_order_release);
    pthread_mutex_unlock(&p->m);
    free(one);
}

size_t hw_pauses_count(struct hw_pauses *p)
{
    pthread_mutex_lock(&p->m);
    size_t count = p->count;
    pthread_mutex_unlock(&p->m);
    return count;
}

void hw_pauses_log(const struct hw_pause *pause)
{
    if (pause->resume)
        hw_log_say(HW_LOG_INFO, "resumed %.*s: what waits of it runs again",
                   HW_STR_ARG(pause->pattern));
    else
        hw_log_say(HW_LOG_WARN, "paused %.*s: nothing of it runs until `hookward resume` says so",
                   HW_STR_ARG(pause->pattern));
}

void hw_pauses_each(struct hw_pauses *p,
                    void (*each)(void *ud, struct hw_str pattern, int64_t since), void *ud)
{
    pthread_mutex_lock(&p->m);
    for (const struct hw_paused *one = p->first; one; one = one->next)
        each(ud, one->pattern, one->since);
    pthread_mutex_unlock(&p->m);
}
