-- hookward status: how the running host is, and what waits in its ledger.
--
-- The host is asked for what it alone knows. What is in the ledger's rows is read from the file, by
-- this process and through indexes, so that the host goes on undisturbed.

local config = require "hookward.config"
local console = require "hookward.cli.console"
local control = require "hookward.host.control"
local core = require "hookward.core"
local database = require "hookward.base.database"
local ledger_size = require "hookward.ledger.size"
local options = require "hookward.cli.options"
local time = require "hookward.base.time"
local units = require "hookward.base.units"

local M = {
  summary = "Show the state of the running host.",
  usage = "[OPTION...]",
  description = "Shows the running host's state, versions and counts since its start, what it "
    .. "still has to run, what is paused, the last reload, and the ledger. Exits 0 when all is "
    .. "well, else 1, and says why on the standard error: no host answers; it is stopping; its "
    .. "ledger can't be written; its last reload failed, so that an older version runs; all its "
    .. "workers are stuck in handlers that do not return; or it has lost workers to handlers that "
    .. "can't be stopped. A pause and a backlog are no failure. "
    .. "Times are in UTC.",
  examples = {
    "hookward status",
    "hookward status -c /etc/hookward/hookward.lua",
    "hookward status --json | jq .backlog",
  },
}

function M.define(parser)
  options.config(parser)
  parser:flag("--json", "Print one JSON object: ok, problems; of the host: state, pid, hookward, "
    .. "version, number, started_at, uptime, ready, why_not_ready, workers, workers_stuck, "
    .. "addresses, admin, counts, errors, events, routes, pauses, reload, replaced, unreplaced; "
    .. "rows (in the ledger, by state); ledger (path, health, size in bytes; of one "
    .. "that hosts share: fleet); backlog (waiting, "
    .. "due, parked, running, oldest_waiting, next_due). Without a host, state is \"absent\". If "
    .. "the control socket is gone, since the host is stopping or for another reason, it is "
    .. "\"unreachable\".")
end

-- ---- what is asked ----

---@class hookward.Backlog
---@field waiting integer rows that the host still has to run, those that run not counted
---@field due integer of these: now
---@field parked integer of these: their event is or was paused
---@field running integer
---@field oldest_waiting? number when the first of them was received, seconds since 1970
---@field next_due? number

-- Returns nil without a file.
local function read_ledger(path, running)
  if not path or not core.sys.stat(path) then return nil end
  -- One that may write tidies up after itself.
  local opened, why = core.ledger.open(path, not running)
  if not opened then return nil, why end
  local ledger <close> = opened
  local backlog, bad = ledger:backlog()
  return backlog, bad, not running and ledger:pauses() or nil
end

local function workers(number, verb)
  return units.count(number, "worker") .. " " .. verb
end

