-- Which handler gets which event: patterns, their precedence, and where each was registered.

local M = {}

local exact, prefixes, suffixes = {}, {}, {} -- "A.B" | "A." | ".B" -> route
local any -- the route of "*"
local in_order = {}
local sealed = false

---@class hookward.Route
---@field pattern string
---@field handler function
---@field place string where the handler's function begins: "handlers/badges.lua:4"

local function place_of(fn)
  local info = debug.getinfo(fn, "S")
  if info.what == "C" then return "[C]" end
  return ("%s:%d"):format(info.short_src, info.linedefined)
end

-- The table that a pattern belongs into, and its key there; nil for a star anywhere else.
local function slot(pattern)
  local stars = select(2, pattern:gsub("%*", ""))
  if pattern == "*" then return nil, "*" end
  if stars == 0 and pattern ~= "" then return exact, pattern end
  if stars == 1 and pattern:find("^[^*]+%.%*$") then return prefixes, pattern:sub(1, -2) end
  if stars == 1 and pattern:find("^%*%.[^*]+$") then return suffixes, pattern:sub(2) end
end

---Registers a handler for the events that match a pattern.
---@param pattern string an exact name, "Entity.*", "*.Event" or "*"
---@param fn fun(event: table, job: hookward.Job): any
---@overload fun(pattern: string, options: table, fn: fun(event: table, job: hookward.Job): any)
function M.on(pattern, options, fn)
  if fn == nil then options, fn = nil, options end
  if type(pattern) ~= "string" then
    error("hook.on: the pattern must be a string, such as \"Entity.Event\"", 2)
  end
  if type(fn) ~= "function" then
    error(("hook.on(%q): a function was expected, got %s"):format(pattern, type(fn)), 2)
  end
  for name in pairs(options or {}) do
    error(("hook.on(%q): the option '%s' is not supported by this version"):format(pattern,
      tostring(name)), 2)
  end
  if sealed then
    error(("hook.on(%q): handlers are registered while their file loads, not later")
      :format(pattern), 2)
  end
  local group, key = slot(pattern)
  if not key then
    error(("hook.on(%q): a star may stand for all of a name (\"*\"), its end (\"Entity.*\") or "
      .. "its beginning (\"*.Event\")"):format(pattern), 2)
  end
  local known = key == "*" and any or group and group[key]
  local route = { pattern = pattern, handler = fn, place = place_of(fn) }
  if known then
    error(("hook.on(%q): registered twice, at %s and at %s"):format(pattern, known.place,
      route.place), 2)
  end
  if group then group[key] = route else any = route end
  in_order[#in_order + 1] = route
end

---The handler for an event: an exact name, then the longest "Entity.*", then the longest "*.Event",
---then "*".
---@param event string
---@return function? handler
---@return string? place
function M.resolve(event)
  local route = exact[event]
  if not route and next(prefixes) then
    local dot = #event
    repeat
      dot = event:sub(1, dot):match("^.*()%.")
      route = dot and prefixes[event:sub(1, dot)]
      dot = dot and dot - 1
    until route or not dot
  end
  if not route and next(suffixes) then
    local dot = 0
    repeat
      dot = event:find(".", dot + 1, true)
      route = dot and suffixes[event:sub(dot)]
    until route or not dot
  end
  route = route or any
  if route then return route.handler, route.place end
end

local unloaders = {}

---Has a function called when this version of the scripts is not used any more: after a reload, once
---the last job that began on it is done, and when the host stops. For closing what a module holds;
---all of them together may take a second, or handler_timeout if that is less.
---@param fn fun()
function M.on_unload(fn)
  if type(fn) ~= "function" then
    error(("hook.on_unload: a function was expected, got %s"):format(type(fn)), 2)
  end
  if sealed then
    error("hook.on_unload: functions are registered while their file loads, not later", 2)
  end
  unloaders[#unloaders + 1] = fn
end

---Calls what was registered, the last first; one that fails does not keep the others from it.
---@param warn fun(message: string)
function M.unload(warn)
  for i = #unloaders, 1, -1 do
    local ok, why = pcall(unloaders[i])
    if not ok then warn(("hook.on_unload: %s"):format(tostring(why))) end
  end
end

---Ends the registration: what comes later is a mistake.
function M.seal()
  sealed = true
end

local function rank(route)
  local group = slot(route.pattern)
  return group == exact and 1 or group == prefixes and 2 or group == suffixes and 3 or 4
end

---All routes, the most specific first.
---@return string[][] routes { pattern, place }
function M.routes()
  local rows = {}
  for _, route in ipairs(in_order) do
    rows[#rows + 1] = { route.pattern, route.place, rank(route) }
  end
  table.sort(rows, function(a, b)
    if a[3] ~= b[3] then return a[3] < b[3] end
    if #a[1] ~= #b[1] and a[3] > 1 then return #a[1] > #b[1] end
    return a[1] < b[1]
  end)
  return rows
end

return M
