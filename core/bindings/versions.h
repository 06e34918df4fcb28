/* versions.h -- the versions of the libraries in use, for `hookward --version`.
 *
 * Thread  the one that has the Lua state. */
#ifndef HW_VERSIONS_H
#define HW_VERSIONS_H

#include <lua.h>

/* libraries() -> { lua, libuv, openssl, sqlite, libcurl = "1.2.3", rsa = signing/rsa.h's way }.
 * Each is the version that runs, not the one that was compiled against; but Lua tells only that.
 * Stack: -0 +1, the function. */
void hw_versions_push(lua_State *L);

#endif
