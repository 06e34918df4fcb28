-- Replays all rows that match: counts them first, then runs them one after another, at a pace.
--
--   POST /api/bulk { filters, dry_run = true, force }  how many would run
--   POST /api/bulk { filters, rate, force }            begins
--   GET  /api/bulk                                     the one that runs, or that ran last
--   POST /api/bulk/stop                                ends it after the row that is running
--
-- There is one at a time. It belongs to the app, not to the page that began it, so a page may be
-- loaded again or closed meanwhile; it ends with the host. The app has one thread, so rows are
-- counted and searched WINDOW at a time; other requests are served in between. Only the rows that
-- were there at the start run, each at most once.

local answers = require "hookward.admin.answers"
local async = require "hookward.admin.async"
local core = require "hookward.core"
local deliveries = require "hookward.admin.deliveries"
local host = require "hookward.admin.host"
local pace = require "hookward.jobs.pace"
local project = require "hookward.admin.project"
local runner = require "hookward.jobs.runner"

local M = {}

M.RATE = 10 -- a second, unless the caller says otherwise
local WINDOW = 20000 -- rows that are looked through at a time
local PAGE = 200 -- rows in memory at a time
local LOOK_SECONDS = 2 -- for a look through one window, which takes milliseconds
local SLICE = 0.2 -- seconds; a stop is noticed so soon

-- ---- which rows ----

local function copy_of(filters)
  local copy = {}
  for name, value in pairs(filters) do copy[name] = value end
  return copy
end

