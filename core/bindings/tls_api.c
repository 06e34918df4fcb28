/* tls_api.c -- see tls_api.h */
#include "bindings/tls_api.h"

#include <lauxlib.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "http/certificate.h"
#include "http/tls_clients.h"
#include "http/tls_context.h"
#include "http/tls_development.h"

enum { TEXT_MAX = 1024 };

#define CERTIFICATE "hookward.certificate"

/* Where a check puts its results: the stack's indices of three arrays. */
struct found {
    int certificates, errors, warnings;
};

static void add_line(lua_State *L, int array, const char *line)
{
    lua_pushstring(L, line);
    lua_rawseti(L, array, (lua_Integer)lua_rawlen(L, array) + 1);
}

/* ---- the argument ---- */

/* The string at `key` of the table; NULL: nil. The table keeps it alive. */
static const char *read_path(lua_State *L, int table, const char *key)
{
    const char *path = lua_getfield(L, table, key) == LUA_TNIL ? NULL : luaL_checkstring(L, -1);
    lua_pop(L, 1);
    return path;
}

/* Memory that Lua owns, left on the stack. */
static void *take(lua_State *L, size_t size)
{
    return memset(lua_newuserdatauv(L, size, 0), 0, size);
}

/* Leaves what the members point to on the stack. */
static void read_pairs(lua_State *L, struct hw_tls_files *files)
{
    lua_getfield(L, 1, "pairs");
    luaL_checktype(L, -1, LUA_TTABLE);
    int pairs = lua_gettop(L);
    files->pair_count = lua_rawlen(L, pairs);
    files->pairs = take(L, (files->pair_count + 1) * sizeof *files->pairs);
    for (size_t i = 0; i < files->pair_count; i++) {
        lua_rawgeti(L, pairs, (lua_Integer)i + 1);
        luaL_checktype(L, -1, LUA_TTABLE);
        files->pairs[i].cert = read_path(L, lua_gettop(L), "cert");
        files->pairs[i].key = read_path(L, lua_gettop(L), "key");
        if (!files->pairs[i].cert || !files->pairs[i].key)
            luaL_argerror(L, 1, "each pair needs cert and key");
        lua_pop(L, 1);
    }
}

static void read_names(lua_State *L, struct hw_tls_files *files)
{
    if (lua_getfield(L, 1, "client_names") == LUA_TNIL)
        return;
    luaL_checktype(L, -1, LUA_TTABLE);
    int names = lua_gettop(L);
    files->name_count = lua_rawlen(L, names);
    files->client_names = take(L, (files->name_count + 1) * sizeof *files->client_names);
    for (size_t i = 0; i < files->name_count; i++) {
        lua_rawgeti(L, names, (lua_Integer)i + 1);
        files->client_names[i] = luaL_checkstring(L, -1);
        lua_pop(L, 1);
    }
}

static void read_files(lua_State *L, struct hw_tls_files *files)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    *files = (struct hw_tls_files){0};
    read_pairs(L, files);
    read_names(L, files);
    files->client_ca = read_path(L, 1, "client_ca");
    files->crl = read_path(L, 1, "crl");
}

/* ---- one certificate ---- */

static int collect_certificate(lua_State *L)
{
    hw_certificate_fini(luaL_checkudata(L, 1, CERTIFICATE));
    return 0;
}

/* Pushes a userdata that owns it, so that a Lua error can't leak it. */
static struct hw_certificate *new_certificate(lua_State *L)
{
    struct hw_certificate *certificate = take(L, sizeof *certificate);
    if (luaL_newmetatable(L, CERTIFICATE)) {
        lua_pushcfunction(L, collect_certificate);
        lua_setfield(L, -2, "__gc");
    }
    lua_setmetatable(L, -2);
    return certificate;
}

static void set_text(lua_State *L, const char *name, const char *text)
{
    lua_pushstring(L, text);
    lua_setfield(L, -2, name);
}

static void set_number(lua_State *L, const char *name, int64_t number)
{
    lua_pushinteger(L, (lua_Integer)number);
    lua_setfield(L, -2, name);
}

/* "a.example, b.example" as an array. */
static void push_names(lua_State *L, const char *names)
{
    lua_newtable(L);
    for (lua_Integer i = 1; *names; i++) {
        size_t len = strcspn(names, ",");
        lua_pushlstring(L, names, len);
        lua_rawseti(L, -2, i);
        names += len;
        names += strspn(names, ", ");
    }
}

