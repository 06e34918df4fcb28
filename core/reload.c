/* reload.c -- see reload.h */
#include "reload.h"

#include <lauxlib.h>
#include <lualib.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "check.h"
#include "error.h"
#include "log.h"
#include "module.h"

enum {
    TRIES_MAX = 50,        /* how often a set that changes while it is read is read anew */
    CONFIG_MS = 10000,     /* what the configuration's own code may take */
    CONFIG_EVERY = 100000, /* VM instructions between two looks at the clock */
};

struct hw_reload {
    /* constant after start */
    struct hw_reload_config config;
    uv_thread_t thread;

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

    /* reload thread only */
    uint64_t answered;       /* requests */
    uint64_t number;         /* of the last release */
    uint64_t renewed;        /* the release that free workers were asked to take once more */
    uint64_t signature;      /* of what was read last; 0 at first */
    struct hw_config *live;  /* NULL: the one that the host was started with */
    struct hw_config *tried; /* a later one that did not come to life; what it names is watched */
    char to_restart[160];    /* what was last warned of */
    uint64_t config_deadline_ns;

    /* leader only */
    struct hw_watches watches;

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

static void free_config(struct hw_config *config)
{
    if (config)
        hw_config_fini(config);
    free(config);
}

/* ---- reading the configuration, as `serve` did ---- */

static void push_source(lua_State *L, struct hw_str source)
{
    if (luaL_loadbufferx(L, source.ptr, source.len, "=source", "t"))
        lua_error(L);
    lua_call(L, 0, 1);
}

/* A configuration is code; one that loops must not keep the host from stopping. */
static void on_count(lua_State *L, lua_Debug *ar)
{
    struct hw_reload *r = *(struct hw_reload **)lua_getextraspace(L);
    (void)ar;
    if (uv_hrtime() < r->config_deadline_ns && !r->stopping)
        return;
    lua_sethook(L, on_count, LUA_MASKCOUNT, 1); /* no pcall outlasts it */
    luaL_error(L, "%s: it ran longer than %d s", r->config.config->file, CONFIG_MS / 1000);
}

/* Runs protected: (reload, config) -> nothing, or the first line of what is wrong. The
 * configuration is there as well if it could be read, and only what it names is missing. */
static int read_config(lua_State *L)
{
    struct hw_reload *r = lua_touserdata(L, 1);
    struct hw_config *config = lua_touserdata(L, 2);
    luaL_openlibs(L);
    hw_module_preload(L, r->config.modules);
    lua_getglobal(L, "require");
    lua_pushliteral(L, "hookward.config");
    lua_call(L, 1, 1);
    lua_getfield(L, -1, "reload");
    push_source(L, r->config.config->source);
    lua_call(L, 1, 2); /* … config line */
    if (!lua_isnil(L, -2))
        hw_config_read(config, L, -2);
    return lua_isnil(L, -1) ? 0 : 1;
}

/* NULL: it can't be read. Not NULL, and *ok false: what it names is not there. */
static struct hw_config *new_config(struct hw_reload *r, bool *ok, char *why, size_t size)
{
    struct hw_config *config = calloc(1, sizeof *config);
    lua_State *L = luaL_newstate();
    snprintf(why, size, "out of memory");
    *ok = false;
    int status = -1;
    if (config && L) {
        *(struct hw_reload **)lua_getextraspace(L) = r;
        r->config_deadline_ns = uv_hrtime() + (uint64_t)CONFIG_MS * 1000000;
        lua_sethook(L, on_count, LUA_MASKCOUNT, CONFIG_EVERY);
        lua_pushcfunction(L, read_config);
        lua_pushlightuserdata(L, r);
        lua_pushlightuserdata(L, config);
        status = lua_pcall(L, 2, LUA_MULTRET, 0);
        *ok = status == 0 && lua_gettop(L) == 0;
        if (!*ok && lua_type(L, -1) == LUA_TSTRING)
            snprintf(why, size, "%s", lua_tostring(L, -1));
        lua_sethook(L, NULL, 0, 0);
    }
    if (L)
        lua_close(L);
    if (status == 0 && config->file)
        return config;
    free_config(config);
    return NULL;
}

static bool same_list(const char *const *a, size_t n, const char *const *b, size_t m)
{
    bool same = n == m;
    for (size_t i = 0; same && i < n; i++)
        same = strcmp(a[i], b[i]) == 0;
    return same;
}

/* What a running host can't change is compared with what it was started with. */
static void warn_of_restart(struct hw_reload *r, const struct hw_config *b)
{
    const struct hw_config *a = r->config.config;
    char names[sizeof r->to_restart] = "";
    const struct {
        const char *name;
        bool same;
    } all[] = {
        {" listen", same_list(a->listen, a->listen_count, b->listen, b->listen_count)},
        {" path", hw_str_eq(a->path, b->path)},
        {" ledger", strcmp(a->ledger, b->ledger) == 0},
        {" workers", a->workers == b->workers},
        {" duplicates", a->by_body == b->by_body},
        {" keep_bodies", a->keep_bodies == b->keep_bodies},
        {" retention", a->retention_ms == b->retention_ms},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (!all[i].same)
            strcat(names, all[i].name);
    if (names[0] && strcmp(names, r->to_restart) != 0)
        hw_log_say(HW_LOG_WARN, "%s: these take effect at the next start:%s", a->file, names);
    memcpy(r->to_restart, names, sizeof names);
}

/* ---- an attempt ---- */

static void tell_live(struct hw_reload_result *result, const struct hw_release *release,
                      bool changed)
{
    result->ok = true;
    result->changed = changed;
    snprintf(result->text, sizeof result->text, "%s: version %llu (%s), %zu script%s, %zu key%s",
             changed ? "reloaded" : "nothing has changed", (unsigned long long)release->number,
             release->version, release->bundle->count, release->bundle->count == 1 ? "" : "s",
             release->keys->count, release->keys->count == 1 ? "" : "s");
}

/* What takes effect without a new release. */
static bool same_limits(const struct hw_config *a, const struct hw_config *b)
{
    return a->header_timeout_ms == b->header_timeout_ms &&
           a->body_timeout_ms == b->body_timeout_ms && a->idle_timeout_ms == b->idle_timeout_ms &&
           a->drain_timeout_ms == b->drain_timeout_ms && a->max_body == b->max_body &&
           a->max_header == b->max_header && a->max_connections == b->max_connections &&
           a->max_queue == b->max_queue && a->log_level == b->log_level &&
           a->log_json == b->log_json;
}

/* The new configuration is the one to go by from here on. */
static void adopt(struct hw_reload *r, struct hw_config *config)
{
    warn_of_restart(r, config);
    free_config(r->tried);
    free_config(r->live);
    r->tried = NULL;
    r->live = config;
}

/* Every script runs in its VM before anybody else sees it. */
static bool publish(struct hw_reload *r, struct hw_release *release,
                    struct hw_reload_result *result)
{
    if (hw_release_fill(release, r->config.config->workers, &r->stopping, result->text,
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
    bool changed = !hw_release_same(live, release) || !same_limits(current(r), config);
    if (hw_release_same(live, release))
        hw_release_unref(release);
    else if (!publish(r, release, result))
        return false;
    adopt(r, config);
    tell_live(result, r->config.shelf->current, changed);
    return true;
}

/* Returns false when something changed while it was read: then it says nothing yet. Nothing is
 * read once the scripts run. */
static bool attempt(struct hw_reload *r, struct hw_reload_result *result)
{
    bool ok;
    uint64_t before = hw_watch_signature(watched(r)), named = before;
    struct hw_release *release = NULL;
    struct hw_config *config = new_config(r, &ok, result->text, sizeof result->text);
    if (config)
        named = hw_watch_signature(config);
    if (ok)
        release = hw_release_make(config, r->config.modules, r->number + 1, result->text,
                                  sizeof result->text);
    bool torn =
        hw_watch_signature(watched(r)) != before || (config && hw_watch_signature(config) != named);
    result->ok = result->changed = false;
    if (torn) {
        if (release)
            hw_release_unref(release);
        free_config(config);
        return false;
    }
    r->signature = named;
    if (release && take_effect(r, config, release, result))
        return true;
    if (config) {
        free_config(r->tried);
        r->tried = config;
    }
    return true;
}

static void say(const struct hw_reload_result *result, bool asked)
{
    if (!result->ok)
        hw_log_say(HW_LOG_ERROR, "not reloaded, the old version goes on: %s", result->text);
    else if (asked || strncmp(result->text, "reloaded", 8) == 0)
        hw_log_say(HW_LOG_INFO, "%s", result->text);
}

/* To the leader: what became of it, what to take over, what to watch. */
static void hand_over(struct hw_reload *r, const struct hw_reload_result *result)
{
    struct hw_folders *folders = malloc(sizeof *folders);
    if (folders)
        hw_watch_folders(watched(r), folders);
    uv_mutex_lock(&r->m);
    r->result = *result;
    r->fresh = true;
    if (r->to_watch) {
        hw_folders_fini(r->to_watch);
        free(r->to_watch);
    }
    r->to_watch = folders;
    r->to_renew = true;
    r->to_apply = *current(r);
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
    r->woken = false;
    *asked = r->asked;
    uv_mutex_unlock(&r->m);
    return !r->stopping;
}

/* Lets a burst of edits come to rest, or nearly so if somebody asks meanwhile. */
static bool wait_for_quiet(struct hw_reload *r, uint64_t *asked)
{
    uint64_t before = *asked, seen, now = hw_watch_signature(watched(r)), until;
    do {
        seen = now;
        until = uv_hrtime() + (uint64_t)HW_RELOAD_QUIET_MS * 1000000;
        while (uv_hrtime() < until && *asked == before)
            if (!doze(r, HW_RELOAD_QUIET_MS / 4, asked))
                return false;
        now = hw_watch_signature(watched(r));
    } while (now != seen && *asked == before);
    return true;
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
    say(&result, asked > r->answered);
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

static void on_thread(void *arg)
{
    struct hw_reload *r = arg;
    uint64_t asked = 0;
    hand_over(r, &(struct hw_reload_result){0}); /* begins to watch */
    /* At first as well: something may have changed since the host has read it. */
    do {
        look_after_old(r);
        if ((asked != r->answered || hw_watch_signature(watched(r)) != r->signature) &&
            !reload(r, asked))
            return;
    } while (doze(r, HW_WATCH_POLL_MS, &asked));
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
    uv_mutex_unlock(&r->m);
    if (to_renew)
        r->config.renew(r->config.owner);
    if (has_to_apply)
        r->config.apply(r->config.owner, &to_apply);
    if (folders) {
        hw_watches_set(&r->watches, folders);
        hw_folders_fini(folders);
        free(folders);
    }
    if (fresh && result.text[0]) /* not the first one, that begins to watch */
        r->config.told(r->config.owner, &result);
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

struct hw_reload *hw_reload_start(const struct hw_reload_config *config)
{
    struct hw_reload *r = calloc(1, sizeof *r);
    if (!r)
        return NULL;
    r->config = *config;
    r->number = r->renewed = 1;
    r->watches = (struct hw_watches){.loop = config->loop, .changed = on_changed, .owner = r};
    config->loop->data = &r->watches; /* for events; nobody else uses it */
    r->done.data = r;
    HW_CHECK(uv_mutex_init(&r->m) == 0);
    HW_CHECK(uv_cond_init(&r->poked) == 0);
    HW_CHECK(uv_async_init(config->loop, &r->done, on_done) == 0);
    HW_CHECK(uv_thread_create(&r->thread, on_thread, r) == 0);
    return r;
}

void hw_reload_stop(struct hw_reload *r)
{
    uv_mutex_lock(&r->m);
    r->stopping = true;
    uv_cond_signal(&r->poked);
    uv_mutex_unlock(&r->m);
    uv_thread_join(&r->thread);
}

void hw_reload_unwatch(struct hw_reload *r)
{
    hw_watches_close(&r->watches);
}

void hw_reload_free(struct hw_reload *r)
{
    if (r->to_watch) {
        hw_folders_fini(r->to_watch);
        free(r->to_watch);
    }
    free_config(r->live);
    free_config(r->tried);
    uv_cond_destroy(&r->poked);
    uv_mutex_destroy(&r->m);
    free(r);
}
