/* host.c -- see host.h */
#include "host/host.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <uv.h>

#include "base/check.h"
#include "base/crash.h"
#include "base/files.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/sigpipe.h"
#include "base/version.h"
#include "host/admin.h"
#include "host/control.h"
#include "host/drain.h"
#include "host/expiry.h"
#include "host/last_reload.h"
#include "host/manager.h"
#include "host/metrics.h"
#include "host/parts.h"
#include "host/status.h"
#include "host/takeover.h"
#include "host/timeline.h"
#include "http/connections.h"
#include "http/inherited.h"
#include "http/listener.h"
#include "reload/reload.h"
#include "script/bundle.h"
#include "trip/crew.h"
#include "trip/dispatch.h"
#include "trip/due.h"
#include "trip/intake.h"
#include "trip/stages.h"

enum {
    STUCK_MS = 200,  /* for the crew's threads to end; after a cut-off a handler may still run */
    SLOW_MS = 10000, /* the same without a cut-off: only a slow machine can delay them */
    RELOAD_MS = 2000 /* for the reload thread to end; an old VM's hook.on_unload has a second */
};

struct hw_host {
    /* constant after start */
    struct hw_config *config;
    const struct hw_modules *modules;
    struct hw_stages stages;
    struct hw_worker *workers;
    unsigned worker_count; /* those that were initialised */
    bool loop_open, dispatch_open, log_open, log_joined, guard;
    char *addresses[HW_LISTENERS_MAX + 1];
    struct hw_reload *reload;
    struct hw_timeline timeline;
    struct hw_admin *admin; /* NULL: there is no admin listener */
    struct hw_tls_set *tls; /* what it was started with; NULL once the reload thread has it */
    struct hw_status status;

    /* leader only */
    uv_loop_t loop;
    struct hw_expiry expiry;
    struct hw_drain drain;
    struct hw_server server;
    struct hw_listeners listeners;
    struct hw_report report;
    struct hw_dispatch dispatch;
    struct hw_intake intake;
    struct hw_control control;
    struct hw_unproven unproven;
    struct hw_failures failures;
    struct hw_due due;
    struct hw_manager manager;
    struct hw_metrics metrics;
    size_t room; /* for connections, when it was last computed */

    /* any thread */
    struct hw_last_reload last_reload;
    uv_async_t stop, hangup; /* by uv_async_send */
};

/* ---- drain ---- */

static void on_stop(uv_async_t *async)
{
    struct hw_host *h = async->data;
    if (hw_drain_begin(&h->drain))
        hw_manager_stop(&h->manager, h->drain.timeout_ms);
    hw_control_part(&h->control);
}

void hw_host_stop(struct hw_host *host)
{
    uv_async_send(&host->stop);
}

/* ---- callbacks ---- */

static void on_settle(void *owner, struct hw_job *done)
{
    struct hw_host *h = owner;
    hw_dispatch_settle(&h->dispatch, done);
    hw_drain_look(&h->drain);
}

static void on_lost(void *owner, struct hw_job *job, bool replaced)
{
    struct hw_host *h = owner;
    hw_dispatch_lose(&h->dispatch, job, replaced);
    hw_drain_look(&h->drain);
}

/* Called on the ledger thread. */
static void on_committed(void *owner, struct hw_job *jobs)
{
    struct hw_host *h = owner;
    if (!jobs->pick)
        HW_CRASH_POINT("before-answer");
    hw_crew_return(h->dispatch.crew, jobs);
}

/* Called on the claim thread. */
static void on_claimed(void *owner, struct hw_job *jobs)
{
    struct hw_host *h = owner;
    hw_crew_return(h->dispatch.crew, jobs);
}

static void on_room(struct hw_server *server)
{
    struct hw_host *h = server->owner;
    hw_listeners_resume(&h->listeners);
    hw_drain_look(&h->drain);
}

