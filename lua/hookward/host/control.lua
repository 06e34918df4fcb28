-- Talks to a running host through its control socket, and explains why nobody answers there.
--
-- A host may run without its socket, for example because its folder is read-only. So a missing
-- socket does not mean that no host is running: the lock on the ledger tells.

local config = require "hookward.config"
local core = require "hookward.core"
local database = require "hookward.base.database"
local kinds = require "hookward.config.kinds"

local M = {}

local BASE = "http://hookward"
local PROBE_TIMEOUT = 5 -- seconds

---@class hookward.Control where to find the host of a configuration
---@field file string the configuration, as the user calls it
---@field path string the host's control socket
---@field ledger? string the file that the host locks; nil: it is no file, or not known
---@field database? string the ledger on PostgreSQL that the host uses; never to be shown
---@field schema? string its schema
---@field broken? string why the configuration could not be read; `path` is then the default

---@param settings hookward.Config
---@return hookward.Control
function M.of(settings)
  local is_shared = database.is_meant(settings.ledger)
  local is_file = settings.ledger ~= "memory:" and not is_shared
  return { file = settings.file, path = settings.control,
    ledger = is_file and settings.ledger or nil, database = is_shared and settings.ledger or nil,
    schema = settings.ledger_schema }
end

---Finds the host of a configuration, even if the configuration is broken: with what is still known.
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
  if bad and bad.ledger then control.ledger, control.database = nil, nil end
  return control
end

---Sends the host a request.
---@param control hookward.Control
---@param request table for core.http.request, with `path` in place of the URL; POST by default
---@return table? answer
---@return string? why there is no answer
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
---@field replaced? integer workers that were replaced because their handler could not be stopped
---@field unreplaced? integer workers that were lost for the same reason and not replaced

---The state of the running host. Asking does not disturb it, and logs nothing.
---@param control hookward.Control
---@return hookward.HostState? state nil: nobody listens; empty if the host is too slow to answer
function M.state(control)
  local answer, _, absent = M.ask(control, { method = "GET", path = "/state",
    timeout = PROBE_TIMEOUT })
  if absent then return nil end
  local state = answer and answer.status == 200 and core.json.decode(answer.body)
  return type(state) == "table" and state or {}
end

---Is a host using the ledger, with or without a socket?
---@param control hookward.Control
---@return boolean? runs nil if that can't be found out
---@return string? why it can't
function M.is_running(control)
  if not control.ledger then return nil end
  if not core.sys.stat(control.ledger) then return false end
  return core.ledger.is_locked(control.ledger)
end

---Explains why nobody listens at the control socket, in one line that says what to do.
---@param control hookward.Control
---@return string line
function M.absence(control)
  local socket = core.sys.stat(control.path)
  local running, why = M.is_running(control)
  local place = shown(control.path)
  if control.broken then
    return ("no host answers at %s, and its socket may be elsewhere: %s")
      :format(place, control.broken)
  elseif running and socket then
    return ("a host is running with %s, but does not answer this user at its control socket %s: "
      .. "use the host's own user; SIGHUP reloads too"):format(shown(control.ledger), place)
  elseif running then
    return ("a host is running with %s, but there is no control socket %s: it is stopping, or its "
      .. "log says why; set `control` to a path that the host can write, and restart it; SIGHUP "
      .. "reloads too")
      :format(shown(control.ledger), place)
  elseif why then
    return ("nobody answers at %s, and this user can't find out whether a host is running (%s): "
      .. "use the host's own user"):format(place, why)
  end
  return ("no host is running with %s: start it with `hookward serve`%s"):format(control.file,
    socket and (" (%s was left behind by a host, or is another user's)"):format(place) or "")
end

return M
