/* http_options.c -- see http_options.h */
#include "script/http_options.h"

#include <lauxlib.h>
#include <limits.h>
#include <string.h>
#include <strings.h>

#include "base/str.h"
#include "script/json.h"

/* ---- one option ---- */

/* Unlike <ctype.h>, these do not depend on the locale. */
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

/* Is there a control character other than a tab? */
static bool has_control(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)text[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return true;
    }
    return false;
}

/* The option's value, which must be a string without a zero byte. */
static const char *option_text(lua_State *L, int index, const char *name)
{
    size_t length;
    if (lua_type(L, index) != LUA_TSTRING)
        luaL_error(L, "hook.http: %s must be a string, not %s", name, luaL_typename(L, index));
    const char *text = lua_tolstring(L, index, &length);
    if (strlen(text) != length)
        luaL_error(L, "hook.http: %s contains a zero byte", name);
    return text;
}

void hw_http_options_read_url(lua_State *L, struct hw_http_options *o, int index)
{
    o->out.url = option_text(L, index, "url");
}

static void read_unix(lua_State *L, struct hw_http_options *o, int index)
{
    o->out.unix_path = option_text(L, index, "unix");
}

static void read_ca(lua_State *L, struct hw_http_options *o, int index)
{
    o->out.ca = option_text(L, index, "ca");
}

static void read_connect(lua_State *L, struct hw_http_options *o, int index)
{
    o->out.connect = option_text(L, index, "connect");
    if (!strrchr(o->out.connect, ':') || strlen(o->out.connect) > 255)
        luaL_error(L, "hook.http: connect must be host:port");
}

static void read_proxy_protocol(lua_State *L, struct hw_http_options *o, int index)
{
    if (!lua_isboolean(L, index))
        luaL_error(L, "hook.http: proxy_protocol must be true or false");
    o->out.proxy_protocol = lua_toboolean(L, index);
}

static void read_client_cert(lua_State *L, struct hw_http_options *o, int index)
{
    o->out.client_cert = option_text(L, index, "client_cert");
}

static void read_client_key(lua_State *L, struct hw_http_options *o, int index)
{
    o->out.client_key = option_text(L, index, "client_key");
}

static void read_method(lua_State *L, struct hw_http_options *o, int index)
{
    const char *method = option_text(L, index, "method");
    size_t length = strlen(method);
    if (!is_token(method, length) || length >= sizeof o->out.method)
        luaL_error(L, "hook.http: method is not a token of up to %d characters",
                   (int)sizeof o->out.method - 1);
    /* "post" means POST: all methods in use are in upper case */
    for (size_t i = 0; i <= length; i++)
        o->out.method[i] = to_upper(method[i]);
}

void hw_http_options_read_body(lua_State *L, struct hw_http_options *o, int index)
{
    int type = lua_type(L, index);
    if (type == LUA_TSTRING)
        o->out.body.ptr = lua_tolstring(L, index, &o->out.body.len);
    else if (type == LUA_TTABLE)
        o->body_is_json = true;
    else
        luaL_error(L, "hook.http: body must be a string or a table, not %s",
                   luaL_typename(L, index));
}

static void read_headers(lua_State *L, struct hw_http_options *o, int index)
{
    (void)o; /* hw_http_options_put_headers reads them, when there is an exchange */
    if (lua_type(L, index) != LUA_TTABLE)
        luaL_error(L, "hook.http: headers must be a table, not %s", luaL_typename(L, index));
}

/* A number of seconds, as milliseconds. */
static long read_ms(lua_State *L, const char *name, int seconds_max, int index)
{
    double seconds = lua_type(L, index) == LUA_TNUMBER ? lua_tonumber(L, index) : 0;
    if (!(seconds >= 0.001 && seconds <= seconds_max))
        luaL_error(L, "hook.http: %s must be seconds, from 0.001 to %d", name, seconds_max);
    return (long)(seconds * 1000);
}

static void read_timeout(lua_State *L, struct hw_http_options *o, int index)
{
    o->out.timeout_ms = read_ms(L, "timeout", 86400, index);
}

static void read_expect(lua_State *L, struct hw_http_options *o, int index)
{
    o->out.expect_ms = read_ms(L, "expect", 60, index);
}

static void read_answer_max(lua_State *L, struct hw_http_options *o, int index)
{
    lua_Integer max = lua_isinteger(L, index) ? lua_tointeger(L, index) : -1;
    if (max < 0 || max > HW_HTTP_OPTIONS_ANSWER_MAX)
        luaL_error(L, "hook.http: answer_max must be bytes, a whole number from 0 to %d",
                   HW_HTTP_OPTIONS_ANSWER_MAX);
    o->out.answer_max = (size_t)max;
}

