/* http_client.c -- hook.http: from a table of options to a table with the answer.
 *
 * How     three separate steps. http_options.c reads the options: Lua, which may raise an error.
 *         http_exchange.c runs the exchange: curl, which never calls Lua. Then the answer becomes
 *         tables: Lua again, which may run out of memory. All C memory of a request belongs to one
 *         userdata, the exchange, which is closed when the function is left in any way.
 * Cost    nothing until the first request: a state has no curl handle before its first one, and
 *         libcurl is not initialised before the first one of the process.
 * Thread  the one that has the Lua state. */
#include "script/http_client.h"

#include <lauxlib.h>
#include <stdbool.h>
#include <string.h>

#include "base/sigpipe.h"
#include "base/str.h"
#include "script/http_exchange.h"
#include "script/http_options.h"
#include "script/owned.h"

#define CLIENT "hookward.http.client"     /* a userdata: struct hw_http_line */
#define EXCHANGE "hookward.http.exchange" /* a userdata: struct hw_http_exchange */

/* ---- what a state owns ---- */

static int close_exchange(lua_State *L)
{
    hw_http_exchange_fini(lua_touserdata(L, 1));
    return 0;
}

static struct hw_http_exchange *push_exchange(lua_State *L)
{
    struct hw_http_exchange *x = lua_newuserdatauv(L, sizeof *x, 0);
    hw_http_exchange_init(x);
    hw_owned_set(L, EXCHANGE, NULL, close_exchange);
    lua_toclose(L, -1);
    return x;
}

static int close_client(lua_State *L)
{
    struct hw_http_line *client = lua_touserdata(L, 1);
    sigset_t before;
    hw_sigpipe_block(&before); /* closing TLS sends a last record */
    hw_http_exchange_close_line(client);
    hw_sigpipe_restore(&before);
    return 0;
}

/* The state's curl handles. They are kept, and their connections with them. Stack: -0 +0. */
static const struct hw_http_line *client_of(lua_State *L)
{
    static const char key;
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &key) == LUA_TNIL) {
        struct hw_http_line *client = lua_newuserdatauv(L, sizeof *client, 0); /* nil client */
        *client = (struct hw_http_line){NULL, NULL};
        hw_owned_set(L, CLIENT, NULL, close_client);
        const char *why = hw_curl_load();
        if (why || !hw_http_exchange_open_line(client))
            luaL_error(L, "hook.http: %s", why ? why : "not enough memory for libcurl");
        lua_pushvalue(L, -1);
        lua_rawsetp(L, LUA_REGISTRYINDEX, &key); /* nil client */
        lua_remove(L, -2);                       /* client */
    }
    const struct hw_http_line *client = lua_touserdata(L, -1);
    lua_pop(L, 1); /* the registry holds it */
    return client;
}

/* ---- the answer ---- */

/* Without the white space at both ends. */
static struct hw_str trimmed(const char *start, const char *end)
{
    while (start < end && strchr(" \t", *start))
        start++;
    while (start < end && strchr(" \t\r\n", end[-1]))
        end--;
    return (struct hw_str){start, (size_t)(end - start)};
}

/* Unlike <ctype.h>, this does not depend on the locale. */
static void push_lower(lua_State *L, struct hw_str name)
{
    luaL_Buffer buffer;
    char *to = luaL_buffinitsize(L, &buffer, name.len);
    for (size_t i = 0; i < name.len; i++)
        to[i] = (char)(name.ptr[i] >= 'A' && name.ptr[i] <= 'Z' ? name.ptr[i] | 0x20 : name.ptr[i]);
    luaL_pushresultsize(&buffer, name.len);
}

/* Adds a header line of the answer to the table on top. A folded line is skipped (RFC 9112,
 * 5.2). */
static void add_field(lua_State *L, const char *line, const char *end)
{
    const char *colon = memchr(line, ':', (size_t)(end - line));
    if (!colon || *line == ' ' || *line == '\t')
        return;
    struct hw_str value = trimmed(colon + 1, end);
    push_lower(L, trimmed(line, colon)); /* headers name */
    lua_pushvalue(L, -1);
    if (lua_rawget(L, -3) == LUA_TSTRING) { /* headers name before */
        lua_pushliteral(L, ", ");
        lua_pushlstring(L, value.ptr, value.len);
        lua_concat(L, 3);
    } else {
        lua_pop(L, 1);
        lua_pushlstring(L, value.ptr, value.len);
    }
    lua_rawset(L, -3); /* headers */
}

