-- The address of a database on PostgreSQL, as libpq takes it: what it says, how it may be shown.
--
-- libpq alone decides what an address means. This reads parts of it for advice.

local sys = require "hookward.core".sys

local M = {}

---@param ledger any
---@return boolean meant it is a database on PostgreSQL
function M.is_meant(ledger)
  return type(ledger) == "string" and ledger:find("^postgres://") == 1
    or type(ledger) == "string" and ledger:find("^postgresql://") == 1
end

---@param text string an address, or a text in which addresses stand
---@return string text the same without passwords
function M.shown(text)
  return sys.without_passwords(text)
end

---@param ledger string
---@return boolean has a password stands in it
function M.has_password(ledger)
  return M.shown(ledger) ~= ledger
end

local function decode(text)
  return (text:gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end))
end

---@param ledger string
---@return table<string, string> parameters what follows the question mark, decoded
function M.parameters(ledger)
  local found = {}
  for name, value in (ledger:match("%?(.*)$") or ""):gmatch("([^&=]+)=([^&]*)") do
    found[decode(name)] = decode(value)
  end
  return found
end

-- What stands between the scheme and the path, without user and password.
local function host_list(ledger)
  local rest = ledger:gsub("^%a+://", ""):gsub("%?.*$", "")
  return rest:gsub("^[^/]*@", ""):match("^[^/]*")
end

local function is_local(host)
  return host == "" or host:find("^[/@]") or host == "localhost" or host:find("^127%.")
    or host == "::1"
end

---The hosts that are neither on this machine nor sockets. A service's are not known.
---@param ledger string
---@return string[] hosts
function M.remote_hosts(ledger)
  local parameters, remote = M.parameters(ledger), {}
  local list = parameters.host or parameters.hostaddr or decode(host_list(ledger))
  if list == "" then list = os.getenv "PGHOST" or os.getenv "PGHOSTADDR" or "" end
  for part in (list .. ","):gmatch("([^,]*),") do
    local host = part:match("^%[(.*)%]") or part:gsub(":%d*$", "")
    if part:find(":.*:") and not part:find("^%[") then host = part end
    if not is_local(host) then remote[#remote + 1] = host end
  end
  return remote
end

---@param ledger string
---@return string? sslmode as libpq will use it; nil: a service may set it
function M.sslmode(ledger)
  local parameters = M.parameters(ledger)
  local mode = parameters.sslmode or os.getenv "PGSSLMODE"
  if mode then return mode end
  if parameters.service or os.getenv "PGSERVICE" then return nil end
  return "prefer"
end

return M
