/* reload.c -- see reload.h */
#include "reload/reload.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/error.h"
#include "base/log.h"
#include "reload/watch.h"

enum {
    TRIES_MAX = 50,                  /* attempts, while the files change as they are read */
    LOOK_MS = HW_RELOAD_QUIET_MS / 8 /* between two looks at a burst of edits */
};

struct hw_reload {
    /* constant after start */
    struct hw_reload_config config;
    uv_thread_t thread;
    bool started;

    /* guarded by m */
    uv_mutex_t m;
    uv_cond_t poked; /* any of what follows changed, or stopping */
    bool woken;
    uint64_t asked; /* requests so far */
    bool ended;     /* the thread will not touch this any more */

    /* guarded by m: for the leader */
    bool fresh;       /* it has not taken `result` yet */
    bool fresh_began; /* nor has it been told that the attempt of `result` began */
    bool began;       /* nor that a later attempt began */
    struct hw_reload_result result;
    bool has_to_apply;
    bool is_applying;          /* it reads the lists of the to_apply that it took */
    struct hw_config to_apply; /* a copy that shares lists and texts with the live one */
    struct hw_tls_set *tls_to_set;
    struct hw_folders *to_watch;
    bool to_renew;

    /* reload thread only */
    struct hw_attempt attempt;
    uint64_t answered; /* the last request that has its result */
    uint64_t renewed;  /* the release that free workers were asked to take once more */
    bool failing;      /* the last attempt failed */
    bool event;        /* a change was reported since the last look */

    /* leader only */
    struct hw_watches watches;
    bool is_deaf; /* some folders are only polled; the log says so */

    /* atomic */
    atomic_bool stopping;

    /* any thread */
    uv_async_t done;
};

static uint64_t in_ms(unsigned ms)
{
    return uv_hrtime() + (uint64_t)ms * 1000000;
}

/* ---- to the leader ---- */

static void free_folders(struct hw_folders *folders)
{
    if (folders)
        hw_folders_fini(folders);
    free(folders);
}

/* Waits until the leader has taken the last result, so that none is lost, and has applied the
 * configuration, which the next attempt may free. Returns false when the thread should end. */
static bool wait_for_leader(struct hw_reload *r)
{
    uv_mutex_lock(&r->m);
    while ((r->fresh || r->is_applying) && !r->stopping)
        uv_cond_wait(&r->poked, &r->m);
    uv_mutex_unlock(&r->m);
    return !r->stopping;
}

/* Hands the leader the result, the limits to apply, the TLS contexts, and the folders to watch. */
static void hand_over(struct hw_reload *r, const struct hw_reload_result *result)
{
    struct hw_folders *folders = malloc(sizeof *folders);
    if (folders)
        hw_watch_folders(hw_attempt_watched(&r->attempt), folders);
    uv_mutex_lock(&r->m);
    r->result = *result;
    r->fresh = true;
    r->fresh_began = r->began;
    r->began = false;
    free_folders(r->to_watch);
    r->to_watch = folders;
    r->to_renew = true;
    r->to_apply = *hw_attempt_live(&r->attempt);
    r->to_apply.workers = r->config.config->workers; /* a change waits for the next start */
    r->has_to_apply = true;
    hw_tls_set_unref(r->tls_to_set);
    r->tls_to_set = hw_tls_set_ref(r->attempt.tls);
    uv_mutex_unlock(&r->m);
    uv_async_send(&r->done);
}

/* ---- waiting for a reason ---- */

/* Sleeps until poked or `ms` have passed. Returns false when the thread should end. */
static bool doze(struct hw_reload *r, unsigned ms, uint64_t *asked)
{
    uv_mutex_lock(&r->m);
    if (!r->woken && !r->stopping)
        uv_cond_timedwait(&r->poked, &r->m, (uint64_t)ms * 1000000);
    r->event |= r->woken;
    r->woken = false;
    *asked = r->asked;
    uv_mutex_unlock(&r->m);
    return !r->stopping;
}

/* Waits until a burst of edits is over, or until somebody asks for a reload. The quiet time counts
 * from the look that saw the last change. Counted from the last event it might never end, since the
 * ledger may be written in a watched folder. */
