-- hookward jobs list: lists notifications.

local console = require "hookward.cli.console"
local core = require "hookward.core"
local filters = require "hookward.jobs.filters"
local json = require "hookward.jobs.json"
local store = require "hookward.jobs.store"
local grid = require "hookward.jobs.table"
local text = require "hookward.jobs.text"
local time = require "hookward.base.time"

local M = {
  summary = "List notifications, the newest first.",
  usage = "[OPTION...]",
  description = "Lists the notifications in the ledger, the newest first. On a terminal the table "
    .. "is fitted to the width; in a pipe or a file nothing is cut. Times are in UTC.",
  examples = {
    "hookward jobs list --state failed --state dead",
    "hookward jobs list --event 'Badge.*' --since 2h",
    "hookward jobs list --since 2024-05-10 --until 2024-05-10T12:00Z --limit 0",
    "hookward jobs list --json | jq -r '.[] | select(.attempt == 5) | .id'",
  },
}

local LIMIT = 50

local function read_limit(value)
  local limit = math.tointeger(tonumber(value))
  if limit and limit >= 0 then return limit end
  return nil, ("--limit takes a whole number, 0 for all, not '%s'"):format(text.line(value))
end

function M.define(parser)
  filters.define(parser)
  parser:option("--limit", ("Show at most N, 0 for all (default: %d)."):format(LIMIT))
    :argname("N"):convert(read_limit)
  parser:flag("--json", "Print a JSON array of objects: id, digest, event, state, attempt, "
    .. "deliveries, runs, received_at, settled_at, error (null: none); of one that runs, in a "
    .. "ledger that hosts share, also host.")
  store.define(parser)
end

-- ---- a row ----

---The members that the JSON of all commands has, in the form that json.object takes.
---@param row table
---@return string[] members
function M.members(row)
  local members = {
    "id", json.string(row.id), "digest", json.string(row.digest), "event", json.string(row.event),
    "state", json.string(row.state), "attempt", tostring(row.attempt),
    "deliveries", tostring(row.deliveries), "runs", tostring(row.runs),
    "received_at", json.string(time.iso(row.received_at)),
    "settled_at", json.string(time.iso(row.settled_at)), "error", json.string(row.error),
  }
  if row.host then
    members[#members + 1] = "host"
    members[#members + 1] = json.string(row.host)
  end
  return members
end

local styles = { succeeded = "green", failed = "yellow", dead = "red", unhandled = "dim",
  queued = "bold" }

---@param state string
---@param shown? string the text to colour (default: the state)
function M.paint_state(state, shown)
  return styles[state] and console.paint(styles[state], shown or state) or shown or state
end

-- The error in one line; "-" without one.
local function error_of(row)
  if not row.error then return "-" end
  return text.line(row.reason and ("%s: %s"):format(row.error, row.reason) or row.error)
end

-- Where it runs, as long as it does; else its error in one line; "-" without either.
local function error_or_host(row)
  return row.host and text.line("at " .. row.host) or error_of(row)
end

-- In a narrow window ids and events may be cut, but not below `least`, so that they still tell
-- something.
local columns = {
  { title = "ID", least = 12, wanted = 36 },
  { title = "EVENT", least = 12 },
  { title = "STATE", paint = M.paint_state },
  { title = "ATTEMPT", right = true, spare = 3 },
  { title = "DELIVERIES", right = true, spare = 1 },
  { title = "RUNS", right = true, spare = 2 },
  { title = "RECEIVED", spare = 4 },
  { title = "ERROR", least = 8, wanted = 32 },
}

local function cells_of(rows, show_time)
  local all = {}
  for i, row in ipairs(rows) do
    all[i] = { text.line(row.id), row.event == "" and "-" or text.line(row.event), row.state,
      tostring(row.attempt), tostring(row.deliveries), tostring(row.runs),
      show_time(row.received_at), error_or_host(row) }
  end
  return all
end

-- In a narrow window, ages in place of times leave more room for the error.
local function print_table(rows)
  local room = core.sys.isatty(1) and core.sys.columns() or nil
  local cells = cells_of(rows, room and time.short or time.iso)
  if room and grid.width(columns, cells) > room then cells = cells_of(rows, time.age) end
  for _, line in ipairs(grid.lines(columns, cells, room, true)) do console.say("%s", line) end
end

-- ---- the command ----

-- Calls each(row) for at most `limit` rows. Returns their number, and whether there are more.
local function take(ledger, wanted, limit, each)
  local count, more = 0, false
  local ok, why = store.walk(ledger, wanted, function(row)
    more = limit > 0 and count == limit
    if more then return false end
    count = count + 1
    return each(row)
  end)
  return ok and count, ok and more or why
end

local function report_rest(ledger, wanted, count, more)
  if count == 0 then console.complain("no notification matches") end
  if more then
    local total = ledger:count(wanted)
    console.complain("%d of %d shown; --limit 0 shows all", count, total or count + 1)
  end
end

function M.run(args)
  local wanted, misuse = filters.read(args)
  if not wanted then return console.misuse("hookward jobs list", "%s", misuse) end
  local opened, lines = store.open(args)
  if not opened then return console.fail(lines) end
  local ledger <close> = opened
  local limit, rows = args.limit or LIMIT, {}
  local array = args.json and json.array(io.stdout)
  local count, more = take(ledger, wanted, limit, function(row)
    if array then return array:add(json.object(M.members(row))) or false end
    rows[#rows + 1] = row
  end)
  if not count then return console.fail(more) end
  if array then
    array:close()
  elseif count > 0 then
    print_table(rows)
  end
  if count > 0 or not array then report_rest(ledger, wanted, count, more) end
  return 0
end

return M
