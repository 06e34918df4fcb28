-- `listen`: addresses, and listeners with options of their own.
--
--   listen = "127.0.0.1:8080"
--   listen = { "127.0.0.1:8080", { "0.0.0.0:8443", tls = { cert = "cert.pem", key = "key.pem" } } }
--   listen = { "unix:run/http.sock", mode = "0660", group = "www-data" }
--
-- A table with names is one listener; a table without is a list of listeners.

local kinds = require "hookward.config.kinds"
local suggest = require "hookward.base.suggest"
local tls = require "hookward.config.tls"

local M = {}

local show = kinds.show

local NAME_MAX = 255 -- bytes of FileDescriptorName=

---@class hookward.Listener
---@field address string "host:port", "unix:/path,mode=0660,group=www", "systemd", "systemd:NAME"
---@field proxy_protocol boolean
---@field tls? hookward.Tls|false false: plain, whatever the top level says; nil: as that says

-- ---- addresses ----

local function host_and_port(value)
  local host, port = value:match("^%[([%x:%.%%%w]+)%]:(%d+)$")
  if not host then host, port = value:match("^([%w%.%-_]+):(%d+)$") end
  if host and tonumber(port) <= 65535 then return host, math.tointeger(tonumber(port)) end
end

-- For the most common mistakes: suggests what was probably meant.
local function listen_slip(value)
  local high = value:match("^.+:(%d+)$")
  if high and tonumber(high) > 65535 then
    return ("%s: a port is a number up to 65535"):format(show(value))
  end
  local port = value:match("^:(%d+)$") or value:match("^%*:(%d+)$")
  if port then
    return ('%s names no host; write "127.0.0.1:%s", or "0.0.0.0:%s" for every interface')
      :format(show(value), port, port)
  elseif value:find("^%d+$") then
    return ('%s names no host; write "127.0.0.1:%s"'):format(show(value), value)
  elseif value:find("^%a+://") then
    return ("%s is a URL; write host:port alone"):format(show(value))
  elseif value:find("^[%w%.%-]+$") then
    return ('%s names no port; write "%s:8080"'):format(show(value), value)
  end
  local v6, v6_port = value:match("^(%x*:[%x:]*):(%d+)$")
  if v6 then
    return ('an IPv6 address needs brackets; write "[%s]:%s"'):format(v6, v6_port)
  end
end

local socket_options = {
  mode = { pattern = "^0?[0-7][0-7][0-7]$", expects = "three octal digits, such as 0660" },
  group = { pattern = "^[%w_][%w_.-]*$", expects = "the name or number of a group" },
}

-- Checks the options after a socket's path, such as ",mode=0660" and ",group=www". The host reads
-- them.
local function check_socket_options(options)
  for name, value in options:gmatch(",(%a+)=([^,]*)") do
    local option = socket_options[name]
    if not option then
      return nil, ("%s: a socket has no option %s; it has mode and group")
        :format(options, show(name))
    elseif not value:find(option.pattern) then
      return nil, ("%s: expected %s; found %s"):format(name, option.expects, show(value))
    end
  end
  return true
end

