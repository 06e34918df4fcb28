/* app.c -- see app.h */
#include "app/app.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "app/queues.h"
#include "base/check.h"
#include "base/error.h"
#include "base/sigpipe.h"
#include "http/connection.h"
#include "http/pieces.h"

struct hw_app {
    struct hw_service service;

    /* constant after start */
    struct hw_requests *requests;
    size_t open_max;
    uint64_t stop_ms;
    uv_thread_t thread;
    bool started;
    char **addresses;
    size_t address_count;

    /* leader only */
    size_t open; /* requests that are not answered yet */

    /* app's thread only, once it runs */
    uv_loop_t loop;
    struct hw_app_vm *vm;

    /* guarded by queues.m */
    uv_cond_t over;
    bool ended; /* the thread touches nothing any more */

    /* atomic */
    atomic_bool stopping;

    /* any thread */
    struct hw_app_queues queues;
};

static struct hw_app *app_of(struct hw_service *service)
{
    return (struct hw_app *)service;
}

struct hw_service *hw_app_service(struct hw_app *app)
{
    return &app->service;
}

/* ---- the leader's side ---- */

/* The call does not count against queue_max any more. */
static void put_request(struct hw_app *app, struct hw_app_call *call)
{
    if (!call->request)
        return;
    hw_request_put(app->requests, call->request);
    call->request = NULL;
    app->open--;
}

static void free_call(struct hw_app *app, struct hw_app_call *call)
{
    put_request(app, call);
    hw_arena_fini(&call->arena);
    free(call->pieces);
    free(call);
}

static int on_accept(struct hw_service *service, const struct hw_request *request)
{
    struct hw_app *app = app_of(service);
    (void)request;
    return app->open >= app->open_max ? HW_EAPP_BUSY : 0;
}

static int on_complete(struct hw_service *service, struct hw_request *request,
                       struct hw_waiter *waiter, struct hw_str *reason)
{
    (void)reason;
    struct hw_app *app = app_of(service);
    bool busy = app->open >= app->open_max;
    struct hw_app_call *call = busy ? NULL : calloc(1, sizeof *call);
    if (!call) {
        hw_request_put(app->requests, request);
        return busy ? HW_EAPP_BUSY : HW_ENOMEM;
    }
    app->open++;
    call->request = request;
    hw_arena_init(&call->arena, NULL, 0);
    struct hw_str peer = hw_connection_peer(waiter, call->peer, sizeof call->peer);
    if (peer.ptr != call->peer)
        snprintf(call->peer, sizeof call->peer, "%.*s", HW_STR_ARG(peer));
    hw_waiter_join(waiter, &call->waiters);
    hw_app_queues_give(&app->queues, call);
    return 0;
}

static struct hw_app_call *call_of(struct hw_waiter *waiter)
{
    return (struct hw_app_call *)((char *)waiter->link - offsetof(struct hw_app_call, waiters));
}

static int on_expired(struct hw_service *service, struct hw_waiter *waiter, struct hw_str *reason)
{
    (void)service, (void)reason;
    hw_app_queues_leave(call_of(waiter));
    return HW_EAPP_BUSY;
}

static bool on_half_closed(struct hw_service *service, struct hw_waiter *waiter)
{
    (void)service;
    return call_of(waiter)->waits;
}

static void on_left(struct hw_service *service, struct hw_waiter *waiter)
{
    if (!app_of(service)->stopping)
        hw_app_queues_leave(call_of(waiter));
}

static void reply(struct hw_app_call *call)
{
    struct hw_waiter *waiter = call->waiters;
    hw_waiter_leave(waiter);
    if (call->code)
        waiter->answer(waiter, call->code, HW_STR_NONE);
    else
        hw_connection_reply(waiter, &call->reply);
}

static void wait_for_answer(struct hw_app_call *call)
{
    call->waits = true;
    hw_connection_await(call->waiters);
}

/* ---- an answer in pieces ---- */

static void begin_pieces(struct hw_app *app, struct hw_app_call *call)
{
    bool chunked = call->request->http.minor > 0;
    call->waits = call->streams = true;
    put_request(app, call);
    if (!hw_pieces_begin(call->waiters, &call->reply, chunked))
        hw_app_queues_leave(call);
}

