-- The options that select notifications, and the ledger's filters that they become.

local core = require "hookward.core"
local options = require "hookward.cli.options"
local suggest = require "hookward.base.suggest"
local text = require "hookward.jobs.text"
local time = require "hookward.base.time"

local M = {}

local states = core.ledger.states

local function read_state(name)
  for _, state in ipairs(states) do
    if state == name then return name end
  end
  local nearest = suggest.nearest(name, states)
  return nil, ("there is no state '%s'; %s"):format(text.line(name),
    nearest and ("did you mean %s?"):format(nearest) or "there are " .. table.concat(states, ", "))
end

local function read_time(value)
  local seconds, why = time.read(value)
  return seconds, why and text.line(why)
end

---Adds the option that selects an event.
---@param parser table
function M.define_event(parser)
  parser:option("--event", 'Only this event: a name, or "Entity.*", "*.Event", "*".')
    :argname("EVENT"):convert(options.event)
end

---Adds the options that select notifications.
---@param parser table
function M.define(parser)
  parser:option("--state", "Only those in this state: succeeded, failed (a retry follows), dead "
    .. "(none does), unhandled, queued or running. May be repeated.")
    :argname("STATE"):count("*"):convert(read_state)
  M.define_event(parser)
  parser:option("--error", "Only those whose error, reason or traceback has this text in it; small "
    .. "and capital letters are the same."):argname("TEXT")
  parser:option("--id", "Only this job id. May be repeated."):argname("ID"):count("*")
  parser:option("--since", "Only those received at this time or later: an ISO 8601 time (UTC if it "
    .. "names no zone), seconds since 1970 as @N, or an age such as 90s, 10m, 2h or 30d.")
    :argname("TIME"):convert(read_time)
  parser:option("--until", "Only those received at this time or earlier.")
    :argname("TIME"):target("until_time")
    :convert(read_time)
end

local function some(list)
  return list and #list > 0 and list or nil
end

---@param args table
---@return table? filters of core.ledger; empty if no option was given
---@return string? why the options contradict each other
function M.read(args)
  if args.since and args.until_time and args.since > args.until_time then
    return nil, "--since is later than --until"
  end
  return { states = some(args.state), event = args.event, error = args.error, ids = some(args.id),
    since = args.since, ["until"] = args.until_time }
end

---@param by_state table<string, integer>
---@return string "3 failed, 1 dead"
function M.breakdown(by_state)
  local parts = {}
  for _, state in ipairs(states) do
    if by_state[state] then parts[#parts + 1] = ("%d %s"):format(by_state[state], state) end
  end
  return table.concat(parts, ", ")
end

return M