-- What is not well, of a host that answered.
local function find_problems(state, problems)
  local function add(format, ...) problems[#problems + 1] = format:format(...) end
  if not state.state then
    add("the host gave no answer in time; its log may say more")
    return
  end
  if state.state ~= "serving" then add("the host is %s", state.state) end
  local fleet = state.ledger.fleet
  if fleet and fleet.away_since then
    add("PostgreSQL can't be used since %s, so no handler runs; the log says why",
      time.when(fleet.away_since))
  elseif state.ledger.health == "failed" then
    add("the ledger can't be written, so no handler runs; the log says why")
  end
  if state.reload and not state.reload.ok then
    add("the last reload failed, so version %s goes on: %s", state.version, state.reload.text)
  end
  if (state.workers_stuck or 0) >= state.workers then
    add("no handler runs, since %s in one that does not return; the log names them",
      workers(state.workers, state.workers == 1 and "is stuck" or "are stuck"))
  end
  if state.ready == false and #problems == 0 then -- an older host does not say
    add("the host is not ready: %s", state.why_not_ready)
  end
  if state.unreplaced > 0 then
    add("%s to handlers that can't be stopped; the log names them: fix them, then restart",
      workers(state.unreplaced, "lost"))
  end
end

-- How long a database may take that the host has lost as well is its own affair: it isn't asked.
local function read_database(host, state)
  if not host.database or state and state.ledger and (state.ledger.fleet or {}).away_since then
    return nil
  end
  local opened, why = core.ledger.open(host.database, false, host.schema)
  if not opened then return nil, why end
  local ledger <close> = opened
  local backlog, bad = ledger:backlog()
  return backlog, bad, not state and ledger:pauses() or nil
end

---@param host hookward.Control
local function look(host)
  local state = control.state(host)
  local running = state ~= nil or control.is_running(host) or false
  local found = { problems = {}, host = state or { state = running and "unreachable" or "absent" } }
  if state then
    find_problems(state, found.problems)
  else
    found.problems[1] = control.absence(host)
  end
  local ledger = found.host.ledger or { path = host.ledger }
  local why, kept
  if host.database then
    found.backlog, why, kept = read_database(host, state)
    ledger.type, ledger.path = "postgres", database.shown(host.database)
  else
    found.backlog, why, kept = read_ledger(ledger.path, running)
    ledger.size = found.backlog and ledger_size.of(ledger.path) or nil
  end
  found.problems[#found.problems + 1] = why
  found.ledger = ledger
  found.host.pauses = found.host.pauses or kept
  return found
end

-- ---- as JSON ----

local function print_json(found)
  local shown = { ok = #found.problems == 0, problems = core.json.array(found.problems) }
  for name, value in pairs(found.host) do shown[name] = value end
  shown.pauses = core.json.array(found.host.pauses or {})
  shown.ledger, shown.backlog = found.ledger, found.backlog
  console.say("%s", assert(core.json.encode(shown)))
end

-- ---- as text ----

local LABEL = 10 -- characters

local function say(name, format, ...)
  console.say("%s%s", console.paint("dim", ("%-" .. LABEL .. "s"):format(name)),
    format:format(...))
end

local function shown_path(path)
  return config.shown(path, core.sys.cwd() or "")
end

local ORDER = { "received", "acked_first", "succeeded", "unhandled", "duplicates", "joined",
  "replayed", "replays_failed", "retried", "retries_failed", "stuck", "replaced", "reloads",
  "reloads_failed", "connections", "in_flight" }

-- "received 12, succeeded 10": those that are not 0.
local function counts_text(counts)
  local parts = {}
  for _, name in ipairs(ORDER) do
    if (counts[name] or 0) > 0 then
      parts[#parts + 1] = ("%s %d"):format(name:gsub("_", " "), counts[name])
    end
  end
  return #parts > 0 and table.concat(parts, ", ") or "nothing yet"
end

-- The most frequent first.
local function errors_text(errors)
  local names, parts = {}, {}
  for name in pairs(errors) do names[#names + 1] = name end
  table.sort(names, function(a, b)
    if errors[a] ~= errors[b] then return errors[a] > errors[b] end
    return a < b
  end)
  for i, name in ipairs(names) do parts[i] = ("%s %d"):format(name, errors[name]) end
  return table.concat(parts, ", ")
end

local function print_host(state)
  if not state.version then
    say("state", "%s", state.state or "no answer")
    return
  end
  say("state", "%s, pid %d, for %s", state.state, state.pid,
    (time.age(state.started_at):gsub(" ago$", "")))
  say("versions", "hookward %s, handlers %s (no. %d since the start)", state.hookward,
    state.version, state.number)
  local stuck = state.workers_stuck or 0 -- an older host does not say
  if state.addresses then say("listening", "%s", table.concat(state.addresses, ", ")) end
  if state.admin then say("admin", "%s (`hookward dash` logs in)", state.admin) end
  say("workers", "%d%s%s", state.workers,
    stuck > 0 and (", %d of them stuck in handlers"):format(stuck) or "",
    state.replaced > 0 and ", " .. workers(state.replaced, "replaced: see the log") or "")
  say("counts", "%s", counts_text(state.counts))
  if next(state.errors) then say("errors", "%s", errors_text(state.errors)) end
  if state.reload then
    say("reload", "%s %s", state.reload.ok and "succeeded" or "failed", time.when(state.reload.at))
  end
end

local function print_backlog(backlog)
  say("backlog", "%d to run (%d due now, %d set aside by a pause), %d running", backlog.waiting,
    backlog.due, backlog.parked, backlog.running)
  if backlog.oldest_waiting then
    say("", "the oldest was received %s", time.when(backlog.oldest_waiting))
  end
  if backlog.next_due then say("", "the next is due %s", time.when(backlog.next_due)) end
end

-- "succeeded 12, dead 1": those that are not 0; nil without any.
local function rows_text(rows)
  local parts = {}
  for _, state in ipairs(core.ledger.states) do
    if (rows[state] or 0) > 0 then parts[#parts + 1] = ("%s %d"):format(state, rows[state]) end
  end
  return parts[1] and table.concat(parts, ", ")
end

local function print_ledger(ledger)
  if not ledger.path then
    say("ledger", "in memory")
    return
  end
  say("ledger", "%s%s%s", shown_path(ledger.path),
    ledger.size and ", " .. units.rough_size(ledger.size) or "",
    ledger.health and ", " .. ledger.health or "")
end

-- Of a ledger that hosts share.
local function print_fleet(fleet)
  if not fleet then return end
  say("fleet", "%s%s; %s", console.plain(fleet.host_name),
    fleet.id and (", host %d"):format(fleet.id) or ", not joined yet",
    fleet.away_since and "who else is alive is not known while PostgreSQL is away"
      or units.count(fleet.hosts_alive, "host") .. " alive")
  local parts = {}
  for _, name in ipairs { "elsewhere", "unsettled", "fenced", "taken_over", "claims_failed" } do
    if (fleet[name] or 0) > 0 then
      parts[#parts + 1] = ("%s %d"):format(name:gsub("_", " "), fleet[name])
    end
  end
  if parts[1] then say("", "%s", table.concat(parts, ", ")) end
end

local function print_text(found)
  print_host(found.host)
  if found.backlog then print_backlog(found.backlog) end
  for i, pause in ipairs(found.host.pauses or {}) do
    say(i == 1 and "paused" or "", "%s since %s", console.plain(pause.pattern),
      time.when(pause.since))
  end
  local rows = rows_text(found.host.rows or {}) -- an older host does not say
  if rows then say("rows", "%s", rows) end
  print_ledger(found.ledger)
  print_fleet(found.ledger.fleet)
  io.stdout:flush()
  for _, line in ipairs(found.problems) do
    console.complain("%s %s", console.paint("red", "error:", 2), line)
  end
end

function M.run(args)
  local host, no_folder = control.find(args.config)
  if not host then return console.fail(no_folder) end
  local found = look(host)
  if args.json then print_json(found) else print_text(found) end
  return #found.problems == 0 and 0 or 1
end

return M
