-- ledger.lua -- lists of a long ledger, as the admin page asks for them. ledger.sh loads it as a
-- handler file; `hookward check` runs it.

local core = require "hookward.core"

local TIMES = 5 -- each list; the median is shown

local path = os.getenv "BENCH_LEDGER"
local ledger <close> = assert(core.ledger.open(path))

local function list(filters)
  local began = core.sys.now()
  local rows, stopped = assert(ledger:list(filters))
  return (core.sys.now() - began) * 1000, #rows, stopped
end

local function measure(name, filters)
  filters.limit = filters.limit or 51
  local times, count, stopped = {}, nil, nil
  for i = 1, TIMES do times[i], count, stopped = list(filters) end
  table.sort(times)
  io.stderr:write(("%-58s %7.1f ms  %2d rows%s\n"):format(name, times[(TIMES + 1) // 2], count,
    stopped and ", stopped at row " .. stopped.seq or ""))
end

local BOUND = 0.2 -- seconds

measure("first page", {})
measure("first page, bounded", { seconds = BOUND })
for _, state in ipairs(core.ledger.states) do
  measure("state " .. state, { states = { state }, seconds = BOUND })
end
measure("states failed and dead", { states = { "failed", "dead" }, seconds = BOUND })
measure("the oldest page of failed", { states = { "failed" }, seconds = BOUND, upto = 10000 })
measure("a frequent event", { event = "Event7.Created", seconds = BOUND })
measure("a pattern", { event = "Event7.*", seconds = BOUND })
measure("a rare event, bounded", { event = "Rare.Event", seconds = BOUND })
measure("a rare event, to the end", { event = "Rare.Event", seconds = 60 })
measure("an event among failed", { states = { "failed" }, event = "Event7.Created", seconds = BOUND })
measure("no such event among what did not succeed", { event = "No.Event", seconds = BOUND,
  states = { "failed", "dead", "unhandled", "queued", "running" } })
measure("an id", { ids = { "777777" }, seconds = BOUND })
measure("a text in errors of failed", { states = { "failed" }, error = "no such text", seconds = BOUND })
measure("a text in errors of all, bounded", { error = "no such text", seconds = BOUND })

local began = core.sys.now()
local total = ledger:count { states = { "failed", "dead" } }
io.stderr:write(("%-58s %7.1f ms  %d\n"):format("count of failed and dead",
  (core.sys.now() - began) * 1000, total))
