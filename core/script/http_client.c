/* http_client.c -- hook.http: from a table of options to a table with the answer.
 *
 * How     three steps that do not mix. The options are read (Lua, which may raise). The exchange
 *         runs (http_exchange.c: curl, which never calls Lua). The answer becomes tables (Lua
 *         again, which may run out of memory). All C memory of one request hangs on one userdata,
 *         the exchange, that is closed when the function is left, in whichever way.
 * Cost    nothing until the first request: a state that never makes one has no curl handle, and a
 *         process that never does has not initialised libcurl.
 * Thread  the one that has the Lua state. */
#include "script/http_client.h"

#include <lauxlib.h>
#include <limits.h>
#include <stdbool.h>
#include <strings.h>

#include "base/sigpipe.h"
#include "base/str.h"
#include "script/http_exchange.h"
#include "script/json.h"
#include "script/owned.h"

#define CLIENT "hookward.http.client"     /* a userdata: struct hw_http_line */
#define EXCHANGE "hookward.http.exchange" /* a userdata: struct hw_http_exchange */

struct request {
    struct hw_http_request out;
    bool body_is_json;
    bool has_content_type, has_expect;
};

/* ---- what is owned, and how it goes ---- */

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
    hw_sigpipe_block(&before); /* TLS says good-bye */
    hw_http_exchange_close_line(client);
    hw_sigpipe_restore(&before);
    return 0;
}

/* The state's curl handles. They are kept, for the sake of their connections. Stack: -0 +0. */
static const struct hw_http_line *client_of(lua_State *L)
{
    static const char key;
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &key) == LUA_TNIL) {
        struct hw_http_line *client = lua_newuserdatauv(L, sizeof *client, 0); /* nil client */
        *client = (struct hw_http_line){NULL, NULL};
        hw_owned_set(L, CLIENT, NULL, close_client);
        hw_http_exchange_init_curl();
        if (!hw_http_exchange_open_line(client))
            luaL_error(L, "hook.http: libcurl can't be initialised");
        lua_pushvalue(L, -1);
        lua_rawsetp(L, LUA_REGISTRYINDEX, &key); /* nil client */
        lua_remove(L, -2);                       /* client */
    }
    const struct hw_http_line *client = lua_touserdata(L, -1);
    lua_pop(L, 1); /* the registry holds it */
    return client;
}

/* ---- reading the options ---- */

/* Not <ctype.h>'s: a handler may have set a locale. */
static char to_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

static char to_upper(char c)
{
    return c >= 'a' && c <= 'z' ? (char)(c & ~0x20) : c;
}

static bool is_token(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        char c = to_lower(text[i]);
        bool alphanumeric = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        if (!alphanumeric && (c == 0 || !strchr("!#$%&'*+-.^_`|~", c)))
            return false;
    }
    return length > 0;
}

static bool has_control(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)text[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return true;
    }
    return false;
}

/* A string without a zero byte in it. */
static const char *option_text(lua_State *L, int index, const char *name)
{
    size_t length;
    if (lua_type(L, index) != LUA_TSTRING)
        luaL_error(L, "hook.http: %s must be a string, not %s", name, luaL_typename(L, index));
    const char *text = lua_tolstring(L, index, &length);
    if (strlen(text) != length)
        luaL_error(L, "hook.http: %s has a zero byte in it", name);
    return text;
}

static void read_url(lua_State *L, struct request *r, int index)
{
    r->out.url = option_text(L, index, "url");
}

static void read_unix(lua_State *L, struct request *r, int index)
{
    r->out.unix_path = option_text(L, index, "unix");
}

static void read_ca(lua_State *L, struct request *r, int index)
{
    r->out.ca = option_text(L, index, "ca");
}

static void read_method(lua_State *L, struct request *r, int index)
{
    const char *method = option_text(L, index, "method");
    size_t length = strlen(method);
    if (!is_token(method, length) || length >= sizeof r->out.method)
        luaL_error(L, "hook.http: method is not a token of up to %d characters",
                   (int)sizeof r->out.method - 1);
    for (size_t i = 0; i <= length; i++) /* "post" means POST: no method in use is in lower case */
        r->out.method[i] = to_upper(method[i]);
}

