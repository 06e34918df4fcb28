-- The host as a library: `require "hookward".start{ … }` and `.serve{ … }` in a Lua program.
--
--   local hookward = require "hookward"
--   local host <close> = assert(hookward.start { listen = "127.0.0.1:0", workers = 2 })
--   print(host:addresses()[1])
--   host:wait()
--
-- It is the host of `hookward serve`, with its own threads and Lua states. Handlers are files of
-- the `handlers` folder, never functions of the program. The table has the keys of hookward.lua and
-- is checked like it; its paths start from the current folder. `config` names a file to read first;
-- the other keys of the table take precedence over it.
--
-- The process belongs to the program: the host installs no signal handlers, changes no limits,
-- writes nothing to stdout and never exits; its log goes to stderr. With `signals = true` it does
-- what `hookward serve` does: SIGTERM and SIGINT drain, SIGHUP reloads, a second SIGINT ends the
-- process. Several hosts in one process have their own ledgers and addresses, but share one log, so
-- `log` must be the same in all of them.

local config = require "hookward.config"
local core = require "hookward.core"
local router = require "hookward.handlers.router"

local M = {}

-- The types are in lua/hookward/_meta.lua.

---@type hookward.Host
local Host = {}
Host.__index = Host

-- Raises an error at the caller's line.
local function misuse(name, text)
  error(("hookward.%s: %s"):format(name, text), 4)
end

-- Splits the options into the values of a configuration and the library's own keys: file, signals.
local function split(name, options)
  if type(options) == "string" then options = { config = options } end
  if type(options) ~= "table" then
    misuse(name, ("expected a table such as { listen = \"127.0.0.1:8080\" }, or the name of a "
      .. "configuration; found %s"):format(options == nil and "nothing" or "a " .. type(options)))
  end
  local values = {}
  for key, value in next, options do values[key] = value end
  local file, signals = values.config, values.signals
  values.config, values.signals = nil, nil
  if file ~= nil and (type(file) ~= "string" or file == "") then
    misuse(name, "config is the name of a file")
  end
  if signals ~= nil and type(signals) ~= "boolean" then misuse(name, "signals is true or false") end
  local place = router.first_place()
  if place then
    misuse(name, ("hook.on was called at %s, in the program itself; handlers are files of the "
      .. "`handlers` folder, which each of the host's Lua states loads"):format(place))
  end
  return values, file, signals or false
end

local function check(name, values, file)
  local lines, settings
  settings, lines = config.read { file = file, values = next(values) ~= nil and values or nil,
    name = file and next(values) == nil and file or "hookward." .. name, cwd = core.sys.cwd() }
  if not settings then
    return nil, table.concat(lines, "\n")
  end
  local no_handlers, no_keys = config.missing(settings)
  if no_handlers or no_keys then
    return nil, (no_handlers or "") .. (no_handlers and no_keys and "\n" or "") .. (no_keys or "")
  end
  return settings
end

local function start(name, values, file, signals)
  local settings, why = check(name, values, file)
  if not settings then return nil, why end
  local host
  host, why = core.start(settings, signals)
  if not host then return nil, config.shown(why, settings.folder) end
  return setmetatable({ host = host }, Host)
end

local reasons = {
  cut_off = "drain_timeout cut off what had not ended; the log says how much",
  stuck = "a handler never returned; its thread is left behind",
  unclosed = "a script never returned from loading or unloading; its Lua state is left behind",
}

-- Waits in steps, so that the program's own signal handlers get their turn.
local function wait(self, seconds)
  local deadline = seconds and core.sys.now() + seconds
  local state
  repeat
    local left = deadline and math.max(0, math.ceil((deadline - core.sys.now()) * 1000)) or -1
    state = self.host:wait(left)
  until state ~= "running" or left == 0
  if state == "drained" then return true end
  return nil, reasons[state] or "it is still running"
end

---Waits until the host has stopped.
---@param seconds? number the longest time to wait (default: for ever)
---@return boolean? ok nothing was cut off
---@return string? why "it is still running", or what did not end
function Host:wait(seconds)
  if seconds ~= nil and (type(seconds) ~= "number" or seconds < 0 or seconds ~= seconds) then
    error("host:wait: seconds are a number from 0", 2)
  end
  return wait(self, seconds and math.min(seconds, 86400 * 365))
end

---Drains the host and waits for its end: it accepts nothing new, and finishes and answers what has
---begun, until drain_timeout. May be called again.
---@return boolean? ok nothing was cut off
---@return string? why
function Host:stop()
  self.host:stop()
  return wait(self)
end

---Reads configuration, keys and handlers again, and waits for the outcome. (The host also notices
---changed files by itself.)
---@return string? live what is in use now, one line
---@return string? why it failed; the old version goes on
function Host:reload()
  return self.host:reload()
end

---@return string[] addresses as `listen` takes them, with the ports that the kernel chose
function Host:addresses()
  return self.host:addresses()
end

---@return hookward.Stats
function Host:stats()
  return self.host:stats()
end

Host.__close = Host.stop

---Starts a host that runs beside the program.
---@param options hookward.Options|string a table, or the name of a configuration file
---@return hookward.Host? host
---@return string? why one line for each problem
function M.start(options)
  return start("start", split("start", options))
end

---Runs a host until it is told to stop: by a signal if `signals` is true.
---@param options hookward.Options|string a table, or the name of a configuration file
---@return boolean? ok true if it drained and nothing was cut off
---@return string? why
function M.serve(options)
  local host <close>, why = start("serve", split("serve", options))
  if not host then return nil, why end
  return host:wait()
end

return M
