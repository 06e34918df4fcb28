-- Decides what becomes of an event: which handler gets it, and whether its schema lets it pass.
--
-- Holds the patterns, their precedence, where each was registered, the schemas of the catalogue and
-- the user's own. All of this is fixed once the scripts have loaded: M.seal() ends registration.

-- Locals, because a handler may set any global.
local assert, error, ipairs, next, pairs, pcall = assert, error, ipairs, next, pairs, pcall
local tostring, type = tostring, type
local getinfo, math_type, sort = debug.getinfo, math.type, table.sort

local catalogue = require "hookward.handlers.catalogue"
local patterns = require "hookward.base.pattern"
local suggest = require "hookward.base.suggest"
local validator = require "hookward.handlers.validator"

local M = {}

local CONCURRENCY_MAX = 1024 -- as `workers` has

local exact, prefixes, suffixes = {}, {}, {} -- "A.B" | "A." | ".B" -> route
local groups = { exact = exact, prefix = prefixes, suffix = suffixes }
local any -- the route of "*"
local in_order = {}
local schemas = {} -- event -> { check, place }: the user's
local checks = {} -- event -> check: all known ones; filled by M.seal()
local sealed = false

---@class hookward.Route
---@field pattern string
---@field handler function
---@field place string where the handler's function begins: "handlers/badges.lua:4"
---@field called_at string where it was registered
---@field schema? boolean true: the event's own; false: none, whatever the configuration says
---@field has_own? boolean the check comes from a schema that was given to hook.on
---@field check? hookward.Check for every event that it gets
---@field by_name? boolean each event is checked by its own schema, if it has one
---@field ack? "first"|"last" nil: as the configuration says; never nil once sealed
---@field key? fun(event: table): any the lane of an event
---@field concurrency? integer how many of its runs may be under way at once

local function place_of(fn)
  local info = getinfo(fn, "S")
  if info.what == "C" then return "[C]" end
  return ("%s:%d"):format(info.short_src, info.linedefined)
end

-- The table for a pattern, none for "*", and its key there. No key: the pattern is not well-formed.
local function slot(pattern)
  local kind, key = patterns.parse(pattern)
  return groups[kind], key
end

-- The place of the script's call, `level` functions up: "handlers/badges.lua:4".
local function place_of_call(level)
  local info = getinfo(level + 1, "Sl")
  return ("%s:%d"):format(info.short_src, info.currentline)
end

-- ---- schemas ----

-- Every notification has these two members: a schema without them would refuse all notifications.
local function leaves_no_room(schema)
  if schema.additionalProperties ~= false then return nil end
  for _, name in ipairs { "Event", "Timestamp" } do
    if not (schema.properties or {})[name] then
      return ("additionalProperties = false excludes %s, which every notification has: name it in "
        .. "properties"):format(name)
    end
  end
end

-- Compiles a schema to its check; or returns nil and what is wrong with it.
local function compile(schema)
  local check, why = validator.compile(schema)
  why = why or leaves_no_room(schema)
  return not why and check or nil, why
end

---Gives an event of your own a schema, for `schema = true` and for `validate` in hookward.lua.
---@param event string the exact name
---@param schema hookward.Schema
function M.schema(event, schema)
  if type(event) ~= "string" or event == "" or event:find("*", 1, true) then
    error("hook.schema: the event must be an exact name, such as \"Entity.Event\"", 2)
  end
  if sealed then
    error(("hook.schema(%q): schemas are registered while their file loads, not later")
      :format(event), 2)
  end
  if catalogue[event] then
    error(("hook.schema(%q): hookward has a schema for this event; give another one to "
      .. "hook.on(%q, { schema = { ... } }, ...)"):format(event, event), 2)
  end
  if schemas[event] then
    error(("hook.schema(%q): registered twice, at %s and at %s"):format(event,
      schemas[event].place, place_of_call(2)), 2)
  end
  local check, why = compile(schema)
  if not check then error(("hook.schema(%q): %s"):format(event, why), 2) end
  schemas[event] = { check = check, place = place_of_call(2) }
end

-- ---- handlers ----

local function shown(value)
  return type(value) == "string" and ("%q"):format(value)
    or type(value) == "number" and tostring(value) or "a " .. type(value)