/* Garbage of the scripts may still hold files open. */
static void on_no_files(struct hw_server *server)
{
    struct hw_host *h = server->owner;
    hw_workers_tidy(&h->stages);
    hw_crew_tidy_free(h->dispatch.crew);
}

static uint64_t ask_reload(void *owner)
{
    struct hw_host *h = owner;
    uint64_t number = hw_reload_ask(h->reload);
    hw_manager_asked(&h->manager, number);
    return number;
}

static void on_hangup(uv_async_t *async)
{
    ask_reload(async->data);
}

void hw_host_reload(struct hw_host *host)
{
    uv_async_send(&host->hangup);
}

/* A low limit is no error, since many hosts never see that many connections. */
static void warn_of_files(struct hw_host *h, const struct hw_config *config)
{
    size_t room = h->server.crowd.limits.connections;
    if (room < config->max_connections && room != h->room)
        hw_log_say(
            HW_LOG_WARN,
            "this process may have %zu files open (ulimit -n): enough for %zu connections at "
            "once, not for max_connections",
            hw_files_limit(), room);
    h->room = room;
}

static void limit_failures(struct hw_host *h, const struct hw_config *config)
{
    if (hw_failures_limit(&h->failures, config->max_failures_per_address))
        hw_log_say(HW_LOG_ERROR, "out of memory: max_failures_per_address is off; reload again");
}

/* What is limited besides connections and requests: at the start, and by a reload. */
static void limit(struct hw_host *h, const struct hw_config *config)
{
    limit_failures(h, config);
    h->dispatch.open_max = config->max_queue;
    hw_patience_limit(&h->dispatch.patience, config->queue_timeout_ms, config->handler_timeout_ms);
    h->dispatch.retries = config->retries;
    h->dispatch.in_hand.backlog_max = config->max_backlog;
    h->drain.timeout_ms = config->drain_timeout_ms;
}

static void apply(void *owner, const struct hw_config *config)
{
    struct hw_host *h = owner;
    hw_log_set(config->log_level, config->log_json);
    hw_report_mask(&h->report, config->mask, config->mask_count);
    hw_server_apply(&h->server, config);
    limit(h, config);
    warn_of_files(h, config);
    hw_listeners_resume(&h->listeners); /* there may be room now for connections that wait */
    h->intake.service.codes_only = config->codes_only;
}

static void renew(void *owner)
{
    struct hw_host *h = owner;
    hw_crew_visit_free(h->dispatch.crew, hw_worker_renew);
}

static void set_tls(void *owner, struct hw_tls_set *tls)
{
    struct hw_host *h = owner;
    hw_listeners_set_tls(&h->listeners, tls);
    if (h->admin)
        hw_admin_set_tls(h->admin, tls);
    hw_expiry_set(&h->expiry, tls);
}

/* Other hosts of the ledger show it. */
static void tell_scripts(struct hw_host *h)
{
    uint64_t number;
    char version[17];
    if (!h->stages.ledger->type->scripts)
        return;
    hw_shelf_describe(&h->stages.shelf, &number, version);
    h->stages.ledger->type->scripts(h->stages.ledger, version);
}

static void began(void *owner)
{
    struct hw_host *h = owner;
    hw_manager_reloading(&h->manager);
}

static void told(void *owner, const struct hw_reload_result *result)
{
    struct hw_host *h = owner;
    if (!result->attempt.ok)
        hw_stats_add(&h->server.stats, HW_COUNT_RELOADS_FAILED, 1);
    else if (result->attempt.changed)
        hw_stats_add(&h->server.stats, HW_COUNT_RELOADS, 1);
    tell_scripts(h);
    hw_metrics_reloaded(&h->metrics, result);
    hw_last_reload_put(&h->last_reload, result);
    hw_manager_reloaded(&h->manager, result->asked);
    hw_control_reloaded(&h->control, result->asked, result->attempt.ok ? 0 : HW_ERELOAD_FAILED,
                        hw_str_of(result->attempt.text));
}

int hw_host_reload_now(struct hw_host *h, char *text, size_t size)
{
    return hw_last_reload_await(&h->last_reload, hw_reload_ask(h->reload), text, size);
}

