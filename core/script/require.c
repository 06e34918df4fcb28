/* require.c -- see require.h
 *
 * The registry holds, under the addresses of the keys below:
 *
 *     bundle_key     the bundle
 *     modules_key    hookward's modules
 *     require_key    Lua's `require`
 *     explain_key    the function of lua/hookward/handlers/missing.lua */
#include "script/require.h"

#include <lauxlib.h>
#include <string.h>

#include "script/globals.h"
#include "script/modules.h"

static const char bundle_key, modules_key, require_key, explain_key;

static void *kept(lua_State *L, const char *key)
{
    lua_rawgetp(L, LUA_REGISTRYINDEX, key);
    void *value = lua_touserdata(L, -1);
    lua_pop(L, 1);
    return value;
}

/* The level of the call stack at which the script's chunk runs, or -1. */
static int level_of(lua_State *L, const struct hw_script *script)
{
    lua_Debug at;
    for (int level = 1; lua_getstack(L, level, &at); level++) {
        lua_getinfo(L, "S", &at);
        if (strcmp(at.what, "main") == 0 && strcmp(at.source, script->chunk) == 0)
            return level;
    }
    return -1;
}

/* "handlers/a.lua:1 requires handlers/b.lua:3 requires handlers/a.lua" */
static void refuse_circle(lua_State *L, const struct hw_script *script, int level)
{
    luaL_Buffer text;
    lua_Debug at;
    luaL_where(L, 2); /* where `require` was called */
    luaL_buffinit(L, &text);
    luaL_addstring(&text, "scripts require each other in a circle: ");
    for (; level > 0 && lua_getstack(L, level, &at); level--) {
        lua_getinfo(L, "Sl", &at);
        if (strcmp(at.what, "main") != 0 || at.source[0] != '@')
            continue;
        lua_pushfstring(L, "%s:%d requires ", at.source + 1, at.currentline);
        luaL_addvalue(&text);
    }
    luaL_addstring(&text, script->chunk + 1);
    luaL_pushresult(&text);
    lua_concat(L, 2);
    lua_error(L);
}

/* Pushes the places that were searched, in the form that Lua's searchers use. */
static int push_places(lua_State *L, const char *name)
{
    const struct hw_bundle *bundle = kept(L, &bundle_key);
    const struct hw_script *any = &bundle->scripts[0]; /* its chunk: "@" folder "/" module ".lua" */
    size_t folder = strlen(any->chunk + 1) - strlen(any->module) - strlen("/.lua");
    lua_pushlstring(L, any->chunk + 1, folder);
    const char *shown = lua_tostring(L, -1), *file = luaL_gsub(L, name, ".", "/");
    lua_pushfstring(L, "no file '%s/%s.lua'\n\tno file '%s/lib/%s.lua'", shown, file, shown, file);
    return 1;
}

static int search_bundle(lua_State *L)
{
    const char *name = luaL_checkstring(L, 1);
    bool own = hw_modules_own(kept(L, &modules_key), name);
    const struct hw_script *script = own ? NULL : hw_bundle_find(kept(L, &bundle_key), name);
    if (!script)
        return push_places(L, name);
    int level = level_of(L, script);
    if (level > 0)
        refuse_circle(L, script, level);
    if (luaL_loadbufferx(L, script->code.ptr, script->code.len, script->chunk, "b"))
        return lua_error(L);
    hw_globals_give(L);
    lua_pushstring(L, script->chunk + 1);
    return 2;
}

/* package.searchers: preload, then the bundle, then Lua's others (installed modules). */
static void add_searcher(lua_State *L)
{
    lua_getglobal(L, "package");
    lua_getfield(L, -1, "searchers"); /* package searchers */
    for (lua_Integer i = (lua_Integer)lua_rawlen(L, -1); i >= 2; i--) {
        lua_rawgeti(L, -1, i);
        lua_rawseti(L, -2, i + 1);
    }
    lua_pushcfunction(L, search_bundle);
    lua_rawseti(L, -2, 2);
    lua_pop(L, 2);
}

void hw_require_open(lua_State *L, const struct hw_bundle *bundle, const struct hw_modules *modules)
{
    lua_pushlightuserdata(L, (void *)bundle);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &bundle_key);
    lua_pushlightuserdata(L, (void *)modules);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &modules_key);
    lua_getglobal(L, "require");
    lua_rawsetp(L, LUA_REGISTRYINDEX, &require_key);
    hw_require_module(L, "hookward.handlers.missing");
    lua_rawsetp(L, LUA_REGISTRYINDEX, &explain_key);
    add_searcher(L);
    hw_globals_open(L);
}

void hw_require_module(lua_State *L, const char *module)
{
    lua_rawgetp(L, LUA_REGISTRYINDEX, &require_key);
    lua_pushstring(L, module);
    lua_call(L, 1, 1);
}

void hw_require_explain(lua_State *L, int index)
{
    const char *text = lua_type(L, index) == LUA_TSTRING ? lua_tostring(L, index) : NULL;
    if (!text || !strstr(text, "' not found:\n"))
        return;
    index = lua_absindex(L, index);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &explain_key);
    lua_pushvalue(L, index);
    int status = lua_pcall(L, 1, 1, 0);
    if (status == LUA_OK && lua_type(L, -1) == LUA_TSTRING)
        lua_replace(L, index);
    else
        lua_pop(L, 1);
}
