-- What `require "hookward"` returns: the API for handlers, and `start` and `serve` for programs.

-- Locals, because a handler may set any global.
local error, next, pairs, require, setmetatable = error, next, pairs, require, setmetatable
local tostring, type = tostring, type

local core = require "hookward.core"
local router = require "hookward.handlers.router"
local units = require "hookward.base.units"

local RETRY_AFTER_MAX = assert(units.time "30d")

local M = {
  version = core.version,
  on = router.on,
  on_unload = router.on_unload,
  schema = router.schema,
  null = core.json.null,
  json = { decode = core.json.decode, encode = core.json.encode, array = core.json.array },
  http = core.http,
}

---Gives a notification up for good, as in `return hook.never("the badge was deleted")`: neither the
---host nor a later delivery runs it again, only a replay.
---@param reason? string as of `return nil, reason`
---@return nil
---@return string? reason
---@return any mark for the host alone
function M.never(reason)
  return nil, reason, core.never
end

---Says when the host is to run this notification again, should it fail now: in place of the delay
---that `retries` has next. It has no effect while Accredit itself will deliver the notification
---again, nor after the last retry.
---@param delay hookward.Time seconds, or a text such as "10m"; from 1 ms to 30 days
function M.retry_after(delay)
  local ms = units.time(delay)
  if not ms or ms < 1 or ms > RETRY_AFTER_MAX then
    error(("hook.retry_after: a time from 1ms to 30d was expected, such as 90 or \"10m\", not %s")
      :format(tostring(delay)), 2)
  end
  if not core.retry_after(ms) then
    error("hook.retry_after: no notification is being handled; call it from a handler", 2)
  end
end

---@class hookward.log
M.log = {}

for level, name in pairs { [0] = "debug", "info", "warn", "error" } do
  ---@param message any shown as tostring makes it
  ---@param fields? table<string, any> shown as name=value; tables as JSON
  M.log[name] = function(message, fields)
    -- Checked even if the line is not shown: otherwise the mistake would surface only when the line
    -- is needed.
    if fields ~= nil and type(fields) ~= "table" then
      error(("hook.log.%s: the fields must be a table, as in { id = 7 }, not a %s"):format(name,
        type(fields)), 2)
    end
    return core.log(level, message, fields)
  end
end

-- Makes a view of the settings that can't be changed, because every job of this VM sees the same.
local function readonly(value, path)
  if type(value) ~= "table" then return value end
  local view = {}
  for key, item in pairs(value) do
    view[key] = readonly(item, ("%s.%s"):format(path, tostring(key)))
  end
  return setmetatable({}, {
    __index = view,
    __len = function() return #view end,
    __pairs = function() return next, view, nil end,
    __newindex = function(_, key)
      error(("%s is read-only: %s can't be set; change `settings` in hookward.lua")
        :format(path, tostring(key)), 2)
    end,
  })
end

-- Only a handler's VM has settings; elsewhere, as in commands, they are empty.
M.config = readonly(package.preload["hookward.settings"] and require "hookward.settings" or {},
  "hook.config")

---Starts a host that runs beside the program; see lua/hookward/host/library.lua.
---@param options hookward.Options|string
---@return hookward.Host? host
---@return string? why
function M.start(options)
  return require "hookward.host.library".start(options)
end

---Runs a host until it is told to stop; see lua/hookward/host/library.lua.
---@param options hookward.Options|string
---@return boolean? ok
---@return string? why
function M.serve(options)
  return require "hookward.host.library".serve(options)
end

return M
