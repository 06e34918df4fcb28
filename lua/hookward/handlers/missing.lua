-- Explains what to do about a missing module: puts advice into the error of `require`.
--
-- Lua's own message has a line for each place where it looked. The first line becomes one that says
-- enough by itself; the others follow unchanged.

local concat, gmatch, gsub, match = table.concat, string.gmatch, string.gsub, string.match
local find, format, sub = string.find, string.format, string.sub

-- Modules, by their name or its first part, and where to get them: Debian's package (only if it is
-- built for Lua 5.4) and the rock.
local packages = {
  ["argparse"] = { "lua-argparse", "argparse" },
  ["cjson"] = { "lua-cjson", "lua-cjson" },
  ["dbi"] = { "lua-dbi-postgresql", "luadbi" },
  ["dkjson"] = { "lua-dkjson", "dkjson" },
  ["lfs"] = { "lua-filesystem", "luafilesystem" },
  ["lpeg"] = { "lua-lpeg", "lpeg" },
  ["ltn12"] = { "lua-socket", "luasocket" },
  ["luasql.mysql"] = { "lua-sql-mysql", "luasql-mysql" },
  ["luasql.odbc"] = { "lua-sql-odbc", "luasql-odbc" },
  ["luasql.postgres"] = { "lua-sql-postgres", "luasql-postgres" },
  ["luasql.sqlite3"] = { "lua-sql-sqlite3", "luasql-sqlite3" },
  ["lxp"] = { "lua-expat", "luaexpat" },
  ["mime"] = { "lua-socket", "luasocket" },
  ["openssl"] = { "lua-luaossl", "luaossl" },
  ["pl"] = { "lua-penlight", "penlight" },
  ["posix"] = { nil, "luaposix" },
  ["redis"] = { nil, "redis-lua" },
  ["socket"] = { "lua-socket", "luasocket" },
  ["ssl"] = { "lua-sec", "luasec" },
  ["yaml"] = { "lua-yaml", "yaml" },
  ["zlib"] = { "lua-zlib", "lua-zlib" },
}

local ROCKS = "luarocks --lua-version 5.4 install "

local function advice(name, folder)
  local first = match(name, "^[^.]+") or name
  local package = packages[name] or packages[first]
  if not package then
    return format("put it into %s/ or %s/lib/, or install it for Lua 5.4 (`%s%s`, if the rock has "
      .. "that name)", folder, folder, ROCKS, first)
  elseif not package[1] then
    return format("install it with `%s%s`", ROCKS, package[2])
  end
  return format("install it with `apt-get install %s` or `%s%s`", package[1], ROCKS, package[2])
end

-- The folders that were searched, each once, in order.
local function folders_of(text, name)
  local list, seen = {}, {}
  local file = "/" .. gsub(name, "%.", "/")
  for path in gmatch(text, "\tno file '([^'\n]+)'") do
    local at = find(path, file, 1, true)
    local folder = at and sub(path, 1, at - 1)
    if folder and not seen[folder] then
      seen[folder] = true
      list[#list + 1] = folder == "." and "./" or folder
    end
  end
  return list
end

---@param text string the text of an error
---@return string? text the text with advice; nil if the error is about something else
return function(text)
  local before, name, rest = match(text, "^([^\n]-)module '([^'\n]+)' not found:(\n.*)$")
  if not name then return nil end
  local folders = folders_of(rest, name)
  return format("%smodule '%s' not found: %s; looked in %s%s", before, name,
    advice(name, folders[1] or "handlers"), concat(folders, ", "), rest)
end
