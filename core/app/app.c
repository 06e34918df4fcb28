/* app.c -- see app.h */
#include "app/app.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/error.h"
#include "base/sigpipe.h"
#include "http/connection.h"

struct queue {
    struct hw_app_call *head, **tail;
};

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
    uv_async_t answered;

    /* app's thread only, once it runs */
    uv_loop_t loop;
    struct hw_app_vm *vm;

    /* guarded by m */
    uv_mutex_t m;
    uv_cond_t over;
    struct queue to_app, to_leader;
    bool ended;    /* the thread touches nothing any more */
    bool given_up; /* the app must not send to `answered` any more */

    /* atomic */
    atomic_bool stopping;

    /* any thread, by uv_async_send */
    uv_async_t wake;
};

static struct hw_app *app_of(struct hw_service *service)
{
    return (struct hw_app *)service;
}

struct hw_service *hw_app_service(struct hw_app *app)
{
    return &app->service;
}

/* ---- the two queues ---- */

static void clear(struct queue *q)
{
    *q = (struct queue){.tail = &q->head};
}

static void put_locked(struct queue *q, struct hw_app_call *call)
{
    call->next = NULL;
    *q->tail = call;
    q->tail = &call->next;
}

static void put_to_app(struct hw_app *app, struct hw_app_call *call)
{
    uv_mutex_lock(&app->m);
    put_locked(&app->to_app, call);
    uv_mutex_unlock(&app->m);
    uv_async_send(&app->wake);
}

static void put_to_leader(struct hw_app *app, struct hw_app_call *call)
{
    uv_mutex_lock(&app->m);
    put_locked(&app->to_leader, call);
    if (!app->given_up)
        uv_async_send(&app->answered);
    uv_mutex_unlock(&app->m);
}

static struct hw_app_call *take_all(struct hw_app *app, struct queue *q)
{
    uv_mutex_lock(&app->m);
    struct hw_app_call *all = q->head;
    clear(q);
    uv_mutex_unlock(&app->m);
    return all;
}

/* ---- the leader's side ---- */

static void free_call(struct hw_app *app, struct hw_app_call *call)
{
    hw_request_put(app->requests, call->request);
    hw_arena_fini(&call->arena);
    free(call);
    app->open--;
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
    put_to_app(app, call);
    return 0;
}

static int on_expired(struct hw_service *service, struct hw_waiter *waiter, struct hw_str *reason)
{
    (void)service, (void)waiter, (void)reason;
    return HW_EAPP_BUSY;
}

static void reply(struct hw_app_call *call)
{
    struct hw_waiter *waiter = call->waiters;
    if (!waiter)
        return; /* the client is gone */
    hw_waiter_leave(waiter);
    if (call->code)
        waiter->answer(waiter, call->code, HW_STR_NONE);
    else
        hw_connection_reply(waiter, &call->reply);
}

static void on_answered(uv_async_t *async)
{
    struct hw_app *app = async->data;
    for (struct hw_app_call *call = take_all(app, &app->to_leader), *next; call; call = next) {
        next = call->next;
        reply(call);
        free_call(app, call);
    }
}

/* ---- the app's side ---- */

static void close_all(struct hw_app *app)
{
    if (app->vm)
        hw_app_vm_stop(app->vm);
    uv_close((uv_handle_t *)&app->wake, NULL);
}

static void on_wake(uv_async_t *async)
{
    struct hw_app *app = async->data;
    if (app->stopping) {
        close_all(app);
        return;
    }
    for (struct hw_app_call *call = take_all(app, &app->to_app), *next; call; call = next) {
        next = call->next;
        if (!app->stopping)
            hw_app_vm_handle(app->vm, call);
        put_to_leader(app, call);
    }
}

static void run(void *arg)
{
    struct hw_app *app = arg;
    pthread_setname_np(pthread_self(), "hookward-app");
    hw_sigpipe_block_for_good(); /* an app starts no programs */
    hw_app_vm_start(app->vm, app->addresses, app->address_count);
    uv_run(&app->loop, UV_RUN_DEFAULT);
    uv_mutex_lock(&app->m);
    app->ended = true;
    uv_cond_signal(&app->over);
    uv_mutex_unlock(&app->m);
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
    uv_mutex_lock(&app->m);
    while (!app->ended && (now = uv_hrtime()) < until)
        uv_cond_timedwait(&app->over, &app->m, until - now);
    app->given_up = !app->ended;
    uv_mutex_unlock(&app->m);
    return !app->given_up;
}

static bool end_thread(struct hw_app *app)
{
    uv_async_send(&app->wake);
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
    uv_close((uv_handle_t *)&app->answered, NULL);
    return ended;
}

static void drop_all(struct hw_app *app, struct queue *q)
{
    for (struct hw_app_call *call = take_all(app, q), *next; call; call = next) {
        next = call->next;
        if (call->waiters)
            hw_waiter_leave(call->waiters);
        free_call(app, call);
    }
}

void hw_app_free(struct hw_app *app)
{
    drop_all(app, &app->to_app);
    drop_all(app, &app->to_leader);
    if (app->vm)
        hw_app_vm_free(app->vm);
    uv_cond_destroy(&app->over);
    uv_mutex_destroy(&app->m);
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
    rc = uv_async_init(&app->loop, &app->wake, on_wake);
    if (rc == 0) {
        rc = uv_async_init(leaders, &app->answered, on_answered);
        if (rc == 0)
            return 0;
        uv_close((uv_handle_t *)&app->wake, NULL);
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
    HW_CHECK(uv_mutex_init(&app->m) == 0);
    HW_CHECK(uv_cond_init(&app->over) == 0);
    app->wake.data = app->answered.data = app;
    clear(&app->to_app);
    clear(&app->to_leader);
    return 0;
}

int hw_app_open(struct hw_app **out, const struct hw_app_config *config, char *why, size_t why_size)
{
    static const struct hw_service_type type = {
        .accept = on_accept, .complete = on_complete, .expired = on_expired};
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