end

-- Reads each option of hook.on into the route. Returns what is wrong with it, if anything.
local options_of_on = {
  schema = function(value, route)
    if type(value) == "table" then
      local why
      route.check, why = compile(value)
      route.has_own = true
      return why and "schema: " .. why
    elseif type(value) ~= "boolean" then
      return ("schema: true, false or a schema was expected, not a %s"):format(type(value))
    end
    route.schema = value
  end,
  ack = function(value, route)
    if value ~= "first" and value ~= "last" then
      return ("ack: \"first\" or \"last\" was expected, not %s"):format(shown(value))
    end
    route.ack = value
  end,
  key = function(value, route)
    if type(value) ~= "function" then
      return ("key: a function of the event was expected, such as function(event) return "
        .. "event.CustomerId end, not %s"):format(shown(value))
    end
    route.key = value
  end,
  concurrency = function(value, route)
    if math_type(value) ~= "integer" or value < 1 or value > CONCURRENCY_MAX then
      return ("concurrency: a whole number from 1 to %d was expected, not %s"):format(
        CONCURRENCY_MAX, shown(value))
    end
    route.concurrency = value
  end,
}

local option_names = {}
for name in pairs(options_of_on) do option_names[#option_names + 1] = name end
sort(option_names)

local function read_options(options, route)
  if options == nil then return nil end
  if type(options) ~= "table" then
    return ("a table of options was expected before the function, got %s"):format(type(options))
  end
  for name, value in pairs(options) do
    local read = options_of_on[name]
    if not read then
      local nearest = suggest.nearest(tostring(name), option_names)
      return ("the option '%s' is not supported by this version%s"):format(tostring(name),
        nearest and ("; did you mean %s?"):format(nearest) or "")
    end
    local why = read(value, route)
    if why then return why end
  end
end

---@class hookward.HandlerOptions
---@field schema? boolean|hookward.Schema refuse what breaks the event's own schema, or this one
---@field ack? "first"|"last" "first": answer 200 once it is in the ledger, then run it
---@field key? fun(event: table): string|integer|false|nil those with one key run one after another,
--- in order of arrival; needs ack = "first"
---@field concurrency? integer at most so many of them run at once; needs ack = "first"

---Registers a handler for the events that match a pattern.
---@param pattern string an exact name, "Entity.*", "*.Event" or "*"
---@param options? hookward.HandlerOptions
---@param fn fun(event: table, job: hookward.Job): any
---@overload fun(pattern: string, fn: fun(event: table, job: hookward.Job): any)
function M.on(pattern, options, fn)
  if fn == nil then options, fn = nil, options end
  if type(pattern) ~= "string" then
    error("hook.on: the pattern must be a string, such as \"Entity.Event\"", 2)
  end
  if type(fn) ~= "function" then
    error(("hook.on(%q): a function was expected, got %s"):format(pattern, type(fn)), 2)
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
  local route = { pattern = pattern, handler = fn, place = place_of(fn),
    called_at = place_of_call(2) }
  local why = read_options(options, route)
  if why then error(("hook.on(%q): %s"):format(pattern, why), 2) end
  if known then
    error(("hook.on(%q): registered twice, at %s and at %s"):format(pattern, known.place,
      route.place), 2)
  end
  if group then group[key] = route else any = route end
  in_order[#in_order + 1] = route
end

-- The precedence: the exact name, then the longest "Entity.*", the longest "*.Event", then "*".
local function find(event)
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
  return route or any
end

---Finds the handler of an event, and checks the event's schema.
---@param name string the event's name
---@param event table decoded
---@return function? handler nil if there is none
---@return string? place where the handler's function begins
---@return string? violation what breaks the schema; the handler must not run then
---@return string? pattern of an ack-first handler, as it was registered
---@return function? key
---@return integer? concurrency
function M.resolve(name, event)
  local route = find(name)
  if not route then return nil end
  local check = route.check or route.by_name and checks[name]
  local violation = check and validator.violation(check, event) or nil
  if route.ack ~= "first" then return route.handler, route.place, violation end
  return route.handler, route.place, violation, route.pattern, route.key, route.concurrency
end

local unloaders = {}

---Registers a function to be called when this version of the scripts is no longer used: after a
---reload, once the last job that began on it has ended, and when the host stops. It can close what
---a module holds. All these functions together may take a second, or handler_timeout if that is
---less.
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

---Calls the registered functions, the last one first. If one fails, the others are still called.
---@param warn fun(message: string)
function M.unload(warn)
  for i = #unloaders, 1, -1 do
    local ok, why = pcall(unloaders[i])
    if not ok then warn(("hook.on_unload: %s"):format(tostring(why))) end
  end
end

-- Compiles the catalogue's schemas, and adds the user's.
local function collect_checks()
  for event, entry in pairs(catalogue) do
    checks[event] = assert(validator.compile(entry.schema))
  end
  for event, schema in pairs(schemas) do checks[event] = schema.check end
end

-- Raises an error for what needs ack = "first" and has it not, and for ack = "first" with a ledger
-- that could lose what was answered.
local function settle_ack(route, ack, durable)
  route.ack = route.ack or ack or "last"
  for _, name in ipairs { "key", "concurrency" } do
    if route[name] and route.ack ~= "first" then
      error(("%s: hook.on(%q): %s needs ack = \"first\", since a sender would have to wait for the "
        .. "runs before its own"):format(route.called_at, route.pattern, name), 0)
    end
  end
  if route.ack == "first" and not durable then
    error(("%s: hook.on(%q): ack = \"first\" needs a ledger on disk, since a 200 must not be lost; "
      .. "set `ledger` in hookward.lua to a file"):format(route.called_at, route.pattern), 0)
  end
end

-- The check of an exact event is looked up here, once. The check of a pattern depends on the event.
local function settle(route, validate)
  local wanted = route.schema
  if wanted == nil then wanted = validate end
  if route.check or not wanted then return end
  if slot(route.pattern) ~= exact then
    route.by_name = true
    return
  end
  route.check = checks[route.pattern]
  if not route.check and route.schema then
    error(("%s: hook.on(%q, { schema = true }): no schema is known for this event; register one "
      .. "with hook.schema(%q, { ... }), or write it in place of true"):format(route.called_at,
        route.pattern, route.pattern), 0)
  end
end

---Ends the registration; a later one is an error. Raises an error if a route needs a schema that
---nobody registered, or an acknowledgement that this host can't give.
---@param validate? boolean the configuration's `validate`: check every event that has a schema
---@param ack? "first"|"last" the configuration's `ack`, for handlers that don't say
---@param durable? boolean the ledger keeps what was accepted
function M.seal(validate, ack, durable)
  sealed = true
  collect_checks()
  for _, route in ipairs(in_order) do
    settle(route, validate)
    settle_ack(route, ack, durable)
  end
end

local function rank(route)
  local group = slot(route.pattern)
  return group == exact and 1 or group == prefixes and 2 or group == suffixes and 3 or 4
end

---Where the first handler was registered; nil if there is none.
---@return string? place
function M.first_place()
  return in_order[1] and in_order[1].place
end

-- Which schema a route checks; nil for none.
local function schema_of(route)
  if route.has_own then return "its own" end
  if route.check then return "the event's" end
  return route.by_name and "each event's" or nil
end

-- How it is acknowledged and limited: "ack first, at most 2 at once, in order by key"; nil for an
-- ordinary one.
local function way_of(route)
  if route.ack ~= "first" then return nil end
  return "ack first" .. (route.concurrency and (", at most %d at once"):format(route.concurrency)
    or "") .. (route.key and ", in order by key" or "")
end

---All routes, the most specific first.
---@return table[] routes { pattern, place, schema, way, ack_first =, concurrency =, in_order = }
function M.routes()
  local rows = {}
  for _, route in ipairs(in_order) do
    rows[#rows + 1] = { route.pattern, route.place, schema_of(route), way_of(route),
      rank = rank(route), ack_first = route.ack == "first", concurrency = route.concurrency,
      in_order = route.key and true or nil }
  end
  sort(rows, function(a, b)
    if a.rank ~= b.rank then return a.rank < b.rank end
    if #a[1] ~= #b[1] and a.rank > 1 then return #a[1] > #b[1] end
    return a[1] < b[1]
  end)
  return rows
end

return M
