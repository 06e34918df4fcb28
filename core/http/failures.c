/* failures.c -- see failures.h */
#include "http/failures.h"

#include <stdlib.h>
#include <sys/random.h>
#include <uv.h>

#include "base/error.h"
#include "base/log.h"
#include "http/origin.h"

enum { SETS = HW_FAILURES_ORIGINS / HW_FAILURES_WAYS };

int hw_failures_limit(struct hw_failures *f, unsigned limit)
{
    if (limit == 0) {
        hw_failures_fini(f);
        return 0;
    }
    if (!f->table) {
        f->table = calloc(HW_FAILURES_ORIGINS, sizeof *f->table);
        if (!f->table)
            return HW_ENOMEM;
        if (getrandom(&f->seed, sizeof f->seed, 0) != sizeof f->seed)
            f->seed = uv_hrtime();
    }
    f->limit = limit;
    return 0;
}

void hw_failures_fini(struct hw_failures *f)
{
    free(f->table);
    *f = (struct hw_failures){.over = f->over};
}

static struct hw_failing *set_of(const struct hw_failures *f, uint64_t origin)
{
    return &f->table[hw_origin_hash(origin, f->seed) % SETS * HW_FAILURES_WAYS];
}

static struct hw_failing *find(const struct hw_failures *f, uint64_t origin)
{
    struct hw_failing *set = set_of(f, origin);
    for (int i = 0; i < HW_FAILURES_WAYS; i++)
        if (set[i].now && set[i].origin == origin)
            return &set[i];
    return NULL;
}

/* Its failures within the last minute, times HW_FAILURES_MINUTE_MS. */
static uint64_t weight(const struct hw_failing *e, uint64_t now_ms)
{
    uint32_t minute = (uint32_t)(now_ms / HW_FAILURES_MINUTE_MS);
    uint64_t left = HW_FAILURES_MINUTE_MS - now_ms % HW_FAILURES_MINUTE_MS;
    if (minute == e->minute)
        return (uint64_t)e->now * HW_FAILURES_MINUTE_MS + e->before * left;
    return minute == e->minute + 1 ? e->now * left : 0;
}

static bool is_over(const struct hw_failures *f, const struct hw_failing *e, uint64_t now_ms)
{
    return weight(e, now_ms) > (uint64_t)f->limit * HW_FAILURES_MINUTE_MS;
}

bool hw_failures_look_up(const struct hw_failures *f, const struct sockaddr *address,
                         uint64_t now_ms)
{
    uint64_t origin;
    const struct hw_failing *e = hw_origin_of(address, &origin) ? find(f, origin) : NULL;
    return e && is_over(f, e, now_ms);
}

/* The entry of the set that is worth least. */
static struct hw_failing *find_least(const struct hw_failures *f, uint64_t origin, uint64_t now_ms)
{
    struct hw_failing *set = set_of(f, origin), *least = set;
    for (int i = 1; i < HW_FAILURES_WAYS; i++)
        if (weight(&set[i], now_ms) < weight(least, now_ms))
            least = &set[i];
    return least;
}

static void count(struct hw_failing *e, uint64_t now_ms)
{
    uint32_t minute = (uint32_t)(now_ms / HW_FAILURES_MINUTE_MS);
    if (minute != e->minute) {
        e->before = minute == e->minute + 1 ? e->now : 0;
        e->now = 0;
        e->minute = minute;
    }
    e->now += e->now < UINT32_MAX;
}

static void tell(struct hw_failures *f, const struct sockaddr *address, uint64_t now_ms)
{
    struct hw_log_line line;
    char text[HW_ADDRESS_TEXT_MAX];
    uint64_t times = hw_seldom_count(&f->over, now_ms);
    if (!times || !hw_log_wants(HW_LOG_WARN))
        return;
    hw_log_begin(&line, HW_LOG_WARN,
                 HW_STR("an address is over max_failures_per_address: its requests are verified "
                        "after everybody else's"));
    hw_log_int(&line, "count", (int64_t)times);
    hw_log_int(&line, "max", (int64_t)f->limit);
    hw_log_text(&line, "peer", hw_address_host(address, text, sizeof text));
    hw_log_end(&line);
}

void hw_failures_note(struct hw_failures *f, const struct sockaddr *address, uint64_t now_ms)
{
    uint64_t origin;
    if (!f->limit || !hw_origin_of(address, &origin))
        return;
    struct hw_failing *e = find(f, origin);
    if (!e) {
        e = find_least(f, origin, now_ms);
        *e = (struct hw_failing){.origin = origin};
    }
    bool before = is_over(f, e, now_ms);
    count(e, now_ms);
    if (!before && is_over(f, e, now_ms))
        tell(f, address, now_ms);
}
