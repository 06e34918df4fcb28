/* config.c -- see config.h */
#include "base/config.h"

#include <lauxlib.h>
#include <string.h>

static const char *keep(struct hw_config *c, lua_State *L, struct hw_str text)
{
    struct hw_str copy = hw_arena_copy(&c->arena, text);
    if (!copy.ptr)
        luaL_error(L, "out of memory");
    return copy.ptr;
}

static struct hw_str read_str(struct hw_config *c, lua_State *L, int table, const char *key)
{
    size_t len;
    lua_getfield(L, table, key);
    const char *text = lua_tolstring(L, -1, &len);
    if (!text)
        luaL_error(L, "configuration: %s: a string was expected", key);
    text = keep(c, L, (struct hw_str){text, len});
    lua_pop(L, 1);
    return (struct hw_str){text, len};
}

static lua_Integer read_int(lua_State *L, int table, const char *key)
{
    int ok;
    lua_getfield(L, table, key);
    lua_Integer value = lua_tointegerx(L, -1, &ok);
    if (!ok && !lua_isnil(L, -1))
        luaL_error(L, "configuration: %s: an integer was expected", key);
    lua_pop(L, 1);
    return value;
}

static bool read_bool(lua_State *L, int table, const char *key)
{
    lua_getfield(L, table, key);
    bool value = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return value;
}

static const char **read_list(struct hw_config *c, lua_State *L, int table, const char *key,
                              size_t *count)
{
    lua_getfield(L, table, key);
    luaL_checktype(L, -1, LUA_TTABLE);
    *count = lua_rawlen(L, -1);
    const char **list = hw_arena_alloc(&c->arena, (*count + 1) * sizeof *list);
    if (!list)
        luaL_error(L, "out of memory");
    for (size_t i = 0; i < *count; i++) {
        lua_rawgeti(L, -1, (lua_Integer)i + 1);
        list[i] = keep(c, L, hw_str_of(luaL_checkstring(L, -1)));
        lua_pop(L, 1);
    }
    list[*count] = NULL;
    lua_pop(L, 1);
    return list;
}

/* ---- listen, tls and admin ---- */

/* A string, or NULL when there is none. */
static const char *read_optional(struct hw_config *c, lua_State *L, int table, const char *key)
{
    bool given = lua_getfield(L, table, key) != LUA_TNIL;
    lua_pop(L, 1);
    return given ? read_str(c, L, table, key).ptr : NULL;
}

static void *take(struct hw_config *c, lua_State *L, size_t size)
{
    void *memory = hw_arena_alloc(&c->arena, size);
    if (!memory)
        luaL_error(L, "out of memory");
    return memset(memory, 0, size);
}

