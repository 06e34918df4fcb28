/* reconfig.c -- see reconfig.h */
#include "reload/reconfig.h"

#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "http/tls_set.h"
#include "script/limits.h"
#include "script/modules.h"

struct reading {
    const struct hw_config *first;
    const struct hw_modules *modules;
    struct hw_config *config; /* out */
    struct hw_limits limits;
};

static void push_source(lua_State *L, struct hw_str source)
{
    if (luaL_loadbufferx(L, source.ptr, source.len, "=source", "t"))
        lua_error(L);
    lua_call(L, 0, 1);
}

/* Runs protected: (reading) -> nothing, or the first line of what is wrong. When only a file is
 * missing that it names, there is a configuration as well. */
static int read_config(lua_State *L)
{
    struct reading *r = lua_touserdata(L, 1);
    luaL_openlibs(L);
    hw_modules_preload(L, r->modules);
    lua_getglobal(L, "require");
    lua_pushliteral(L, "hookward.config");
    lua_call(L, 1, 1);
    lua_getfield(L, -1, "reload");
    push_source(L, r->first->source);
    lua_call(L, 1, 2); /* … config line */
    if (!lua_isnil(L, -2))
        hw_config_read(r->config, L, -2);
    return lua_isnil(L, -1) ? 0 : 1;
}

/* Fills in *ok, and `why` unless it is true. Returns Lua's status. */
static int run(lua_State *L, struct reading *r, bool *ok, char *why, size_t why_size)
{
    hw_limits_begin(&r->limits, hw_now_ns(), HW_RECONFIG_MS, NULL);
    lua_pushcfunction(L, read_config);
    lua_pushlightuserdata(L, r);
    int status = lua_pcall(L, 1, LUA_MULTRET, 0);
    hw_limits_end(&r->limits);
    *ok = status == 0 && lua_gettop(L) == 0;
    if (status && r->limits.timed_out)
        snprintf(why, why_size, "%s: it ran longer than %d s", r->first->file,
                 HW_RECONFIG_MS / 1000);
    else if (status == LUA_ERRMEM)
        snprintf(why, why_size, "%s: not enough memory", r->first->file);
    else if (!*ok && lua_type(L, -1) == LUA_TSTRING)
        snprintf(why, why_size, "%s", lua_tostring(L, -1));
    return status;
}

/* Settings that fit into a handler's state must fit in here. */
static size_t memory_max(const struct hw_config *first)
{
    return first->vm_memory > HW_RECONFIG_MEMORY ? first->vm_memory : HW_RECONFIG_MEMORY;
}

struct hw_config *hw_reconfig_read(const struct hw_config *first, const struct hw_modules *modules,
                                   hw_reconfig_give_up_fn *give_up, void *ud, bool *ok, char *why,
                                   size_t why_size)
{
    struct reading r = {.first = first,
                        .modules = modules,
                        .config = calloc(1, sizeof *r.config),
                        .limits = {.give_up = give_up, .give_up_ud = ud}};
    lua_State *L = hw_limits_open(&r.limits, memory_max(first));
    snprintf(why, why_size, "out of memory");
    *ok = false;
    int status = r.config && L ? run(L, &r, ok, why, why_size) : -1;
    hw_limits_close(&r.limits);
    if (status == 0 && r.config->file)
        return r.config;
    hw_reconfig_free(r.config);
    return NULL;
}

void hw_reconfig_free(struct hw_config *config)
{
    if (config)
        hw_config_fini(config);
    free(config);
}

/* ---- comparing ---- */

static bool same_list(const char *const *a, size_t n, const char *const *b, size_t m)
{
    bool same = n == m;
    for (size_t i = 0; same && i < n; i++)
        same = strcmp(a[i], b[i]) == 0;
    return same;
}

static bool same_strangers(const struct hw_config *a, const struct hw_config *b)
{
    return a->max_failures_per_address == b->max_failures_per_address &&
           same_list(a->allow, a->allow_count, b->allow, b->allow_count) &&
           same_list(a->trusted_proxies, a->trusted_proxy_count, b->trusted_proxies,
                     b->trusted_proxy_count);
}