-- Unless states are named, what failed runs, as with `hookward jobs replay`. What succeeded runs
-- only if it is forced.
local function runnable(filters, force)
  local states = {}
  for _, state in ipairs(filters.states or { "failed", "dead" }) do
    if state ~= "succeeded" or force then states[#states + 1] = state end
  end
  filters = copy_of(filters)
  filters.states = states
  return filters
end

-- Calls a method of the ledger that reads, for a limited time.
local function look(ledger, method, filters)
  ledger:limit(LOOK_SECONDS)
  local found, more = ledger[method](ledger, filters)
  ledger:limit(nil)
  return found, more
end

-- The numbers of the oldest and of the newest row; 1 and 0 if there is none; or nil and why.
local function bounds(ledger)
  local oldest, why = look(ledger, "list", { limit = 1, oldest_first = true })
  if not oldest then return nil, why end
  local newest
  newest, why = look(ledger, "list", { limit = 1 })
  if not newest then return nil, why end
  if not oldest[1] or not newest[1] then return 1, 0 end
  return oldest[1].seq, newest[1].seq
end

-- Returns how many rows match, and how many in each state; or nil and why.
local function count(ledger, filters)
  local total, by_state = 0, {}
  local first, last = bounds(ledger)
  if not first then return nil, last end
  filters = copy_of(filters)
  for after = first - 1, last - 1, WINDOW do
    filters.after, filters.upto = after, math.min(after + WINDOW, last)
    local found, states = look(ledger, "count", filters)
    if not found then return nil, states end
    total = total + found
    for state, number in pairs(states) do by_state[state] = (by_state[state] or 0) + number end
    async.sleep(0)
  end
  return total, by_state
end

-- Calls each(row) for the rows up to `last` that match, the oldest first, until it returns false.
local function walk(ledger, filters, last, each)
  local after, why = bounds(ledger)
  if not after then return nil, why end
  after = after - 1
  filters = copy_of(filters)
  filters.oldest_first, filters.limit = true, PAGE
  while after < last do
    filters.after, filters.upto = after, math.min(after + WINDOW, last)
    local rows
    rows, why = look(ledger, "list", filters)
    if not rows then return nil, why end
    for _, row in ipairs(rows) do
      if each(row) == false then return true end
    end
    after = #rows == PAGE and rows[PAGE].seq or filters.upto
    async.sleep(0)
  end
  return true
end

-- ---- running ----

---@class hookward.admin.Bulk
---@field filters table<string, string> as the page wrote them
---@field wanted table filters of core.ledger
---@field last integer the newest row that may run
---@field force boolean
---@field rate number
---@field total integer
---@field done integer
---@field succeeded integer
---@field failed integer
---@field skipped integer could not run: without a body, or gone
---@field started_at number
---@field ended_at? number
---@field running boolean
---@field stopping boolean
---@field why? string it ended early
---@field last_error? string

local bulk ---@type hookward.admin.Bulk?

-- Waits until the next row may run; false: the replay is to stop.
local function wait_for_turn(job)
  local now = core.sys.now()
  local gap = 1 / job.rate
  local turn = math.min(job.next_at or now, now + gap) -- even if the clock was set back
  while not job.stopping and now < turn do
    async.sleep(math.min(turn - now, SLICE))
    now = core.sys.now()
  end
  job.next_at = math.max(turn, now) + gap
  return not job.stopping
end

local function ask(job, row)
  local headers = { ["X-Hookward-Row"] = row.seq, ["X-Hookward-Force"] = job.force and 1 or nil }
  for _ = 1, runner.OVERLOADED_TRIES do
    local answer, why, kind = host.ask("/replay", { method = "POST", headers = headers,
      timeout = runner.timeout(project.settings()) })
    if not answer then return kind == "connect" and "gone" or "no_answer", why end
    local code, message = runner.read_answer(answer)
    if code ~= "overloaded" then return code, message end
    async.sleep(1)
  end
  return "overloaded", "too many notifications are waiting in the host"
end

local ends = { gone = "the host is gone", draining = "the host is stopping" }

-- Runs one row; false: no further one.
local function run_row(job, row)
  if not row.has_body then
    job.done, job.skipped = job.done + 1, job.skipped + 1
    return true
  end
  if not wait_for_turn(job) then return false end
  local code, message = ask(job, row)
  if ends[code] then
    job.why = ends[code]
    return false
  end
  job.done = job.done + 1
  local kind = code == nil and "succeeded" or code == "not_found" and "skipped" or "failed"
  job[kind] = job[kind] + 1
  if kind == "failed" then
    job.last_error = answers.text(message and message ~= "" and code .. ": " .. message or code)
  end
  return true
end

local function run_all(job)
  local ledger, why = project.ledger()
  if not ledger then error(why, 0) end
  local ok
  ok, why = walk(ledger, job.wanted, job.last, function(row) return run_row(job, row) end)
  if not ok then error(why, 0) end
end

local function finish(job, ok, why)
  if not ok then job.why = answers.text(tostring(why)) end
  job.running, job.ended_at = false, core.sys.now()
  core.log(1, "a replay of all that match has ended", { who = job.who, done = job.done,
    of = job.total, succeeded = job.succeeded, failed = job.failed, stopped = job.stopping or nil,
    why = job.why })
end

-- ---- the API ----

local shown = { "filters", "running", "stopping", "total", "done", "succeeded", "failed", "skipped",
  "rate", "started_at", "ended_at", "why", "last_error" }

local function state_of(job)
  if not job then return { running = false } end
  local state = {}
  for _, name in ipairs(shown) do state[name] = job[name] end
  state.stopped = job.stopping and not job.running
  return state
end

local names = { state = true, event = true, id = true, since = true, ["until"] = true,
  error = true }

-- The filters are those of GET /api/deliveries, as its query has them.
local function read_filters(given)
  if given == nil or given == core.json.null then given = {} end
  if type(given) ~= "table" then return nil, "filters must be an object" end
  local fields = {}
  for name, value in pairs(given) do
    if not names[name] then
      return nil, ("there is no filter '%s'"):format(answers.text(tostring(name)))
    end
    if type(value) == "number" then value = tostring(value) end
    if type(value) ~= "string" then return nil, name .. ": expected a text" end
    if value ~= "" then fields[name] = value end
  end
  local filters, why = deliveries.filters(fields)
  return filters, filters and fields or why
end

local function read_rate(given)
  if given == nil or given == core.json.null then return M.RATE end
  if type(given) == "number" and given >= pace.LEAST and given <= pace.MOST then return given end
  return nil, ("rate must be from %g to %g a second"):format(pace.LEAST, pace.MOST)
end

-- Returns a job that has not begun; or nil, a code and a message.
local function read(request)
  local fields = core.json.decode(request.body)
  if type(fields) ~= "table" then return nil, "bad_request", "the request is not a JSON object" end
  local filters, as_given = read_filters(fields.filters)
  if not filters then return nil, "bad_filter", as_given end
  local rate, why = read_rate(fields.rate)
  if not rate then return nil, "bad_rate", why end
  local force = fields.force == true
  return { wanted = runnable(filters, force), filters = as_given, force = force, rate = rate,
    dry_run = fields.dry_run == true }
end

local function is_running()
  return bulk ~= nil and bulk.running
end

local function running_already()
  return answers.error(409, "bulk_running", "a replay is running already: wait for it to end, or "
    .. "stop it")
end

local function start(job, caller, total, ledger)
  local first, last = bounds(ledger)
  if not first then return answers.error(503, "ledger_failed", last) end
  job.who, job.last, job.total, job.started_at = caller.name, last, total, core.sys.now()
  job.running, job.stopping = true, false
  job.done, job.succeeded, job.failed, job.skipped = 0, 0, 0, 0
  bulk = job
  core.log(1, "a replay of all that match has begun", { who = job.who, rows = total,
    rate = job.rate, filters = job.filters })
  async.spawn(function() finish(job, pcall(run_all, job)) end)
  return 200, nil, { started = true, count = total }
end

function M.post(request, caller)
  local job, code, message = read(request)
  if not job then return answers.error(400, code, message) end
  local ledger, why = project.ledger()
  if not ledger then return answers.error(409, "no_rows", why) end
  if not job.dry_run and is_running() then return running_already() end
  local total, by_state = 0, {}
  if #job.wanted.states > 0 then total, by_state = count(ledger, job.wanted) end
  if not total then return answers.error(503, "ledger_failed", by_state) end
  if job.dry_run then return 200, nil, { count = total, by_state = by_state } end
  if is_running() then return running_already() end -- another may have begun meanwhile
  if total == 0 then
    return answers.error(409, "nothing_matches", "nothing that matches can run")
  end
  return start(job, caller, total, ledger)
end

function M.show()
  return 200, nil, state_of(bulk)
end

function M.stop(_, caller)
  if is_running() and not bulk.stopping then
    bulk.stopping = true
    core.log(1, "a replay of all that match was told to stop", { who = caller.name })
  end
  return 200, nil, state_of(bulk)
end

M.routes = {
  { "^/api/bulk$", GET = M.show, POST = M.post },
  { "^/api/bulk/stop$", POST = M.stop },
}

return M
