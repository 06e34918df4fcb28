-- hookward jobs stats: counts notifications by event and state.

local console = require "hookward.cli.console"
local core = require "hookward.core"
local filters = require "hookward.jobs.filters"
local grid = require "hookward.jobs.table"
local json = require "hookward.jobs.json"
local list = require "hookward.jobs.list"
local store = require "hookward.jobs.store"
local text = require "hookward.jobs.text"
local time = require "hookward.base.time"

local M = {
  summary = "Count notifications by event and state.",
  usage = "[OPTION...]",
  description = "Counts the notifications in the ledger, by event and state. Also says how many "
    .. "wait for a run by the host itself (its own retries), which is the oldest of them, and when "
    .. "the next one is due; and how many are dead. Reads only. Times are in UTC.",
  examples = {
    "hookward jobs stats",
    "hookward jobs stats --event 'Badge.*'",
    "hookward jobs stats --json | jq .dead",
  },
}

local states = core.ledger.states

function M.define(parser)
  filters.define_event(parser)
  parser:flag("--json", "Print a JSON object: total; states (the counts of all, by state); events "
    .. "(an array, the same of each event); waiting, oldest_waiting, next_due, dead, oldest_dead "
    .. "(null: none).")
  store.define(parser)
end

-- ---- counting ----

---@class hookward.jobs.Stats
---@field total integer
---@field states table<string, integer>
---@field events { event: string, states: table<string, integer> }[]
---@field waiting integer
---@field oldest_waiting? number when it was received, seconds since 1970
---@field next_due? number
---@field oldest_dead? number

local function first_of(a, b)
  return a and b and math.min(a, b) or a or b
end

-- The groups of one event stand together.
local function count(groups)
  local stats = { total = 0, states = {}, events = {}, waiting = 0 }
  local event
  for _, group in ipairs(groups) do
    if not event or event.event ~= group.event then
      event = { event = group.event, states = {} }
      stats.events[#stats.events + 1] = event
    end
    event.states[group.state] = group.count
    stats.states[group.state] = (stats.states[group.state] or 0) + group.count
    stats.total = stats.total + group.count
    stats.waiting = stats.waiting + group.waiting
    stats.oldest_waiting = first_of(stats.oldest_waiting, group.oldest_waiting)
    stats.next_due = first_of(stats.next_due, group.next_run_at)
    if group.state == "dead" then stats.oldest_dead = first_of(stats.oldest_dead, group.oldest) end
  end
  return stats
end

-- ---- as text ----

-- "2024-05-10T11:09:21Z (2h ago)"
local function shown_time(at)
  return ("%s (%s)"):format(time.short(at), time.distance(at))
end

local function row_of(name, counts, shown)
  local row = { name }
  for _, state in ipairs(shown) do row[#row + 1] = tostring(counts[state] or "-") end
  return row
end

local function column_of(state)
  local function paint(cell, padded)
    return cell == "-" and padded or list.paint_state(state, padded)
  end
  return { title = state:upper(), right = true, paint = paint }
end

local function print_table(stats)
  local shown, columns = {}, { { title = "EVENT", least = 12 } }
  for _, state in ipairs(states) do
    if stats.states[state] then
      shown[#shown + 1] = state
      columns[#columns + 1] = column_of(state)
    end
  end
  local rows = {}
  for i, event in ipairs(stats.events) do
    rows[i] = row_of(event.event == "" and "-" or text.line(event.event), event.states, shown)
  end
  if #rows > 1 then rows[#rows + 1] = row_of("all", stats.states, shown) end
  local room = core.sys.isatty(1) and core.sys.columns() or nil
  for _, line in ipairs(grid.lines(columns, rows, room, true)) do console.say("%s", line) end
end

local LABEL = 12 -- characters

local function say_field(name, value)
  if value then console.say("%s%s", console.paint("dim", text.pad(name, LABEL)), value) end
end

local function print_text(stats)
  if stats.total == 0 then
    console.complain("no notification matches")
    return
  end
  print_table(stats)
  if stats.waiting + (stats.states.dead or 0) > 0 then console.say("") end
  if stats.waiting > 0 then
    say_field("waiting", ("%d for a run by the host; the oldest was received %s"):format(
      stats.waiting, shown_time(stats.oldest_waiting)))
    say_field("next due", stats.next_due and shown_time(stats.next_due))
  end
  if stats.states.dead then
    say_field("dead", ("%d; the oldest was received %s"):format(stats.states.dead,
      shown_time(stats.oldest_dead)))
  end
end

-- ---- as JSON ----

local function counts_json(counts, members)
  members = members or {}
  for _, state in ipairs(states) do
    members[#members + 1] = state
    members[#members + 1] = tostring(counts[state] or 0)
  end
  return json.object(members)
end

local function print_json(stats)
  local events = {}
  for i, event in ipairs(stats.events) do
    events[i] = counts_json(event.states, { "event", json.string(event.event) })
  end
  console.say("%s", json.object {
    "total", tostring(stats.total), "states", counts_json(stats.states),
    "events", "[" .. table.concat(events, ",") .. "]",
    "waiting", tostring(stats.waiting),
    "oldest_waiting", json.string(time.iso(stats.oldest_waiting)),
    "next_due", json.string(time.iso(stats.next_due)), "dead", tostring(stats.states.dead or 0),
    "oldest_dead", json.string(time.iso(stats.oldest_dead)),
  })
end

function M.run(args)
  local wanted = filters.read(args)
  local opened, lines = store.open(args)
  if not opened then return console.fail(lines) end
  local ledger <close> = opened
  local groups, why = ledger:stats(wanted)
  if not groups then return console.fail(why) end
  local stats = count(groups)
  if args.json then print_json(stats) else print_text(stats) end
  return 0
end

return M
