-- What is valid in a configuration, but has no effect or may surprise.

local core = require "hookward.core"

local M = {}

local SENDER_PATIENCE = 95 -- seconds: .NET's HttpClient hangs up after 100

-- A sender that has hung up gets no answer, and can't know what became of its delivery.
local function patience(add, settings)
  local ms = settings.body_timeout_ms + settings.queue_timeout_ms + settings.handler_timeout_ms
  if ms > SENDER_PATIENCE * 1000 then
    add("body_timeout, queue_timeout and handler_timeout add up to %g s; a .NET sender "
      .. "hangs up after 100 s, so keep the sum within %d s", ms / 1000, SENDER_PATIENCE)
  end
end

-- "loopback", "unix", "systemd" (which may be anything) or "open"
local function reach_of(listener)
  local address = listener.address
  if address:find("^unix:") then return "unix" end
  if address:find("^systemd") then return "systemd" end
  local is_loopback = address:find("^127%.") or address:find("^localhost:")
    or address:find("^%[::1%]:")
  return is_loopback and "loopback" or "open"
end

-- Which kinds of listeners there are, and which of them have proxy_protocol.
local function reaches(listeners)
  local all, proxied = {}, {}
  for _, listener in ipairs(listeners) do
    local reach = reach_of(listener)
    all[reach] = true
    if listener.proxy_protocol then proxied[reach] = true end
  end
  return all, proxied
end

-- Warns only of what is certain: the PROXY protocol may name any address, and a socket of systemd
-- may listen anywhere.
local function proxies(add, networks, all, proxied)
  local kinds = { unix = false, loopback = false }
  for _, network in ipairs(networks) do
    kinds[network == "unix" and "unix" or core.sys.network(network)] = true
  end
  local seen = all.open or all.systemd or next(proxied) or all.unix and kinds.unix
    or all.loopback and kinds.loopback
  if #networks > 0 and not seen then
    add("trusted_proxies has no effect: every listener is on loopback or a Unix socket, "
      .. "and it names %s", all.loopback and 'no loopback address, such as "127.0.0.1"'
        or 'no "unix"')
  elseif kinds.unix and not all.unix and not all.systemd then
    add('trusted_proxies: "unix" has no effect, since no listener is a Unix socket')
  end
  if proxied.open and #networks == 0 then
    add("proxy_protocol: whoever reaches that listener may claim any address; name the "
      .. "load balancer in trusted_proxies")
  end
end

-- Behind a proxy that is not trusted, all clients are local and therefore allowed.
local function strangers(add, settings)
  local all, proxied = reaches(settings.listen)
  local local_only = not (all.open or all.systemd or next(proxied))
  if #settings.allow > 0 and local_only and #settings.trusted_proxies == 0 then
    add("allow has no effect: every listener is on loopback or a Unix socket, whose "
      .. "clients are always allowed; name the proxy in trusted_proxies")
  end
  proxies(add, settings.trusted_proxies, all, proxied)
end

-- TCP listeners without a `tls` of their own share the table of the top level.
local function tls(add, settings)
  if not settings.tls then return end
  for _, listener in ipairs(settings.listen) do
    if listener.tls == settings.tls then return end
  end
  add("tls has no effect: every listener is a Unix socket, or has a `tls` of its own")
end

-- No event of Accredit has such a name, so the bodies stay visible.
local function masks(add, settings)
  for _, pattern in ipairs(settings.mask) do
    if pattern ~= "*" and not pattern:find(".", 1, true) then
      add('mask: "%s" masks no event, since events are named Entity.Event; "%s.*" masks all of %s',
        pattern, pattern, pattern)
    end
  end
end

---@param settings hookward.Config
---@return string[] lines
function M.of(settings)
  local lines = {}
  local function add(format, ...) lines[#lines + 1] = format:format(...) end
  patience(add, settings)
  tls(add, settings)
  strangers(add, settings)
  masks(add, settings)
  if settings.ledger == "memory:" then
    add('ledger = "memory:" forgets everything when the host ends; it is for tests')
  end
  for _, line in ipairs(settings.ledger_advice or {}) do add("%s", line) end
  return lines
end

return M
