-- Where a host of a configuration can be reached: its listeners as a client has to call them.

local M = {}

---@class hookward.Door
---@field address string as in `listen`, without a socket's options
---@field url? string with the configuration's path; nil: its port is not known
---@field unix? string the path of the Unix socket to connect to
---@field tls? hookward.Tls
---@field proxy_protocol boolean

local ANY = { ["0.0.0.0"] = "127.0.0.1", ["[::]"] = "[::1]" }

---@param path string a Unix socket's, with its options ("/run/h.sock,mode=0660")
local function without_options(path)
  local head = path
  while head do
    path, head = head, head:match("^(.+),%a+=[^,/]*$")
  end
  return path
end

---@param listener hookward.Listener
---@param path string where notifications are posted
---@return hookward.Door
function M.of(listener, path)
  local door = { address = listener.address, tls = listener.tls or nil,
    proxy_protocol = listener.proxy_protocol }
  local socket = listener.address:match("^unix:(.+)$")
  if socket then
    door.unix = without_options(socket)
    door.address = "unix:" .. door.unix
    door.url = "http://localhost" .. path
    return door
  end
  local host, port = listener.address:match("^(.*):(%d+)$")
  if host and host ~= "systemd" and port ~= "0" then
    door.url = ("%s://%s:%s%s"):format(door.tls and "https" or "http", ANY[host] or host, port,
      path)
  end
  return door
end

---@param settings hookward.Config
---@return hookward.Door[]
function M.all(settings)
  local doors = {}
  for i, listener in ipairs(settings.listen) do doors[i] = M.of(listener, settings.path) end
  return doors
end

return M
