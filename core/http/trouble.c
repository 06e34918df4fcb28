/* trouble.c -- see trouble.h */
#include "http/trouble.h"

#include "base/files.h"
#include "base/log.h"

static void on_tell(uv_timer_t *timer);

static const char *const texts[HW_TROUBLE_KINDS] = {
    [HW_TROUBLE_MADE_ROOM] =
        "max_connections reached: the connections idle longest were closed for new ones",
    [HW_TROUBLE_FULL] = "max_connections reached and none can be closed: new ones wait",
    [HW_TROUBLE_ADDRESS_FULL] =
        "an address reached max_connections_per_address: its further connections were closed",
    [HW_TROUBLE_NO_FILE] = "no file is left for a new connection (ulimit -n): an idle connection "
                           "is closed, or the new one waits",
    [HW_TROUBLE_NO_MEMORY] = "no memory is left for a new connection: it is closed, or it waits",
    [HW_TROUBLE_FAILED] = "a new connection could not be accepted: it waits",
    [HW_TROUBLE_TURNED_AWAY] = "no file is left (ulimit -n): new connections were closed at once",
    [HW_TROUBLE_NO_HEADER] =
        "a connection without a proper header of the PROXY protocol was closed "
        "(its listener has proxy_protocol = true)",
};

/* 0: it reached no limit */
static size_t limit_of(const struct hw_troubles *t, enum hw_trouble kind)
{
    switch (kind) {
    case HW_TROUBLE_MADE_ROOM:
    case HW_TROUBLE_FULL:
        return t->crowd->limits.connections;
    case HW_TROUBLE_ADDRESS_FULL:
        return t->crowd->limits.per_address;
    case HW_TROUBLE_NO_FILE:
    case HW_TROUBLE_TURNED_AWAY:
        return hw_files_limit();
    default:
        return 0;
    }
}

static void say(struct hw_troubles *t, enum hw_trouble kind, uint64_t count,
                const struct hw_address *peer)
{
    struct hw_log_line line;
    char text[HW_ADDRESS_TEXT_MAX];
    size_t limit = limit_of(t, kind);
    hw_log_begin(&line, HW_LOG_WARN, hw_str_of(texts[kind]));
    hw_log_int(&line, "count", (int64_t)count);
    if (limit)
        hw_log_int(&line, "max", (int64_t)limit);
    if (t->why[kind])
        hw_log_text(&line, "why", hw_str_of(t->why[kind]));
    if (peer)
        hw_log_text(&line, "peer", hw_address_text(&peer->any, text, sizeof text));
    hw_log_end(&line);
}

static bool is_closed(const struct hw_troubles *t)
{
    return uv_is_closing((const uv_handle_t *)&t->tell);
}

void hw_troubles_note(struct hw_troubles *t, enum hw_trouble kind, const struct hw_address *peer,
                      const char *why)
{
    if (is_closed(t))
        return;
    t->why[kind] = why;
    uint64_t count = hw_seldom_count(&t->kinds[kind], uv_now(t->tell.loop));
    if (count)
        say(t, kind, count, peer);
    if (!uv_is_active((uv_handle_t *)&t->tell))
        uv_timer_start(&t->tell, on_tell, HW_SELDOM_MS, 0);
}

void hw_troubles_note_refused(struct hw_troubles *t, enum hw_crowd_answer answer,
                              const struct hw_address *peer)
{
    if (answer == HW_CROWD_ADDRESS_FULL)
        hw_troubles_note(t, HW_TROUBLE_ADDRESS_FULL, peer, NULL);
    else
        hw_troubles_note(t, HW_TROUBLE_NO_MEMORY, NULL, NULL);
}

/* Reports what has been counted since the last report of each kind. */
static void tell_rest(struct hw_troubles *t, uint64_t now)
{
    bool some = false;
    for (int i = 0; i < HW_TROUBLE_KINDS; i++) {
        uint64_t count = hw_seldom_due(&t->kinds[i], now);
        if (count)
            say(t, i, count, NULL);
        some = some || count || t->kinds[i].untold;
    }
    if (some)
        uv_timer_start(&t->tell, on_tell, HW_SELDOM_MS, 0);
}

void hw_troubles_init(struct hw_troubles *t, uv_loop_t *loop, const struct hw_crowd *crowd)
{
    *t = (struct hw_troubles){.crowd = crowd};
    uv_timer_init(loop, &t->tell);
    t->tell.data = t;
}

void hw_troubles_close(struct hw_troubles *t)
{
    if (is_closed(t))
        return;
    tell_rest(t, UINT64_MAX - HW_SELDOM_MS);
    uv_close((uv_handle_t *)&t->tell, NULL);
}

static void on_tell(uv_timer_t *timer)
{
    tell_rest(timer->data, uv_now(timer->loop));
}
