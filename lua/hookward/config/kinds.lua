-- The kinds of values in a configuration: how to read each, and what to say about a wrong one.

local database = require "hookward.base.database"
local pattern = require "hookward.base.pattern"
local suggest = require "hookward.base.suggest"
local sys = require "hookward.core".sys
local units = require "hookward.base.units"

local M = {
  CONTROL = ".hookward.sock",
  SOCKET_PATH_MAX = 107, -- bytes of sockaddr_un.sun_path, without its zero
}

local RUN_FOLDER = "/run/hookward" -- what RuntimeDirectory=hookward makes
local SOCKET_PATH_MAX = M.SOCKET_PATH_MAX
local NETWORKS_MAX = 10000 -- HW_NETWORKS_MAX
local IDENTIFIER_MAX = 63 -- bytes that PostgreSQL keeps of a name
local NAME_MAX = 100
local SETTINGS_DEPTH = 100 -- Lua's parser takes 200 nested tables

-- ---- paths ----

---@param base string an absolute folder
---@param path string
---@return string absolute
function M.absolute(base, path)
  if path:sub(1, 1) == "/" then return path end
  while path:sub(1, 2) == "./" do path = path:sub(3):gsub("^/+", "") end
  if path == "." or path == "" then return base end
  return (base == "/" and "" or base) .. "/" .. path
end

---Escapes a path for use in a glob pattern.
---@param path string
---@return string pattern matches only this path
function M.escape_glob(path)
  return (path:gsub("[%*%?%[%]\\]", "\\%0"))
end

-- ---- showing values in messages ----

---@return boolean list the table has only the keys 1 to n
local function is_list(value)
  local count = 0
  for key in next, value do
    if math.type(key) ~= "integer" then return false end
    count = count + 1
  end
  return count == #value
end

M.is_list = is_list

---Shows a value in one short line.
function M.show(value)
  if type(value) == "string" then
    local text = #value > 60 and value:sub(1, 57) .. "..." or value
    return '"' .. text:gsub("%c", function(c) return ("\\%d"):format(c:byte()) end) .. '"'
  elseif type(value) == "table" then
    if next(value) == nil then return "{}" end
    return is_list(value) and "a list" or "a table"
  elseif type(value) == "function" or type(value) == "userdata" or type(value) == "thread" then
    return "a " .. type(value)
  end
  return tostring(value)
end

---Shows a key: as it is, if it is a short text in one line.
function M.show_key(key)
  if type(key) == "string" and #key <= 60 and key:find("^[^%c]+$") then return key end
  return ("[%s]"):format(M.show(key))
end

function M.show_example(value)
  if type(value) ~= "table" or next(value) == nil then return M.show(value) end
  local items = {}
  for i, item in ipairs(value) do items[i] = M.show(item) end
  return "{ " .. table.concat(items, ", ") .. " }"
end

-- ---- reading ----
--
-- read(value, entry, base) -> what the host gets; or nil, why, found. `why` is the whole message,
-- or nil if "expected ... found ..." will do; `found` is what was found, or nil for the value
-- itself. `base` is the folder from which relative paths start.

local function in_range(number, entry, unit)
  if not number or number < unit(entry.min) or number > unit(entry.max) then return nil end
  return number
end

---@return integer? value as an integer, if it is a whole number
function M.integer(value)
  return math.type(value) and math.tointeger(value)
end

local integer = M.integer