void hw_host_version(struct hw_host *h, struct hw_host_version *version)
{
    hw_shelf_describe(&h->stages.shelf, &version->number, version->version);
    hw_last_reload_error(&h->last_reload, version->error, sizeof version->error);
}

const struct hw_stats *hw_host_stats(const struct hw_host *h)
{
    return &h->server.stats;
}

const char *const *hw_host_addresses(const struct hw_host *h)
{
    return (const char *const *)h->addresses;
}

/* ---- start ---- */

static void keep_addresses(struct hw_host *h)
{
    char text[HW_LISTENER_NAME_MAX];
    for (size_t i = 0; hw_listeners_name(&h->listeners, i, text, sizeof text); i++)
        h->addresses[i] = strdup(text);
}

static int start_workers(struct hw_host *h, char *why, size_t size)
{
    unsigned count = h->config->workers;
    h->workers = calloc(count, sizeof *h->workers);
    snprintf(why, size, "out of memory");
    if (!h->workers)
        return HW_EFAILED;
    int rc = 0;
    for (unsigned i = 0; rc == 0 && i < count; i++) {
        h->worker_count = i + 1;
        rc = hw_worker_init(&h->workers[i], &h->stages, i, why, size);
    }
    return rc;
}

/* A host is useful without a control socket, so a read-only folder must not keep it from
 * starting. */
static void open_control(struct hw_host *h)
{
    char why[512];
    if (hw_listeners_open_control(&h->listeners, h->config->control, &h->control.service, why,
                                  sizeof why))
        hw_log_say(HW_LOG_WARN,
                   "no control socket, so `hookward reload` and `jobs replay` can't reach this "
                   "host; set `control` to a path that it may write: %s",
                   why);
}

static int init_loop(struct hw_host *h, char *why, size_t size)
{
    int rc = hw_loop_init(&h->loop, hw_files_limit());
    if (rc) {
        snprintf(why, size, "can't make an event loop: %s", uv_strerror(rc));
        return HW_EFAILED;
    }
    h->loop_open = true;
    hw_drain_init(&h->drain, &h->loop, &h->listeners, &h->server, &h->dispatch);
    h->drain.has_successor = hw_takeover_is_meant(h->config);
    hw_expiry_start(&h->expiry, &h->loop);
    uv_async_init(&h->loop, &h->stop, on_stop);
    uv_async_init(&h->loop, &h->hangup, on_hangup);
    h->stop.data = h->hangup.data = h;
    return 0;
}

static void init_server(struct hw_host *h)
{
    h->server.loop = &h->loop;
    h->server.owner = h;
    h->server.on_room = on_room;
    h->server.on_no_files = on_no_files;
    hw_connections_init(&h->server, h->config);
    hw_report_init(&h->report, &h->server.stats, &h->server.refusal_log);
    h->report.with_bodies = h->config->dev;
    hw_report_mask(&h->report, h->config->mask, h->config->mask_count);
    hw_listeners_init(&h->listeners, &h->server);
}

static void init_status(struct hw_host *h)
{
    h->status = (struct hw_status){.config = h->config,
                                   .dispatch = &h->dispatch,
                                   .shelf = &h->stages.shelf,
                                   .last_reload = &h->last_reload,
                                   .addresses = hw_host_addresses(h),
                                   .listeners = &h->listeners,
                                   .workers = h->worker_count,
                                   .started_at = hw_now(),
                                   .started_ns = hw_now_ns()};
}

/* Between connections and crew. */
static int init_dispatch(struct hw_host *h)
{
    struct hw_config *c = h->config;
    if (hw_dispatch_init(&h->dispatch, &h->loop, h->stages.ledger, &h->server.requests, &h->report,
                         c->max_queue))
        return HW_EFAILED;
    h->dispatch_open = true;
    h->dispatch.distrust = (struct hw_distrust){&h->unproven, &h->failures};
    limit(h, c);
    init_status(h);
    hw_metrics_init(&h->metrics, &h->status, &h->server, &h->expiry, h->workers);
    hw_control_init(&h->control, &h->loop, &h->dispatch, &h->status, ask_reload, h);
    return hw_intake_init(&h->intake, c, &h->dispatch);
}

