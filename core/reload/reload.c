/* reload.c -- see reload.h */
#include "reload/reload.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/crash.h"
#include "base/error.h"
#include "base/log.h"
#include "reload/reconfig.h"

enum {
    TRIES_MAX = 50, /* how often a set that changes while it is read is read anew */
    LOOK_MS = HW_RELOAD_QUIET_MS / 8 /* between two looks at a burst of edits */
};

struct hw_reload {
    /* constant after start */
    struct hw_reload_config config;
    uv_thread_t thread;
    bool started;

    /* guarded by m */
    uv_mutex_t m;
    uv_cond_t poked;
    bool woken;
    uint64_t asked; /* requests so far */
    bool fresh;     /* what follows is for the leader */
    struct hw_reload_result result;
    struct hw_config to_apply; /* its numbers and flags only */
    bool has_to_apply;
    struct hw_folders *to_watch;
    bool to_renew;
    bool ended; /* the thread is about to */

    /* reload thread only */
    uint64_t answered;       /* requests */
    uint64_t number;         /* of the last release */
    uint64_t renewed;        /* the release that free workers were asked to take once more */
    struct hw_config *live;  /* NULL: the one that the host was started with */
    struct hw_config *tried; /* a later one that did not come to life; what it names is watched */
    bool failing;            /* what was read last did not come to life */
    char to_restart[HW_RECONFIG_NAMES_MAX]; /* what was last warned of */

    /* reload thread only: what was read last, and whether it is still so */
    const struct hw_config *read; /* NULL: nothing that counts */
    uint64_t signature, content;
    uint64_t coarse_until_ns; /* until then a change may not show in the signature; 0: it does */
    uint64_t next_look_ns;    /* while code runs */
    bool in_vain;             /* that code is not what is there any more */
    bool event;               /* since the last look */

    /* leader only */
    struct hw_watches watches;
    bool is_deaf; /* some folders are only polled, which was said */

    /* atomic */
    atomic_bool stopping;

    /* any thread */
    uv_async_t done;
};

static const struct hw_config *current(const struct hw_reload *r)
{
    return r->live ? r->live : r->config.config;
}

static const struct hw_config *watched(const struct hw_reload *r)
{
    return r->tried ? r->tried : current(r);
}

/* ---- what was read, and whether it is still so ---- */

static uint64_t in_ms(unsigned ms)
{
    return uv_hrtime() + (uint64_t)ms * 1000000;
}

static void take_signature(struct hw_reload *r, const struct hw_config *config)
{
    r->read = config;
    r->signature = hw_watch_signature(config); /* first: what changes after this, shows */
    r->content = hw_watch_content(config);
    r->coarse_until_ns = in_ms(HW_WATCH_COARSE_MS);
    r->next_look_ns = in_ms(HW_WATCH_POLL_MS);
    r->in_vain = false;
}

static bool is_as_read(const struct hw_reload *r)
{
    return hw_watch_content(r->read) == r->content;
}

/* Asked now and then while code runs that was read: a loop in it must neither keep the host from
 * stopping, nor the edit that mends it from taking effect. */
static bool is_in_vain(void *reload)
{
    struct hw_reload *r = reload;
    if (!r->in_vain && uv_hrtime() >= r->next_look_ns) {
        r->in_vain = hw_watch_signature(r->read) != r->signature;
        r->next_look_ns = in_ms(HW_WATCH_POLL_MS);
    }
    return r->in_vain || r->stopping;
}

static bool has_changed(struct hw_reload *r)
{
    bool event = r->event, is_over = uv_hrtime() >= r->coarse_until_ns;
    r->event = false;
    if (!r->read || hw_watch_signature(r->read) != r->signature)
        return true;
    if (r->coarse_until_ns == 0 || !(event || is_over))
        return false;
    if (is_over)
        r->coarse_until_ns = 0;
    return !is_as_read(r);
}

/* ---- an attempt ---- */

/* `waiting`: the names of what waits for the next start, each after a space. */
static void tell_live(struct hw_reload_result *result, const struct hw_release *release,
                      bool changed, bool mended, const char *waiting)
{
    const char *how = changed      ? "reloaded"
                      : mended     ? "in order again"
                      : waiting[0] ? "nothing to reload"
                                   : "nothing has changed";
    result->ok = true;
    result->changed = changed;
    snprintf(result->text, sizeof result->text,
             "%s: version %llu (%s), %zu script%s, %zu key%s%s%s", how,
             (unsigned long long)release->number, release->version, release->bundle->count,
             release->bundle->count == 1 ? "" : "s", release->keys->count,
             release->keys->count == 1 ? "" : "s",
             waiting[0] ? "; these take effect at the next start:" : "", waiting);
}

