/* api.c -- see api.h */
#include "script/api.h"

#include <lauxlib.h>

#include "base/log.h"
#include "base/timestamp.h"
#include "script/command.h"
#include "script/log_fields.h"
#include "script/modules.h"
#include "script/running.h"

/* ---- log ---- */

/* log(level, message, fields) */
static int log_line(lua_State *L)
{
    struct hw_log_line line;
    size_t len;
    enum hw_log_level level = (enum hw_log_level)luaL_checkinteger(L, 1);
    if (!hw_log_wants(level))
        return 0;
    lua_settop(L, 3);
    if (!lua_isnil(L, 3))
        luaL_checktype(L, 3, LUA_TTABLE);
    const char *message = luaL_tolstring(L, 2, &len);
    const struct hw_notification *n = hw_running_notification(L);
    hw_log_begin(&line, level, (struct hw_str){message, len});
    if (n) {
        hw_log_text(&line, "event", n->event);
        hw_log_text(&line, "job", n->id);
    }
    if (!lua_isnil(L, 3))
        hw_log_fields_add(L, &line, 3);
    hw_log_end(&line);
    return 0;
}

void hw_api_push_log(lua_State *L)
{
    lua_pushcfunction(L, log_line);
}

static int print_to_log(lua_State *L)
{
    luaL_Buffer b;
    int count = lua_gettop(L);
    luaL_buffinit(L, &b);
    for (int i = 1; i <= count; i++) {
        if (i > 1)
            luaL_addchar(&b, '\t');
        luaL_tolstring(L, i, NULL);
        luaL_addvalue(&b);
    }
    luaL_pushresult(&b);
    lua_pushcfunction(L, log_line);
    lua_pushinteger(L, HW_LOG_INFO);
    lua_pushvalue(L, -3);
    lua_call(L, 2, 0);
    return 0;
}

/* ---- timestamp ---- */

static int read_timestamp(lua_State *L)
{
    struct hw_str text;
    double seconds;
    text.ptr = luaL_checklstring(L, 1, &text.len);
    if (lua_toboolean(L, 2) ? hw_timestamp_read(text, &seconds)
                            : hw_timestamp_parse(text, &seconds))
        lua_pushnil(L);
    else
        lua_pushnumber(L, seconds);
    return 1;
}

void hw_api_push_timestamp(lua_State *L)
{
    lua_pushcfunction(L, read_timestamp);
}

/* ---- what is refused ---- */

static int refuse(lua_State *L)
{
    return luaL_error(L, "%s", lua_tostring(L, lua_upvalueindex(1)));
}

static void refuse_field(lua_State *L, const char *library, const char *name, const char *why)
{
    lua_getglobal(L, library);
    lua_pushstring(L, why);
    lua_pushcclosure(L, refuse, 1);
    lua_setfield(L, -2, name);
    lua_pop(L, 1);
}

void hw_api_open(lua_State *L, const struct hw_modules *modules)
{
    hw_modules_preload(L, modules);
    lua_register(L, "print", print_to_log);
    hw_command_open(L);
    refuse_field(L, "os", "exit",
                 "os.exit would stop the whole host; return nil and a reason, or raise an error");
    refuse_field(L, "os", "setlocale", "os.setlocale would change the locale of every handler");
    refuse_field(L, "debug", "sethook", "debug.sethook is what handler_timeout is made of");
}

/* ---- warnings ---- */

/* Lua says one warning in pieces: "error in ", "__gc", " (" … */
static void on_warning(void *ud, const char *piece, int more)
{
    struct hw_api_warning *w = ud;
    if (w->len == 0 && !more && piece[0] == '@')
        return; /* a control message: "@on" */
    size_t room = sizeof w->text - 1 - w->len, len = strlen(piece);
    if (len > room)
        len = room;
    memcpy(w->text + w->len, piece, len);
    w->len += len;
    if (more)
        return;
    hw_log_say(HW_LOG_WARN, "Lua: %.*s", (int)w->len, w->text);
    w->len = 0;
}

void hw_api_set_warnings(lua_State *L, struct hw_api_warning *warning)
{
    lua_setwarnf(L, on_warning, warning);
}

/* ---- the job ---- */

static void set_text(lua_State *L, const char *name, struct hw_str value)
{
    lua_pushlstring(L, value.ptr ? value.ptr : "", value.len);
    lua_setfield(L, -2, name);
}

static void set_bool(lua_State *L, const char *name, bool value)
{
    lua_pushboolean(L, value);
    lua_setfield(L, -2, name);
}

