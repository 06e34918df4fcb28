/* testing_api.c -- see testing_api.h
 *
 * Two Lua states meet here: the spec's (outer) and the VM's. An error of the one must never jump
 * over frames of the other: what calls back into the outer state is protected, and the log's lines
 * are kept in C memory until the VM has returned. */
#include "bindings/testing_api.h"

#include <lauxlib.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/config.h"
#include "host/parts.h"
#include "http/answer.h"
#include "script/http_client.h"
#include "script/http_exchange.h"
#include "script/modules.h"
#include "trip/committer.h"
#include "trip/stages.h"

#define APP "hookward.testing.app"

struct kept_line {
    enum hw_log_level level;
    size_t len;
    char *json;
};

struct app {
    struct hw_config config;
    struct hw_stages stages;
    struct hw_worker worker;
    struct hw_hasher *hasher;
    struct hw_requests requests;
    struct hw_answer_clock date;
    struct hw_http_transport transport;
    bool open;

    /* of the call that is running */
    lua_State *outer; /* NULL: none is */
    int on_http;      /* the function's place in its stack */
    bool clock_stands;
    double at;
    struct hw_request *request;
    struct hw_job *job;

    /* what was logged and not handed over yet */
    struct kept_line *lines;
    size_t line_count, line_cap;
};

/* ---- the log's lines ---- */

static void keep_line(void *ud, enum hw_log_level level, struct hw_str json)
{
    struct app *app = ud;
    if (app->line_count == app->line_cap) {
        size_t cap = app->line_cap ? app->line_cap * 2 : 16;
        struct kept_line *lines = realloc(app->lines, cap * sizeof *lines);
        if (!lines)
            return;
        app->lines = lines;
        app->line_cap = cap;
    }
    char *copy = malloc(json.len);
    if (!copy)
        return;
    memcpy(copy, json.ptr, json.len);
    app->lines[app->line_count++] = (struct kept_line){level, json.len, copy};
}

static void forget_lines(struct app *app)
{
    for (size_t i = 0; i < app->line_count; i++)
        free(app->lines[i].json);
    app->line_count = 0;
}

static void push_lines(lua_State *L, struct app *app)
{
    lua_createtable(L, (int)app->line_count, 0);
    for (size_t i = 0; i < app->line_count; i++) {
        lua_createtable(L, 2, 0);
        lua_pushstring(L, hw_log_level_name(app->lines[i].level));
        lua_rawseti(L, -2, 1);
        lua_pushlstring(L, app->lines[i].json, app->lines[i].len);
        lua_rawseti(L, -2, 2);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    forget_lines(app);
}

/* ---- hook.http ---- */

struct call {
    const struct hw_http_request *request;
    struct hw_http_exchange *exchange;
    long status;
};

static void push_call(lua_State *L, const struct call *c)
{
    const struct hw_http_request *r = c->request;
    lua_createtable(L, 0, 6);
    lua_pushstring(L, r->method);
    lua_setfield(L, -2, "method");
    lua_pushstring(L, r->url);
    lua_setfield(L, -2, "url");
    lua_pushstring(L, r->unix_path);
    lua_setfield(L, -2, "unix");
    lua_pushnumber(L, (double)r->timeout_ms / 1000);
    lua_setfield(L, -2, "timeout");
    if (r->body.ptr) {
        lua_pushlstring(L, r->body.ptr, r->body.len);
        lua_setfield(L, -2, "body");
    }
    lua_newtable(L);
    lua_Integer i = 0;
    for (struct curl_slist *line = c->exchange->headers; line; line = line->next) {
        lua_pushstring(L, line->data);
        lua_rawseti(L, -2, ++i);
    }
    lua_setfield(L, -2, "headers");
}

/* Runs protected in the outer state: on_http, then the struct. */
static int call_outer(lua_State *L)
{
    struct call *c = lua_touserdata(L, 2);
    struct hw_str head, body;
    lua_pushvalue(L, 1);
    push_call(L, c);
    lua_call(L, 1, 3); /* on_http struct status head body */
    if (lua_isnil(L, 3)) {
        static const char *const kinds[] = {"resolve", "connect", "timeout", "tls",
                                            "closed",  "failed",  NULL};
        const char *kind = kinds[luaL_checkoption(L, 5, "failed", kinds)];
        hw_http_exchange_fail(c->exchange, kind, luaL_optstring(L, 4, "failed"));
        return 0;
    }
    long status = (long)luaL_checkinteger(L, 3);
    head.ptr = luaL_checklstring(L, 4, &head.len);
    body.ptr = luaL_checklstring(L, 5, &body.len);
    c->status = hw_http_exchange_answer(c->request, c->exchange, status, head, body);
    return 0;
}

/* In the VM's call of hook.http: no error may leave. */
static long exchange(void *ud, const struct hw_http_request *r, struct hw_http_exchange *x)
{
    struct app *app = ud;
    lua_State *L = app->outer;
    struct call call = {.request = r, .exchange = x, .status = -1};
    if (!L || !lua_checkstack(L, 4)) {
        hw_http_exchange_fail(x, "failed",
                              L ? "out of memory" : "there is no network while a set is closed");
        return -1;
    }
    lua_pushcfunction(L, call_outer);
    lua_pushvalue(L, app->on_http);
    lua_pushlightuserdata(L, &call);
    if (lua_pcall(L, 2, 0, 0)) {
        const char *why = lua_tostring(L, -1);
        hw_http_exchange_fail(x, "failed", why ? why : "failed");
        lua_pop(L, 1);
    }
    return call.status;
}

/* ---- the clock ---- */

static struct app *app_of_closure(lua_State *L)
{
    return lua_touserdata(L, lua_upvalueindex(2));
}

/* Calls Lua's own function with the arguments that are there. */
static int call_original(lua_State *L)
{
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, lua_gettop(L) - 1, 1);
    return 1;
}

