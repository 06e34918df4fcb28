/* testing_api.c -- see testing_api.h */
#include "bindings/testing_api.h"

#include <lauxlib.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/config.h"
#include "bindings/solo.h"
#include "bindings/stand_ins.h"
#include "bindings/waiting.h"
#include "host/parts.h"
#include "http/answer.h"
#include "ledger/filters.h"
#include "script/modules.h"
#include "trip/stages.h"

#define APP "hookward.testing.app"

enum { CLIENT_MAX = 256 };

/* A loaded set of handlers. */
struct app {
    struct hw_config config;
    struct hw_stages stages;
    struct hw_worker worker;
    struct hw_hasher *hasher;
    struct hw_requests requests;
    struct hw_answer_clock date;
    struct hw_stand_ins world; /* what the handlers see of it */
    struct hw_waiting waiting;
    bool open;

    /* of the call that is running */
    struct hw_request *request;
    struct hw_job *job;
    char client[CLIENT_MAX];  /* what the sender's certificate proves; "": it has none */
    struct hw_address remote; /* of the call */
};

/* ---- a set of handlers ---- */

static void put_request(struct app *app)
{
    if (app->request)
        hw_request_put(&app->requests, app->request);
    app->request = NULL;
}

/* Also what the last call left behind when a Lua error ended it. */
static void clear_call(struct app *app)
{
    if (app->job) {
        struct hw_request *request = app->job->n.request;
        hw_job_free(app->job);
        app->job = NULL;
        app->request = request;
    }
    put_request(app);
    hw_stand_ins_forget_lines(&app->world);
}

static void close_app(struct app *app)
{
    struct hw_log_tap before = hw_stand_ins_begin_close(&app->world);
    if (app->worker.shared)
        hw_worker_fini(&app->worker);
    hw_host_unload(&app->stages);
    hw_stand_ins_end(&app->world, before);
    if (app->hasher)
        hw_hasher_free(app->hasher);
    hw_waiting_fini(&app->waiting);
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
    hw_stand_ins_fini(&app->world);
    return 0;
}

static int l_request(lua_State *L);
static int l_next_due(lua_State *L);
static int l_run_due(lua_State *L);
static int l_routes(lua_State *L);
static int l_close(lua_State *L);

static const luaL_Reg methods[] = {
    {"request", l_request}, {"next_due", l_next_due}, {"run_due", l_run_due},
    {"routes", l_routes},   {"close", l_close},       {NULL, NULL},
};

static struct app *push_app(lua_State *L)
{
    struct app *app = lua_newuserdatauv(L, sizeof *app, 2); /* on_http, the VM's modules */
    *app = (struct app){0};
    hw_stand_ins_init(&app->world);
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
    app->config.fit = hw_stand_ins_fit;
    app->config.fit_ud = &app->world;
    struct hw_log_tap before = hw_stand_ins_begin(&app->world, L, 2, 3);
    int rc = start(app, modules, why, sizeof why);
    hw_stand_ins_end(&app->world, before);
    if (rc) {
        lua_pushnil(L);
        lua_pushstring(L, why);
        hw_stand_ins_push_lines(L, &app->world);
        return 3;
    }
    app->open = true;
    hw_stand_ins_push_lines(L, &app->world);
    return 2;
}

static struct app *check_app(lua_State *L)
{
    struct app *app = luaL_checkudata(L, 1, APP);
    if (!app->open)
        luaL_error(L, "this set of handlers was unloaded");
    if (app->world.outer)
        luaL_error(L, "this set of handlers is at work; a stub of hook.http can't deliver to it");
    return app;
}

/* ---- one request ---- */

/* "unix" or an IP address */
static void read_remote(lua_State *L, int index, struct hw_address *remote)
{
    struct hw_str text = hw_str_of(luaL_optstring(L, index, "127.0.0.1"));
    if (hw_str_eq(text, HW_STR("unix")))
        *remote = (struct hw_address){.any = {.sa_family = AF_UNIX}};
    else
        luaL_argcheck(L, hw_address_read(remote, text), index, "no address");
}

/* Reads it as http/connection.c does, but in one piece. Returns 0 with app->request, or the code of
 * the refusal. */
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

static int64_t now_ms(const struct app *app)
{
    double now = app->world.clock_stands ? app->world.at : hw_now();
    return (int64_t)floor(now * 1000 + 0.5);
}

/* Runs app->job, and records what became of it. Returns the answer's code. */
static int run_job(struct app *app)
{
    struct hw_job *job = app->job;
    hw_stages_run(&app->worker, job);
    if (!job->n.outcome.authentic)
        return job->n.outcome.code;
    if (job->accepting)
        hw_solo_accept(&app->worker, &app->config, job,
                       hw_waiting_holds_lane(&app->waiting, job->n.lane), now_ms(app));
    if (!job->n.accepted || job->n.started || job->n.from_row)
        hw_solo_finish(&app->worker, &app->config, job, now_ms(app), 0);
    bool recorded = !job->n.outcome.from_ledger && job->n.outcome.code != HW_ELEDGER_UNAVAILABLE;
    if (recorded && hw_waiting_keep(&app->waiting, job))
        hw_notification_starve(&job->n);
    return job->n.outcome.code;
}

