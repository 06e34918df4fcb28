-- The result of a delivery in a test: fields to look at, and a text with everything.

local core = require "hookward.core"
local spec = require "hookward.testing.spec"
local time = require "hookward.base.time"

local M = {}

-- ---- lines of the log ----

-- Reads the core's { level, JSON }. Leaves out the job's event and id, which the result has too.
local function read_line(line, of_job)
  local said = assert(core.json.decode(line[2]))
  local fields = {}
  for name, value in pairs(said) do fields[name] = value end
  for _, name in ipairs { "time", "level", "message", "fields" } do fields[name] = nil end
  if of_job then fields.event, fields.job = nil, nil end
  for name, value in pairs(said.fields or {}) do fields[name] = value end
  return { level = line[1], message = said.message, fields = fields }
end

---@param lines string[][] from the core
---@param of_job boolean a handler wrote them while it had a job
---@return hookward.testing.Log[]
function M.logs(lines, of_job)
  local logs = {}
  for i, line in ipairs(lines) do logs[i] = read_line(line, of_job) end
  return logs
end

-- ---- the text ----

local function show_log(log)
  local parts, names = { ("%-5s %s"):format(log.level, log.message) }, {}
  for name in pairs(log.fields) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do
    parts[#parts + 1] = ("%s=%s"):format(name, tostring(log.fields[name]))
  end
  return table.concat(parts, " ")
end

local function headline(result)
  if result.accepted then
    local what = result.error and ("the run failed: %s: %s"):format(result.error, result.message)
      or result.ran and "processed" or "it waits behind another of its key"
    return ("%d accepted; then %s"):format(result.status, what)
  elseif not result.error then
    local what = result.duplicate and "a duplicate, answered from the ledger"
      or result.unhandled and "accepted without a handler" or "processed"
    return ("%d %s"):format(result.status, what)
  end
  return ("%d %s: %s"):format(result.status, result.error, result.message)
end

local candidates = setmetatable({}, { __mode = "k" }) -- result -> all routes, if none matched

---@class hookward.testing.Result
local Result = {}
Result.__index = Result

function Result:__tostring()
  local lines = { headline(self) }
  local function add(label, text)
    if text then lines[#lines + 1] = ("  %s: %s"):format(label, (text:gsub("\n", "\n  "))) end
  end
  add("event", self.event)
  add("handler", self.place)
  add("retry", self.retry and self.retry > 0 and ("%d, by the host"):format(self.retry) or nil)
  add("error", self.detail)
  add("next", self.next_run_at and ("again at %s, by the host"):format(time.iso(self.next_run_at))
    or self.state == "dead" and "nothing: it is dead" or nil)
  for _, route in ipairs(candidates[self] or {}) do
    add("there is", ("%s  %s"):format(route.pattern, route.place))
  end
  for _, call in ipairs(self.http_calls) do
    add("hook.http", ("%s %s"):format(call.method, call.url))
  end
  for _, log in ipairs(self.logs) do add("log", show_log(log)) end
  return table.concat(lines, "\n")
end

-- ---- looking at it ----

local levels = { debug = true, info = true, warn = true, error = true }

---The first line of the log whose message matches.
---@param pattern string a Lua pattern
---@param level? "debug"|"info"|"warn"|"error" default: any level
---@return hookward.testing.Log? log
function Result:logged(pattern, level)
  local ok, why = pcall(string.find, "", pattern)
  if type(pattern) ~= "string" or not ok then
    spec.misuse("result:logged: expected a Lua pattern, got %s", type(pattern) ~= "string"
      and type(pattern) or ("%q: %s"):format(pattern, why))
  elseif level ~= nil and not levels[level] then
    spec.misuse("result:logged: the level is debug, info, warn or error, not %s", tostring(level))
  end
  for _, log in ipairs(self.logs) do
    if log.message:find(pattern) and (not level or log.level == level) then return log end
  end
end

---Fails the spec, with all that is known of the delivery, unless it had this answer.
---@param status integer 200 or 400
---@param error_code? string "handler_refused", "handler_error", ...
---@return hookward.testing.Result self
function Result:expect(status, error_code)
  if math.type(status) ~= "integer" then
    spec.misuse("result:expect: expected a status, 200 or 400, got %s", type(status))
  elseif error_code ~= nil and type(error_code) ~= "string" then
    spec.misuse("result:expect: expected an error code such as \"handler_refused\", got %s",
      type(error_code))
  end
  if self.status == status and (error_code == nil or self.error == error_code) then return self end
  local expected = error_code and ("%d %s"):format(status, error_code) or tostring(status)
  spec.fail(("expected %s, but the answer was\n%s"):format(expected, tostring(self)))
  return self
end

---@param raw table from the core
---@param sent table what was sent, for app:redeliver
---@param calls hookward.testing.HttpCall[]
---@param routes table[] { pattern, place } of the whole set
---@return hookward.testing.Result
function M.new(raw, sent, calls, routes)
  local lines = raw.lines
  raw.lines = nil
  raw.logs = M.logs(lines, true)
  raw.sent, raw.http_calls = sent, calls
  local body = core.json.decode(raw.body)
  raw.message = raw.message or body.message
  if raw.error == "no_handler" then candidates[raw] = routes end
  return setmetatable(raw, Result)
end

return M