static bool is_ready(void *owner, const char **why)
{
    const struct hw_host *h = owner;
    return hw_status_is_ready(&h->status, why);
}

static char *write_metrics(void *owner, size_t *len)
{
    const struct hw_host *h = owner;
    return hw_metrics_write(&h->metrics, len);
}

static int open_admin(struct hw_host *h, char *why, size_t size)
{
    struct hw_admin_setup setup = {.config = h->config,
                                   .modules = h->modules,
                                   .loop = &h->loop,
                                   .is_ready = is_ready,
                                   .metrics = write_metrics,
                                   .owner = h};
    int rc = h->config->admin.is_on ? hw_admin_open(&h->admin, &setup, why, size) : 0;
    h->status.admin = rc == 0 && h->admin ? hw_admin_url(h->admin) : NULL;
    return rc;
}

static int start_server(struct hw_host *h, char *why, size_t size)
{
    struct hw_config *c = h->config;
    if (init_loop(h, why, size))
        return HW_EFAILED;
    init_server(h);
    snprintf(why, size, "out of memory");
    if (init_dispatch(h))
        return HW_EFAILED;
    int rc =
        hw_listeners_open(&h->listeners, c->listen, c->listen_count, &h->intake.service, why, size);
    if (rc)
        return rc;
    hw_inherited_warn(c->listen, c->listen_count);
    if (open_admin(h, why, size))
        return HW_EFAILED;
    if (h->admin && hw_timeline_start(&h->timeline, &h->loop, &h->dispatch))
        return HW_EFAILED;
    h->control.admin = h->admin;
    h->control.timeline = &h->timeline;
    set_tls(h, h->tls);
    open_control(h);
    return 0;
}

static int start_committer(struct hw_host *h, char *why, size_t size)
{
    if (!h->stages.ledger->type->waits)
        return 0;
    h->dispatch.committer = hw_committer_start(h->stages.ledger, on_committed, h);
    if (!h->dispatch.committer)
        return hw_error_no_thread(errno, why, size);
    if (hw_ledger_claims(h->stages.ledger)) {
        h->dispatch.claims.claimer = hw_claimer_start(h->stages.ledger, on_claimed, h);
        if (!h->dispatch.claims.claimer)
            return hw_error_no_thread(errno, why, size);
    }
    snprintf(why, size, "out of memory");
    return hw_due_start(&h->due, &h->loop, &h->dispatch, h->worker_count) ? HW_EFAILED : 0;
}

static int start_reload(struct hw_host *h, char *why, size_t size)
{
    struct hw_reload_config config = {.config = h->config,
                                      .modules = h->modules,
                                      .shelf = &h->stages.shelf,
                                      .tls = h->tls,
                                      .loop = &h->loop,
                                      .began = began,
                                      .renew = renew,
                                      .apply = apply,
                                      .set_tls = set_tls,
                                      .told = told,
                                      .owner = h};
    int rc = hw_reload_start(&config, &h->reload);
    hw_tls_set_unref(h->tls);
    h->tls = NULL;
    return rc ? hw_error_no_thread(-rc, why, size) : 0;
}

static int start_crew(struct hw_host *h, char *why, size_t size)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    struct hw_crew_config config = {.loop = &h->loop,
                                    .workers = h->workers,
                                    .worker_count = h->worker_count,
                                    .active_max = cores > 0 ? (unsigned)cores : 1,
                                    .guard = h->guard,
                                    .spin_ms = HW_CREW_SPIN_MS,
                                    .settle = on_settle,
                                    .lost = on_lost,
                                    .owner = h};
    int rc = hw_crew_start(&config, &h->dispatch.crew);
    return rc ? hw_error_no_thread(-rc, why, size) : 0;
}