static void read_body(lua_State *L, struct request *r, int index)
{
    int type = lua_type(L, index);
    if (type == LUA_TSTRING)
        r->out.body.ptr = lua_tolstring(L, index, &r->out.body.len);
    else if (type == LUA_TTABLE)
        r->body_is_json = true;
    else
        luaL_error(L, "hook.http: body must be a string or a table, not %s",
                   luaL_typename(L, index));
}

static void read_headers(lua_State *L, struct request *r, int index)
{
    (void)r; /* put_headers reads them, when there is an exchange to put them in */
    if (lua_type(L, index) != LUA_TTABLE)
        luaL_error(L, "hook.http: headers must be a table, not %s", luaL_typename(L, index));
}

static void read_timeout(lua_State *L, struct request *r, int index)
{
    double seconds = lua_type(L, index) == LUA_TNUMBER ? lua_tonumber(L, index) : 0;
    if (!(seconds >= 0.001 && seconds <= 86400))
        luaL_error(L, "hook.http: timeout must be seconds, from 0.001 to 86400");
    r->out.timeout_ms = (long)(seconds * 1000);
}

static void read_answer_max(lua_State *L, struct request *r, int index)
{
    lua_Integer max = lua_isinteger(L, index) ? lua_tointeger(L, index) : -1;
    if (max < 0 || max > HW_HTTP_CLIENT_ANSWER_MAX)
        luaL_error(L, "hook.http: answer_max must be bytes, a whole number from 0 to %d",
                   HW_HTTP_CLIENT_ANSWER_MAX);
    r->out.answer_max = (size_t)max;
}

static void read_expect(lua_State *L, struct request *r, int index)
{
    double seconds = lua_type(L, index) == LUA_TNUMBER ? lua_tonumber(L, index) : 0;
    if (!(seconds >= 0.001 && seconds <= 60))
        luaL_error(L, "hook.http: expect must be seconds, from 0.001 to 60");
    r->out.expect_ms = (long)(seconds * 1000);
}

static void read_send_rate(lua_State *L, struct request *r, int index)
{
    lua_Integer rate = lua_isinteger(L, index) ? lua_tointeger(L, index) : 0;
    if (rate < 1 || rate > INT_MAX)
        luaL_error(L, "hook.http: send_rate must be bytes a second, a whole number from 1");
    r->out.send_rate = (long)rate;
}

static const struct option {
    const char *name;
    void (*read)(lua_State *L, struct request *r, int index);
    bool positional; /* get and post take it as an argument */
} options[] = {
    {"url", read_url, true},
    {"method", read_method, true},
    {"body", read_body, true},
    {"headers", read_headers, false},
    {"timeout", read_timeout, false},
    {"unix", read_unix, false},
    {"answer_max", read_answer_max, false},
    {"ca", read_ca, false},
    {"expect", read_expect, false},
    {"send_rate", read_send_rate, false},
};

static int unknown_option(lua_State *L, int key, bool positional)
{
    luaL_Buffer known;
    const char *name = luaL_tolstring(L, key, NULL);
    luaL_buffinit(L, &known);
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        if (options[i].positional && !positional)
            continue;
        luaL_addstring(&known, luaL_bufflen(&known) > 0 ? ", " : "");
        luaL_addstring(&known, options[i].name);
    }
    luaL_pushresult(&known);
    return luaL_error(L, "hook.http: unknown option '%s' (known: %s)", name, lua_tostring(L, -1));
}

static const struct option *find_option(lua_State *L, int key, bool positional)
{
    const char *name = lua_type(L, key) == LUA_TSTRING ? lua_tostring(L, key) : "";
    for (size_t i = 0; i < sizeof options / sizeof *options; i++)
        if (strcmp(options[i].name, name) == 0 && (positional || !options[i].positional))
            return &options[i];
    unknown_option(L, key, positional);
    return NULL;
}

/* Reads the table at `index`, with url, method and body among the names if `positional`. */
static void read_options(lua_State *L, struct request *r, int index, bool positional)
{
    lua_pushnil(L);
    while (lua_next(L, index)) { /* key value */
        int value = lua_gettop(L);
        find_option(L, value - 1, positional)->read(L, r, value);
        lua_pop(L, 1); /* key */
    }
}

