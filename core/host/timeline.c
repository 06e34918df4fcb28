/* timeline.c -- see timeline.h */
#include "host/timeline.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/histogram.h"
#include "base/json_text.h"
#include "base/log.h"

enum { MINUTE_MS = 60000, POINT_JSON_MAX = 512 /* bytes */ };

static void on_timer(uv_timer_t *timer);

static const struct {
    struct hw_str name;
    int64_t step, count; /* minutes, points */
} ranges[HW_TIMELINE_RANGES_END] = {
    [HW_TIMELINE_HOUR] = {{"hour", 4}, 1, 60},
    [HW_TIMELINE_DAY] = {{"day", 3}, 5, 288},
    [HW_TIMELINE_WEEK] = {{"week", 4}, 40, 252},
};

static const char *const names[] = {
#define HW_TIMELINE_NAME(count, name) name,
    HW_TIMELINE_COUNTS(HW_TIMELINE_NAME)
#undef HW_TIMELINE_NAME
};

/* ---- what is counted ---- */

static uint64_t count_of(const struct hw_stats *stats, enum hw_count which)
{
    return hw_stats_get(&stats->counts[which]);
}

static void read_durations(const struct hw_histogram *h, uint64_t *durations)
{
    HW_CHECK(h->bounds->count + 1 == HW_TIMELINE_DURATIONS);
    for (size_t i = 0; i < HW_TIMELINE_DURATIONS; i++)
        durations[i] = hw_histogram_get(&h->counts[i]);
}

static void look(const struct hw_dispatch *d, struct hw_timeline_numbers *now)
{
    const struct hw_stats *s = d->report->stats;
    int64_t backlog = hw_ledger_backlog(d->ledger);
    now->counts[HW_TIMELINE_SUCCEEDED] = count_of(s, HW_COUNT_SUCCEEDED) +
                                         count_of(s, HW_COUNT_REPLAYED) +
                                         count_of(s, HW_COUNT_RETRIED);
    now->counts[HW_TIMELINE_FAILED] = hw_stats_failed(s);
    now->counts[HW_TIMELINE_UNHANDLED] = count_of(s, HW_COUNT_UNHANDLED);
    now->counts[HW_TIMELINE_DUPLICATES] =
        count_of(s, HW_COUNT_DUPLICATES) + count_of(s, HW_COUNT_JOINED);
    now->counts[HW_TIMELINE_REFUSED] = hw_stats_refused(s);
    read_durations(&d->report->handling, now->durations);
    now->backlog = (backlog > 0 ? (uint64_t)backlog : 0) + d->open;
}

/* ---- minutes ---- */

static struct hw_timeline_minute *place_of(const struct hw_timeline *t, int64_t minute)
{
    return &t->minutes[minute % HW_TIMELINE_MINUTES];
}

static void grow(uint32_t *number, uint64_t from, uint64_t to)
{
    *number += to > from ? (uint32_t)(to - from) : 0;
}

static void add_growth(struct hw_timeline_minute *m, const struct hw_timeline_numbers *from,
                       const struct hw_timeline_numbers *to)
{
    for (size_t i = 0; i < HW_TIMELINE_COUNTS_END; i++)
        grow(&m->counts[i], from->counts[i], to->counts[i]);
    for (size_t i = 0; i < HW_TIMELINE_DURATIONS; i++)
        grow(&m->durations[i], from->durations[i], to->durations[i]);
    m->backlog = (uint32_t)to->backlog;
}

/* The timer may be a moment early. */
static int64_t minute_that_ends(int64_t now_ms)
{
    return now_ms > MINUTE_MS ? (now_ms - MINUTE_MS / 2) / MINUTE_MS : 1;
}

const struct hw_timeline_minute *
hw_timeline_note(struct hw_timeline *t, const struct hw_timeline_numbers *now, int64_t now_ms)
{
    int64_t minute = minute_that_ends(now_ms);
    struct hw_timeline_minute *m = place_of(t, minute);
    if (m->at != minute)
        *m = (struct hw_timeline_minute){.at = minute};
    add_growth(m, &t->last, now);
    t->last = *now;
    return m;
}

uint64_t hw_timeline_wait_ms(int64_t now_ms)
{
    uint64_t rest = MINUTE_MS - (uint64_t)(now_ms > 0 ? now_ms % MINUTE_MS : 0);
    return rest < 1000 ? rest + MINUTE_MS : rest;
}

