-- hookward resume: the handlers of a paused event run again.

local console = require "hookward.cli.console"
local control = require "hookward.host.control"
local options = require "hookward.cli.options"
local pauses = require "hookward.host.pauses"

local M = {
  summary = "Run a paused event's handlers again.",
  usage = "EVENT | --all [OPTION...]",
  description = "Ends what `hookward pause` began: handlers of the event run again, and what waits "
    .. "of it is due at once, the oldest first. Name what was paused: while \"Badge.*\" is paused, "
    .. "\"Badge.Created\" alone can't be resumed. `hookward pause` lists it.",
  examples = {
    "hookward resume 'Badge.*'",
    "hookward resume --all",
  },
}

local NAME = "hookward resume"

function M.define(parser)
  parser:argument("EVENT", "What was paused, as it was named then."):target("event")
    :args("?"):convert(options.event)
  parser:flag("--all", "Resume everything that is paused.")
  options.config(parser)
end

local function is_one_of(all, pattern)
  for _, pause in ipairs(all) do
    if pause.pattern == pattern then return true end
  end
  return false
end

local function names(all)
  local list = {}
  for i, pause in ipairs(all) do list[i] = console.plain(pause.pattern) end
  return #list == 0 and "nothing is" or table.concat(list, ", ") .. (#list == 1 and " is" or " are")
end

-- Returns the exit code.
local function resume(host, pattern)
  local changed, why = pauses.change(host, pattern, true)
  if changed == nil then return console.fail(why) end
  if changed then
    console.say("resumed %s", console.plain(pattern))
    return 0
  end
  local all = pauses.list(host) or {}
  if is_one_of(all, pattern) then return 0 end -- somebody has paused it meanwhile
  return console.fail(("%s is not paused; %s"):format(console.plain(pattern), names(all)))
end

local function resume_all(host)
  local all, why = pauses.list(host)
  if not all then return console.fail(why) end
  if #all == 0 then console.complain("nothing is paused") end
  local code = 0
  for _, pause in ipairs(all) do code = math.max(code, resume(host, pause.pattern)) end
  return code
end

function M.run(args)
  if args.all and args.event then return console.misuse(NAME, "an event, or --all") end
  if not args.all and not args.event then
    return console.misuse(NAME, "name what to resume, or --all; `hookward pause` lists it")
  end
  local host, no_folder = control.find(args.config)
  if not host then return console.fail(no_folder) end
  if args.all then return resume_all(host) end
  return resume(host, args.event)
end

return M