static void push_headers(lua_State *L, const struct hw_http_bytes *head)
{
    const char *at = head->len > 0 ? head->ptr : "", *end = at + head->len;
    lua_newtable(L);
    while (at < end) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        const char *next = newline ? newline + 1 : end;
        add_field(L, at, next);
        at = next;
    }
}

static void push_answer(lua_State *L, long status, const struct hw_http_exchange *x)
{
    lua_createtable(L, 0, 3); /* answer */
    lua_pushinteger(L, status);
    lua_setfield(L, -2, "status");
    push_headers(L, &x->head);
    lua_setfield(L, -2, "headers");
    lua_pushlstring(L, x->body.ptr ? x->body.ptr : "", x->body.len);
    lua_setfield(L, -2, "body");
}

/* Pushes nil, reason, kind. */
static int push_failure(lua_State *L, const char *why, const char *kind)
{
    lua_pushnil(L);
    lua_pushstring(L, why);
    lua_pushstring(L, kind);
    return 3;
}

int hw_http_client_push_outcome(lua_State *L, long status, const struct hw_http_exchange *x)
{
    if (status < 0)
        return push_failure(L, x->error, x->kind);
    push_answer(L, status, x);
    return 1;
}

/* ---- the Lua functions ---- */

static const char transport_key; /* in the registry */

void hw_http_client_set_transport(lua_State *L, struct hw_http_transport *transport)
{
    lua_pushlightuserdata(L, transport);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &transport_key);
}

static long exchange(lua_State *L, struct hw_http_options *o, struct hw_http_exchange *x)
{
    lua_rawgetp(L, LUA_REGISTRYINDEX, &transport_key);
    struct hw_http_transport *t = lua_touserdata(L, -1);
    lua_pop(L, 1);
    return t ? t->run(t->ud, &o->out, x) : hw_http_exchange_run(client_of(L), &o->out, x);
}

/* Runs the request. `body` and `index` are the indices of the body and of the options, or 0. */
static int run(lua_State *L, struct hw_http_options *o, int body, int index)
{
    if (!hw_http_options_complete(L, o, body)) /* text | reason */
        return push_failure(L, lua_tostring(L, -1), "failed");
    struct hw_http_exchange *x = push_exchange(L); /* text exchange */
    hw_http_options_put_headers(L, o, x, index);
    long status = exchange(L, o, x);
    return hw_http_client_push_outcome(L, status, x);
}

/* Reads the options at 1, the only value, and pushes their body. */
static void read_all(lua_State *L, struct hw_http_options *o)
{
    hw_http_options_init(o);
    hw_http_options_read(L, o, 1, true);
    if (!o->out.url)
        luaL_error(L, "hook.http: the option url is missing");
    lua_getfield(L, 1, "body"); /* options body */
}

int hw_http_client_prepare(lua_State *L, struct hw_http_request *out, struct hw_http_exchange *x)
{
    struct hw_http_options o;
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    read_all(L, &o);
    if (!hw_http_options_complete(L, &o, 2))
        return push_failure(L, lua_tostring(L, -1), "failed");
    hw_http_options_put_headers(L, &o, x, 1);
    *out = o.out;
    return 0;
}

static int l_request(lua_State *L)
{
    struct hw_http_options o;
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    read_all(L, &o);
    return run(L, &o, 2, 1);
}

/* The url is at 1, the options (or nil) are at `index`, which is the top. */
static int shortcut(lua_State *L, struct hw_http_options *o, int body, int index)
{
    hw_http_options_read_url(L, o, 1);
    if (lua_isnil(L, index))
        return run(L, o, body, 0);
    luaL_checktype(L, index, LUA_TTABLE);
    hw_http_options_read(L, o, index, false);
    return run(L, o, body, index);
}

static int l_get(lua_State *L)
{
    struct hw_http_options o;
    lua_settop(L, 2);
    hw_http_options_init(&o);
    strcpy(o.out.method, "GET");
    return shortcut(L, &o, 0, 2);
}

static int l_post(lua_State *L)
{
    struct hw_http_options o;
    lua_settop(L, 3);
    hw_http_options_init(&o);
    strcpy(o.out.method, "POST");
    if (!lua_isnil(L, 2))
        hw_http_options_read_body(L, &o, 2);
    return shortcut(L, &o, 2, 3);
}

void hw_http_client_push_api(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"request", l_request}, {"get", l_get}, {"post", l_post}, {NULL, NULL}};
    luaL_newlib(L, functions);
}