static void set_digest(lua_State *L, const uint8_t digest[HW_DIGEST_SIZE])
{
    static const char hex[] = "0123456789abcdef";
    char text[2 * HW_DIGEST_SIZE];
    for (int i = 0; i < HW_DIGEST_SIZE; i++) {
        text[2 * i] = hex[digest[i] >> 4];
        text[2 * i + 1] = hex[digest[i] & 15];
    }
    set_text(L, "digest", (struct hw_str){text, sizeof text});
}

/* Pushes the name in lower case. Names were limited by max_header. */
static void push_lower(lua_State *L, struct hw_str name)
{
    luaL_Buffer b;
    char *out = luaL_buffinitsize(L, &b, name.len);
    for (size_t i = 0; i < name.len; i++)
        out[i] =
            (char)(name.ptr[i] >= 'A' && name.ptr[i] <= 'Z' ? name.ptr[i] | 0x20 : name.ptr[i]);
    luaL_pushresultsize(&b, name.len);
}

/* Values of a repeated name are joined with ", " (RFC 9110, 5.3). */
void hw_api_push_headers(lua_State *L, const struct hw_request *request)
{
    static const struct hw_http none;
    const struct hw_http *http = request ? &request->http : &none;
    struct hw_http_walk walk = {0};
    struct hw_http_header header;
    lua_createtable(L, 0, (int)http->header_count); /* headers */
    while (request && hw_http_next_header(http, request->bytes, &walk, &header)) {
        struct hw_str value = hw_http_view(request->bytes, header.value);
        push_lower(L, hw_http_view(request->bytes, header.name));
        lua_pushvalue(L, -1);
        if (lua_rawget(L, -3) == LUA_TNIL) {
            lua_pop(L, 1);
            lua_pushlstring(L, value.ptr, value.len);
        } else {
            lua_pushliteral(L, ", ");
            lua_pushlstring(L, value.ptr, value.len);
            lua_concat(L, 3);
        }
        lua_rawset(L, -3);
    }
}

/* job.headers is made when it is first read: few handlers do, and it is half of what a job's table
 * costs. The registry knows the table of the job at hand. */
static const char job_meta_key, job_key;

/* Puts the headers into the job's table at `index`. */
static void make_headers(lua_State *L, int index)
{
    const struct hw_notification *n = hw_running_notification(L);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &job_key);
    if (!n || !lua_rawequal(L, -1, index))
        luaL_error(L, "job.headers can be read while the job's handler runs; read before what is "
                      "needed later");
    lua_pop(L, 1);
    hw_api_push_headers(L, n->request);
    lua_setfield(L, index, "headers");
}

/* __index(job, name) */
static int read_missing(lua_State *L)
{
    if (lua_type(L, 2) != LUA_TSTRING || strcmp(lua_tostring(L, 2), "headers") != 0)
        return 0;
    make_headers(L, 1);
    lua_getfield(L, 1, "headers");
    return 1;
}

static int next_field(lua_State *L)
{
    lua_settop(L, 2);
    return lua_next(L, 1) ? 2 : 0;
}

/* __pairs(job): all of it, whatever was read before. */
static int all_fields(lua_State *L)
{
    lua_pushliteral(L, "headers");
    if (lua_rawget(L, 1) == LUA_TNIL)
        make_headers(L, 1);
    lua_pushcfunction(L, next_field);
    lua_pushvalue(L, 1);
    return 2;
}

static void set_job_metatable(lua_State *L)
{
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &job_meta_key) == LUA_TNIL) {
        lua_pop(L, 1);
        lua_createtable(L, 0, 2);
        lua_pushcfunction(L, read_missing);
        lua_setfield(L, -2, "__index");
        lua_pushcfunction(L, all_fields);
        lua_setfield(L, -2, "__pairs");
        lua_pushvalue(L, -1);
        lua_rawsetp(L, LUA_REGISTRYINDEX, &job_meta_key);
    }
    lua_setmetatable(L, -2);
}

void hw_api_push_job(lua_State *L, const struct hw_notification *n)
{
    lua_createtable(L, 0, 10);
    set_text(L, "id", n->id);
    lua_pushinteger(L, n->attempt);
    lua_setfield(L, -2, "attempt");
    set_bool(L, "last", hw_notification_last_attempt(n) >= HW_ATTEMPT_LAST);
    set_text(L, "event", n->event);
    set_digest(L, n->identity.digest);
    lua_pushnumber(L, n->received_at);
    lua_setfield(L, -2, "received_at");
    set_bool(L, "redelivered", n->attempt > 0 || n->known.deliveries > 0);
    set_text(L, "body", n->body);
    set_text(L, "key", n->key);
    set_job_metatable(L);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &job_key);
}

/* The slot keeps a value, so that it is never made anew where nothing is protected. */
void hw_api_forget_job(lua_State *L)
{
    lua_pushboolean(L, false);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &job_key);
}
