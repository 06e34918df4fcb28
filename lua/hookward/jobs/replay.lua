-- hookward jobs replay: runs recorded notifications again.

local ask = require "hookward.jobs.ask"
local config = require "hookward.config"
local console = require "hookward.cli.console"
local core = require "hookward.core"
local database = require "hookward.base.database"
local filters = require "hookward.jobs.filters"
local here = require "hookward.jobs.here"
local json = require "hookward.jobs.json"
local pace = require "hookward.jobs.pace"
local runner = require "hookward.jobs.runner"
local show = require "hookward.jobs.show"
local store = require "hookward.jobs.store"
local text = require "hookward.jobs.text"
local time = require "hookward.base.time"
local units = require "hookward.base.units"

local M = {
  summary = "Run notifications again.",
  usage = "[ID...] [OPTION...]",
  description = "Runs notifications again, one after the other, and waits for the outcomes. A "
    .. "running host does it with its own handlers; without one, this process does it. With ids, "
    .. "they run at once; if several notifications have the same id, those that did not succeed "
    .. "run. With filters, failed and dead ones run, unless --state says otherwise, and the "
    .. "command first shows how many there are. A Ctrl-C ends a replay after the notification that "
    .. "is running, and says how to go on; a second one ends it at once. Exits 0 when all of them "
    .. "succeeded, 130 when it was interrupted, else 1.",
  examples = {
    "hookward jobs replay 8812 8813",
    "hookward jobs replay --event 'Badge.*' --since 2h --dry-run",
    "hookward jobs replay --state dead --yes",
    "hookward jobs replay --state dead --rate 10     # spares the service that was down",
    "hookward jobs replay 8812 --here     # in this terminal, to find a bug",
    "hookward jobs replay 8812 --force    # it succeeded; needs keep_bodies = true",
  },
}

local NAME = "hookward jobs replay"
local INTERRUPTED = 130 -- the exit code that shells use

function M.define(parser)
  parser:argument("ID", "Job ids."):target("wanted"):args("*")
  filters.define(parser)
  parser:option("--digest", "Only those whose digest begins with HEX.")
    :argname("HEX"):convert(show.read_digest)
  here.define(parser)
  parser:option("--rate", "Run at most N a second, such as 10 or 0.5."):argname("N")
    :convert(pace.read)
  parser:flag("--force", "Also run those that succeeded.")
  parser:flag("--dry-run", "Say what would run, and run nothing.")
  parser:flag("-y --yes", "Do not ask.")
  parser:flag("--json", "Print a JSON array of objects: id, digest, status (processed, failed, "
    .. "not_run or would_run), error, message.")
  store.define(parser)
end

-- ---- which ----

-- Why a row can't be run; nil when it can.
local function refusal(row, force)
  if row.state == "succeeded" and not row.has_body then
    return "it succeeded, and its body was not kept (keep_bodies)"
  elseif not row.has_body then
    return "its body was not kept"
  elseif row.state == "succeeded" and not force then
    return "it succeeded; --force runs it again"
  end
end

-- Keeps only what a replay needs of a row, because there may be very many.
local function brief(row, force)
  return { seq = row.seq, id = row.id, digest = row.digest, state = row.state, event = row.event,
    received_at = row.received_at, refusal = refusal(row, force) }
end