-- Reads a value, or a list of at least one, each by `read_one`.
local function read_list(value, read_one, ...)
  local one_alone = type(value) ~= "table"
  if one_alone then value = { value } end
  if #value == 0 or not is_list(value) then return nil end
  local list, seen = {}, {}
  for i, item in ipairs(value) do
    local one, why = read_one(item, ...)
    if one == nil then
      return nil, why, one_alone and M.show(item) or ("%s at [%d]"):format(M.show(item), i)
    end
    if not seen[one] then list[#list + 1] = one end
    seen[one] = true
  end
  return list
end

-- systemd tells only the service which folder it made, not a user who runs a command.
local function runtime_folder()
  local folders = os.getenv("RUNTIME_DIRECTORY") or ""
  return folders:match("^(/[^:]*)") or RUN_FOLDER
end

-- The default may be too long, in a deep folder: the host then runs without a control socket.
local function read_control(value, base)
  if type(value) ~= "string" or value:find("%c") then return nil end
  if value == M.CONTROL then return M.absolute(base, value) end
  if value == "systemd" then value = runtime_folder() .. "/control.sock" end
  value = value:gsub("^unix:", "")
  if value == "" or value:sub(-1) == "/" then return nil end
  local path = M.absolute(base, value)
  if #path <= SOCKET_PATH_MAX then return path end
  return nil, ("%s: a socket's path has at most %d bytes, this one %d"):format(path,
    SOCKET_PATH_MAX, #path)
end

---@param base string an absolute folder
---@return string? absolute nil if the value is no path
function M.read_path(value, base)
  if type(value) ~= "string" or value == "" or value:find("%z") then return nil end
  return M.absolute(base, value)
end

local read_path = M.read_path

-- libpq takes it apart, and says what is wrong with it.
-- One that can't be used, whatever its scheme, without what may be its password: all up to the
-- last @.
local function show_address(value)
  local user, rest = value:match("^(%a[%w%+%-%.]*:/*[^:@]*:).*@(.*)$")
  return M.show(database.shown(user and ("%s***@%s"):format(user, rest) or value))
end

local function read_database(value)
  if not value:find("[%c ]") then return value end
  return nil, nil, show_address(value)
end

-- "host=db1 dbname=hookward", as libpq takes it too; as a path it would be a file in the folder.
local function is_keyword_list(value)
  local word = type(value) == "string" and value:match("^%s*(%l+)%s*=")
  local keywords = " host hostaddr port dbname user password service "
  return word ~= nil and keywords:find((" %s "):format(word), 1, true) ~= nil
end

local function read_identifier(value)
  if type(value) ~= "string" or #value > IDENTIFIER_MAX or not value:find("^[a-z_][a-z0-9_]*$") then
    return nil
  end
  if not value:find("^pg_") then return value end
  return nil, ("%s: PostgreSQL keeps names that begin with pg_ for itself"):format(M.show(value))
end

-- An event's name, or a pattern as in hook.on.
local function read_event(value)
  if type(value) ~= "string" or value == "" or value:find("%c") then return nil end
  if pattern.parse(value) then return value end
  return nil, ('%s: a star stands for all that follows a dot ("Entity.*"), or for all before it '
    .. '("*.Event")'):format(M.show(value))
end

-- The host reads networks with the same function (core/http/networks.h).
local function read_network(value, entry)
  if type(value) ~= "string" then return nil end
  if value == "unix" then
    if entry.unix then return value end
    return nil, '"unix": clients of Unix sockets are always allowed; leave it out'
  end
  local kind, why = sys.network(value)
  return kind and value, why
end

local function read_pattern(value, base)
  if type(value) ~= "string" or value == "" or value:find("%z") then return nil end
  if value:sub(1, 1) == "/" then return value end
  return M.absolute(M.escape_glob(base), value)
end

local function literal(value)
  if math.type(value) == "integer" or type(value) == "string" then return ("%q"):format(value) end
  if type(value) == "number" then return value == value and ("%q"):format(value) or "(0/0)" end
  return tostring(value)
end

local function key_path(path, key)
  if type(key) == "string" and key:find("^[%a_][%w_]*$") then return path .. "." .. key end
  return ("%s[%s]"):format(path, M.show(key))
end

local order = { number = 1, string = 2, boolean = 3 }

---@param value table
---@return any[] keys numbers, then strings, then the rest
function M.sorted_keys(value)
  local keys = {}
  for key in next, value do keys[#keys + 1] = key end
  table.sort(keys, function(a, b)
    if type(a) ~= type(b) then return (order[type(a)] or 9) < (order[type(b)] or 9) end
    if order[type(a)] and type(a) ~= "boolean" then return a < b end
    return tostring(a) < tostring(b)
  end)
  return keys
end

---Checks the keys of a table within a value.
---@param value table
---@param names string[] the keys that it may have
---@param has_list? boolean integers are keys too
---@return boolean? good
---@return string? why
function M.check_names(value, names, has_list)
  local known = {}
  for _, name in ipairs(names) do known[name] = true end
  for _, key in ipairs(M.sorted_keys(value)) do
    if not known[key] and not (has_list and math.type(key) == "integer") then
      local nearest = type(key) == "string" and suggest.nearest(key, names)
      return nil, ("%s: unknown key; %s"):format(M.show_key(key),
        nearest and ("did you mean %s?"):format(nearest)
          or "known are " .. table.concat(names, ", "))
    end
  end
  return true
end

-- Writes `value` as Lua source; nil and why if it is not plain data. `open` holds the tables that
-- are being written, to find cycles.
local function write_source(value, path, depth, open, out)
  local kind = type(value)
  if kind == "string" or kind == "number" or kind == "boolean" then
    out[#out + 1] = literal(value)
    return true
  elseif kind ~= "table" then
    return nil, ("%s is a %s; settings hold plain data: strings, numbers, booleans, tables")
      :format(path, kind)
  elseif open[value] then
    return nil, path .. " is a table that contains itself"
  elseif getmetatable(value) ~= nil then
    return nil, path .. " is a table with a metatable; settings hold plain data"
  elseif depth > SETTINGS_DEPTH then
    return nil, ("%s is more than %d tables deep"):format(path, SETTINGS_DEPTH)
  end
  open[value] = true
  out[#out + 1] = "{"
  for _, key in ipairs(M.sorted_keys(value)) do
    if not order[type(key)] then
      return nil, ("%s has a %s as a key"):format(path, type(key))
    end
    out[#out + 1] = "[" .. literal(key) .. "]="
    local ok, why = write_source(value[key], key_path(path, key), depth + 1, open, out)
    if not ok then return nil, why end
    out[#out + 1] = ","
  end
  out[#out + 1] = "}"
  open[value] = nil
  return true
end

---Writes plain data as Lua source that returns it.
---@param value table
---@param name string its name in messages
---@return string? source
---@return string? why it is not plain data, beginning with the place: "NAME.key is a function; ..."
function M.source(value, name)
  local out = { "return " }
  local ok, why = write_source(value, name, 1, {}, out)
  if not ok then return nil, why end
  return table.concat(out)
end

-- ---- the kinds, by name ----

M.kinds = {
  control = {
    expects = function() return 'the path of a socket, or "systemd"' end,
    read = function(value, _, base) return read_control(value, base) end,
  },
  networks = {
    expects = function() return "an address, a network such as 203.0.113.0/24, or a list" end,
    read = function(value, entry)
      if type(value) == "table" and next(value) == nil then return {} end
      if type(value) == "table" and #value > NETWORKS_MAX then
        return nil, ("%d networks; at most %d are taken"):format(#value, NETWORKS_MAX)
      end
      return read_list(value, read_network, entry)
    end,
  },
  events = {
    expects = function() return 'an event, "Entity.*", "*.Event" or "*", or a list of these' end,
    read = function(value, entry)
      if type(value) == "table" and next(value) == nil then return {} end
      return read_list(value, read_event, entry)
    end,
  },
  url_path = {
    expects = function() return "a path that begins with /, without query or spaces" end,
    read = function(value)
      if type(value) ~= "string" or not value:find("^/[!-~]*$") then return nil end
      return not value:find("[%?#]") and value or nil
    end,
  },
  path = {
    expects = function() return "a path" end,
    read = function(value, _, base) return read_path(value, base) end,
  },
  patterns = {
    expects = function() return "a file or a pattern of files, or a list of these" end,
    read = function(value, _, base) return read_list(value, read_pattern, base) end,
  },
  ledger = {
    expects = function() return 'a file, "postgres://user@host/database", or "memory:"' end,
    read = function(value, _, base)
      if value == "memory:" then return value end
      if database.is_meant(value) then return read_database(value) end
      if value == "memory" then return nil, '"memory" lacks its colon; write "memory:"' end
      if type(value) == "string" and value:find("^%a[%w%+%-%.]*:") then
        return nil, nil, show_address(value)
      end
      if is_keyword_list(value) then
        return nil, "libpq's keywords are not taken here; write it as an address, "
          .. '"postgres://user@host/database"'
      end
      return read_path(value, base)
    end,
  },
  identifier = {
    expects = function()
      return ("a name of at most %d small letters, digits and _, with no digit first")
        :format(IDENTIFIER_MAX)
    end,
    read = function(value) return read_identifier(value) end,
  },
  name = {
    expects = function()
      return ("a text of 1 to %d printable characters of ASCII"):format(NAME_MAX)
    end,
    read = function(value)
      local good = type(value) == "string" and #value <= NAME_MAX and value:find("^[ -~]+$")
      return good and value or nil
    end,
  },
  integer = {
    expects = function(entry)
      return ("a whole number from %d to %d"):format(entry.min, entry.max)
    end,
    read = function(value, entry)
      return in_range(integer(value), entry, function(limit) return limit end)
    end,
  },
  size = {
    expects = function(entry)
      return ("a size from %s to %s"):format(entry.min, entry.max)
    end,
    read = function(value, entry) return in_range(units.size(value), entry, units.size) end,
  },
  time = {
    expects = function(entry)
      return ("a time from %s to %s"):format(entry.min, entry.max)
    end,
    read = function(value, entry) return in_range(units.time(value), entry, units.time) end,
  },
  time_or_never = {
    expects = function(entry)
      return ('a time from %s to %s, or "never"'):format(entry.min, entry.max)
    end,
    read = function(value, entry)
      if value == "never" then return 0 end
      return in_range(units.time(value), entry, units.time)
    end,
  },
  times = {
    expects = function(entry)
      return ("a list of at most %d times, each from %s to %s"):format(entry.most, entry.min,
        entry.max)
    end,
    read = function(value, entry)
      if type(value) ~= "table" or not is_list(value) or #value > entry.most then return nil end
      local list = {}
      for i, item in ipairs(value) do
        list[i] = in_range(units.time(item), entry, units.time)
        if not list[i] then return nil, nil, ("%s at [%d]"):format(M.show(item), i) end
      end
      return list
    end,
  },
  choice = {
    expects = function(entry)
      local all = {}
      for i, choice in ipairs(entry.choices) do all[i] = M.show(choice) end
      return table.concat(all, ", ", 1, #all - 1) .. " or " .. all[#all]
    end,
    read = function(value, entry)
      for _, choice in ipairs(entry.choices) do
        if value == choice then return value end
      end
      local nearest = type(value) == "string" and suggest.nearest(value, entry.choices)
      if nearest then
        return nil, ("%s is not known; did you mean %s?"):format(M.show(value), M.show(nearest))
      end
    end,
  },
  boolean = {
    expects = function() return "true or false" end,
    read = function(value)
      if type(value) == "boolean" then return value end
    end,
  },
  string = {
    expects = function() return "a text" end,
    read = function(value) return type(value) == "string" and value or nil end,
  },
  settings = {
    expects = function() return "a table" end,
    read = function(value)
      if type(value) ~= "table" then return nil end
      local source, why = M.source(value, "settings")
      if not source then return nil, (why:gsub("^settings%.?%s?", "")) end
      return source
    end,
  },
}

return M