/* What a running host can't change is compared with what it was started with. */
static void warn_of_restart(struct hw_reload *r, const struct hw_config *config)
{
    char names[HW_RECONFIG_NAMES_MAX];
    hw_reconfig_restart(r->config.config, config, names);
    if (names[0] && strcmp(names, r->to_restart) != 0)
        hw_log_say(HW_LOG_WARN, "%s: these take effect at the next start:%s", config->file, names);
    strcpy(r->to_restart, names);
}

/* The new configuration is the one to go by from here on. */
static void adopt(struct hw_reload *r, struct hw_config *config)
{
    warn_of_restart(r, config);
    hw_reconfig_free(r->tried);
    hw_reconfig_free(r->live);
    r->tried = NULL;
    r->live = config;
}

/* Every script runs in its VM before anybody else sees it. */
static bool publish(struct hw_reload *r, struct hw_release *release,
                    struct hw_reload_result *result)
{
    if (hw_release_fill(release, r->config.config->workers, is_in_vain, r, result->text,
                        sizeof result->text)) {
        hw_release_unref(release);
        return false;
    }
    r->number++;
    hw_shelf_publish(r->config.shelf, release);
    return true;
}

/* The release is taken over; the configuration only on success. */
static bool take_effect(struct hw_reload *r, struct hw_config *config, struct hw_release *release,
                        struct hw_reload_result *result)
{
    struct hw_release *live = r->config.shelf->current; /* only this thread replaces it */
    bool changed = !hw_release_same(live, release) || !hw_reconfig_same_limits(current(r), config);
    if (hw_release_same(live, release))
        hw_release_unref(release);
    else if (!publish(r, release, result))
        return false;
    adopt(r, config);
    tell_live(result, r->config.shelf->current, changed, r->failing, r->to_restart);
    return true;
}

/* One reading of the configuration, with the files that `names` names signed before it. Returns
 * false when something changed meanwhile. */
static bool read_config(struct hw_reload *r, const struct hw_config *names,
                        struct hw_config **config, bool *ok, char *why, size_t size)
{
    take_signature(r, names);
    *config = hw_reconfig_read(r->config.config, r->config.modules, is_in_vain, r, ok, why, size);
    HW_STOP_POINT("config-read");
    return !r->in_vain && is_as_read(r);
}

/* The configuration lists the key files as they are when it is read, and a file that comes later
 * must show. So one that names other files than were signed is read once more. */
static bool read_signed(struct hw_reload *r, struct hw_config **config, bool *ok, char *why,
                        size_t size)
{
    if (!read_config(r, watched(r), config, ok, why, size))
        return false;
    if (!*config || hw_reconfig_same_files(watched(r), *config))
        return true;
    struct hw_config *names = *config;
    bool whole = read_config(r, names, config, ok, why, size) && *config &&
                 hw_reconfig_same_files(names, *config);
    hw_reconfig_free(names);
    return whole;
}

/* Reads configuration, keys and scripts. *config: NULL when it can't be read; *release: NULL when
 * not all of it is good. Returns false when something changed meanwhile. */
static bool read_all(struct hw_reload *r, struct hw_config **config, struct hw_release **release,
                     char *why, size_t size)
{
    bool ok;
    *release = NULL;
    if (!read_signed(r, config, &ok, why, size))
        return false;
    if (!*config)
        return true;
    r->read = *config; /* it names what was signed */
    HW_STOP_POINT("config-signed");
    if (ok)
        *release = hw_release_make(*config, r->config.modules, r->number + 1, why, size);
    return is_as_read(r);
}

/* Returns false when something changed while it was read or loaded: then it says nothing yet. */
static bool attempt(struct hw_reload *r, struct hw_reload_result *result)
{
    struct hw_config *config;
    struct hw_release *release;
    result->ok = result->changed = false;
    bool whole = read_all(r, &config, &release, result->text, sizeof result->text);
    if (whole && release && take_effect(r, config, release, result))
        return true;
    if (!whole && release)
        hw_release_unref(release);
    if (!whole || r->in_vain) {
        hw_reconfig_free(config);
        r->read = NULL;
        return false;
    }
    if (config) {
        hw_reconfig_free(r->tried);
        r->tried = config;
    }
    return true;
}

static void free_folders(struct hw_folders *folders)
{
    if (folders)
        hw_folders_fini(folders);
    free(folders);
}

/* To the leader: what became of it, what to take over, what to watch; once it has taken the one
 * before, so that each is told of. */
