/* running.c -- see running.h */
#include "script/running.h"

static const char running_key; /* its address is the key in the registry */

static const struct hw_running *running_of(lua_State *L)
{
    lua_rawgetp(L, LUA_REGISTRYINDEX, &running_key);
    const struct hw_running *running = lua_touserdata(L, -1);
    lua_pop(L, 1);
    return running;
}

void hw_running_open(lua_State *L, const struct hw_running *running)
{
    lua_pushlightuserdata(L, (void *)running);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &running_key);
}

struct hw_notification *hw_running_notification(lua_State *L)
{
    const struct hw_running *running = running_of(L);
    return running ? running->n : NULL;
}

bool hw_running_in_vm(lua_State *L)
{
    return running_of(L) != NULL;
}
