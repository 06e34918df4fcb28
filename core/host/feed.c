/* feed.c -- see feed.h */
#include "host/feed.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/json_text.h"
#include "http/connection.h"
#include "ledger/filters.h"

static void on_timer(uv_timer_t *timer);

/* A waiter's ticket is the number after which it wants records. */
#define GAP (UINT64_C(1) << 63) /* … and whether its own number was unknown */

enum {
    TICK_MS = 1000,        /* how often the clock is looked at */
    RECORD_JSON_MAX = 3072 /* bytes: each byte of the three texts takes up to six */
};

static uint64_t now_of(const struct hw_feed *feed)
{
    return uv_now(feed->timer.loop);
}

/* ---- the ring ---- */

static struct hw_feed_record *record_of(const struct hw_feed *feed, uint64_t n)
{
    return &feed->ring[n % HW_FEED_RECORDS];
}

static uint64_t oldest(const struct hw_feed *feed)
{
    bool full = feed->last - feed->first >= HW_FEED_RECORDS && feed->last >= feed->first;
    return full ? feed->last - HW_FEED_RECORDS + 1 : feed->first;
}

/* Returns false without memory. */
static bool follow(struct hw_feed *feed)
{
    uint64_t by_time = (uint64_t)(hw_now() * 1e6);
    feed->asked_ms = now_of(feed);
    if (feed->ring)
        return true;
    feed->ring = malloc(HW_FEED_RECORDS * sizeof *feed->ring);
    if (!feed->ring)
        return false;
    feed->first = by_time > feed->last ? by_time : feed->last + 1;
    feed->last = feed->first - 1;
    feed->report->watcher = &feed->watcher;
    return true;
}

static void stop_following(struct hw_feed *feed)
{
    free(feed->ring);
    feed->ring = NULL;
    feed->report->watcher = NULL;
}

/* Cuts between characters. */
static uint8_t copy(char *to, size_t max, struct hw_str text)
{
    size_t len = text.len < max ? text.len : max;
    while (len < text.len && len > 0 && ((unsigned char)text.ptr[len] & 0xc0) == 0x80)
        len--;
    if (len)
        memcpy(to, text.ptr, len);
    return (uint8_t)len;
}

static double worker_ms(const struct hw_outcome *o)
{
    return o->taken_ns && o->finished_ns > o->taken_ns
               ? (double)(o->finished_ns - o->taken_ns) / 1e6
               : 0;
}

static int64_t row_of(const struct hw_notification *n)
{
    if (n->outcome.code == HW_ELEDGER_UNAVAILABLE)
        return n->from_row;
    return n->row ? n->row : n->from_row ? n->from_row : n->known.row;
}

static enum hw_ledger_state state_of(const struct hw_notification *n)
{
    if (n->outcome.code == HW_ELEDGER_UNAVAILABLE)
        return HW_NEVER_SEEN;
    return n->outcome.from_ledger ? n->known.state : n->state;
}

/* An error that a handler raised has a traceback in place of a reason: its first line says most. */
static struct hw_str reason_of(const struct hw_outcome *o)
{
    if (o->reason.len || !o->detail.len)
        return o->reason;
    const char *end = memchr(o->detail.ptr, '\n', o->detail.len);
    return (struct hw_str){o->detail.ptr, end ? (size_t)(end - o->detail.ptr) : o->detail.len};
}

static void fill(struct hw_feed_record *r, const struct hw_job *job)
{
    const struct hw_notification *n = &job->n;
    r->at = hw_now();
    r->row = row_of(n);
    r->ms = worker_ms(&n->outcome);
    r->code = n->outcome.code;
    r->attempt = n->attempt;
    r->retry = n->retry;
    r->state = (uint8_t)state_of(n);
    r->duplicate = n->outcome.from_ledger;
    r->replay = n->from_row && !job->due_at;
    r->id_len = copy(r->id, sizeof r->id, n->id);
    r->event_len = copy(r->event, sizeof r->event, n->event);
    r->reason_len = copy(r->reason, sizeof r->reason, reason_of(&n->outcome));
}

/* ---- JSON ---- */

static void put_text(struct hw_json_text *out, const char *name, const char *bytes, size_t len)
{
    hw_json_text_put(out, ",\"%s\":", name);
    hw_json_text_put_string(out, (struct hw_str){bytes, len});
}

static void put_record(struct hw_json_text *out, const struct hw_feed_record *r, uint64_t n)
{
    hw_json_text_put(out, "{\"n\":%llu,\"at\":%.3f", (unsigned long long)n, r->at);
    if (r->row)
        hw_json_text_put(out, ",\"row\":%lld", (long long)r->row);
    put_text(out, "id", r->id, r->id_len);
    if (r->event_len)
        put_text(out, "event", r->event, r->event_len);
    if (r->state)
        hw_json_text_put(out, ",\"state\":\"%s\"", hw_ledger_state_name(r->state));
    hw_json_text_put(out, ",\"attempt\":%u,\"ms\":%.2f,\"duplicate\":%s", r->attempt, r->ms,
                     r->duplicate ? "true" : "false");
    if (r->code)
        hw_json_text_put(out, ",\"error\":\"%s\"", hw_error_name(r->code));
    if (r->reason_len)
        put_text(out, "reason", r->reason, r->reason_len);
    if (r->retry)
        hw_json_text_put(out, ",\"retry\":%u", r->retry);
    if (r->replay)
        hw_json_text_put(out, ",\"replay\":true");
    hw_json_text_put(out, "}");
}

/* ---- answers ---- */

