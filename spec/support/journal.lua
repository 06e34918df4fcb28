-- What hosts and a sender wrote into one file, and whether it keeps the promises.
--
-- A line is appended in one write, so the order of the lines is that of the events, whoever wrote them:
--   begin ID HOST RUN TIME    a handler begins; RUN is job.run, 0 where there is none
--   end ID HOST TIME          it succeeded
--   fail ID HOST TIME         it failed
--   killed HOST TIME          the host's process is gone
--   sent ID TIME              the sender sends it for the first time
--   answered ID TIME          the sender has read a 200
-- HOST names one start of a host. TIME is only shown.

local socket = require "socket"

local M = {}

---@class hookward.spec.Journal
local Journal = {}
Journal.__index = Journal

---@param path string
function M.new(path)
  local file = assert(io.open(path, "a"))
  file:setvbuf("no")
  return setmetatable({ path = path, file = file }, Journal)
end

function Journal:note(...)
  self.file:write(table.concat({ ... }, " ") .. (" %.3f\n"):format(socket.gettime()))
end

function Journal:close() self.file:close() end

---The source of a handler of `event` that notes its runs. `body` sees `event`, `job` and `socket`; it
---returns as a handler does.
function Journal:handler(event, body, options)
  return ([=[
    local hook = require "hookward"
    local socket = require "socket"
    local file = assert(io.open(%q, "a"))
    file:setvbuf("no")
    local host = os.getenv "FLEET_HOST"
    local function note(...) file:write(table.concat({ ... }, " ") .. (" %%.3f\n"):format(socket.gettime())) end
    hook.on(%q, %s function(event, job)
      note("begin", job.id, host, job.run or 0)
      local result = table.pack((function() %s end)())
      note(result.n > 1 and "fail" or "end", job.id, host)
      return table.unpack(result, 1, result.n)
    end)
  ]=]):format(self.path, event, options and options .. "," or "", body)
end

---@class hookward.spec.Findings
---@field overlaps string[] two runs of a notification side by side
---@field after string[] a run that began after a 200
---@field early string[] a 200 before any run had ended well
---@field again string[] a run after one that ended well at a host that lives
---@field backwards string[] a run whose number is not above the last one's
---@field lanes string[] runs of a lane side by side, or before one that was accepted before
---@field answered table<string, boolean>
---@field runs integer
---@field cut_short integer runs whose host died within them
---@field twice integer notifications that were begun more than once
---@field window integer runs after one that had ended well, at a host that died before it was recorded

---Reads the lines of a journal.
---@param text string
---@param accepted? boolean a 200 says that it is accepted, not that it ran
---@param lane_of? fun(id: string): any
---@return hookward.spec.Findings
function M.check(text, accepted, lane_of)
  local found = { overlaps = {}, after = {}, early = {}, again = {}, backwards = {}, lanes = {}, answered = {},
    runs = 0, cut_short = 0, twice = 0, window = 0 }
  local known, dead, begun_on, lanes = {}, {}, {}, {}
  local function of(id)
    if not known[id] then
      local lane = lane_of and lane_of(id)
      lanes[lane or 0] = lanes[lane or 0] or {}
      known[id] = { id = id, open = {}, begun = 0, run = 0, lane = lane and lanes[lane] }
      if lane then lanes[lane][id] = known[id] end
    end
    return known[id]
  end
  local function complain(list, ...) list[#list + 1] = (...):format(select(2, ...)) end

  -- Of a lane only those are kept that have not ended.
  local function look_at_lane(n, host, time)
    for other, o in pairs(n.lane) do
      if other ~= n.id and next(o.open) then
        complain(found.lanes, "%s began at %s on %s, while %s ran", n.id, time, host, other)
      end
    end
    for other, o in pairs(n.before or {}) do
      if not o.ended_at then
        complain(found.lanes, "%s began at %s on %s, before %s", n.id, time, host, other)
      end
    end
  end

  local on = {}
  function on.sent(id)
    local n = of(id)
    if not n.lane then return end
    n.before = {}
    for other, o in pairs(n.lane) do
      if o.answered and not o.ended_at then n.before[other] = o end
    end
  end
  function on.begin(id, host, run, time)
    local n = of(id)
    run = tonumber(run)
    found.runs, n.begun = found.runs + 1, n.begun + 1
    if n.begun == 2 then found.twice = found.twice + 1 end
    if n.answered and not accepted then
      complain(found.after, "%s: answered 200 at %s, began at %s on %s", id, n.answered, time, host)
    end
    for other, since in pairs(n.open) do
      complain(found.overlaps, "%s: since %s on %s, and at %s on %s", id, since, other, time, host)
    end
    if n.ended_at and dead[n.ended_on] then found.window = found.window + 1
    elseif n.ended_at then
      complain(found.again, "%s: ended well at %s on %s, began again at %s on %s", id, n.ended_at, n.ended_on,
        time, host)
    end
    if run > 0 and run <= n.run then
      complain(found.backwards, "%s: run %d after run %d", id, run, n.run)
    end
    n.run = math.max(n.run, run)
    if n.lane then look_at_lane(n, host, time) end
    n.open[host] = time
    begun_on[host] = begun_on[host] or {}
    begun_on[host][id] = n
  end
  on["end"] = function(id, host, time)
    local n = of(id)
    n.open[host] = nil
    n.ended_at, n.ended_on = time, host
  end
  function on.fail(id, host) of(id).open[host] = nil end
  function on.killed(host)
    dead[host] = true
    for _, n in pairs(begun_on[host] or {}) do
      if n.open[host] then found.cut_short = found.cut_short + 1 end
      n.open[host] = nil
    end
  end
  function on.answered(id, time)
    local n = of(id)
    found.answered[id] = true
    if not n.ended_at and not accepted then complain(found.early, "%s: answered 200 at %s", id, time) end
    n.answered = n.answered or time
  end

  for kind, rest in text:gmatch("(%a+) ([^\n]*)\n") do
    local words = {}
    for word in rest:gmatch("%S+") do words[#words + 1] = word end
    on[kind](table.unpack(words))
  end
  found.known = known
  return found
end

---An error that lists what must not be.
---@param found hookward.spec.Findings
---@param spared? table<string, boolean> names of lists that may hold something here
function M.assert_kept(found, spared)
  local names = { overlaps = "side by side", after = "run after a 200", early = "a 200 without a run",
    again = "run again without a reason", backwards = "a run's number did not grow",
    lanes = "out of the order of a lane" }
  local lines = {}
  for list, name in pairs(names) do
    if #found[list] > 0 and not (spared and spared[list]) then
      lines[#lines + 1] = ("%s: %d\n  %s"):format(name, #found[list], table.concat(found[list], "\n  ", 1,
        math.min(10, #found[list])))
    end
  end
  if #lines > 0 then error(table.concat(lines, "\n"), 2) end
end

return M
