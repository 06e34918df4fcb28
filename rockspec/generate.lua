-- Writes the rockspecs from what is in core/ and lua/: LuaRocks has no wildcards, and a rock that
-- lacks a file must not come to be. `make rockspec` runs it, spec/rock_spec.lua compares.
-- usage: lua5.4 rockspec/generate.lua [FOLDER]     (default: rockspec)

local TEXT = [==[
-- hookward for LuaRocks: the command and the module, the same host as the binary that make builds.
-- Written by rockspec/generate.lua; `make rockspec` after a file was added.
--
-- On Debian all that it stands on comes from Debian (no server is asked for anything):
--   apt-get install gcc libc6-dev luarocks lua5.4 liblua5.4-dev libuv1-dev libssl-dev \
--     libsqlite3-dev libcurl4-openssl-dev lua-cjson lua-argparse
--   LUAROCKS_CONFIG=rockspec/debian.lua luarocks --lua-version 5.4 make
rockspec_format = "3.0"
package = "hookward"
version = "@VERSION@-1"
source = {
  url = "git+https://github.com/hookward/hookward.git",
  @SOURCE@,
}
description = {
  summary = "A webhook host you script in Lua",
  detailed = [[
Receives Accredit's signed notifications, proves that they are authentic before any of their bytes
reach a script, runs your plain Lua handler once per notification, and answers 200 or 400.
Installs the command `hookward` and the module `hookward`, which runs the same host in a program.

It needs libuv, OpenSSL 3, SQLite and libcurl with their headers. On Debian:
apt-get install libuv1-dev libssl-dev libsqlite3-dev libcurl4-openssl-dev
With libpq-dev it can keep its ledger in PostgreSQL, too.]],
  license = "MIT",
  labels = { "webhook", "http", "server" },
}
supported_platforms = { "linux" } -- epoll, inotify, eventfd
dependencies = {
  "lua >= 5.4, < 5.5",
  "lua-cjson", -- for handlers: the host reads JSON without it
  "argparse",
}
-- LuaRocks names the header or library that it does not find. Debian has libcurl's headers in a
-- folder that only the compiler knows, so LuaRocks looks for the library alone; what is missing
-- then is said by core/bindings/module.c, which is compiled first.
external_dependencies = {
  LIBUV = { header = "uv.h", library = "uv" },
  OPENSSL = { header = "openssl/evp.h", library = "crypto" },
  SQLITE = { header = "sqlite3.h", library = "sqlite3" },
  CURL = { library = "curl" },
}
build = {
  type = "builtin",
  install = {
    bin = { hookward = "rockspec/hookward" },
    lua = { -- the guide, the admin page and the examples: LuaRocks leaves their names as they are
@GUIDE@
@PAGE@
@EXAMPLES@
    },
  },
  modules = {
    ["hookward.core"] = {
      defines = { "_GNU_SOURCE" },
      incdirs = {
        "core", "$(LIBUV_INCDIR)", "$(OPENSSL_INCDIR)", "$(SQLITE_INCDIR)", "$(CURL_INCDIR)",
      },
      libdirs = {
        "$(LIBUV_LIBDIR)", "$(OPENSSL_LIBDIR)", "$(SQLITE_LIBDIR)", "$(CURL_LIBDIR)",
      },
      libraries = { "uv", "ssl", "crypto", "sqlite3", "pthread", "m", "dl" },
      sources = {
@SOURCES@
      },
    },
@MODULES@
  },
}
]==]

local function lines_of(command)
  local pipe, lines = assert(io.popen(command)), {}
  for line in pipe:lines() do lines[#lines + 1] = line end
  assert(pipe:close())
  return lines
end

-- All of core/ but main.c, which makes the binary of it; module.c first, since it says what is
-- missing.
local function sources()
  local lines = { '        "core/bindings/module.c",' }
  for _, path in ipairs(lines_of("find core -name '*.c' | LC_ALL=C sort")) do
    if path ~= "core/main.c" and path ~= "core/bindings/module.c" then
      lines[#lines + 1] = ("        %q,"):format(path)
    end
  end
  return table.concat(lines, "\n")
end

local function module_name(path)
  return (path:gsub("^lua/", ""):gsub("%.%a+$", ""):gsub("/init$", ""):gsub("/", "."))
end

local function modules(ending, indent)
  local lines = {}
  local command = ("find lua/hookward -name '*.%s' | LC_ALL=C sort"):format(ending)
  for _, path in ipairs(lines_of(command)) do
    lines[#lines + 1] = ("%s[%q] = %q,"):format(indent, module_name(path), path)
  end
  return table.concat(lines, "\n")
end

-- LuaRocks takes the folder from the key. Two files may differ only in their endings.
local function page()
  local lines = {}
  for _, path in ipairs(lines_of("find lua/hookward/admin/page -type f | LC_ALL=C sort")) do
    local folder, file = path:match("^lua/(.*)/([^/]+)$")
    lines[#lines + 1] = ("      [%q] = %q,"):format(
      folder:gsub("/", ".") .. "." .. file:gsub("%.", "_"), path)
  end
  return table.concat(lines, "\n")
end

-- By their path below hookward/examples/; the name of what is no .lua file is its own.
local function examples()
  local lines = {}
  for _, example in ipairs(dofile("lua/hookward/cli/examples.lua").list) do
    for _, file in ipairs(example.files) do
      local path = ("examples/%s/%s"):format(example.name, file)
      local name = path:gsub("/%.", "/"):gsub("%.%a+$", ""):gsub("/", ".")
      lines[#lines + 1] = ("      [%q] = %q,"):format("hookward." .. name, path)
    end
  end
  return table.concat(lines, "\n")
end

local function release()
  local file <close> = assert(io.open("core/base/version.h"))
  return assert(file:read("a"):match('HW_VERSION "([^"]+)"'))
end

local function write(folder, version, source)
  local file <close> = assert(io.open(("%s/hookward-%s-1.rockspec"):format(folder, version), "w"))
  local values = { VERSION = version, SOURCE = source, SOURCES = sources(),
    MODULES = modules("lua", "    "), GUIDE = modules("md", "      "), PAGE = page(),
    EXAMPLES = examples() }
  assert(file:write((TEXT:gsub("@(%u+)@", values))))
end

local folder = arg[1] or "rockspec"
write(folder, "scm", 'branch = "main"')
write(folder, release(), ('tag = "v%s"'):format(release()))