bool hw_reconfig_same_limits(const struct hw_config *a, const struct hw_config *b)
{
    return a->header_timeout_ms == b->header_timeout_ms &&
           a->body_timeout_ms == b->body_timeout_ms && a->idle_timeout_ms == b->idle_timeout_ms &&
           a->drain_timeout_ms == b->drain_timeout_ms &&
           a->queue_timeout_ms == b->queue_timeout_ms && a->max_body == b->max_body &&
           a->max_header == b->max_header && a->max_connections == b->max_connections &&
           a->max_connections_per_address == b->max_connections_per_address &&
           a->max_unfinished == b->max_unfinished && a->max_memory_bodies == b->max_memory_bodies &&
           a->max_queue == b->max_queue && a->codes_only == b->codes_only &&
           a->log_level == b->log_level && a->log_json == b->log_json &&
           same_list(a->mask, a->mask_count, b->mask, b->mask_count) && same_strangers(a, b);
}

static bool same_listen(const struct hw_config *a, const struct hw_config *b)
{
    bool same = a->listen_count == b->listen_count;
    for (size_t i = 0; same && i < a->listen_count; i++) {
        const struct hw_listen *one = &a->listen[i], *other = &b->listen[i];
        same = strcmp(one->address, other->address) == 0 &&
               one->proxy_protocol == other->proxy_protocol && !one->tls == !other->tls;
    }
    return same;
}

/* NULL equals only NULL. */
static bool same_text(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool same_admin(const struct hw_config *a, const struct hw_config *b)
{
    const struct hw_admin_config *one = &a->admin, *other = &b->admin;
    if (one->is_on != other->is_on)
        return false;
    return !one->is_on ||
           (strcmp(a->listen[a->listen_count].address, b->listen[b->listen_count].address) == 0 &&
            !a->listen[a->listen_count].tls == !b->listen[b->listen_count].tls &&
            same_text(one->token, other->token) && same_text(one->read_token, other->read_token) &&
            same_list(one->hosts, one->host_count, other->hosts, other->host_count));
}

static bool same_tls_files(const struct hw_config *a, const struct hw_config *b)
{
    bool same = a->door_count == b->door_count;
    for (size_t i = 0; same && i < a->door_count; i++)
        same = hw_tls_set_same_files(a->listen[i].tls, b->listen[i].tls);
    return same;
}

bool hw_reconfig_same_files(const struct hw_config *a, const struct hw_config *b)
{
    return strcmp(a->handlers, b->handlers) == 0 && same_tls_files(a, b) &&
           same_list(a->key_patterns, a->pattern_count, b->key_patterns, b->pattern_count);
}

void hw_reconfig_restart(const struct hw_config *a, const struct hw_config *b,
                         char names[HW_RECONFIG_NAMES_MAX])
{
    const struct {
        const char *name;
        bool same;
    } all[] = {
        {" listen", same_listen(a, b)},
        {" admin", same_admin(a, b)},
        {" path", hw_str_eq(a->path, b->path)},
        {" control", strcmp(a->control, b->control) == 0},
        {" ledger", strcmp(a->ledger, b->ledger) == 0},
        {" lease", a->lease_ms == b->lease_ms},
        {" ledger_schema", same_text(a->ledger_schema, b->ledger_schema)},
        {" host_name", same_text(a->host_name, b->host_name)},
        {" workers", a->workers == b->workers},
        {" duplicates", a->by_body == b->by_body},
        {" keep_bodies", a->keep_bodies == b->keep_bodies},
        {" retention", a->retention_ms == b->retention_ms},
        {" min_disk_free", a->min_disk_free == b->min_disk_free},
        {" dead_retention", a->dead_retention_ms == b->dead_retention_ms},
    };
    names[0] = '\0';
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (!all[i].same)
            strcat(names, all[i].name);
}
