/* summary.c -- see summary.h */
#include "host/summary.h"

#include <stdarg.h>
#include <stdio.h>

/* ---- text ---- */

struct out {
    char *text;
    size_t len;
};

__attribute__((format(printf, 2, 3))) static void put(struct out *out, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int more = vsnprintf(out->text + out->len, HW_SUMMARY_MAX - out->len, format, args);
    va_end(args);
    size_t len = out->len + (size_t)(more > 0 ? more : 0);
    out->len = len < HW_SUMMARY_MAX ? len : HW_SUMMARY_MAX - 1;
}

/* "1,204" */
static void put_number(struct out *out, unsigned long long number)
{
    char digits[32];
    int len = snprintf(digits, sizeof digits, "%llu", number);
    for (int i = 0; i < len; i++)
        put(out, "%s%c", i && (len - i) % 3 == 0 ? "," : "", digits[i]);
}

static void put_count(struct out *out, unsigned long long number, const char *what)
{
    put_number(out, number);
    put(out, " %s%s", what, number == 1 ? "" : "s");
}

/* ---- counts ---- */

static unsigned long long count_of(const struct hw_stats *stats, enum hw_count which)
{
    return hw_stats_get(&stats->counts[which]);
}

static unsigned long long processed(const struct hw_stats *s)
{
    return count_of(s, HW_COUNT_SUCCEEDED) + count_of(s, HW_COUNT_UNHANDLED) +
           count_of(s, HW_COUNT_REPLAYED) + count_of(s, HW_COUNT_RETRIED);
}

/* A search of the ledger counts at the gate as well, but no notification waits for it. */
static unsigned long long waiting(const struct hw_dispatch *d, const struct hw_due *due)
{
    size_t open = d->open;
    return open > due->asking ? open - due->asking : 0;
}

static void put_counts(struct out *out, const struct hw_status *s, const struct hw_due *due)
{
    const struct hw_stats *stats = s->dispatch->report->stats;
    unsigned long long strangers = hw_stats_refused(stats);
    long long backlog = hw_ledger_backlog(s->dispatch->ledger);
    size_t handlers, keys;
    hw_shelf_count(s->shelf, &handlers, &keys);
    put_count(out, handlers, "handler");
    put(out, ", ");
    put_count(out, keys, "key");
    put(out, "; ");
    put_count(out, processed(stats), "notification");
    put(out, " processed, ");
    put_number(out, waiting(s->dispatch, due));
    put(out, " waiting, ");
    put_number(out, hw_stats_failed(stats));
    put(out, " failed");
    if (strangers) {
        put(out, ", ");
        put_number(out, strangers);
        put(out, " refused");
    }
    if (backlog > 0) {
        put(out, "; ");
        put_number(out, (unsigned long long)backlog);
        put(out, " accepted and still to run");
    }
}

/* ---- what somebody should act on ---- */

enum {
    LEDGER_FAILED = 1, /* the number of stuck workers is above these */
    LEDGER_SLOW = 2,
    DISK_LOW = 4,
    RELOAD_FAILED = 8,
    PAUSED = 16,
    DRAINING = 32,
    STUCK = 64
};

static unsigned look(const struct hw_status *s)
{
    static const unsigned healths[] = {[HW_LEDGER_WELL] = 0,
                                       [HW_LEDGER_SLOW] = LEDGER_SLOW,
                                       [HW_LEDGER_FAILED] = LEDGER_FAILED,
                                       [HW_LEDGER_HEALED] = 0};
    char why[8];
    struct hw_ledger *ledger = s->dispatch->ledger;
    hw_last_reload_error(s->last_reload, why, sizeof why);
    return healths[hw_ledger_health(ledger)] | (hw_ledger_disk_is_low(ledger) ? DISK_LOW : 0) |
           (why[0] ? RELOAD_FAILED : 0) | (hw_pauses_are_any(&ledger->pauses) ? PAUSED : 0) |
           (s->dispatch->draining ? DRAINING : 0) | (unsigned)s->dispatch->stuck * STUCK;
}

static void put_troubles(struct out *out, const struct hw_status *s, unsigned found)
{
    size_t stuck = s->dispatch->stuck;
    if (found & LEDGER_FAILED)
        put(out, "the ledger can't be written, answering 400 (see the log); ");
    if (stuck)
        put(out, "%zu of %u worker%s %s stuck in handlers; ", stuck, s->workers,
            s->workers == 1 ? "" : "s", stuck == 1 ? "is" : "are");
    if (found & RELOAD_FAILED)
        put(out, "the last reload failed, the previous version stays in use (see the log); ");
    if (found & DISK_LOW)
        put(out, "the ledger's disk is nearly full, nothing is accepted ack-first; ");
    if (found & PAUSED)
        put(out, "events are paused (`hookward status`); ");
}

unsigned hw_summary_write(const struct hw_status *s, const struct hw_due *due, char *text)
{
    struct out out = {text, 0};
    unsigned found = look(s);
    text[0] = '\0';
    if (found & DRAINING) {
        put(&out, "stopping: finishing ");
        put_count(&out, waiting(s->dispatch, due), "notification");
        return found;
    }
    put_troubles(&out, s, found);
    put_counts(&out, s, due);
    if (found & LEDGER_SLOW)
        put(&out, "; the ledger waits for another program's lock");
    else if (!(found & LEDGER_FAILED))
        put(&out, "; ledger ok");
    return found;
}