/* ---- as it is saved ---- */

enum { SAVED_VERSION = 1 };

/* The i-th number. */
static uint32_t *number_of(struct hw_timeline_minute *m, size_t i)
{
    if (i < HW_TIMELINE_COUNTS_END)
        return &m->counts[i];
    i -= HW_TIMELINE_COUNTS_END;
    return i == 0 ? &m->backlog : &m->durations[i - 1];
}

size_t hw_timeline_encode(const struct hw_timeline_minute *minute,
                          uint8_t bytes[HW_TIMELINE_SAVED_MAX])
{
    struct hw_timeline_minute m = *minute;
    size_t len = 0;
    bytes[len++] = SAVED_VERSION;
    for (size_t i = 0; i < HW_TIMELINE_SAVED_NUMBERS; i++) {
        uint32_t rest = *number_of(&m, i);
        for (; rest >= 0x80; rest >>= 7)
            bytes[len++] = (uint8_t)(rest | 0x80);
        bytes[len++] = (uint8_t)rest;
    }
    return len;
}

/* Returns how many bytes the number has; 0 when it is broken. */
static size_t decode_number(uint32_t *number, const uint8_t *bytes, size_t len)
{
    uint64_t value = 0;
    for (size_t i = 0; i < len && i < 5; i++) {
        value |= (uint64_t)(bytes[i] & 0x7f) << (7 * i);
        if (bytes[i] & 0x80)
            continue;
        *number = (uint32_t)value;
        return value <= UINT32_MAX ? i + 1 : 0;
    }
    return 0;
}

bool hw_timeline_decode(struct hw_timeline_minute *minute, const void *bytes, size_t len)
{
    const uint8_t *at = bytes;
    size_t used = 1;
    if (len == 0 || at[0] != SAVED_VERSION)
        return false;
    for (size_t i = 0; i < HW_TIMELINE_SAVED_NUMBERS; i++) {
        size_t more = decode_number(number_of(minute, i), at + used, len - used);
        if (more == 0)
            return false;
        used += more;
    }
    return used == len;
}

/* ---- points ---- */

struct point {
    uint64_t counts[HW_TIMELINE_COUNTS_END];
    uint64_t durations[HW_TIMELINE_DURATIONS];
    uint64_t backlog;
    bool known;
};

static void add_minute(struct point *p, const struct hw_timeline_minute *m)
{
    for (size_t i = 0; i < HW_TIMELINE_COUNTS_END; i++)
        p->counts[i] += m->counts[i];
    for (size_t i = 0; i < HW_TIMELINE_DURATIONS; i++)
        p->durations[i] += m->durations[i];
    if (p->backlog < m->backlog)
        p->backlog = m->backlog;
    p->known = true;
}

static uint64_t ran(const struct point *p)
{
    uint64_t all = 0;
    for (size_t i = 0; i < HW_TIMELINE_DURATIONS; i++)
        all += p->durations[i];
    return all;
}

static double quantile(const struct point *p, double q)
{
    return hw_histogram_quantile_of(&hw_histogram_durations, p->durations, q) / 1e9;
}

static void put_point(struct hw_json_text *out, const struct point *p, int64_t minute)
{
    hw_json_text_put(out, "{\"t\":%lld", (long long)minute * 60);
    for (size_t i = 0; i < HW_TIMELINE_COUNTS_END; i++)
        hw_json_text_put(out, ",\"%s\":%llu", names[i], (unsigned long long)p->counts[i]);
    if (ran(p))
        hw_json_text_put(out, ",\"p50\":%.6f,\"p95\":%.6f,\"p99\":%.6f", quantile(p, 0.5),
                         quantile(p, 0.95), quantile(p, 0.99));
    if (p->known)
        hw_json_text_put(out, ",\"backlog\":%llu", (unsigned long long)p->backlog);
    hw_json_text_put(out, "}");
}

/* The minutes [first, first + count) that have passed, and what has grown since in the present one. */
static void fill(const struct hw_timeline *t, struct point *p, int64_t first, int64_t count,
                 int64_t present, const struct hw_timeline_numbers *now)
{
    *p = (struct point){0};
    for (int64_t minute = first; minute < first + count && minute <= present; minute++)
        if (place_of(t, minute)->at == minute)
            add_minute(p, place_of(t, minute));
    if (present >= first && present < first + count) {
        struct hw_timeline_minute m = {0};
        add_growth(&m, &t->last, now);
        add_minute(p, &m);
    }
}

