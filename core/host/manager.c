/* manager.c -- see manager.h */
#include "host/manager.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/log.h"

enum { SLACK_MS = 10000 }; /* for what comes after a wait or a drain: see EXTEND_TIMEOUT_USEC */

static bool is_open(const struct hw_manager *m)
{
    return m->notify.fd >= 0;
}

static unsigned long long in_us(uint64_t ms)
{
    return (unsigned long long)ms * 1000;
}

/* As systemd takes it: CLOCK_MONOTONIC. */
static unsigned long long now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (unsigned long long)now.tv_sec * 1000000 + (unsigned long long)now.tv_nsec / 1000;
}

/* ---- STATUS= ---- */

/* Keeps the line as it is now. */
static void look_anew(struct hw_manager *m)
{
    m->found = hw_summary_write(m->status, m->due, m->said);
    m->said_at = uv_now(m->look.loop);
}

static void look(struct hw_manager *m)
{
    char text[HW_SUMMARY_MAX];
    unsigned found = hw_summary_write(m->status, m->due, text);
    bool calm = found == m->found && uv_now(m->look.loop) - m->said_at < HW_MANAGER_CALM_MS;
    hw_notify_again(&m->notify);
    if (calm || strcmp(text, m->said) == 0)
        return;
    look_anew(m);
    hw_notify_say(&m->notify, "STATUS=%s", m->said);
}

static void say_ready(struct hw_manager *m)
{
    m->ready = true;
    look_anew(m);
    hw_notify_say_state(&m->notify, "READY=1\nSTATUS=%s", m->said);
}

/* ---- reloads ---- */

static void say_reloading(struct hw_manager *m)
{
    if (!is_open(m) || !m->ready || m->stopping)
        return;
    m->reloading = true;
    hw_notify_say_state(&m->notify, "RELOADING=1\nMONOTONIC_USEC=%llu", now_us());
}

/* Says it even if a reload is under way: the manager waits for one that began after its SIGHUP. */
void hw_manager_asked(struct hw_manager *m, uint64_t number)
{
    m->asked = number;
    say_reloading(m);
}

void hw_manager_reloading(struct hw_manager *m)
{
    if (!m->reloading)
        say_reloading(m);
}

void hw_manager_reloaded(struct hw_manager *m, uint64_t number)
{
    if (!m->reloading || number < m->asked || m->stopping)
        return;
    m->reloading = false;
    say_ready(m);
}

/* ---- the watchdog ---- */

static void say_silent(struct hw_manager_pulse *p, uint64_t ms)
{
    p->said_silent = true;
    hw_log_say(
        HW_LOG_ERROR,
        "the ledger's thread has not answered for %.1f s; its disk may be gone: the watchdog is "
        "no longer pinged, so the service manager will kill this host",
        (double)ms / 1000);
}

static void hear(struct hw_manager_pulse *p, uint64_t pulse, uint64_t now)
{
    if (p->said_silent)
        hw_log_say(HW_LOG_WARN, "the ledger's thread answers again");
    *p = (struct hw_manager_pulse){.pulse = pulse, .heard_at = now};
}

/* Whether a thread has had a pulse within the last ticks; `pulse` is its present one. */
static bool is_alive(struct hw_manager_pulse *p, uint64_t pulse, uint64_t now)
{
    if (pulse != p->pulse)
        hear(p, pulse, now);
    else
        p->silent++;
    bool alive = p->silent <= HW_MANAGER_SILENT_TICKS;
    if (!alive && !p->said_silent && now - p->heard_at >= HW_MANAGER_SILENT_MS)
        say_silent(p, now - p->heard_at);
    return alive;
}

/* Without such a thread the leader commits, and it is here. */
static bool is_ledger_alive(struct hw_manager *m)
{
    const struct hw_dispatch *d = m->status->dispatch;
    uint64_t now = uv_now(m->tick.loop);
    bool alive = true;
    if (d->committer) {
        alive = is_alive(&m->committer, hw_committer_pulse(d->committer), now);
        hw_committer_knock(d->committer);
    }
    if (d->claims.claimer) {
        alive = is_alive(&m->claimer, hw_claimer_pulse(d->claims.claimer), now) && alive;
        hw_claimer_knock(d->claims.claimer);
    }
    return alive;
}

static void ping(struct hw_manager *m)
{
    if (is_ledger_alive(m))
        hw_notify_say(&m->notify, "WATCHDOG=1");
}

/* ---- callbacks ---- */

static void on_look(uv_timer_t *timer)
{
    struct hw_manager *m = timer->data;
    if (m->ready)
        look(m);
    else if (!m->stopping)
        say_ready(m);
}

static void on_tick(uv_timer_t *timer)
{
    ping(timer->data);
}

/* ---- start and stop ---- */

void hw_manager_open(struct hw_manager *m)
{
    hw_notify_open(&m->notify);
}

void hw_manager_close(struct hw_manager *m)
{
    hw_notify_close(&m->notify);
}

void hw_manager_wait(struct hw_manager *m, const char *why, uint64_t ms)
{
    hw_notify_say(&m->notify, "STATUS=%s\nEXTEND_TIMEOUT_USEC=%llu", why, in_us(ms + SLACK_MS));
}

void hw_manager_start(struct hw_manager *m, uv_loop_t *loop, const struct hw_status *status,
                      const struct hw_due *due)
{
    uint64_t half_ms = m->notify.watchdog_us / 2000;
    m->status = status;
    m->due = due;
    uv_timer_init(loop, &m->look);
    uv_timer_init(loop, &m->tick);
    m->look.data = m->tick.data = m;
    m->committer.heard_at = m->claimer.heard_at = uv_now(loop);
    if (!is_open(m))
        return;
    uv_timer_start(&m->look, on_look, 0, HW_MANAGER_LOOK_MS);
    if (m->notify.watchdog_us)
        uv_timer_start(&m->tick, on_tick, 0, half_ms ? half_ms : 1);
}

void hw_manager_stop(struct hw_manager *m, uint64_t ms)
{
    if (!is_open(m) || m->stopping)
        return;
    m->stopping = m->ready = true;
    look_anew(m);
    hw_notify_say_state(&m->notify, "STOPPING=1\nSTATUS=%s\nEXTEND_TIMEOUT_USEC=%llu", m->said,
                        in_us(ms + SLACK_MS));
}