local function read_socket(text, base)
  local path, options = text, ""
  while true do -- a comma may also be a part of the path
    local head, option = path:match("^(.+)(,%a+=[^,/]*)$")
    if not head then break end
    path, options = head, option .. options
  end
  local ok, why = check_socket_options(options)
  if not ok then return nil, why end
  path = kinds.absolute(base, path)
  if #path <= kinds.SOCKET_PATH_MAX then return "unix:" .. path .. options end
  return nil, ("%s: a socket's path has at most %d bytes, this one %d"):format(path,
    kinds.SOCKET_PATH_MAX, #path)
end

-- A name is what FileDescriptorName= takes.
local function read_handed_over(value)
  local name = value:match("^systemd:(.*)$")
  if #name <= NAME_MAX and name:find("^[^%c:\128-\255]+$") then return value end
  return nil, ('%s: expected "systemd:NAME", with the FileDescriptorName= of the socket'):format(
    show(value))
end

local function read_address(value, base)
  if kinds.integer(value) then value = tostring(kinds.integer(value)) end
  if type(value) ~= "string" then return nil end
  local socket = value:match("^unix:(.+)$")
  if socket and not socket:find("%c") then return read_socket(socket, base) end
  if value == "systemd" or host_and_port(value) then return value end
  if value:find("^systemd:") then return read_handed_over(value) end
  return nil, listen_slip(value)
end

-- ---- listeners ----

local options = {
  mode = "a Unix socket's mode, such as \"0660\"",
  group = "a Unix socket's group",
  tls = "a table, or false",
  proxy_protocol = "true or false",
}

local function check_names(value)
  for _, key in ipairs(kinds.sorted_keys(value)) do
    if key == "address" and value[1] == nil then
      return nil, ("address: a listener begins with its address, without a name: { %s }"):format(
        show(value.address))
    elseif key ~= 1 and not options[key] then
      local names = { "mode", "group", "tls", "proxy_protocol" }
      local nearest = type(key) == "string" and suggest.nearest(key, names)
      return nil, ("%s: a listener has no such option; %s"):format(
        kinds.show_key(key),
        nearest and ("did you mean %s?"):format(nearest) or "it has " .. table.concat(names, ", "))
    end
  end
  return true
end

-- The options of a Unix socket, as they follow its path.
local function socket_suffix(value)
  local suffix = ""
  for _, name in ipairs { "mode", "group" } do
    local option = value[name]
    if option ~= nil then
      local text = kinds.integer(option) and tostring(kinds.integer(option)) or option
      if type(text) ~= "string" or not text:find(socket_options[name].pattern) then
        return nil, ("%s: expected %s; found %s"):format(name, socket_options[name].expects,
          show(option))
      end
      suffix = ("%s,%s=%s"):format(suffix, name, text)
    end
  end
  return suffix
end

-- The listener of a table with options.
local function read_table(value, base)
  local ok, why = check_names(value)
  if not ok then return nil, why end
  local text = value[1]
  if text == nil then
    return nil, 'a listener begins with its address, for example { "0.0.0.0:8443", tls = { ... } }'
  end
  local suffix
  suffix, why = socket_suffix(value)
  if not suffix then return nil, why end
  local is_unix = type(text) == "string" and text:find("^unix:") ~= nil
  if suffix ~= "" and not is_unix then
    return nil, ("%s: only a Unix socket has a mode and a group"):format(show(text))
  end
  local address
  address, why = read_address(is_unix and text .. suffix or text, base)
  if not address then return nil, why, show(text) end
  local proxied = value.proxy_protocol
  if proxied ~= nil and type(proxied) ~= "boolean" then
    return nil, ("proxy_protocol: expected true or false; found %s"):format(show(proxied))
  end
  local own = value.tls
  if own and is_unix then
    return nil, ("%s: a Unix socket never speaks TLS"):format(show(text))
  elseif own then
    own, why = tls.read(own, nil, base)
    if not own then return nil, "tls: " .. (why or tls.expects()) end
  end
  return { address = address, proxy_protocol = proxied or false, tls = own }
end

local function read_listener(value, base)
  if type(value) == "table" then return read_table(value, base) end
  local address, why = read_address(value, base)
  return address and { address = address, proxy_protocol = false }, why
end

local function is_one(value)
  return type(value) ~= "table" or next(value) ~= nil and not kinds.is_list(value)
end

local function has_options(listener)
  return listener.proxy_protocol or listener.tls ~= nil
end

function M.expects()
  return "an address, a listener, or a list of these"
end

---@param value any
---@param base string the folder from which relative paths start
---@return hookward.Listener[]? listeners
---@return string? why
---@return string? found
function M.read(value, _, base)
  local one = is_one(value)
  local list, seen = {}, {}
  for i, item in ipairs(one and { value } or value) do
    local listener, why, found = read_listener(item, base)
    if not listener then
      found = found or show(item)
      return nil, why, one and found or ("%s at [%d]"):format(found, i)
    end
    local known = seen[listener.address]
    local plain = known and not has_options(known) and not has_options(listener)
    if known and not plain and not listener.address:find(":0$") then
      return nil, ("%s is listed twice, with different options"):format(show(listener.address))
    elseif not plain then
      list[#list + 1] = listener
    end
    seen[listener.address] = listener
  end
  if #list > 0 then return list end
end

---Gives every TCP listener without a `tls` of its own the one of the top level.
---@param listeners hookward.Listener[]
---@param top? hookward.Tls
function M.inherit(listeners, top)
  for _, listener in ipairs(listeners) do
    if listener.tls == nil and not listener.address:find("^unix:") then listener.tls = top end
    listener.tls = listener.tls or nil
  end
end

---Each `tls` once, the admin listener's too: listeners without one of their own share a table.
---@param settings hookward.Config
---@return hookward.Tls[]
function M.all_tls(settings)
  local list, seen = {}, {}
  local function add(listener)
    local own = listener.tls
    if own and not seen[own] then
      seen[own] = true
      list[#list + 1] = own
    end
  end
  for _, listener in ipairs(settings.listen) do add(listener) end
  if settings.admin then add(settings.admin.listen) end
  return list
end

return M