static void hand_over(struct hw_reload *r, const struct hw_reload_result *result)
{
    struct hw_folders *folders = malloc(sizeof *folders);
    if (folders)
        hw_watch_folders(watched(r), folders);
    uv_mutex_lock(&r->m);
    while (r->fresh && !r->stopping)
        uv_cond_wait(&r->poked, &r->m);
    r->result = *result;
    r->fresh = true;
    free_folders(r->to_watch);
    r->to_watch = folders;
    r->to_renew = true;
    r->to_apply = *current(r);
    r->to_apply.workers = r->config.config->workers; /* a change of it waits for a restart */
    r->has_to_apply = true;
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

/* Lets a burst of edits come to rest, or nearly so if somebody asks meanwhile. The quiet time
 * counts from the look that saw the last change: from an event it would never end, for the ledger
 * may be written in a watched folder. */
static bool wait_for_quiet(struct hw_reload *r, uint64_t *asked)
{
    uint64_t before = *asked, seen = hw_watch_signature(watched(r));
    uint64_t until = in_ms(HW_RELOAD_QUIET_MS), look = in_ms(LOOK_MS);
    for (uint64_t now = 0; now < until && *asked == before;) {
        if (!doze(r, LOOK_MS, asked))
            return false;
        now = uv_hrtime();
        if (now < look && now < until)
            continue;
        uint64_t found = hw_watch_signature(watched(r));
        if (found != seen)
            until = in_ms(HW_RELOAD_QUIET_MS);
        seen = found;
        look = in_ms(LOOK_MS);
    }
    return true;
}

/* What whoever asked meanwhile has as an answer as well: a failure, if that is still what there is,
 * since a set that loops until its deadline would have to do so once more. Success needs another
 * look: the configuration may have read files of its own, and that is why one asks. */
static uint64_t answered_as_well(struct hw_reload *r, uint64_t asked)
{
    uv_mutex_lock(&r->m);
    uint64_t last = r->asked;
    uv_mutex_unlock(&r->m);
    return last > asked && r->read && is_as_read(r) ? last : asked;
}

/* Returns false when the thread should end. */
static bool reload(struct hw_reload *r, uint64_t asked)
{
    struct hw_reload_result result = {0};
    int tries = 0;
    if (asked == r->answered && !wait_for_quiet(r, &asked))
        return false;
    while (!attempt(r, &result)) {
        if (++tries == TRIES_MAX) {
            snprintf(result.text, sizeof result.text,
                     "the files keep changing while they are read");
            break;
        }
        if (!wait_for_quiet(r, &asked))
            return false;
    }
    if (r->stopping)
        return false;
    if (!result.ok)
        asked = answered_as_well(r, asked);
    result.worth_saying = !result.ok || asked > r->answered || result.changed || r->failing;
    r->failing = !result.ok;
    result.asked = r->answered = asked;
    hand_over(r, &result);
    return true;
}

/* Once more a while after each: a worker may have been between two jobs when the others renewed. */
static void look_after_old(struct hw_reload *r)
{
    hw_shelf_sweep(r->config.shelf);
    if (r->renewed == r->number)
        return;
    r->renewed = r->number;
    uv_mutex_lock(&r->m);
    r->to_renew = true;
    uv_mutex_unlock(&r->m);
    uv_async_send(&r->done);
}

static void look_on(struct hw_reload *r)
{
    uint64_t asked = 0;
    pthread_setname_np(pthread_self(), "hookward-reload");
    hand_over(r, &(struct hw_reload_result){0}); /* begins to watch */
    /* At first as well: something may have changed since the host has read it. */
    do {
        look_after_old(r);
        if ((asked != r->answered || has_changed(r)) && !reload(r, asked))
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

/* Only now: until here it was not wholly true. */
static void say(const struct hw_reload_result *result)
{
    if (!result->ok)
        hw_log_say(HW_LOG_ERROR, "not reloaded, the old version goes on: %s", result->text);
    else if (result->worth_saying)
        hw_log_say(HW_LOG_INFO, "%s", result->text);
}

static void on_done(uv_async_t *async)
{
    struct hw_reload *r = async->data;
    uv_mutex_lock(&r->m);
    bool fresh = r->fresh;
    struct hw_reload_result result = r->result;
    struct hw_config to_apply = r->to_apply;
    bool has_to_apply = r->has_to_apply;
    struct hw_folders *folders = r->to_watch;
    bool to_renew = r->to_renew;
    r->fresh = r->has_to_apply = r->to_renew = false;
    r->to_watch = NULL;
    uv_cond_broadcast(&r->poked);
    uv_mutex_unlock(&r->m);
    if (to_renew)
        r->config.renew(r->config.owner);
    if (has_to_apply)
        r->config.apply(r->config.owner, &to_apply);
    if (folders)
        watch(r, folders);
    free_folders(folders);
    if (fresh && result.text[0]) { /* not the first one, that begins to watch */
        say(&result);
        r->config.told(r->config.owner, &result);
    }
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
    r->number = r->renewed = 1;
    r->watches = (struct hw_watches){.loop = config->loop, .changed = on_changed, .owner = r};
    config->loop->data = &r->watches; /* for events; nobody else uses it */
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
    hw_reconfig_free(r->live);
    hw_reconfig_free(r->tried);
    uv_cond_destroy(&r->poked);
    uv_mutex_destroy(&r->m);
    free(r);
}