/* ---- the header of the request ---- */

static void add_header(lua_State *L, struct hw_http_exchange *x, const char *line)
{
    if (!hw_http_exchange_add_header(x, line))
        luaL_error(L, "hook.http: out of memory");
}

static bool is_name(const char *name, const char *lower)
{
    return hw_str_is(hw_str_of(name), hw_str_of(lower));
}

/* Adds the header whose name and value are the two values on top. */
static void put_header(lua_State *L, struct request *r, struct hw_http_exchange *x)
{
    size_t name_len = 0, value_len;
    const char *name = lua_type(L, -2) == LUA_TSTRING ? lua_tolstring(L, -2, &name_len) : "";
    if (!is_token(name, name_len))
        luaL_error(L, "hook.http: the name of a header is not a token");
    if (lua_type(L, -1) != LUA_TSTRING && lua_type(L, -1) != LUA_TNUMBER)
        luaL_error(L, "hook.http: the header %s must be a string or a number, not %s", name,
                   luaL_typename(L, -1));
    const char *value = luaL_tolstring(L, -1, &value_len); /* name value text */
    if (has_control(value, value_len))
        luaL_error(L, "hook.http: the header %s has a control character in it", name);
    if (is_name(name, "content-length") || is_name(name, "transfer-encoding"))
        luaL_error(L, "hook.http: the header %s follows from the body and can't be set", name);
    r->has_content_type |= is_name(name, "content-type");
    r->has_expect |= is_name(name, "expect");
    /* curl's way to say "empty" is a semicolon: a colon and nothing would take the header away */
    bool empty = strspn(value, " \t") == value_len;
    lua_pushfstring(L, empty ? "%s;" : "%s: %s", name, value);
    add_header(L, x, lua_tostring(L, -1)); /* name value text line */
    lua_pop(L, 2);
}

/* `index`: of the options, or 0. */
static void put_headers(lua_State *L, struct request *r, struct hw_http_exchange *x, int index)
{
    if (index != 0 && (lua_pushliteral(L, "headers"), lua_rawget(L, index)) == LUA_TTABLE) {
        lua_pushnil(L);
        while (lua_next(L, -2)) { /* headers name value */
            put_header(L, r, x);
            lua_pop(L, 1);
        }
    }
    if (!r->has_content_type) /* curl's own idea is a form's */
        add_header(L, x, r->body_is_json ? "Content-Type: application/json" : "Content-Type:");
    if (!r->has_expect) /* curl would wait a second for a 100 that few servers send */
        add_header(L, x, r->out.expect_ms ? "Expect: 100-continue" : "Expect:");
}

/* ---- the answer ---- */

static struct hw_str trimmed(const char *start, const char *end)
{
    while (start < end && strchr(" \t", *start))
        start++;
    while (start < end && strchr(" \t\r\n", end[-1]))
        end--;
    return (struct hw_str){start, (size_t)(end - start)};
}

static void push_lower(lua_State *L, struct hw_str name)
{
    luaL_Buffer buffer;
    char *to = luaL_buffinitsize(L, &buffer, name.len);
    for (size_t i = 0; i < name.len; i++)
        to[i] = to_lower(name.ptr[i]);
    luaL_pushresultsize(&buffer, name.len);
}

/* Puts one line of the answer's header into the table on top. */
static void add_field(lua_State *L, const char *line, const char *end)
{
    const char *colon = memchr(line, ':', (size_t)(end - line));
    if (!colon || *line == ' ' || *line == '\t') /* a folded line, which RFC 9112 has abolished */
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

/* ---- the Lua functions ---- */

static void init_request(struct request *r)
{
    memset(r, 0, sizeof *r);
    r->out.timeout_ms = HW_HTTP_CLIENT_TIMEOUT_MS;
    r->out.answer_max = HW_HTTP_CLIENT_ANSWER_MAX;
}

static int fail(lua_State *L, const char *why, const char *kind)
{
    lua_pushnil(L);
    lua_pushstring(L, why);
    lua_pushstring(L, kind);
    return 3;
}

static const char transport_key;

void hw_http_client_set_transport(lua_State *L, struct hw_http_transport *transport)
{
    lua_pushlightuserdata(L, transport);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &transport_key);
}