local function select(ledger, args, wanted)
  local rows = {}
  wanted.oldest_first = true
  local ok, why = store.walk(ledger, wanted, function(row)
    if row.digest:sub(1, #(args.digest or "")) == (args.digest or "") then
      rows[#rows + 1] = brief(row, args.force)
    end
  end)
  return ok and rows, why
end

-- Drops the rows that succeeded, if another row with the same id can run.
local function leave_succeeded(rows)
  local runnable, kept = {}, {}
  for _, row in ipairs(rows) do runnable[row.id] = runnable[row.id] or not row.refusal end
  for _, row in ipairs(rows) do
    if not (row.refusal and row.state == "succeeded" and runnable[row.id]) then
      kept[#kept + 1] = row
    end
  end
  return kept
end

local function add_missing(rows, ids)
  local found = {}
  for _, row in ipairs(rows) do found[row.id] = true end
  for _, id in ipairs(ids) do
    if not found[id] then
      rows[#rows + 1] = { id = id, refusal = "no such notification is in the ledger" }
      found[id] = true
    end
  end
end

-- Returns the rows in order of arrival, each with its refusal, if any; or nil and why.
local function find(ledger, args, wanted)
  local named = #args.wanted > 0
  if named then
    wanted.ids = table.move(args.wanted, 1, #args.wanted, #(wanted.ids or {}) + 1, wanted.ids or {})
  elseif not wanted.states then
    wanted.states = { "failed", "dead" }
  end
  local rows, why = select(ledger, args, wanted)
  if not rows then return nil, why end
  if named then
    rows = leave_succeeded(rows)
    add_missing(rows, args.wanted)
  end
  return rows
end

local function split(rows)
  local runnable, refused, by_state = {}, {}, {}
  for _, row in ipairs(rows) do
    local into = row.refusal and refused or runnable
    into[#into + 1] = row
    if not row.refusal then by_state[row.state] = (by_state[row.state] or 0) + 1 end
  end
  return runnable, refused, by_state
end

-- ---- reporting the outcomes ----

---@class hookward.jobs.Report
---@field rate? number how many run a second
local Report = {}
Report.__index = Report

local function new_report(rows, as_json, rate)
  local self = setmetatable({ counts = {}, width = 0, seen = {}, rate = rate }, Report)
  self.array = as_json and json.array(io.stdout) or nil
  self.live = not as_json and #rows > 1 and core.sys.isatty(1)
  for _, row in ipairs(rows) do
    self.seen[row.id] = (self.seen[row.id] or 0) + 1
  end
  for _, row in ipairs(rows) do
    self.width = math.max(self.width, utf8.len(self:label(row)))
  end
  return self
end

-- The row's id; if others have the same id, with the start of its digest.
function Report:label(row)
  local id = text.line(row.id)
  return self.seen[row.id] > 1 and row.digest and id .. " " .. row.digest:sub(1, 8) or id
end

local styles = { processed = "green", failed = "red", not_run = "yellow" }

function Report:say(row, status, code, message)
  local shown = status:gsub("_", " ")
  for _, part in ipairs { code or "", message or "" } do
    local line = text.line((part:match("^[^\n]*")))
    if line ~= "" then shown = shown .. ": " .. line end
  end
  if styles[status] then shown = console.paint(styles[status], shown) end
  console.say("%s%s  %s", self.live and "\r\27[K" or "", text.pad(self:label(row), self.width),
    shown)
end

---@param row table
---@param status "processed"|"failed"|"not_run"|"would_run"
---@param code? string
---@param message? string
function Report:add(row, status, code, message)
  self.counts[status] = (self.counts[status] or 0) + 1
  if not self.array then return self:say(row, status, code, message) end
  self.array:add(json.object { "id", json.string(row.id), "digest", json.string(row.digest),
    "status", json.string(status), "error", json.string(code), "message", json.string(message) })
end

-- Shows a line that the next outcome replaces.
function Report:waiting(rows, i)
  if not self.live or not rows[i] then return end
  local left = self.rate and (", %s left"):format(pace.left(#rows - i + 1, self.rate)) or ""
  local line = ("%d of %d%s: %s ..."):format(i, #rows, left, self:label(rows[i]))
  io.stdout:write("\r", text.cut(line, math.max(core.sys.columns() - 1, 1)), "\27[K")
  io.stdout:flush()
end

function Report:close()
  local parts, total = {}, 0
  for _, status in ipairs { "processed", "failed", "not_run", "would_run" } do
    local count = self.counts[status]
    if count then parts[#parts + 1] = ("%d %s"):format(count, (status:gsub("_", " "))) end
    total = total + (count or 0)
  end
  if self.array then
    self.array:close()
  elseif total > 1 then
    console.say("%s", table.concat(parts, ", "))
  end
  if self.interrupted then
    console.complain("%s", self.interrupted)
    return INTERRUPTED
  end
  return (self.counts.failed or self.counts.not_run) and 1 or 0
end

-- ---- running ----

-- Is a host running with another ledger than the one that was read? A row's number means nothing to
-- it.
local function is_foreign(settings, args)
  if not args.ledger then return false end
  local own = config.load(args.config)
  if own and own.ledger ~= "memory:" and store.same(own.ledger, settings.ledger)
    and own.ledger_schema == settings.ledger_schema then
    return false
  end
  return runner.has_host(settings)
end

-- What the user can do about the rows from `first` on, which did not run.
local function how_to_go_on(rows, first, args)
  if #args.wanted > 0 then
    local ids = {}
    for i = first, #rows do ids[#ids + 1] = text.line(rows[i].id) end
    return "the same command with these ids: " .. table.concat(ids, " ")
  end
  local since = math.huge
  for i = first, #rows do since = math.min(since, rows[i].received_at) end
  return "the same command with --since " .. time.iso(since)
end

-- In the output as JSON each row has its place; in the text there may be very many.
function Report:interrupt(rows, first, args)
  local line = ("interrupted: %d of %d left; to go on: %s"):format(#rows - first + 1, #rows,
    how_to_go_on(rows, first, args))
  self.interrupted = (self.live and "\r\27[K" or "") .. line
  for i = first, self.array and #rows or 0 do self:add(rows[i], "not_run", nil, "interrupted") end
end

local function run(settings, rows, args, report)
  local done, wait = 0, pace.new(args.rate)
  local function each(i, code, message)
    done = i
    report:add(rows[i], code and "failed" or "processed", code, message)
    if i == #rows then return end
    report:waiting(rows, i + 1)
    return wait()
  end
  report:waiting(rows, 1)
  if #rows > 1 then core.process.heed_interrupt() end
  local ok, why = runner.run(settings, rows, args.force or false, each)
  if ok and done < #rows then return report:interrupt(rows, done + 1, args) end
  if ok then return end
  for i = done + 1, #rows do report:add(rows[i], "not_run", nil, why) end
end

local function question(runnable, refused, by_state)
  local more = #refused > 0 and ("; %d more can't be"):format(#refused) or ""
  return ("Run %s again (%s%s)?"):format(units.count(#runnable, "notification"),
    filters.breakdown(by_state), more)
end

local function dry_run(runnable, refused, report)
  for _, row in ipairs(refused) do report:add(row, "not_run", nil, row.refusal) end
  for _, row in ipairs(runnable) do
    report:add(row, "would_run", nil, ("%s, %s"):format(row.event == "" and "-" or row.event,
      row.state))
  end
  return report:close()
end

local function replay(settings, rows, args)
  local runnable, refused, by_state = split(rows)
  if args.dry_run then return dry_run(runnable, refused, new_report(rows, args.json)) end
  if #runnable > 0 then
    if is_foreign(settings, args) then
      return console.fail(("a host is running with another ledger than %s; leave --ledger out, or "
        .. "stop the host"):format(database.shown(args.ledger)))
    end
    local go, code = ask(NAME, question(runnable, refused, by_state), args.yes or #args.wanted > 0)
    if not go then return code end
  end
  local report = new_report(rows, args.json, args.rate)
  for _, row in ipairs(refused) do report:add(row, "not_run", nil, row.refusal) end
  if #runnable > 0 then run(settings, runnable, args, report) end
  return report:close()
end

function M.run(args)
  if args.here then return here.run(args) end
  if args.record then return console.misuse(NAME, "--record needs --here") end
  local wanted, misuse = filters.read(args)
  if not wanted then return console.misuse(NAME, "%s", misuse) end
  local settings, lines = config.load(args.config, { ledger = args.ledger })
  if not settings then return console.fail(lines) end
  local ledger
  ledger, lines = store.open { config = args.config, ledger = settings.ledger,
    schema = settings.ledger_schema }
  if not ledger then return console.fail(lines) end
  local rows, why = find(ledger, args, wanted)
  ledger:close() -- a replay in this process opens the ledger itself, and must be the only user
  if not rows then return console.fail(why) end
  if #rows == 0 then
    if args.json then
      json.array(io.stdout):close()
    else
      console.say("nothing to run: no notification matches")
    end
    return 0
  end
  return replay(settings, rows, args)
end

return M