/* Returns the answer's code; app->job is NULL when the request became no job. */
static int run(struct app *app, struct hw_str bytes, char *why, size_t size)
{
    int code = parse(app, bytes, why, size);
    if (code)
        return code;
    app->job = hw_job_cut(&app->request, app->hasher, app->config.by_body, hw_now_ns(), &code);
    if (!app->job)
        return code;
    if (app->world.clock_stands)
        app->job->n.received_at = app->world.at;
    app->job->n.copies = 1;
    if (app->client[0])
        app->job->n.client = hw_arena_copy(&app->job->arena, hw_str_of(app->client));
    app->job->n.peer = app->remote;
    return run_job(app);
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

/* Takes status and body from the answer as a host would send it. */
static void set_answer(lua_State *L, struct app *app, int code, struct hw_str reason)
{
    char text[HW_ANSWER_MAX];
    struct hw_answer answer = {.code = code, .reason = reason};
    size_t len = hw_answer_write(text, &answer, &app->date);
    const char *body = strstr(text, "\r\n\r\n") + 4;
    set_text(L, "body", (struct hw_str){body, len - (size_t)(body - text)});
    lua_pushinteger(L, code ? hw_error_status(code) : 200);
    lua_setfield(L, -2, "status");
}

/* Of one that was accepted the answer says nothing. */
static void set_error(lua_State *L, int code, struct hw_str reason, bool accepted)
{
    if (!code)
        return;
    set_text(L, "error", hw_str_of(hw_error_name(code)));
    if (accepted)
        set_text(L, "message", reason.ptr ? reason : hw_str_of(hw_error_message(code)));
}

/* What the ledger remembers of it. */
static void set_state(lua_State *L, const struct hw_notification *n)
{
    bool known = n->outcome.from_ledger;
    int64_t next_run_at = known ? n->known.next_run_at : n->next_run_at;
    if (!n->outcome.authentic || n->outcome.code == HW_ELEDGER_UNAVAILABLE)
        return;
    lua_pushstring(L, hw_ledger_state_name(known ? n->known.state : n->state));
    lua_setfield(L, -2, "state");
    if (!next_run_at)
        return;
    lua_pushnumber(L, (double)next_run_at / 1000);
    lua_setfield(L, -2, "next_run_at");
}

static void set_notification(lua_State *L, const struct hw_notification *n)
{
    set_text(L, "id", n->id);
    set_text(L, "event", n->event);
    set_text(L, "key", n->key);
    set_text(L, "reason", n->outcome.reason);
    set_text(L, "detail", n->outcome.detail);
    set_text(L, "place", n->outcome.place);
    lua_pushinteger(L, n->attempt);
    lua_setfield(L, -2, "attempt");
    lua_pushinteger(L, n->retry);
    lua_setfield(L, -2, "retry");
    set_state(L, n);
    char digest[2 * HW_DIGEST_SIZE + 1];
    for (int i = 0; i < HW_DIGEST_SIZE; i++)
        sprintf(digest + 2 * i, "%02x", n->identity.digest[i]);
    set_text(L, "digest", hw_str_of(digest));
    set_bool(L, "ran", n->outcome.ran);
    set_bool(L, "duplicate", n->outcome.from_ledger);
    set_bool(L, "unhandled", n->outcome.unhandled);
}

/* Pushes what became of the call, and forgets it. */
static void push_result(lua_State *L, struct app *app, int code, const char *why)
{
    lua_newtable(L);
    bool accepted = app->job && app->job->n.accepted && !app->job->n.by_host;
    struct hw_str reason = *why       ? hw_str_of(why)
                           : app->job ? app->job->n.outcome.reason
                                      : HW_STR_NONE;
    set_answer(L, app, accepted ? 0 : code, accepted ? HW_STR_NONE : reason);
    set_error(L, code, reason, accepted);
    set_bool(L, "accepted", accepted);
    if (app->job)
        set_notification(L, &app->job->n);
    hw_stand_ins_push_lines(L, &app->world);
    lua_setfield(L, -2, "lines");
    clear_call(app);
}

/* app:request(bytes, at, remote, client) */
static int l_request(lua_State *L)
{
    char why[256] = "";
    struct hw_str bytes;
    struct app *app = check_app(L);
    bytes.ptr = luaL_checklstring(L, 2, &bytes.len);
    snprintf(app->client, sizeof app->client, "%s", luaL_optstring(L, 5, ""));
    read_remote(L, 4, &app->remote);
    lua_settop(L, 3);
    lua_getiuservalue(L, 1, 1); /* app bytes at on_http */
    clear_call(app);
    struct hw_log_tap before = hw_stand_ins_begin(&app->world, L, 4, 3);
    int code = run(app, bytes, why, sizeof why);
    hw_stand_ins_end(&app->world, before);
    push_result(L, app, code, why);
    return 1;
}

/* app:next_due() */
static int l_next_due(lua_State *L)
{
    const struct hw_job *next = hw_waiting_next(&check_app(L)->waiting);
    if (next)
        lua_pushinteger(L, next->n.next_run_at);
    else
        lua_pushnil(L);
    return 1;
}

/* app:run_due(at) */
static int l_run_due(lua_State *L)
{
    struct app *app = check_app(L);
    lua_settop(L, 2);
    lua_getiuservalue(L, 1, 1); /* app at on_http */
    clear_call(app);
    app->job = hw_waiting_take(&app->waiting);
    if (!app->job)
        return 0;
    struct hw_log_tap before = hw_stand_ins_begin(&app->world, L, 3, 2);
    int code = run_job(app);
    hw_stand_ins_end(&app->world, before);
    push_result(L, app, code, "");
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
    hw_stand_ins_push_lines(L, &app->world);
    return 1;
}

void hw_testing_push_api(lua_State *L)
{
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, l_open);
    lua_setfield(L, -2, "open");
}
