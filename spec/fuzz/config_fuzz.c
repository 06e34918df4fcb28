/* config_fuzz.c -- whatever values a configuration has, it is read, or refused in lines.
 *
 * The input is JSON: the table that hookward.lua returns. Keys of digits become integers, so that
 * {"1":"0.0.0.0:443","tls":{}} is a listener with options. It is read by lua/hookward/config, with the
 * kinds of values there, and then by base/config.h. No file is looked for.
 *
 * Properties
 *   Reading raises no error.
 *   A refusal is 1 to 11 lines without control characters.
 *   What the Lua half accepts the C half accepts, networks too; and so it is when it is read again
 *   from its source, as a reload does. */
#include <lauxlib.h>
#include <lualib.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/config.h"
#include "bindings/module.h"
#include "http/access.h"
#include "script/json.h"
#include "script/modules.h"

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t len);

/* Returns check(values): the table that the host gets, or nil. */
static const char script[] =
    "local core = require 'hookward.core'\n"
    "core.sys.glob = function() return {} end\n"
    "core.sys.cwd = function() return '/base' end\n"
    "local config = require 'hookward.config'\n"
    "local function with_integers(value)\n"
    "  if type(value) ~= 'table' then return value end\n"
    "  local made = {}\n"
    "  for key, item in pairs(value) do\n"
    "    local digits = type(key) == 'string' and key:find('^%d$')\n"
    "    made[digits and math.tointeger(tonumber(key)) or key] = with_integers(item)\n"
    "  end\n"
    "  return made\n"
    "end\n"
    "return function(values)\n"
    "  local read, lines = config.of(with_integers(values), 'fuzz')\n"
    "  if not read then\n"
    "    assert(#lines >= 1 and #lines <= 11)\n"
    "    for _, line in ipairs(lines) do assert(not line:find('%c'), line) end\n"
    "    return nil\n"
    "  end\n"
    "  local source = assert(load(read.source, 'source', 't', {}))()\n"
    "  assert(config.read(source), 'not read again')\n"
    "  return read\n"
    "end\n";

static lua_State *open_once(void)
{
    static const struct hw_modules carried = {luaopen_hookward_core, hw_embedded};
    static lua_State *L;
    if (!L) {
        L = luaL_newstate();
        HW_CHECK(L);
        luaL_openlibs(L);
        hw_modules_preload(L, &carried);
        HW_CHECK(luaL_dostring(L, script) == 0); /* check */
    }
    lua_settop(L, 1);
    return L;
}

/* Runs unprotected: a Lua error is a panic, and so a finding. */
static void read_in_c(lua_State *L)
{
    struct hw_config config;
    struct hw_access access;
    hw_config_read(&config, L, -1);
    hw_access_init(&access);
    HW_CHECK(hw_access_apply(&access, &config) == 0);
    HW_CHECK(hw_networks_is_empty(&access.allow) == (config.allow_count == 0));
    HW_CHECK(hw_networks_is_empty(&access.proxies) == (config.trusted_proxy_count == 0));
    HW_CHECK(config.listen_count > 0);
    hw_access_fini(&access);
    hw_config_fini(&config);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t len)
{
    struct hw_json_scan scan;
    struct hw_str text = {(const char *)input, len};
    lua_State *L = open_once();
    lua_pushvalue(L, 1); /* check check */
    if (hw_json_scan(&scan, text) || hw_json_decode(L, text, &scan) || !lua_istable(L, -1))
        return 0;
    lua_call(L, 1, 1); /* check config */
    if (lua_istable(L, -1))
        read_in_c(L);
    return 0;
}
