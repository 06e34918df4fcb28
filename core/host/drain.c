/* drain.c -- see drain.h */
#include "host/drain.h"

#include "base/log.h"
#include "host/signals.h"
#include "host/takeover.h"
#include "http/connections.h"
#include "trip/crew.h"

static void end(struct hw_drain *d)
{
    if (d->ended)
        return;
    d->ended = true;
    hw_crew_stop(d->dispatch->crew);
}

void hw_drain_look(struct hw_drain *d)
{
    if (d->begun && d->dispatch->open == 0 && d->server->connection_count == 0)
        end(d);
}

static void on_timeout(uv_timer_t *timer)
{
    struct hw_drain *d = timer->data;
    d->cut_off = true;
    hw_log_say(HW_LOG_WARN, "drain_timeout: cut off %zu connections and %zu notifications",
               d->server->connection_count, d->dispatch->open);
    hw_connections_close(d->server);
    end(d);
}

static void close_idle(struct hw_drain *d)
{
    d->dispatch->parting = false;
    hw_connections_drain(d->server);
    hw_drain_look(d);
}

static void on_grace_over(uv_timer_t *timer)
{
    close_idle(timer->data);
}

/* A request that is on its way must not find its connection closed. */
static void give_grace(struct hw_drain *d)
{
    uint64_t half = d->timeout_ms / 2;
    d->dispatch->parting = true;
    hw_connections_part(d->server);
    uv_timer_start(&d->grace, on_grace_over,
                   half < HW_TAKEOVER_GRACE_MS ? half : HW_TAKEOVER_GRACE_MS, 0);
    hw_drain_look(d);
}

bool hw_drain_begin(struct hw_drain *d)
{
    if (d->begun)
        return false;
    d->begun = d->dispatch->draining = true;
    hw_log_say(HW_LOG_INFO, "stopping: finishing what was begun%s",
               hw_signals_was_interrupted() ? "; a second Ctrl-C (SIGINT) ends at once" : "");
    hw_listeners_close(d->listeners);
    uv_timer_start(&d->timer, on_timeout, d->timeout_ms, 0);
    if (d->has_successor)
        give_grace(d);
    else
        close_idle(d);
    return true;
}

void hw_drain_init(struct hw_drain *d, uv_loop_t *loop, struct hw_listeners *listeners,
                   struct hw_server *server, struct hw_dispatch *dispatch)
{
    d->listeners = listeners;
    d->server = server;
    d->dispatch = dispatch;
    uv_timer_init(loop, &d->timer);
    uv_timer_init(loop, &d->grace);
    d->timer.data = d->grace.data = d;
}