/* Sends what was collected, unless the connection is still busy with what came before. What is
 * added meanwhile wakes the leader again: an app that adds without end must not keep it here. */
static void send_pieces(struct hw_app_call *call)
{
    if (!call->waiters || call->in_flight > 0)
        return;
    struct hw_str pieces = hw_app_queues_take(call);
    if (pieces.len == 0)
        return;
    call->in_flight = pieces.len;
    if (hw_pieces_send(call->waiters, pieces)) {
        call->in_flight = 0;
        hw_app_queues_sent(call, pieces.len);
    }
    free((char *)pieces.ptr);
}

static void on_sent(struct hw_service *service, struct hw_waiter *waiter)
{
    (void)service;
    struct hw_app_call *call = call_of(waiter);
    hw_app_queues_sent(call, call->in_flight);
    call->in_flight = 0;
    send_pieces(call);
}

static void finish_pieces(struct hw_app_call *call)
{
    struct hw_waiter *waiter = call->waiters;
    struct hw_str pieces = hw_app_queues_take(call);
    hw_waiter_leave(waiter);
    if (call->code)
        hw_pieces_abort(waiter);
    else
        hw_pieces_finish(waiter, pieces);
    free((char *)pieces.ptr);
}

/* ---- what comes from the app ---- */

static void receive(struct hw_app *app, struct hw_app_call *call, const struct hw_app_news *news)
{
    if (call->waiters && news->begun && !call->streams)
        begin_pieces(app, call);
    if (!call->waiters)
        return; /* the client is gone */
    if (news->returned && call->streams)
        finish_pieces(call);
    else if (news->returned)
        reply(call);
    else if (call->streams)
        send_pieces(call);
    else
        wait_for_answer(call);
}

static void on_answered(uv_async_t *async)
{
    struct hw_app *app = async->data;
    struct hw_app_link all;
    struct hw_app_news news;
    hw_app_queues_collect(&app->queues, &all);
    for (struct hw_app_call *call; (call = hw_app_queues_read(&app->queues, &all, &news));) {
        receive(app, call, &news);
        if (news.returned)
            free_call(app, call);
    }
}

/* ---- the app's side ---- */

static void close_all(struct hw_app *app)
{
    if (app->vm)
        hw_app_vm_stop(app->vm);
    uv_close((uv_handle_t *)&app->queues.wake, NULL);
}

static void look_at(struct hw_app *app, struct hw_app_call *call)
{
    if (call->seen) {
        hw_app_vm_leave(app->vm, call);
        return;
    }
    call->seen = true;
    if (app->stopping || hw_app_vm_handle(app->vm, call))
        hw_app_queues_return(call);
}

static void on_wake(uv_async_t *async)
{
    struct hw_app *app = async->data;
    if (app->stopping) {
        close_all(app);
        return;
    }
    hw_app_queues_begin(&app->queues);
    for (struct hw_app_call *call; (call = hw_app_queues_next(&app->queues));)
        look_at(app, call);
}

static void run(void *arg)
{
    struct hw_app *app = arg;
    pthread_setname_np(pthread_self(), "hookward-app");
    hw_sigpipe_block_for_good(); /* an app starts no programs */
    hw_app_vm_start(app->vm, app->addresses, app->address_count);
    uv_run(&app->loop, UV_RUN_DEFAULT);
    uv_mutex_lock(&app->queues.m);
    app->ended = true;
    uv_cond_signal(&app->over);
    uv_mutex_unlock(&app->queues.m);
}

/* ---- start and stop ---- */

static bool copy_addresses(struct hw_app *app, const char *const *addresses, size_t count)
{
    app->addresses = calloc(count + 1, sizeof *app->addresses);
    while (app->addresses && app->address_count < count) {
        char *copy = strdup(addresses[app->address_count]);
        if (!copy)
            return false;
        app->addresses[app->address_count++] = copy;
    }
    return app->addresses != NULL;
}