/* From the crew's start on connections are accepted, so it comes last. */
static int start_threads(struct hw_host *h, char *why, size_t size)
{
    if (start_committer(h, why, size) || start_reload(h, why, size))
        return HW_EFAILED;
    keep_addresses(h);
    hw_host_warn_of_keys(h->stages.shelf.current->keys, hw_host_addresses(h));
    hw_listeners_report(&h->listeners);
    if (h->admin && hw_admin_start(h->admin))
        return hw_error_no_thread(errno, why, size);
    hw_manager_start(&h->manager, &h->loop, &h->status, &h->due);
    return start_crew(h, why, size);
}

static int check_inherited(const struct hw_config *c, char *why, size_t size)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < c->listen_count; i++)
        rc = hw_inherited_check(c->listen, c->listen_count, i, why, size);
    return rc;
}

/* Keys, scripts, ledger. Whoever told the host to stop while it waited needs no `why`. */
static int load(struct hw_host *h, char *why, size_t size)
{
    const struct hw_config *c = h->config;
    int rc = check_inherited(c, why, size);
    if (rc == 0)
        rc = hw_host_load_scripts(c, h->modules, c->workers, &h->stages, why, size);
    if (rc)
        return rc;
    if (hw_takeover_wait(c, !h->guard, &h->manager)) {
        snprintf(why, size, "%s", "");
        return HW_EDRAINING;
    }
    rc = hw_host_open_ledger(c, &h->stages, why, size);
    if (rc == 0)
        tell_scripts(h);
    return rc;
}

static int start(struct hw_host *h, char *why, size_t size)
{
    struct hw_config *c = h->config;
    int rc = hw_log_join(c->log_level, c->log_json, why, size);
    if (rc)
        return rc;
    h->log_joined = true;
    hw_inherited_count();
    if (!h->guard)
        hw_manager_open(&h->manager); /* before there are scripts, which must not see any of it */
    h->tls = hw_tls_set_make(c->listen, c->door_count, NULL, why, size);
    rc = h->tls ? load(h, why, size) : HW_EFAILED;
    if (rc == 0)
        rc = start_workers(h, why, size);
    if (rc == 0)
        rc = start_server(h, why, size);
    if (rc)
        return rc;
    h->log_open = hw_log_open(STDERR_FILENO) == 0;
    hw_log_say(HW_LOG_INFO, "hookward %s: %zu key%s, %u worker%s, ledger %s", HW_VERSION,
               h->stages.shelf.current->keys->count,
               h->stages.shelf.current->keys->count == 1 ? "" : "s", h->worker_count,
               h->worker_count == 1 ? "" : "s", h->stages.ledger->type->name);
    warn_of_files(h, c);
    hw_tls_set_warn(h->tls);
    return start_threads(h, why, size);
}

/* ---- stop ---- */

