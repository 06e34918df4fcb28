/* host.c -- see host.h */
#include "app/host.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <uv.h>

#include "app/app.h"
#include "base/check.h"
#include "base/descriptors.h"
#include "base/log.h"
#include "base/sigpipe.h"
#include "http/connections.h"
#include "http/inherited.h"
#include "http/listener.h"

struct hw_app_host {
    /* constant after start */
    struct hw_config *config;
    bool log_open;

    /* the loop's thread only */
    uv_loop_t loop;
    uv_timer_t drain_timer;
    struct hw_server server;
    struct hw_listeners listeners;
    struct hw_app *app;
    bool draining;
    const char *addresses[HW_LISTENERS_MAX];
    size_t address_count;

    /* any thread, by uv_async_send */
    uv_async_t stop;
};

/* ---- drain ---- */

static void finish_if_idle(struct hw_app_host *h)
{
    if (h->draining && h->server.connection_count == 0)
        uv_stop(&h->loop);
}

static void on_drain_timeout(uv_timer_t *timer)
{
    uv_stop(timer->loop);
}

static void on_stop(uv_async_t *async)
{
    struct hw_app_host *h = async->data;
    if (h->draining)
        return;
    h->draining = true;
    hw_listeners_close(&h->listeners);
    hw_connections_drain(&h->server);
    uv_timer_start(&h->drain_timer, on_drain_timeout, h->config->drain_timeout_ms, 0);
    finish_if_idle(h);
}

static void on_room(struct hw_server *server)
{
    struct hw_app_host *h = server->owner;
    hw_listeners_resume(&h->listeners);
    finish_if_idle(h);
}

void hw_app_host_stop(struct hw_app_host *host)
{
    uv_async_send(&host->stop);
}

/* ---- start ---- */

/* Returns 0, or a libuv error with nothing left to close. */
static int init_loop(struct hw_app_host *h)
{
    int rc = uv_loop_init(&h->loop);
    if (rc)
        return rc;
    rc = uv_async_init(&h->loop, &h->stop, on_stop);
    if (rc)
        uv_loop_close(&h->loop);
    return rc;
}

static void init(struct hw_app_host *h)
{
    uv_timer_init(&h->loop, &h->drain_timer);
    h->stop.data = h;
    h->server.loop = &h->loop;
    h->server.owner = h;
    h->server.on_room = on_room;
    hw_connections_init(&h->server, h->config);
    hw_listeners_init(&h->listeners, &h->server);
}

static void on_address(void *ud, const char *address)
{
    struct hw_app_host *h = ud;
    struct hw_str copy = hw_arena_copy(&h->config->arena, hw_str_of(address));
    if (copy.ptr && h->address_count < HW_LISTENERS_MAX)
        h->addresses[h->address_count++] = copy.ptr;
}

static int start(struct hw_app_host *h, const char *module, const struct hw_modules *modules,
                 char *why, size_t size)
{
    struct hw_config *c = h->config;
    struct hw_app_config app = {.loop = &h->loop,
                                .requests = &h->server.requests,
                                .queue_max = HW_APP_QUEUE_MAX,
                                .stop_ms = HW_APP_STOP_MS,
                                .vm = {.module = module,
                                       .modules = modules,
                                       .settings = c->settings,
                                       .memory_max = HW_APP_MEMORY_MAX,
                                       .run_ms = HW_APP_RUN_MS}};
    hw_log_set(c->log_level, c->log_json);
    int rc = hw_app_open(&h->app, &app, why, size);
    if (rc == 0)
        rc = hw_listeners_open(&h->listeners, c->listen, c->listen_count, hw_app_service(h->app),
                               why, size);
    if (rc)
        return rc;
    hw_inherited_warn(c->listen, c->listen_count);
    h->log_open = hw_log_open(STDERR_FILENO) == 0;
    hw_listeners_report(&h->listeners);
    hw_listeners_each(&h->listeners, on_address, h);
    snprintf(why, size, "can't start a thread");
    return hw_app_start(h->app, h->addresses, h->address_count);
}

struct hw_app_host *hw_app_host_start(struct hw_config *config, const char *module,
                                      const struct hw_modules *modules, char *why, size_t why_size)
{
    hw_descriptors_fill();
    struct hw_app_host *h = calloc(1, sizeof *h);
    int rc = h ? init_loop(h) : UV_ENOMEM;
    if (rc) {
        snprintf(why, why_size, "can't make an event loop: %s", uv_strerror(rc));
        free(h);
        hw_config_fini(config);
        free(config);
        return NULL;
    }
    h->config = config;
    init(h);
    if (start(h, module, modules, why, why_size) == 0)
        return h;
    hw_app_host_free(h);
    return NULL;
}

/* ---- run and stop ---- */

void hw_app_host_run(struct hw_app_host *h)
{
    sigset_t before;
    hw_sigpipe_block(&before);
    uv_run(&h->loop, UV_RUN_DEFAULT);
    hw_sigpipe_restore(&before);
}

static void close_handle(uv_handle_t *handle, void *unused)
{
    (void)unused;
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

bool hw_app_host_free(struct hw_app_host *h)
{
    bool ended = !h->app || hw_app_stop(h->app);
    if (!ended)
        hw_log_say(HW_LOG_ERROR,
                   "the app did not end within %d ms: what it was in the middle of "
                   "is given up",
                   HW_APP_STOP_MS);
    h->draining = false;
    hw_listeners_close(&h->listeners);
    hw_connections_close(&h->server);
    uv_walk(&h->loop, close_handle, NULL);
    uv_run(&h->loop, UV_RUN_DEFAULT);
    HW_CHECK(uv_loop_close(&h->loop) == 0);
    if (h->app && ended)
        hw_app_free(h->app);
    hw_listeners_free(&h->listeners);
    hw_server_fini(&h->server);
    if (h->log_open)
        hw_log_close();
    hw_config_fini(h->config);
    free(h->config);
    free(h);
    return ended;
}
