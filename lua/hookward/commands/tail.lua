-- hookward tail: follows deliveries and their outcomes in the terminal.

local console = require "hookward.cli.console"
local control = require "hookward.host.control"
local core = require "hookward.core"
local options = require "hookward.cli.options"
local pattern = require "hookward.base.pattern"
local text = require "hookward.jobs.text"
local time = require "hookward.base.time"

local M = {
  summary = "Follow deliveries and their outcomes, live.",
  usage = "[OPTION...]",
  description = "Prints a line for each delivery that the running host processes from now on: the "
    .. "time (UTC), the outcome, the event, the job id, how long the handler took, and why it "
    .. "failed. An ack-first delivery has two lines: one when it is accepted, and one when it has "
    .. "run. Replays and the host's own retries are shown too, but requests that were not "
    .. "authentic are not: see `hookward verify --last`. Bodies are never shown.\n\n"
    .. "The host never waits for `tail`. If deliveries come faster than they can be printed, some "
    .. "are left out, and a line says how many. When the host stops, `tail` waits until it is "
    .. "started again. Ctrl-C ends `tail`, with exit 0.",
  examples = {
    "hookward tail",
    "hookward tail --failed --event 'Badge.*'",
    "hookward tail --json | jq -r 'select(.ms > 1000) | .id'",
  },
}

function M.define(parser)
  parser:option("--event", 'Only these events: a name, "Entity.*", "*.Event".'):argname("PATTERN")
    :convert(options.event)
  parser:flag("--failed", "Only failures.")
  parser:flag("--json", "Print a JSON object a line: n, at (seconds since 1970), row (in the "
    .. "ledger), id, event, outcome (the word that is printed without --json), state (of the "
    .. "row), attempt, error, reason, ms, duplicate, retry (of the host's own), replay. "
    .. "Members without a value are left out. { skipped: N } means that N records were left out, "
    .. "{ gap: true } that some may have been.")
  options.config(parser)
end

local WAIT = 40 -- seconds; the host answers after 20
local PAUSE = 0.5 -- seconds, between two looks for a host that is gone

-- ---- a line ----

local STYLES = { succeeded = "green", failed = "red", dead = "red", paused = "yellow",
  duplicate = "dim", unhandled = "dim", accepted = "dim" }
local EVENT_MAX, ID_MAX = 40, 36 -- characters; a longer one only moves what follows it

-- A column is as wide as its widest text so far.
local widths = { event = 16, id = 8 }

local function column(name, value, most)
  local width = utf8.len(value)
  if width > widths[name] and width <= most then widths[name] = width end
  return text.pad(value, widths[name])
end

local function outcome_of(record)
  if record.error == "paused" then return "paused" end
  if record.error then return record.state == "dead" and "dead" or "failed" end
  if record.duplicate then return "duplicate" end
  if record.state == "queued" or record.state == "running" then return "accepted" end
  return record.state or "succeeded"
end

-- What is special about it: "attempt 2: handler_refused: the printer is off"
local function remark(record)
  local parts = {}
  if record.replay then parts[#parts + 1] = "replay" end
  if record.retry then parts[#parts + 1] = ("the host's retry %d"):format(record.retry) end
  if record.attempt > 0 then parts[#parts + 1] = ("attempt %d"):format(record.attempt) end
  local how = table.concat(parts, ", ")
  if not record.error then return how end
  return (how ~= "" and how .. ": " or "") .. record.error
    .. (record.reason and ": " .. text.line(record.reason) or "")
end

local function line_of(record, room)
  local before = os.date("!%H:%M:%S", record.at // 1) .. "  "
  local after = ("  %s  %s  %8s  %s"):format(
    column("event", record.event and text.line(record.event) or "-", EVENT_MAX),
    column("id", text.line(record.id), ID_MAX), time.took(record.ms), remark(record))
  after = after:gsub("%s+$", "")
  if room then after = text.cut(after, math.max(1, room - #before - 9)) end
  return before .. console.paint(STYLES[record.outcome] or "bold", text.pad(record.outcome, 9))
    .. after
end

-- ---- what is shown ----

local Tail = {}
Tail.__index = Tail

function Tail:wants(record)
  if self.failed and not record.error then return false end
  return not self.event or record.event ~= nil and pattern.matches(self.event, record.event)
end

function Tail:show(told)
  if told.gap then
    if self.json then console.say('{"gap":true}')
    else console.complain("deliveries may be missing here") end
  end
  if told.skipped > 0 then
    if self.json then console.say('{"skipped":%d}', told.skipped)
    else console.complain("%d left out here: they came too fast to be printed", told.skipped) end
  end
  local room = core.sys.isatty(1) and core.sys.columns() or nil
  for _, record in ipairs(told.records) do
    if self:wants(record) then
      record.outcome = outcome_of(record)
      console.say("%s", self.json and text.json(assert(core.json.encode(record)))
        or line_of(record, room))
    end
  end
end

-- ---- asking ----

-- What the host tells; or nil, and why: "absent", or a line that ends the command.
local function ask(host, after)
  local answer = control.ask(host, { method = "GET", path = "/feed", timeout = WAIT,
    headers = { ["X-Hookward-After"] = after and ("%d"):format(after) or nil } })
  if not answer then return nil, "absent" end
  local told = core.json.decode(answer.body)
  if answer.status == 200 and type(told) == "table" then return told end
  if answer.status == 404 then return nil, "the running host is too old for `hookward tail`" end
  return nil, ("the host refuses: %s"):format(type(told) == "table" and told.message
    or answer.status)
end

-- Waits for the next host, and says so.
local function await(host, after)
  console.complain("the host has stopped; waiting until it starts again")
  local told, why
  repeat
    core.sys.sleep(PAUSE)
    told, why = ask(host, after)
  until told or why ~= "absent"
  if told then console.complain("the host has started again") end
  return told, why
end

function M.run(args)
  local host, no_folder = control.find(args.config)
  if not host then return console.fail(no_folder) end
  core.process.end_on_interrupt()
  local tail = setmetatable({ json = args.json, event = args.event, failed = args.failed }, Tail)
  local told, why = ask(host)
  if not told then return console.fail(why == "absent" and control.absence(host) or why) end
  if core.sys.isatty(1) and not args.json then
    console.complain("%s", console.paint("dim", "following; Ctrl-C ends it", 2))
  end
  while true do
    local after = told.last
    told, why = ask(host, after)
    if why == "absent" then told, why = await(host, after) end
    if not told then return console.fail(why) end
    tail:show(told)
  end
end

return M
