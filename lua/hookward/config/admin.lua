-- `admin`: where the admin listener is, and who may see it.
--
--   admin = "127.0.0.1:9464"
--   admin = { listen = "0.0.0.0:9464", token = "...", read_token = "...", tls = { ... } }
--
-- It has only one address. A listener that other machines can reach must have a token, since nobody
-- gets in from there without one.

local kinds = require "hookward.config.kinds"
local listen = require "hookward.config.listen"

local M = {}

local show = kinds.show

M.PORT = 9464 -- the usual one

local TOKEN_MIN, TOKEN_MAX = 16, 200 -- characters
local NAMES = { "listen", "token", "read_token", "tls", "hosts" }

---@class hookward.Admin
---@field listen hookward.Listener
---@field is_local boolean only this machine's users reach it
---@field token? string lets in whoever may change things
---@field read_token? string lets in whoever may only look
---@field hosts string[] names that the Host header may have, lower case, besides the usual ones

-- What a Bearer token may consist of (RFC 6750, 2.1). The value is never shown.
local function read_token(name, value)
  if value == nil then return nil end
  if type(value) ~= "string" then
    return nil, ("%s: expected a text; found a %s"):format(name, type(value))
  elseif not value:find("^[%w%-%._~%+/]+=*$") then
    return nil, ("%s: a token may have only letters, digits and -._~+/"):format(name)
  elseif #value < TOKEN_MIN or #value > TOKEN_MAX then
    return nil, ("%s: a token has %d to %d characters, this one %d; `openssl rand -hex 24` makes "
      .. "a good one"):format(name, TOKEN_MIN, TOKEN_MAX, #value)
  end
  return value
end

local function read_tokens(value)
  local tokens = {}
  for name, variable in pairs { token = "HOOKWARD_ADMIN_TOKEN",
    read_token = "HOOKWARD_ADMIN_READ_TOKEN" } do
    local text = value[name]
    if text == nil then name, text = name, os.getenv(variable) end
    local token, why = read_token(value[name] == nil and text and variable or name, text)
    if why then return nil, why end
    tokens[name] = token
  end
  if tokens.token and tokens.token == tokens.read_token then
    return nil, "token and read_token are the same, so whoever may look could change things too"
  end
  return tokens
end

local function read_hosts(value)
  if value == nil then return {} end
  local hosts = type(value) == "string" and { value } or value
  if type(hosts) ~= "table" or not kinds.is_list(hosts) then
    return nil, ("hosts: expected a list of names; found %s"):format(show(value))
  end
  local names = {}
  for i, name in ipairs(hosts) do
    if type(name) ~= "string" or not name:find("^[%w%.%-_]+$") then
      return nil, ('hosts: expected names such as "hooks.example.com", without a port; found %s')
        :format(show(name))
    end
    names[i] = name:lower()
  end
  return names
end

local function is_local(address)
  return (address:find("^127%.") or address:find("^localhost:") or address:find("^%[::1%]:")
    or address:find("^unix:")) ~= nil
end

-- One listener, from its address and its `tls`.
local function read_listener(value, base)
  local list, why, found = listen.read({ value.listen, tls = value.tls }, nil, base)
  if not list then
    why = why and why:gsub(":8080\"", (":%d\""):format(M.PORT)) -- as a port would be written here
    found = found and found:gsub(" at %[%d+%]$", "")
    return nil, why and "listen: " .. why
      or ('listen: expected one address, for example "127.0.0.1:9464"; found %s'):format(
        found or show(value.listen))
  end
  if list[1].address:find("^systemd") then
    return nil, "listen: the admin listener can't use a socket from systemd; give it an address"
  end
  return list[1]
end

function M.expects()
  return "an address, or a table with listen, token, read_token, tls and hosts"
end

---@param value any
---@param base string the folder from which relative paths start
---@return hookward.Admin|false|nil admin false: off
---@return string? why
function M.read(value, _, base)
  if value == false then return false end
  if type(value) ~= "table" then value = { listen = value } end
  local ok, why = kinds.check_names(value, NAMES)
  if not ok then return nil, why end
  if value.listen == nil then
    return nil, 'listen is missing: the address, for example { listen = "127.0.0.1:9464" }'
  end
  local listener, tokens, hosts
  listener, why = read_listener(value, base)
  if listener then tokens, why = read_tokens(value) end
  if tokens then hosts, why = read_hosts(value.hosts) end
  if not hosts then return nil, why end
  local near = is_local(listener.address)
  if not near and not tokens.token then
    return nil, ("%s can be reached from other machines, so it needs a token of %d characters or "
      .. "more: { listen = ..., token = ... }, or HOOKWARD_ADMIN_TOKEN in the environment"):format(
        listener.address, TOKEN_MIN)
  end
  return { listen = listener, is_local = near, token = tokens.token,
    read_token = tokens.read_token, hosts = hosts }
end

return M