static void add_facts(lua_State *L, int array, const struct hw_certificate *certificate)
{
    lua_createtable(L, 0, 8);
    set_text(L, "file", certificate->file);
    set_text(L, "issuer", certificate->issuer);
    set_text(L, "key", certificate->kind);
    set_number(L, "not_before", certificate->not_before);
    set_number(L, "not_after", certificate->not_after);
    set_number(L, "days", hw_certificate_days(certificate->not_after, time(NULL)));
    lua_pushboolean(L, strcmp(certificate->issuer, HW_TLS_DEVELOPMENT_NAME) == 0);
    lua_setfield(L, -2, "development");
    push_names(L, certificate->names);
    lua_setfield(L, -2, "names");
    lua_rawseti(L, array, (lua_Integer)lua_rawlen(L, array) + 1);
}

static void warn_of_end(lua_State *L, int array, const struct hw_certificate *certificate)
{
    char line[TEXT_MAX], when[32];
    time_t now = time(NULL);
    long long days = hw_certificate_days(certificate->not_after, now);
    if (!hw_certificate_ends_soon(certificate, now))
        return;
    snprintf(line, sizeof line, "%s: the certificate expires in %lld day%s, on %s; renew it",
             certificate->file, days, days == 1 ? "" : "s",
             hw_certificate_when(certificate->not_after, when));
    add_line(L, array, line);
}

static void warn_of_gap(lua_State *L, int array, const struct hw_certificate *certificate)
{
    char line[TEXT_MAX];
    if (!hw_certificate_lacks_chain(certificate))
        return;
    snprintf(line, sizeof line,
             "%s: the certificate comes without its chain, and most clients need the one of %s "
             "too; use the file "
             "with the whole chain (certbot: fullchain.pem)",
             certificate->file, certificate->issuer);
    add_line(L, array, line);
}

static void check_pair(lua_State *L, const struct hw_tls_pair *pair, const struct found *found)
{
    char why[TEXT_MAX];
    struct hw_reason reason = {why, sizeof why};
    struct hw_certificate *certificate = new_certificate(L);
    int rc = hw_certificate_read(certificate, pair->cert, pair->key, NULL, &reason);
    if (rc == 0)
        add_facts(L, found->certificates, certificate);
    rc = rc ? rc : hw_certificate_check_time(certificate, &reason);
    if (rc)
        add_line(L, found->errors, why);
    else {
        warn_of_end(L, found->warnings, certificate);
        warn_of_gap(L, found->warnings, certificate);
    }
    lua_pop(L, 1);
}

/* ---- all of it ---- */

static void check_clients(lua_State *L, const struct hw_tls_files *files, const struct found *found)
{
    char why[TEXT_MAX];
    struct hw_reason reason = {why, sizeof why};
    struct hw_tls_clients clients;
    int rc = hw_tls_clients_load(&clients, files, NULL, &reason);
    rc = rc ? rc : hw_tls_clients_check_time(&clients, &reason);
    hw_tls_clients_fini(&clients);
    if (rc)
        add_line(L, found->errors, why);
}

/* What only shows when all of it is put together. */
static void check_whole(lua_State *L, const struct hw_tls_files *files, const struct found *found)
{
    char line[TEXT_MAX];
    struct hw_tls_context *context = hw_tls_context_make(files, line, sizeof line);
    bool made = context != NULL, twice = made && hw_tls_context_twice(context, line, sizeof line);
    hw_tls_context_unref(context);
    if (!made || twice)
        add_line(L, made ? found->warnings : found->errors, line);
}

/* Pushes a new array that is the result's member `name`. Returns its index. */
static int add_array(lua_State *L, int result, const char *name)
{
    lua_newtable(L);
    lua_pushvalue(L, -1);
    lua_setfield(L, result, name);
    return lua_gettop(L);
}

static int api_check(lua_State *L)
{
    struct hw_tls_files files;
    read_files(L, &files);
    lua_newtable(L);
    int result = lua_gettop(L);
    struct found found = {add_array(L, result, "certificates"), add_array(L, result, "errors"),
                          add_array(L, result, "warnings")};
    for (size_t i = 0; i < files.pair_count; i++)
        check_pair(L, &files.pairs[i], &found);
    check_clients(L, &files, &found);
    if (lua_rawlen(L, found.errors) == 0)
        check_whole(L, &files, &found);
    lua_pushvalue(L, result);
    return 1;
}

void hw_tls_push_api(lua_State *L)
{
    static const luaL_Reg functions[] = {{"check", api_check}, {NULL, NULL}};
    luaL_newlib(L, functions);
}