static void write_answer(const struct hw_feed *feed, uint64_t from, uint64_t upto, uint64_t skipped,
                         bool gap, struct hw_json_text *out)
{
    hw_json_text_put(out, "{\"last\":%llu,\"skipped\":%llu,%s\"records\":[",
                     (unsigned long long)upto, (unsigned long long)skipped,
                     gap ? "\"gap\":true," : "");
    for (uint64_t n = from; n <= upto; n++) {
        if (n > from)
            hw_json_text_put(out, ",");
        put_record(out, record_of(feed, n), n);
    }
    hw_json_text_put(out, "]}\n");
}

static void reply(const struct hw_feed *feed, struct hw_waiter *waiter)
{
    uint64_t after = waiter->ticket & ~GAP, from = after + 1, upto = feed->last;
    uint64_t skipped = from < oldest(feed) ? oldest(feed) - from : 0;
    from += skipped;
    if (upto + 1 - from > HW_FEED_ANSWER_MAX)
        upto = from + HW_FEED_ANSWER_MAX - 1;
    struct hw_json_text out = {.size = 128 + (size_t)(upto + 1 - from) * RECORD_JSON_MAX};
    out.ptr = malloc(out.size);
    waiter->until_ms = 0;
    if (!out.ptr) {
        waiter->answer(waiter, HW_EOVERLOADED, HW_NOTIFICATION_STARVED);
        return;
    }
    write_answer(feed, from, upto, skipped, waiter->ticket & GAP, &out);
    hw_connection_reply(waiter,
                        &(struct hw_reply){.status = 200,
                                           .fields = HW_STR("Content-Type: application/json\r\n"),
                                           .body = {out.ptr, out.len}});
    free(out.ptr);
}

static bool is_ready(const struct hw_feed *feed, const struct hw_waiter *waiter)
{
    return (waiter->ticket & ~GAP) != feed->last || now_of(feed) >= waiter->until_ms || feed->ended;
}

static void arm(struct hw_feed *feed)
{
    uint64_t now = now_of(feed), next = feed->answered_ms + HW_FEED_PAUSE_MS, in_ms = TICK_MS;
    if (feed->answering || feed->ended)
        in_ms = 0;
    else if (feed->due)
        in_ms = next > now ? next - now : 0;
    uv_timer_start(&feed->timer, on_timer, in_ms, 0);
}

static void look_soon(struct hw_feed *feed)
{
    if (feed->due)
        return;
    feed->due = true;
    arm(feed);
}

/* A client that asks again meanwhile waits for the next time, so that each has its turn. */
static void begin_answering(struct hw_feed *feed)
{
    feed->due = false;
    hw_waiter_move(&feed->waiting, &feed->answering);
}

static void answer_some(struct hw_feed *feed)
{
    int count = 0;
    while (feed->answering && count < HW_FEED_TURN_MAX) {
        struct hw_waiter *waiter = feed->answering;
        hw_waiter_leave(waiter);
        if (!is_ready(feed, waiter)) {
            hw_waiter_join(waiter, &feed->waiting);
            continue;
        }
        feed->answered_ms = now_of(feed);
        reply(feed, waiter);
        count++;
    }
}

static void look(struct hw_feed *feed)
{
    if (!feed->answering)
        begin_answering(feed);
    answer_some(feed);
    bool any = feed->waiting || feed->answering;
    if (feed->ring && !any && now_of(feed) - feed->asked_ms >= HW_FEED_FOLLOWED_MS)
        stop_following(feed);
    if (feed->ring && (any || !feed->ended))
        arm(feed);
}

/* ---- what others call ---- */

static size_t count(const struct hw_waiter *list)
{
    size_t n = 0;
    for (; list; list = list->next)
        n++;
    return n;
}

static void set_ticket(const struct hw_feed *feed, uint64_t after, struct hw_waiter *waiter)
{
    bool from_now = after == HW_FEED_FROM_NOW || after == HW_FEED_JUST_TELL;
    bool known = from_now || (after >= feed->first - 1 && after <= feed->last);
    waiter->until_ms = now_of(feed);
    waiter->ticket = from_now ? feed->last : known ? after : (feed->first - 1) | GAP;
    if (known && after != HW_FEED_JUST_TELL)
        waiter->until_ms += HW_FEED_WAIT_MS;
}

int hw_feed_ask(struct hw_feed *feed, uint64_t after, struct hw_waiter *waiter,
                struct hw_str *reason)
{
    if (count(feed->waiting) + count(feed->answering) >= HW_FEED_WAITERS_MAX) {
        *reason = HW_STR("too many clients follow this host already");
        return HW_EOVERLOADED;
    }
    if (!follow(feed)) {
        *reason = HW_NOTIFICATION_STARVED;
        return HW_EOVERLOADED;
    }
    set_ticket(feed, after, waiter);
    hw_waiter_join(waiter, &feed->waiting);
    look_soon(feed);
    return 0;
}

void hw_feed_end(struct hw_feed *feed)
{
    feed->ended = true;
    if (feed->ring)
        arm(feed);
}

static void see(struct hw_watcher *watcher, const struct hw_job *job)
{
    struct hw_feed *feed = (struct hw_feed *)watcher;
    if (!job->n.outcome.authentic)
        return;
    fill(record_of(feed, feed->last + 1), job);
    feed->last++;
    if (feed->waiting)
        look_soon(feed);
}

void hw_feed_init(struct hw_feed *feed, uv_loop_t *loop, struct hw_report *report)
{
    *feed = (struct hw_feed){.watcher = {see}, .report = report};
    uv_timer_init(loop, &feed->timer);
    feed->timer.data = feed;
}

void hw_feed_fini(struct hw_feed *feed)
{
    if (feed->ring)
        stop_following(feed);
}

static void on_timer(uv_timer_t *timer)
{
    look(timer->data);
}