static void read_send_rate(lua_State *L, struct hw_http_options *o, int index)
{
    lua_Integer rate = lua_isinteger(L, index) ? lua_tointeger(L, index) : 0;
    if (rate < 1 || rate > INT_MAX)
        luaL_error(L, "hook.http: send_rate must be bytes a second, a whole number from 1");
    o->out.send_rate = (long)rate;
}

/* ---- the table of options ---- */

static const struct option {
    const char *name;
    void (*read)(lua_State *L, struct hw_http_options *o, int index);
    bool positional; /* an argument of get or post, and so none of their options */
} options[] = {
    {"url", hw_http_options_read_url, true},
    {"method", read_method, true},
    {"body", hw_http_options_read_body, true},
    {"headers", read_headers, false},
    {"timeout", read_timeout, false},
    {"unix", read_unix, false},
    {"connect", read_connect, false},
    {"proxy_protocol", read_proxy_protocol, false},
    {"answer_max", read_answer_max, false},
    {"ca", read_ca, false},
    {"client_cert", read_client_cert, false},
    {"client_key", read_client_key, false},
    {"expect", read_expect, false},
    {"send_rate", read_send_rate, false},
};

/* Raises an error that lists the known options. */
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

void hw_http_options_read(lua_State *L, struct hw_http_options *o, int index, bool positional)
{
    lua_pushnil(L);
    while (lua_next(L, index)) { /* key value */
        int value = lua_gettop(L);
        find_option(L, value - 1, positional)->read(L, o, value);
        lua_pop(L, 1); /* key */
    }
}

/* ---- the request's header lines ---- */

static void add_header(lua_State *L, struct hw_http_exchange *x, const char *line)
{
    if (!hw_http_exchange_add_header(x, line))
        luaL_error(L, "hook.http: out of memory");
}

static bool is_name(const char *name, const char *lower)
{
    return hw_str_is(hw_str_of(name), hw_str_of(lower));
}

/* Adds the header whose name and value are on top. */
static void put_header(lua_State *L, struct hw_http_options *o, struct hw_http_exchange *x)
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
        luaL_error(L, "hook.http: the header %s contains a control character", name);
    if (is_name(name, "content-length") || is_name(name, "transfer-encoding"))
        luaL_error(L, "hook.http: the header %s is derived from the body and can't be set", name);
    o->has_content_type |= is_name(name, "content-type");
    o->has_expect |= is_name(name, "expect");
    /* for an empty value curl wants a semicolon: with a colon it leaves the header out */
    bool empty = strspn(value, " \t") == value_len;
    lua_pushfstring(L, empty ? "%s;" : "%s: %s", name, value);
    add_header(L, x, lua_tostring(L, -1)); /* name value text line */
    lua_pop(L, 2);
}

void hw_http_options_put_headers(lua_State *L, struct hw_http_options *o,
                                 struct hw_http_exchange *x, int index)
{
    int top = lua_gettop(L);
    if (index != 0 && (lua_pushliteral(L, "headers"), lua_rawget(L, index)) == LUA_TTABLE) {
        lua_pushnil(L);
        while (lua_next(L, -2)) { /* headers name value */
            put_header(L, o, x);
            lua_pop(L, 1);
        }
    }
    lua_settop(L, top);
    if (!o->has_content_type) /* curl's default is that of a form */
        add_header(L, x, o->body_is_json ? "Content-Type: application/json" : "Content-Type:");
    if (!o->has_expect) /* by default curl waits a second for a 100 Continue */
        add_header(L, x, o->out.expect_ms ? "Expect: 100-continue" : "Expect:");
}

/* ---- the whole request ---- */

void hw_http_options_init(struct hw_http_options *o)
{
    memset(o, 0, sizeof *o);
    o->out.timeout_ms = HW_HTTP_OPTIONS_TIMEOUT_MS;
    o->out.answer_max = HW_HTTP_OPTIONS_ANSWER_MAX;
}

bool hw_http_options_complete(lua_State *L, struct hw_http_options *o, int body)
{
    bool is_http =
        strncasecmp(o->out.url, "http://", 7) == 0 || strncasecmp(o->out.url, "https://", 8) == 0;
    if (!is_http) {
        lua_pushliteral(L, "the url must begin with http:// or https://");
        return false;
    }
    if (o->out.client_key && !o->out.client_cert)
        luaL_error(L, "hook.http: client_key needs client_cert, the certificate that it is for");
    if (!o->body_is_json) {
        lua_pushnil(L);
    } else if (hw_json_encode(L, body) != 0) { /* reason */
        lua_pushfstring(L, "body: %s", lua_tostring(L, -1));
        lua_remove(L, -2);
        return false;
    } else { /* text */
        o->out.body.ptr = lua_tolstring(L, -1, &o->out.body.len);
    }
    if (o->out.method[0] == 0)
        strcpy(o->out.method, o->out.body.ptr ? "POST" : "GET");
    if (strcmp(o->out.method, "HEAD") == 0 && o->out.body.ptr)
        luaL_error(L, "hook.http: a HEAD request has no body");
    return true;
}