static void close_handle(uv_handle_t *handle, void *unused)
{
    (void)unused;
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

static void close_loop(struct hw_host *h)
{
    sigset_t before;
    hw_sigpipe_block(&before);
    if (h->admin)
        hw_admin_stop(h->admin);
    hw_listeners_close(&h->listeners);
    hw_connections_close(&h->server);
    if (h->reload)
        hw_reload_unwatch(h->reload);
    uv_walk(&h->loop, close_handle, NULL);
    uv_run(&h->loop, UV_RUN_DEFAULT);
    HW_CHECK(uv_loop_close(&h->loop) == 0);
    hw_sigpipe_restore(&before);
    if (h->admin)
        hw_admin_free(h->admin);
    hw_listeners_free(&h->listeners);
    hw_server_fini(&h->server);
    hw_intake_fini(&h->intake);
}

void hw_host_free(struct hw_host *h)
{
    while (h->reload && !hw_reload_stop(h->reload, SLOW_MS))
        ; /* the caller's own time-out is shorter than this */
    if (h->dispatch.claims.claimer)
        hw_claimer_stop(h->dispatch.claims.claimer);
    if (h->dispatch.committer)
        hw_committer_stop(h->dispatch.committer);
    if (h->dispatch.crew)
        hw_dispatch_drop(&h->dispatch, hw_crew_take_rest(h->dispatch.crew));
    if (h->loop_open)
        close_loop(h);
    if (h->dispatch.crew)
        hw_crew_free(h->dispatch.crew);
    if (h->reload)
        hw_reload_free(h->reload);
    if (h->dispatch_open)
        hw_dispatch_fini(&h->dispatch);
    hw_control_fini(&h->control);
    hw_timeline_fini(&h->timeline);
    hw_report_fini(&h->report);
    hw_unproven_fini(&h->unproven);
    hw_failures_fini(&h->failures);
    hw_due_fini(&h->due);
    for (unsigned i = 0; i < h->worker_count; i++)
        hw_worker_fini(&h->workers[i]);
    free(h->workers);
    hw_host_unload(&h->stages);
    if (h->log_open)
        hw_log_close();
    if (h->log_joined)
        hw_log_leave();
    for (char **address = h->addresses; *address; address++)
        free(*address);
    hw_last_reload_fini(&h->last_reload);
    hw_expiry_fini(&h->expiry);
    hw_tls_set_unref(h->tls);
    hw_manager_close(&h->manager);
    hw_config_fini(h->config);
    free(h->config);
    free(h);
}

struct hw_host *hw_host_start(struct hw_config *config, const struct hw_modules *modules,
                              bool guard, char *why, size_t why_size)
{
    struct hw_host *h = calloc(1, sizeof *h);
    if (!h) {
        snprintf(why, why_size, "out of memory");
        hw_config_fini(config);
        free(config);
        return NULL;
    }
    hw_last_reload_init(&h->last_reload);
    h->config = config;
    h->guard = guard;
    h->manager.notify.fd = -1;
    h->modules = modules;
    if (start(h, why, why_size) == 0) {
        atomic_store_explicit(&h->status.started, true, memory_order_relaxed);
        return h;
    }
    hw_host_free(h);
    return NULL;
}

/* What is claimed and did not run is given back, so that another host need not wait for a lease to run
 * out. A claim that is under way comes back first. */
static void give_back_rest(struct hw_host *h)
{
    struct hw_job *jobs;
    if (!hw_ledger_claims(h->stages.ledger))
        return;
    hw_dispatch_drop(&h->dispatch, hw_claims_take_all(&h->dispatch.claims));
    while ((jobs = hw_crew_take_rest(h->dispatch.crew)))
        hw_dispatch_drop(&h->dispatch, jobs);
}

/* Records the outcomes of handlers whose senders were cut off. Otherwise the next start would run
 * them again. */
static void settle_rest(struct hw_host *h)
{
    if (h->dispatch.claims.claimer)
        hw_claimer_stop(h->dispatch.claims.claimer);
    h->dispatch.claims.claimer = NULL;
    if (h->dispatch.committer)
        hw_committer_stop(h->dispatch.committer);
    h->dispatch.committer = NULL; /* from here on this thread commits */
    hw_dispatch_settle(&h->dispatch, hw_crew_take_done(h->dispatch.crew));
    give_back_rest(h);
}

int hw_host_wait(struct hw_host *h, bool *stuck)
{
    *stuck = hw_crew_join(h->dispatch.crew, STUCK_MS) > 0;
    if (*stuck && !h->drain.cut_off)
        *stuck = hw_crew_join(h->dispatch.crew, SLOW_MS) > 0;
    int code = h->drain.cut_off || *stuck;
    settle_rest(h);
    hw_last_reload_end(&h->last_reload);
    if (*stuck) {
        hw_reload_stop(h->reload, RELOAD_MS);
        hw_log_say(HW_LOG_ERROR, "a handler never came back; ending without it");
        hw_log_close();
        return code;
    }
    hw_log_say(HW_LOG_INFO, "stopped");
    return code;
}