int hw_app_start(struct hw_app *app, const char *const *addresses, size_t count)
{
    app->started =
        copy_addresses(app, addresses, count) && uv_thread_create(&app->thread, run, app) == 0;
    return app->started ? 0 : HW_EFAILED;
}

/* Returns false when it takes too long, and the app is given up. */
static bool await_end(struct hw_app *app)
{
    uint64_t until = uv_hrtime() + app->stop_ms * 1000000, now;
    uv_mutex_lock(&app->queues.m);
    while (!app->ended && (now = uv_hrtime()) < until)
        uv_cond_timedwait(&app->over, &app->queues.m, until - now);
    bool ended = app->ended;
    app->queues.given_up = !ended;
    uv_mutex_unlock(&app->queues.m);
    return ended;
}

static bool end_thread(struct hw_app *app)
{
    uv_async_send(&app->queues.wake);
    bool ended = await_end(app);
    if (ended)
        uv_thread_join(&app->thread);
    else
        pthread_detach(app->thread);
    return ended;
}

bool hw_app_stop(struct hw_app *app)
{
    app->stopping = true;
    bool ended = !app->started || end_thread(app);
    if (!app->started) {
        close_all(app);
        uv_run(&app->loop, UV_RUN_DEFAULT);
    }
    if (ended)
        HW_CHECK(uv_loop_close(&app->loop) == 0);
    uv_close((uv_handle_t *)&app->queues.answered, NULL);
    return ended;
}

static void drop_all(struct hw_app *app)
{
    for (struct hw_app_call *call; (call = hw_app_queues_drain(&app->queues));) {
        if (call->waiters)
            hw_waiter_leave(call->waiters);
        free_call(app, call);
    }
}

void hw_app_free(struct hw_app *app)
{
    drop_all(app);
    if (app->vm)
        hw_app_vm_free(app->vm);
    uv_cond_destroy(&app->over);
    hw_app_queues_fini(&app->queues);
    for (size_t i = 0; i < app->address_count; i++)
        free(app->addresses[i]);
    free(app->addresses);
    free(app);
}

/* Fails when no descriptor is left. Returns 0, or a libuv error with nothing left to close. */
static int init_loops(struct hw_app *app, uv_loop_t *leaders)
{
    int rc = uv_loop_init(&app->loop);
    if (rc)
        return rc;
    rc = uv_async_init(&app->loop, &app->queues.wake, on_wake);
    if (rc == 0) {
        rc = uv_async_init(leaders, &app->queues.answered, on_answered);
        if (rc == 0)
            return 0;
        uv_close((uv_handle_t *)&app->queues.wake, NULL);
        uv_run(&app->loop, UV_RUN_DEFAULT);
    }
    HW_CHECK(uv_loop_close(&app->loop) == 0);
    return rc;
}

static int init_handles(struct hw_app *app, uv_loop_t *leaders)
{
    int rc = init_loops(app, leaders);
    if (rc)
        return rc;
    HW_CHECK(uv_cond_init(&app->over) == 0);
    hw_app_queues_init(&app->queues);
    app->queues.wake.data = app->queues.answered.data = app;
    return 0;
}

int hw_app_open(struct hw_app **out, const struct hw_app_config *config, char *why, size_t why_size)
{
    static const struct hw_service_type type = {.accept = on_accept,
                                                .complete = on_complete,
                                                .expired = on_expired,
                                                .sent = on_sent,
                                                .half_closed = on_half_closed,
                                                .left = on_left};
    struct hw_app *app = *out = calloc(1, sizeof *app);
    snprintf(why, why_size, "out of memory");
    if (!app)
        return HW_ENOMEM;
    app->service =
        (struct hw_service){.type = &type, .shown = HW_STR("/"), .patience = HW_DEADLINE_APP};
    app->requests = config->requests;
    app->open_max = config->queue_max;
    app->stop_ms = config->stop_ms;
    int rc = init_handles(app, config->loop);
    if (rc) {
        snprintf(why, why_size, "can't make an event loop: %s", uv_strerror(rc));
        free(app);
        *out = NULL;
        return HW_EFAILED;
    }
    return hw_app_vm_open(&app->vm, &config->vm, &app->loop, &app->stopping, why, why_size);
}