static int os_time(lua_State *L)
{
    struct app *app = app_of_closure(L);
    if (!app->clock_stands || !lua_isnoneornil(L, 1))
        return call_original(L);
    lua_pushinteger(L, (lua_Integer)floor(app->at));
    return 1;
}

static int os_date(lua_State *L)
{
    struct app *app = app_of_closure(L);
    if (app->clock_stands && lua_isnoneornil(L, 2)) {
        lua_settop(L, 1);
        if (lua_isnil(L, 1)) {
            lua_pushliteral(L, "%c");
            lua_replace(L, 1);
        }
        lua_pushinteger(L, (lua_Integer)floor(app->at));
    }
    return call_original(L);
}

/* Puts `function`, which has the original and the app as upvalues, in os.<name>'s place. */
static void wrap(lua_State *L, const char *name, lua_CFunction function, struct app *app)
{
    lua_getfield(L, -1, name); /* os original */
    lua_pushlightuserdata(L, app);
    lua_pushcclosure(L, function, 2);
    lua_setfield(L, -2, name); /* os */
}

/* The config's `fit`: runs protected in each new VM, before the scripts. */
static void fit(lua_State *L, void *ud)
{
    struct app *app = ud;
    hw_http_client_set_transport(L, &app->transport);
    lua_getglobal(L, "os");
    wrap(L, "time", os_time, app);
    wrap(L, "date", os_date, app);
    lua_pop(L, 1);
}

/* ---- an app ---- */

static void put_request(struct app *app)
{
    if (app->request)
        hw_request_put(&app->requests, app->request);
    app->request = NULL;
}

/* A Lua error may have left the last call's behind. */
static void clear_call(struct app *app)
{
    if (app->job) {
        struct hw_request *request = app->job->n.request;
        hw_job_free(app->job);
        app->job = NULL;
        app->request = request;
    }
    put_request(app);
    forget_lines(app);
}

static struct hw_log_tap begin(lua_State *L, struct app *app, int on_http, int at)
{
    app->outer = L;
    app->on_http = on_http;
    app->clock_stands = !lua_isnoneornil(L, at);
    if (app->clock_stands)
        app->at = lua_tonumber(L, at);
    return hw_log_set_tap((struct hw_log_tap){keep_line, app});
}

static void end(struct app *app, struct hw_log_tap before)
{
    hw_log_set_tap(before);
    app->outer = NULL;
}

