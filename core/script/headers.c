/* headers.c -- see headers.h */
#include "script/headers.h"

#include <lauxlib.h>

#include "script/json.h"

/* Pushes the name in lower case. max_header limits its length. */
static void push_lower(lua_State *L, struct hw_str name)
{
    luaL_Buffer b;
    char *out = luaL_buffinitsize(L, &b, name.len);
    for (size_t i = 0; i < name.len; i++)
        out[i] =
            (char)(name.ptr[i] >= 'A' && name.ptr[i] <= 'Z' ? name.ptr[i] | 0x20 : name.ptr[i]);
    luaL_pushresultsize(&b, name.len);
}

void hw_headers_push(lua_State *L, const struct hw_request *request)
{
    static const struct hw_http none;
    const struct hw_http *http = request ? &request->http : &none;
    struct hw_http_walk walk = {0};
    struct hw_http_header header;
    lua_createtable(L, 0, (int)http->header_count); /* headers */
    while (request && hw_http_next_header(http, request->bytes, &walk, &header)) {
        struct hw_str value = hw_http_view(request->bytes, header.value);
        push_lower(L, hw_http_view(request->bytes, header.name)); /* headers name */
        lua_pushvalue(L, -1);
        if (lua_rawget(L, -3) == LUA_TNIL) { /* headers name before */
            lua_pop(L, 1);
            lua_pushlstring(L, value.ptr, value.len);
        } else {
            lua_pushliteral(L, ", ");
            lua_pushlstring(L, value.ptr, value.len);
            lua_concat(L, 3);
        }
        lua_rawset(L, -3); /* headers */
    }
}

void hw_headers_push_kept(lua_State *L, struct hw_str json)
{
    struct hw_json_scan scan;
    if (!json.ptr || hw_json_decode(L, json, &scan))
        lua_newtable(L);
}