static void read_pairs(struct hw_config *c, lua_State *L, int table, struct hw_tls_files *tls)
{
    lua_getfield(L, table, "pairs");
    luaL_checktype(L, -1, LUA_TTABLE);
    tls->pair_count = lua_rawlen(L, -1);
    tls->pairs = take(c, L, (tls->pair_count + 1) * sizeof *tls->pairs);
    for (size_t i = 0; i < tls->pair_count; i++) {
        lua_rawgeti(L, -1, (lua_Integer)i + 1);
        int pair = lua_gettop(L);
        tls->pairs[i].cert = read_str(c, L, pair, "cert").ptr;
        tls->pairs[i].key = read_str(c, L, pair, "key").ptr;
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

static const struct hw_tls_files *read_tls(struct hw_config *c, lua_State *L, int table)
{
    struct hw_tls_files *tls = NULL;
    if (lua_getfield(L, table, "tls") == LUA_TTABLE) {
        int t = lua_gettop(L);
        tls = take(c, L, sizeof *tls);
        read_pairs(c, L, t, tls);
        tls->client_ca = read_optional(c, L, t, "client_ca");
        tls->crl = read_optional(c, L, t, "crl");
        tls->client_names = read_list(c, L, t, "client_names", &tls->name_count);
    }
    lua_pop(L, 1);
    return tls;
}

/* The table is on top. */
static struct hw_listen read_listener(struct hw_config *c, lua_State *L)
{
    int t = lua_gettop(L);
    return (struct hw_listen){.address = read_str(c, L, t, "address").ptr,
                              .proxy_protocol = read_bool(L, t, "proxy_protocol"),
                              .tls = read_tls(c, L, t)};
}

static void read_admin(struct hw_config *c, lua_State *L, int table)
{
    if (lua_getfield(L, table, "admin") == LUA_TTABLE) {
        int t = lua_gettop(L);
        c->admin = (struct hw_admin_config){.is_on = true,
                                            .is_local = read_bool(L, t, "is_local"),
                                            .may_move = read_bool(L, t, "may_move"),
                                            .token = read_optional(c, L, t, "token"),
                                            .read_token = read_optional(c, L, t, "read_token")};
        c->admin.hosts = read_list(c, L, t, "hosts", &c->admin.host_count);
        lua_getfield(L, t, "listen");
        c->listen[c->door_count++] = read_listener(c, L);
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

static void read_listen(struct hw_config *c, lua_State *L, int table)
{
    lua_getfield(L, table, "listen");
    luaL_checktype(L, -1, LUA_TTABLE);
    c->listen_count = c->door_count = lua_rawlen(L, -1);
    c->listen = take(c, L, (c->listen_count + 2) * sizeof *c->listen);
    for (size_t i = 0; i < c->listen_count; i++) {
        lua_rawgeti(L, -1, (lua_Integer)i + 1);
        c->listen[i] = read_listener(c, L);
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    read_admin(c, L, table);
}

static bool read_choice(struct hw_config *c, lua_State *L, int table, const char *key,
                        const char *value)
{
    return hw_str_eq(read_str(c, L, table, key), hw_str_of(value));
}

static void read_retries(struct hw_config *c, lua_State *L, int table)
{
    lua_getfield(L, table, "retries_ms");
    luaL_checktype(L, -1, LUA_TTABLE);
    c->retries.count = lua_rawlen(L, -1);
    luaL_argcheck(L, c->retries.count <= HW_RETRIES_MAX, table, "retries: too many");
    for (size_t i = 0; i < c->retries.count; i++) {
        lua_rawgeti(L, -1, (lua_Integer)i + 1);
        c->retries.delays_ms[i] = (uint64_t)luaL_checkinteger(L, -1);
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

void hw_config_read(struct hw_config *c, lua_State *L, int index)
{
    int t = lua_absindex(L, index);
    luaL_checktype(L, t, LUA_TTABLE);
    memset(c, 0, sizeof *c);
    hw_arena_init(&c->arena, NULL, 0);
    c->file = read_str(c, L, t, "file").ptr;
    c->file_path = read_str(c, L, t, "file_path").ptr;
    c->folder = read_str(c, L, t, "folder").ptr;
    read_listen(c, L, t);
    c->mask = read_list(c, L, t, "mask", &c->mask_count);
    c->allow = read_list(c, L, t, "allow", &c->allow_count);
    c->trusted_proxies = read_list(c, L, t, "trusted_proxies", &c->trusted_proxy_count);
    c->max_failures_per_address = (unsigned)read_int(L, t, "max_failures_per_address");
    c->path = read_str(c, L, t, "path");
    c->control = read_str(c, L, t, "control").ptr;
    c->handlers = read_str(c, L, t, "handlers").ptr;
    c->key_files = read_list(c, L, t, "key_files", &c->key_count);
    c->key_patterns = read_list(c, L, t, "key_patterns", &c->pattern_count);
    c->min_key_bits = (int)read_int(L, t, "min_key_bits");
    c->ledger = read_str(c, L, t, "ledger").ptr;
    c->lease_ms = (uint64_t)read_int(L, t, "lease_ms");
    c->ledger_schema = read_str(c, L, t, "ledger_schema").ptr;
    c->host_name = read_optional(c, L, t, "host_name");
    c->host_name = c->host_name ? c->host_name : "";
    if (lua_getfield(L, t, "ledger_advice") != LUA_TNIL)
        c->ledger_advice = read_list(c, L, t, "ledger_advice", &c->ledger_advice_count);
    lua_pop(L, 1);
    c->workers = (unsigned)read_int(L, t, "workers");
    c->handler_timeout_ms = (uint64_t)read_int(L, t, "handler_timeout_ms");
    c->queue_timeout_ms = (uint64_t)read_int(L, t, "queue_timeout_ms");
    c->header_timeout_ms = (uint64_t)read_int(L, t, "header_timeout_ms");
    c->body_timeout_ms = (uint64_t)read_int(L, t, "body_timeout_ms");
    c->idle_timeout_ms = (uint64_t)read_int(L, t, "idle_timeout_ms");
    c->drain_timeout_ms = (uint64_t)read_int(L, t, "drain_timeout_ms");
    c->max_age_ms = (uint64_t)read_int(L, t, "max_age_ms");
    c->retention_ms = (uint64_t)read_int(L, t, "retention_ms");
    c->dead_retention_ms = (uint64_t)read_int(L, t, "dead_retention_ms");
    read_retries(c, L, t);
    c->vm_memory = (size_t)read_int(L, t, "vm_memory");
    c->max_body = (size_t)read_int(L, t, "max_body");
    c->max_header = (size_t)read_int(L, t, "max_header");
    c->max_connections = (size_t)read_int(L, t, "max_connections");
    c->max_connections_per_address = (size_t)read_int(L, t, "max_connections_per_address");
    c->max_queue = (size_t)read_int(L, t, "max_queue");
    c->max_unfinished = (size_t)read_int(L, t, "max_unfinished");
    c->max_backlog = (size_t)read_int(L, t, "max_backlog");
    c->min_disk_free = (uint64_t)read_int(L, t, "min_disk_free");
    c->max_memory_bodies = (size_t)read_int(L, t, "max_memory_bodies");
    c->codes_only = read_choice(c, L, t, "answers", "codes");
    c->accept_unhandled = read_choice(c, L, t, "unhandled", "accept");
    c->validate = read_bool(L, t, "validate");
    c->ack_first = read_choice(c, L, t, "ack", "first");
    c->by_body = read_choice(c, L, t, "duplicates", "by-body");
    c->keep_bodies = read_bool(L, t, "keep_bodies");
    c->dev = read_bool(L, t, "dev");
    c->log_level = (enum hw_log_level)hw_log_level_of(read_str(c, L, t, "log_level"));
    c->log_json = read_choice(c, L, t, "log_format", "json");
    c->source = read_str(c, L, t, "source");
    c->settings = read_str(c, L, t, "settings_source");
}

void hw_config_fini(struct hw_config *config)
{
    hw_arena_fini(&config->arena);
}