char *hw_timeline_write_at(const struct hw_timeline *t, enum hw_timeline_range range,
                           const struct hw_timeline_numbers *now, int64_t now_ms, size_t *len)
{
    int64_t step = ranges[range].step, count = ranges[range].count;
    int64_t present = now_ms > 0 ? now_ms / MINUTE_MS : 0, last = present / step * step;
    int64_t first = last - (count - 1) * step;
    struct hw_json_text out = {.size = 128 + (size_t)count * POINT_JSON_MAX};
    out.ptr = t->minutes ? malloc(out.size) : NULL;
    if (!out.ptr)
        return NULL;
    if (first < 0)
        first = 0; /* the clock is wrong */
    hw_json_text_put(&out, "{\"step\":%lld,\"start\":%lld,\"points\":[", (long long)step * 60,
                     (long long)first * 60);
    for (int64_t at = first; at <= last; at += step) {
        struct point p;
        fill(t, &p, at, step, present, now);
        if (at > first)
            hw_json_text_put(&out, ",");
        put_point(&out, &p, at);
    }
    hw_json_text_put(&out, "]}\n");
    *len = out.len;
    return out.ptr;
}

enum hw_timeline_range hw_timeline_range_of(struct hw_str name)
{
    int range = 0;
    while (range < HW_TIMELINE_RANGES_END && !hw_str_eq(ranges[range].name, name))
        range++;
    return (enum hw_timeline_range)range;
}

/* ---- of a host ---- */

static int64_t now_ms(void)
{
    return (int64_t)(hw_now() * 1000);
}

char *hw_timeline_write(const struct hw_timeline *t, enum hw_timeline_range range, size_t *len)
{
    struct hw_timeline_numbers now;
    if (!t->minutes)
        return NULL;
    look(t->dispatch, &now);
    return hw_timeline_write_at(t, range, &now, now_ms(), len);
}

int hw_timeline_init(struct hw_timeline *t)
{
    t->minutes = calloc(HW_TIMELINE_MINUTES, sizeof *t->minutes);
    return t->minutes ? 0 : HW_ENOMEM;
}

static void save(struct hw_timeline *t, const struct hw_timeline_minute *m)
{
    uint8_t bytes[HW_TIMELINE_SAVED_MAX];
    hw_ledger_keep_minute(t->dispatch->ledger, m->at, bytes, hw_timeline_encode(m, bytes));
}

/* What is ahead was saved while the clock was wrong. */
static void take_saved(void *ud, int64_t minute, const void *bytes, size_t len)
{
    struct hw_timeline *t = ud;
    struct hw_timeline_minute m = {.at = minute};
    if (minute > 0 && minute <= now_ms() / MINUTE_MS && hw_timeline_decode(&m, bytes, len))
        *place_of(t, minute) = m;
}

/* Without what was saved the plots begin anew: no reason not to start. */
static void read_saved(struct hw_timeline *t)
{
    int64_t since = now_ms() / MINUTE_MS - HW_TIMELINE_MINUTES;
    if (hw_ledger_minutes(t->dispatch->ledger, since, take_saved, t))
        hw_log_say(HW_LOG_WARN, "the plots of the admin page start empty: their data in the "
                                "ledger can't be read");
}

static void wait(struct hw_timeline *t)
{
    uv_timer_start(&t->timer, on_timer, hw_timeline_wait_ms(now_ms()), 0);
}

int hw_timeline_start(struct hw_timeline *t, uv_loop_t *loop, const struct hw_dispatch *dispatch)
{
    int rc = hw_timeline_init(t);
    if (rc)
        return rc;
    t->dispatch = dispatch;
    read_saved(t);
    uv_timer_init(loop, &t->timer);
    t->timer.data = t;
    uv_unref((uv_handle_t *)&t->timer);
    wait(t);
    return 0;
}

void hw_timeline_fini(struct hw_timeline *t)
{
    free(t->minutes);
    *t = (struct hw_timeline){0};
}

static void on_timer(uv_timer_t *timer)
{
    struct hw_timeline *t = timer->data;
    struct hw_timeline_numbers now;
    look(t->dispatch, &now);
    save(t, hw_timeline_note(t, &now, now_ms()));
    wait(t);
}
