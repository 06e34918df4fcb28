-- What `hookward --version` says.

local core = require "hookward.core"

-- Only handlers use it, so it need not be there.
local function cjson_version()
  local found, cjson = pcall(require, "cjson")
  return found and type(cjson) == "table" and cjson._VERSION or "not installed"
end

---The program's version in a line of its own, which scripts read; then `name: version` of each
---library in use, and how RSA signatures are verified.
---@return string text without the last line's end
return function()
  local libraries = core.libraries()
  return table.concat({
    "hookward " .. core.version,
    "Lua: " .. libraries.lua,
    "libuv: " .. libraries.libuv,
    "OpenSSL: " .. libraries.openssl,
    "SQLite: " .. libraries.sqlite,
    "libcurl: " .. libraries.libcurl,
    "libpq: " .. libraries.libpq,
    "lua-cjson: " .. cjson_version(),
    "RSA: " .. libraries.rsa,
  }, "\n")
end