static bool wait_for_quiet(struct hw_reload *r, uint64_t *asked)
{
    uint64_t before = *asked, seen = hw_watch_signature(hw_attempt_watched(&r->attempt));
    uint64_t until = in_ms(HW_RELOAD_QUIET_MS), look = in_ms(LOOK_MS);
    for (uint64_t now = 0; now < until && *asked == before;) {
        if (!doze(r, LOOK_MS, asked))
            return false;
        now = uv_hrtime();
        if (now < look && now < until)
            continue;
        uint64_t found = hw_watch_signature(hw_attempt_watched(&r->attempt));
        if (found != seen)
            until = in_ms(HW_RELOAD_QUIET_MS);
        seen = found;
        look = in_ms(LOOK_MS);
    }
    return true;
}

/* The last request that a failure answers: also those that came meanwhile, while the files are the
 * same. Otherwise scripts that run until their time limit would do so again for each. A success
 * answers no later request: the configuration may read other files, and these may have changed. */
static uint64_t last_answered(struct hw_reload *r, uint64_t asked)
{
    uv_mutex_lock(&r->m);
    uint64_t last = r->asked;
    uv_mutex_unlock(&r->m);
    return last > asked && hw_attempt_is_as_read(&r->attempt) ? last : asked;
}

/* Attempts until the files stay the same meanwhile. Returns false when the thread should end. */
static bool attempt(struct hw_reload *r, uint64_t *asked, struct hw_attempt_result *result)
{
    int tries = 0;
    while (!hw_attempt_run(&r->attempt, r->failing, result)) {
        if (++tries == TRIES_MAX) {
            snprintf(result->text, sizeof result->text,
                     "the files keep changing while they are read");
            break;
        }
        if (!wait_for_quiet(r, asked))
            return false;
    }
    return !r->stopping;
}

static void tell_begun(struct hw_reload *r)
{
    uv_mutex_lock(&r->m);
    r->began = true;
    uv_mutex_unlock(&r->m);
    uv_async_send(&r->done);
}

/* Returns false when the thread should end. */
static bool reload(struct hw_reload *r, uint64_t asked)
{
    struct hw_reload_result result = {0};
    if (asked == r->answered && !wait_for_quiet(r, &asked))
        return false;
    tell_begun(r);
    if (!wait_for_leader(r))
        return false;
    uint64_t began_ns = uv_hrtime();
    if (!attempt(r, &asked, &result.attempt))
        return false;
    result.took_ns = uv_hrtime() - began_ns;
    bool ok = result.attempt.ok;
    if (!ok)
        asked = last_answered(r, asked);
    result.worth_saying = !ok || asked > r->answered || result.attempt.changed || r->failing;
    r->failing = !ok;
    result.asked = r->answered = asked;
    hand_over(r, &result);
    return true;
}

/* Closes old VMs. A while after each release free workers are asked once more to take it: one may
 * have been between two jobs the first time. */
static void tidy(struct hw_reload *r)
{
    hw_shelf_sweep(r->config.shelf);
    if (r->renewed == r->attempt.number)
        return;
    r->renewed = r->attempt.number;
    uv_mutex_lock(&r->m);
    r->to_renew = true;
    uv_mutex_unlock(&r->m);
    uv_async_send(&r->done);
}

static bool is_outdated(struct hw_reload *r)
{
    bool event = r->event;
    r->event = false;
    return hw_attempt_is_outdated(&r->attempt, event);
}

/* Looks at once: the files may have changed since the host read them. */
static void look_on(struct hw_reload *r)
{
    uint64_t asked = 0;
    pthread_setname_np(pthread_self(), "hookward-reload");
    hand_over(r, &(struct hw_reload_result){0}); /* begins to watch */
    do {
        tidy(r);
        if ((asked != r->answered || is_outdated(r)) && !reload(r, asked))
            return;
    } while (doze(r, HW_WATCH_POLL_MS, &asked));
}

static void on_thread(void *arg)
{
    struct hw_reload *r = arg;
    look_on(r);
    uv_mutex_lock(&r->m);
    r->ended = true;
    uv_cond_broadcast(&r->poked);
    uv_mutex_unlock(&r->m);
}

/* ---- the leader's side ---- */

static void on_changed(void *owner)
{
    struct hw_reload *r = owner;
    uv_mutex_lock(&r->m);
    r->woken = true;
    uv_cond_signal(&r->poked);
    uv_mutex_unlock(&r->m);
}

static void watch(struct hw_reload *r, const struct hw_folders *folders)
{
    const char *why = hw_watches_set(&r->watches, folders);
    if (why && !r->is_deaf)
        hw_log_say(HW_LOG_WARN, "edits of some folders show only every %d ms: %s", HW_WATCH_POLL_MS,
                   why);
    r->is_deaf = why != NULL;
}

