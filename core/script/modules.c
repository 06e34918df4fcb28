/* modules.c -- see modules.h
 *
 * The registry holds, under the addresses of the keys below:
 *
 *     modules_key    the modules that the state was preloaded with
 *     opener_key     the opener of the C half */
#include "script/modules.h"

#include <lauxlib.h>
#include <string.h>

static const char modules_key, opener_key;

/* ---- found by search paths ---- */

/* The row of a search path. The table on top keeps its text alive. */
static struct hw_embedded path_row(lua_State *L, const char *name)
{
    struct hw_embedded row = {.module = name};
    lua_getglobal(L, "package");
    lua_getfield(L, -1, name);
    row.text = luaL_checklstring(L, -1, &row.len);
    lua_pushboolean(L, 1);
    lua_settable(L, -4); /* kept[text] = true */
    lua_pop(L, 1);
    return row;
}

/* A search path that begins with "./?.lua" would find a project's configuration, hookward.lua, as
 * the module `hookward`. So that module is loaded from the folder of the others. Returns a row of
 * zeros if it is not there. */
static struct hw_embedded init_row(lua_State *L)
{
    static const char find[] =
        "local file = package.searchpath('hookward.handlers.router', package.path)\n"
        "file = file and file:gsub('handlers/router%.lua$', 'init.lua')\n"
        "return file and ('return assert(loadfile(%q))(...)'):format(file)";
    struct hw_embedded row = {0};
    if (luaL_loadstring(L, find))
        lua_error(L);
    lua_call(L, 0, 1);
    row.text = lua_tolstring(L, -1, &row.len);
    if (!row.text) {
        lua_pop(L, 1);
        return row;
    }
    row.module = "hookward";
    row.chunk = "=hookward";
    lua_pushboolean(L, 1);
    lua_settable(L, -3); /* kept[text] = true */
    return row;
}

static lua_CFunction kept_opener(lua_State *L)
{
    lua_rawgetp(L, LUA_REGISTRYINDEX, &opener_key);
    lua_CFunction open_core = lua_tocfunction(L, -1);
    lua_pop(L, 1);
    return open_core;
}

const struct hw_modules *hw_modules_of(lua_State *L)
{
    struct found {
        struct hw_modules modules;
        struct hw_embedded rows[4];
    };
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &modules_key) == LUA_TLIGHTUSERDATA)
        return lua_touserdata(L, -1);
    lua_pop(L, 1);
    struct found *f = lua_newuserdatauv(L, sizeof *f, 1); /* found */
    lua_newtable(L);                                      /* found kept */
    f->modules = (struct hw_modules){kept_opener(L), f->rows};
    f->rows[0] = path_row(L, "path");
    f->rows[1] = path_row(L, "cpath");
    f->rows[2] = init_row(L);
    f->rows[3] = (struct hw_embedded){0};
    lua_setiuservalue(L, -2, 1);
    return &f->modules;
}

const struct hw_embedded *hw_modules_find(lua_State *L, const char *name)
{
    lua_rawgetp(L, LUA_REGISTRYINDEX, &modules_key);
    const struct hw_modules *modules = lua_touserdata(L, -1);
    lua_pop(L, 1);
    for (const struct hw_embedded *m = modules ? modules->rows : NULL; m && m->module; m++)
        if (m->chunk && strcmp(m->module, name) == 0)
            return m;
    return NULL;
}

bool hw_modules_own(const struct hw_modules *modules, const char *name)
{
    static const char own[] = "hookward";
    bool by_path = modules->rows->module && !modules->rows->chunk;
    return by_path && strncmp(name, own, sizeof own - 1) == 0 &&
           (name[sizeof own - 1] == '\0' || name[sizeof own - 1] == '.');
}

/* ---- preloaded ---- */

static void set_path(lua_State *L, const struct hw_embedded *row)
{
    lua_getglobal(L, "package");
    lua_pushlstring(L, row->text, row->len);
    lua_setfield(L, -2, row->module);
    lua_pop(L, 1);
}

static int load_embedded(lua_State *L)
{
    const struct hw_embedded *m = lua_touserdata(L, lua_upvalueindex(1));
    if (luaL_loadbufferx(L, m->text, m->len, m->chunk, "bt"))
        return lua_error(L);
    lua_pushvalue(L, 1);
    lua_call(L, 1, 1);
    return 1;
}

/* The guide's texts and the files of examples are not modules: only hw_modules_find finds them. */
static bool is_module(const struct hw_embedded *row)
{
    size_t len = strlen(row->chunk);
    return !strchr(row->module, '/') && (len < 3 || strcmp(row->chunk + len - 3, ".md") != 0);
}

void hw_modules_keep_opener(lua_State *L, lua_CFunction open_core)
{
    lua_pushcfunction(L, open_core);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &opener_key);
}

void hw_modules_preload(lua_State *L, const struct hw_modules *modules)
{
    lua_pushlightuserdata(L, (void *)modules);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &modules_key);
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
    lua_pushcfunction(L, modules->open_core);
    lua_setfield(L, -2, "hookward.core");
    for (const struct hw_embedded *row = modules->rows; row->module; row++) {
        if (!row->chunk) {
            set_path(L, row);
            continue;
        }
        if (!is_module(row))
            continue;
        lua_pushlightuserdata(L, (void *)row);
        lua_pushcclosure(L, load_embedded, 1);
        lua_setfield(L, -2, row->module);
    }
    lua_pop(L, 1);
}