static void close_app(struct app *app)
{
    struct hw_log_tap before = hw_log_set_tap((struct hw_log_tap){keep_line, app});
    if (app->worker.shared)
        hw_worker_fini(&app->worker);
    hw_host_unload(&app->stages);
    hw_log_set_tap(before);
    if (app->hasher)
        hw_hasher_free(app->hasher);
    hw_requests_fini(&app->requests);
    hw_config_fini(&app->config);
    app->worker = (struct hw_worker){0};
    app->stages = (struct hw_stages){0};
    app->hasher = NULL;
    app->open = false;
}

static int on_gc(lua_State *L)
{
    struct app *app = lua_touserdata(L, 1);
    clear_call(app);
    close_app(app);
    forget_lines(app);
    free(app->lines);
    app->lines = NULL;
    app->line_cap = 0;
    return 0;
}

static int l_request(lua_State *L);
static int l_routes(lua_State *L);
static int l_close(lua_State *L);

static const luaL_Reg methods[] = {
    {"request", l_request}, {"routes", l_routes}, {"close", l_close}, {NULL, NULL}};

static struct app *push_app(lua_State *L)
{
    struct app *app = lua_newuserdatauv(L, sizeof *app, 2); /* on_http, the VM's sources */
    *app = (struct app){.transport = {exchange, app}};
    if (luaL_newmetatable(L, APP)) { /* app metatable */
        lua_pushcfunction(L, on_gc);
        lua_setfield(L, -2, "__gc");
        luaL_newlib(L, methods);
        lua_setfield(L, -2, "__index");
    }
    lua_setmetatable(L, -2);
    return app;
}

static int start(struct app *app, const struct hw_modules *modules, char *why, size_t size)
{
    struct hw_config *c = &app->config;
    snprintf(why, size, "out of memory");
    hw_requests_init(&app->requests, (struct hw_http_limits){(uint32_t)c->max_header, c->max_body});
    app->hasher = hw_hasher_new();
    if (!app->hasher || hw_host_load(c, modules, 1, &app->stages, why, size))
        return HW_EFAILED;
    return hw_worker_init(&app->worker, &app->stages, 0, why, size);
}

/* open(config, on_http, at) */
static int l_open(lua_State *L)
{
    char why[1024];
    luaL_checktype(L, 1, LUA_TTABLE);
    luaL_checktype(L, 2, LUA_TFUNCTION);
    lua_settop(L, 3);
    struct app *app = push_app(L); /* config on_http at app */
    lua_pushvalue(L, 2);
    lua_setiuservalue(L, -2, 1);
    const struct hw_modules *modules = hw_modules_of(L);
    lua_setiuservalue(L, -2, 2);
    hw_config_read(&app->config, L, 1);
    app->config.fit = fit;
    app->config.fit_ud = app;
    struct hw_log_tap before = begin(L, app, 2, 3);
    int rc = start(app, modules, why, sizeof why);
    end(app, before);
    if (rc) {
        lua_pushnil(L);
        lua_pushstring(L, why);
        push_lines(L, app);
        return 3;
    }
    app->open = true;
    push_lines(L, app);
    return 2;
}

static struct app *check_app(lua_State *L)
{
    struct app *app = luaL_checkudata(L, 1, APP);
    if (!app->open)
        luaL_error(L, "this set of handlers was unloaded");
    if (app->outer)
        luaL_error(L, "this set of handlers is at work: a stub of hook.http can't deliver to it");
    return app;
}

/* ---- one request ---- */

/* As connection.c reads one; all bytes are there. Returns 0 with app->request, or the refusal. */
static int parse(struct app *app, struct hw_str bytes, char *why, size_t size)
{
    struct hw_request *r = app->request = hw_request_take(&app->requests);
    if (!r || hw_request_append(r, bytes))
        return HW_ENOMEM;
    int64_t n = hw_http_head(&r->http, r->bytes, r->len);
    if (n > 0) {
        r->head_len = (size_t)n;
        n = hw_http_body(&r->http, r->bytes, &r->len);
    }
    if (n > 0)
        return 0;
    int code = n < 0 ? (int)n : HW_EMALFORMED_REQUEST;
    snprintf(why, size, "%s: %s", hw_error_message(code),
             r->http.why ? r->http.why : "it ends too early");
    return code;
}