/* Called once everything is applied: only then is the reload complete. */
static void say(const struct hw_reload_result *result)
{
    if (!result->attempt.ok)
        hw_log_say(HW_LOG_ERROR, "not reloaded, the old version goes on: %s", result->attempt.text);
    else if (result->worth_saying)
        hw_log_say(HW_LOG_INFO, "%s", result->attempt.text);
}

static void apply(struct hw_reload *r, const struct hw_config *config)
{
    r->config.apply(r->config.owner, config);
    uv_mutex_lock(&r->m);
    r->is_applying = false;
    uv_cond_broadcast(&r->poked);
    uv_mutex_unlock(&r->m);
}

static void on_done(uv_async_t *async)
{
    struct hw_reload *r = async->data;
    uv_mutex_lock(&r->m);
    bool began = r->began, fresh = r->fresh, fresh_began = r->fresh_began;
    struct hw_reload_result result = r->result;
    struct hw_config to_apply = r->to_apply;
    bool has_to_apply = r->has_to_apply;
    struct hw_tls_set *tls = r->tls_to_set;
    struct hw_folders *folders = r->to_watch;
    bool to_renew = r->to_renew;
    r->began = r->fresh = r->fresh_began = r->has_to_apply = r->to_renew = false;
    r->is_applying = has_to_apply;
    r->tls_to_set = NULL;
    r->to_watch = NULL;
    uv_cond_broadcast(&r->poked);
    uv_mutex_unlock(&r->m);
    if (fresh_began)
        r->config.began(r->config.owner);
    if (to_renew)
        r->config.renew(r->config.owner);
    if (has_to_apply)
        apply(r, &to_apply);
    if (tls)
        r->config.set_tls(r->config.owner, tls);
    hw_tls_set_unref(tls);
    if (folders)
        watch(r, folders);
    free_folders(folders);
    if (fresh && result.attempt.text[0]) { /* the first one only begins to watch */
        say(&result);
        r->config.told(r->config.owner, &result);
    }
    if (began)
        r->config.began(r->config.owner);
}

uint64_t hw_reload_ask(struct hw_reload *r)
{
    uv_mutex_lock(&r->m);
    uint64_t number = ++r->asked;
    r->woken = true;
    uv_cond_signal(&r->poked);
    uv_mutex_unlock(&r->m);
    return number;
}

/* ---- start and stop ---- */

int hw_reload_start(const struct hw_reload_config *config, struct hw_reload **out)
{
    struct hw_reload *r = calloc(1, sizeof *r);
    *out = r;
    if (!r)
        return UV_ENOMEM;
    r->config = *config;
    r->renewed = 1;
    hw_attempt_init(&r->attempt, config->config, config->modules, config->shelf, config->tls,
                    &r->stopping);
    r->watches = (struct hw_watches){.loop = config->loop, .changed = on_changed, .owner = r};
    config->loop->data = &r->watches; /* read by the events; nobody else uses it */
    r->done.data = r;
    HW_CHECK(uv_mutex_init(&r->m) == 0);
    HW_CHECK(uv_cond_init(&r->poked) == 0);
    HW_CHECK(uv_async_init(config->loop, &r->done, on_done) == 0);
    int rc = uv_thread_create(&r->thread, on_thread, r);
    r->started = rc == 0;
    r->ended = rc != 0;
    return rc;
}

bool hw_reload_stop(struct hw_reload *r, unsigned ms)
{
    uint64_t until = in_ms(ms);
    uv_mutex_lock(&r->m);
    r->stopping = true;
    uv_cond_broadcast(&r->poked);
    for (uint64_t now = uv_hrtime(); !r->ended && now < until; now = uv_hrtime())
        uv_cond_timedwait(&r->poked, &r->m, until - now);
    bool ended = r->ended;
    uv_mutex_unlock(&r->m);
    if (ended && r->started)
        uv_thread_join(&r->thread);
    return ended;
}

void hw_reload_unwatch(struct hw_reload *r)
{
    hw_watches_close(&r->watches);
}

void hw_reload_free(struct hw_reload *r)
{
    free_folders(r->to_watch);
    hw_tls_set_unref(r->tls_to_set);
    hw_attempt_fini(&r->attempt);
    uv_cond_destroy(&r->poked);
    uv_mutex_destroy(&r->m);
    free(r);
}
