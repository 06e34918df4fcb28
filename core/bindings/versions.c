/* versions.c -- see versions.h */
#include "bindings/versions.h"

#include <openssl/crypto.h>
#include <sqlite3.h>
#include <uv.h>

#include "ledger/pg.h"
#include "script/curl.h"
#include "signing/rsa.h"

static void set_text(lua_State *L, const char *name, const char *text)
{
    lua_pushstring(L, text);
    lua_setfield(L, -2, name);
}

/* It is needed for a ledger on PostgreSQL only. */
static const char *libpq(void)
{
    const char *version = hw_pg_version();
    return version ? version : hw_pg_is_built() ? "not installed" : "not built in";
}

static int libraries(lua_State *L)
{
    lua_createtable(L, 0, 7);
    set_text(L, "lua", LUA_VERSION_MAJOR "." LUA_VERSION_MINOR "." LUA_VERSION_RELEASE);
    set_text(L, "libuv", uv_version_string());
    set_text(L, "openssl", OpenSSL_version(OPENSSL_VERSION_STRING));
    set_text(L, "sqlite", sqlite3_libversion());
    set_text(L, "libcurl",
             hw_curl_load() ? "none" : hw_curl.version_info(CURLVERSION_NOW)->version);
    set_text(L, "libpq", libpq());
    set_text(L, "rsa", hw_rsa_way());
    return 1;
}

void hw_versions_push(lua_State *L)
{
    lua_pushcfunction(L, libraries);
}
