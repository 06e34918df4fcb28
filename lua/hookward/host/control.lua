-- The control socket of a running host: where it is, and what it means when nobody answers there.
--
-- A host without its socket is a host all the same (its folder may be read-only to it), so that a
-- missing socket is told from a missing host: whoever runs has the ledger's lock.

local config = require "hookward.config"
local core = require "hookward.core"
local kinds = require "hookward.config.kinds"

local M = {}

local BASE = "http://hookward"
local PROBE_TIMEOUT = 5 -- seconds

---@class hookward.Control where the host of a configuration is to be found
---@field file string the configuration, as the user calls it
---@field path string its control socket
---@field ledger? string the file that it has locked; nil: in memory, or not known
---@field broken? string why its configuration could not be read: then `path` is the default

---@param settings hookward.Config
---@return hookward.Control
function M.of(settings)
  return { file = settings.file, path = settings.control,
    ledger = settings.ledger ~= "memory:" and settings.ledger or nil }
end

---Of a configuration that may be just what is broken: then what is still known of it.
---@param file? string
---@return hookward.Control? control
---@return string? why
function M.find(file)
  file = file or config.DEFAULT_FILE
  local folder = core.sys.realpath(file:match("^(.*/)") or ".")
  if not folder then return nil, ("%s: no such folder"):format(file) end
  local settings, lines, rest, bad = config.load(file)
  if settings then return M.of(settings) end
  local control = rest and M.of(rest) or { file = file }
  if not rest or bad.control then
    control.path = folder .. "/" .. config.CONTROL
    control.broken = lines[1]
  end
  if bad and bad.ledger then control.ledger = nil end
  return control
end

---Asks the host.
---@param control hookward.Control
---@param request table of core.http.request; `path` in place of the URL, POST by default
---@return table? answer
---@return string? why there is none
---@return boolean? absent nobody listens there
function M.ask(control, request)
  if #control.path > kinds.SOCKET_PATH_MAX then
    return nil, ("%s: too long for a socket"):format(control.path), true
  end
  request.method = request.method or "POST"
  if request.method == "POST" then request.body = request.body or "" end
  request.url, request.unix, request.path = BASE .. request.path, control.path, nil
  local answer, why, kind = core.http.request(request)
  if answer then return answer end
  return nil, why, kind == "connect"
end

local function shown(path)
  return config.shown(path, core.sys.cwd() or "")
end

---@class hookward.HostState
---@field replaced? integer workers whose handler could not be stopped, and which were replaced
---@field unreplaced? integer those that were not

---How the host is that answers there. It is not disturbed, and logs nothing.
---@param control hookward.Control
---@return hookward.HostState? state nil: nobody answers; one that is slow is a host all the same
function M.state(control)
  local answer, _, absent = M.ask(control, { method = "GET", path = "/state",
    timeout = PROBE_TIMEOUT })
  if absent then return nil end
  local state = answer and answer.status == 200 and core.json.decode(answer.body)
  return type(state) == "table" and state or {}
end

---Whether a host has the ledger, whatever became of its socket; nil when that can't be seen.
---@param control hookward.Control
---@return boolean? runs
---@return string? why it can't
function M.is_running(control)
  if not control.ledger then return nil end
  if not core.sys.stat(control.ledger) then return false end
  return core.ledger.is_locked(control.ledger)
end

---Why nobody listens at the control socket, in one line that says what to do.
---@param control hookward.Control
---@return string line
function M.absence(control)
  local socket = core.sys.stat(control.path)
  local running, why = M.is_running(control)
  local place = shown(control.path)
  if control.broken then
    return ("no host answers at %s, and where else one might can't be known: %s")
      :format(place, control.broken)
  elseif running and socket then
    return ("a host is running with %s, but it does not answer this user at its control socket "
      .. "%s: use the user that runs it; SIGHUP reloads too"):format(shown(control.ledger), place)
  elseif running then
    return ("a host is running with %s, but there is no control socket %s: its log says why; set "
      .. "`control` to a path that it can write, and restart it; SIGHUP reloads too")
      :format(shown(control.ledger), place)
  elseif why then
    return ("no control socket answers at %s, and whether a host runs can't be seen (%s): use the "
      .. "user that runs it"):format(place, why)
  end
  return ("no host is running with %s: start it with `hookward serve`%s"):format(control.file,
    socket and (" (%s is what a host left behind, or another user's)"):format(place) or "")
end

return M