/* Returns the answer's code; app->job is there if it came as far as that. */
static int run(struct app *app, struct hw_str bytes, char *why, size_t size)
{
    int code = parse(app, bytes, why, size);
    if (code)
        return code;
    app->job = hw_job_cut(&app->request, app->hasher, app->config.by_body, hw_now_ns(), &code);
    if (!app->job)
        return code;
    if (app->clock_stands)
        app->job->n.received_at = app->at;
    hw_stages_run(&app->worker, app->job);
    app->job->n.copies = 1;
    if (app->job->n.outcome.authentic)
        hw_commit_batch(app->stages.ledger, app->job);
    return app->job->n.outcome.code;
}

static void set_text(lua_State *L, const char *name, struct hw_str text)
{
    if (!text.ptr)
        return;
    lua_pushlstring(L, text.ptr, text.len);
    lua_setfield(L, -2, name);
}

static void set_bool(lua_State *L, const char *name, bool value)
{
    lua_pushboolean(L, value);
    lua_setfield(L, -2, name);
}

/* The answer as it would be sent. */
static void set_answer(lua_State *L, struct app *app, int code, struct hw_str reason)
{
    char text[HW_ANSWER_MAX];
    struct hw_answer answer = {.code = code, .reason = reason};
    size_t len = hw_answer_write(text, &answer, &app->date);
    const char *body = strstr(text, "\r\n\r\n") + 4;
    set_text(L, "body", (struct hw_str){body, len - (size_t)(body - text)});
    lua_pushinteger(L, code ? hw_error_status(code) : 200);
    lua_setfield(L, -2, "status");
    if (code)
        set_text(L, "error", hw_str_of(hw_error_name(code)));
}

static void set_job(lua_State *L, const struct hw_job *job)
{
    set_text(L, "id", job->n.id);
    set_text(L, "event", job->n.event);
    set_text(L, "key", job->n.key);
    set_text(L, "reason", job->n.outcome.reason);
    set_text(L, "detail", job->n.outcome.detail);
    set_text(L, "place", job->n.outcome.place);
    lua_pushinteger(L, job->n.attempt);
    lua_setfield(L, -2, "attempt");
    char digest[2 * HW_DIGEST_SIZE + 1];
    for (int i = 0; i < HW_DIGEST_SIZE; i++)
        sprintf(digest + 2 * i, "%02x", job->n.identity.digest[i]);
    set_text(L, "digest", hw_str_of(digest));
    set_bool(L, "ran", job->n.outcome.ran);
    set_bool(L, "duplicate", job->n.outcome.from_ledger);
    set_bool(L, "unhandled", job->n.outcome.unhandled);
}

/* app:request(bytes, at) */
static int l_request(lua_State *L)
{
    char why[256] = "";
    struct hw_str bytes;
    struct app *app = check_app(L);
    bytes.ptr = luaL_checklstring(L, 2, &bytes.len);
    lua_settop(L, 3);
    lua_getiuservalue(L, 1, 1); /* app bytes at on_http */
    clear_call(app);
    struct hw_log_tap before = begin(L, app, 4, 3);
    int code = run(app, bytes, why, sizeof why);
    end(app, before);
    lua_newtable(L);
    struct hw_str reason = app->job ? app->job->n.outcome.reason : HW_STR_NONE;
    set_answer(L, app, code, *why ? hw_str_of(why) : reason);
    if (app->job)
        set_job(L, app->job);
    push_lines(L, app);
    lua_setfield(L, -2, "lines");
    clear_call(app);
    return 1;
}

/* app:routes() */
static int l_routes(lua_State *L)
{
    struct app *app = check_app(L);
    hw_vm_push_routes(app->worker.vm, L);
    return 1;
}

/* app:close() */
static int l_close(lua_State *L)
{
    struct app *app = luaL_checkudata(L, 1, APP);
    if (app->open)
        check_app(L);
    clear_call(app);
    close_app(app);
    push_lines(L, app);
    return 1;
}

void hw_testing_push_api(lua_State *L)
{
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, l_open);
    lua_setfield(L, -2, "open");
}