static long exchange(lua_State *L, struct request *r, struct hw_http_exchange *x)
{
    lua_rawgetp(L, LUA_REGISTRYINDEX, &transport_key);
    struct hw_http_transport *t = lua_touserdata(L, -1);
    lua_pop(L, 1);
    return t ? t->run(t->ud, &r->out, x) : hw_http_exchange_run(client_of(L), &r->out, x);
}

/* Completes the request. `body`: the index of a table to send as JSON, if it is one. Pushes a value
 * that keeps its texts, and returns 0; or what fail pushes. */
static int complete(lua_State *L, struct request *r, int body)
{
    bool is_http =
        strncasecmp(r->out.url, "http://", 7) == 0 || strncasecmp(r->out.url, "https://", 8) == 0;
    if (!is_http)
        return fail(L, "the url must begin with http:// or https://", "failed");
    if (!r->body_is_json) {
        lua_pushnil(L);
    } else if (hw_json_encode(L, body) != 0) { /* reason */
        lua_pushfstring(L, "body: %s", lua_tostring(L, -1));
        return fail(L, lua_tostring(L, -1), "failed");
    } else { /* text */
        r->out.body.ptr = lua_tolstring(L, -1, &r->out.body.len);
    }
    if (r->out.method[0] == 0)
        strcpy(r->out.method, r->out.body.ptr ? "POST" : "GET");
    if (strcmp(r->out.method, "HEAD") == 0 && r->out.body.ptr)
        luaL_error(L, "hook.http: a HEAD request has no body");
    return 0;
}

/* `index`: of the options, or 0. */
static int run(lua_State *L, struct request *r, int body, int index)
{
    int failed = complete(L, r, body); /* text */
    if (failed)
        return failed;
    struct hw_http_exchange *x = push_exchange(L); /* text exchange */
    put_headers(L, r, x, index);
    long status = exchange(L, r, x);
    if (status < 0)
        return fail(L, x->error, x->kind);
    push_answer(L, status, x);
    return 1;
}

/* Reads the options at 1, the only value. */
static void read_all(lua_State *L, struct request *r)
{
    init_request(r);
    read_options(L, r, 1, true);
    if (!r->out.url)
        luaL_error(L, "hook.http: the option url is missing");
    lua_getfield(L, 1, "body"); /* options body */
}

int hw_http_client_prepare(lua_State *L, struct hw_http_request *out, struct hw_http_exchange *x)
{
    struct request r;
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    read_all(L, &r);
    int failed = complete(L, &r, 2);
    if (failed)
        return failed;
    put_headers(L, &r, x, 1);
    *out = r.out;
    return 0;
}

int hw_http_client_push_outcome(lua_State *L, long status, const struct hw_http_exchange *x)
{
    if (status < 0)
        return fail(L, x->error, x->kind);
    push_answer(L, status, x);
    return 1;
}

static int l_request(lua_State *L)
{
    struct request r;
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    read_all(L, &r);
    return run(L, &r, 2, 1);
}

/* url at 1, options (or nothing) at `index`, which is the top. */
static int shortcut(lua_State *L, struct request *r, int body, int index)
{
    read_url(L, r, 1);
    if (lua_isnil(L, index))
        return run(L, r, body, 0);
    luaL_checktype(L, index, LUA_TTABLE);
    read_options(L, r, index, false);
    return run(L, r, body, index);
}

static int l_get(lua_State *L)
{
    struct request r;
    lua_settop(L, 2);
    init_request(&r);
    strcpy(r.out.method, "GET");
    return shortcut(L, &r, 0, 2);
}

static int l_post(lua_State *L)
{
    struct request r;
    lua_settop(L, 3);
    init_request(&r);
    strcpy(r.out.method, "POST");
    if (!lua_isnil(L, 2))
        read_body(L, &r, 2);
    return shortcut(L, &r, 2, 3);
}

void hw_http_client_push_api(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"request", l_request}, {"get", l_get}, {"post", l_post}, {NULL, NULL}};
    luaL_newlib(L, functions);
}
