/* events.c -- see events.h */
#include "trip/events.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"

static const char *const names[] = {
#define HW_EVENT_NAME(count, name) name,
    HW_EVENT_COUNTS(HW_EVENT_NAME)
#undef HW_EVENT_NAME
};

static void seed(struct hw_events *events)
{
    if (getrandom(&events->seed, sizeof events->seed, 0) != sizeof events->seed)
        events->seed = hw_now_ns();
    events->seed |= 1; /* not zero */
}

static bool has_name(const struct hw_event *row, struct hw_str name)
{
    return row->name_len == name.len && memcmp(row->name, name.ptr, name.len) == 0;
}

/* The slot of this name, or the free one where it belongs. */
static uint8_t *find_slot(struct hw_events *events, struct hw_str name)
{
    uint64_t hash = hw_str_hash(HW_STR_HASH ^ events->seed, name) * 0x9e3779b97f4a7c15u;
    size_t i = (hash >> 32) % HW_EVENTS_SLOTS;
    while (events->slots[i] && !has_name(&events->rows[events->slots[i] - 1], name))
        i = (i + 1) % HW_EVENTS_SLOTS;
    return &events->slots[i];
}

/* Whether it can be shown as it is everywhere: well-formed, and without control characters. */
static bool is_plain(struct hw_str name)
{
    for (size_t i = 0, n; i < name.len; i += n) {
        unsigned char c = (unsigned char)name.ptr[i];
        n = hw_str_utf8(name, i);
        if (n == 0 || c < 0x20 || c == 0x7f)
            return false;
    }
    return true;
}

static struct hw_event *add(struct hw_events *events, uint8_t *slot, struct hw_str name)
{
    char *copy = is_plain(name) ? strndup(name.ptr, name.len) : NULL;
    if (!copy)
        return NULL;
    struct hw_event *row = &events->rows[events->count++];
    *row = (struct hw_event){.name = copy, .name_len = name.len};
    *slot = (uint8_t)events->count;
    return row;
}

static struct hw_event *other(struct hw_events *events)
{
    static char name[] = HW_EVENTS_OTHER;
    events->other.name = name;
    events->other.name_len = sizeof name - 1;
    return &events->other;
}

struct hw_event *hw_events_find(struct hw_events *events, struct hw_str name)
{
    struct hw_event *row = NULL;
    if (!events->seed)
        seed(events);
    if (name.len == 0)
        name = HW_STR(HW_EVENTS_NONE);
    if (name.len > HW_EVENTS_NAME_MAX || hw_str_eq(name, HW_STR(HW_EVENTS_OTHER)))
        return other(events);
    uint8_t *slot = find_slot(events, name);
    if (*slot)
        return &events->rows[*slot - 1];
    if (events->count < HW_EVENTS_MAX)
        row = add(events, slot, name);
    return row ? row : other(events);
}

const struct hw_event *hw_events_at(const struct hw_events *events, size_t index)
{
    if (index < events->count)
        return &events->rows[index];
    return index == events->count && events->other.name ? &events->other : NULL;
}

const char *hw_events_name(enum hw_event_count which)
{
    return names[which];
}

void hw_events_fini(struct hw_events *events)
{
    for (size_t i = 0; i < events->count; i++)
        free(events->rows[i].name);
    *events = (struct hw_events){0};
}
