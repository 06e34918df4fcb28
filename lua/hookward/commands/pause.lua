-- hookward pause: no handler of an event runs until it is resumed.

local console = require "hookward.cli.console"
local control = require "hookward.host.control"
local core = require "hookward.core"
local options = require "hookward.cli.options"
local pauses = require "hookward.host.pauses"
local time = require "hookward.base.time"

local M = {
  summary = "Stop running an event's handlers; or list what is paused.",
  usage = "[EVENT] [OPTION...]",
  description = "Keeps the handlers of an event from running until `hookward resume`, also after a "
    .. "restart (with ledger = \"memory:\" only until the host ends). Runs that have begun end as "
    .. "usual. What an ack-first handler would get is accepted, and waits in the ledger; what any "
    .. "other would get is answered 400 `paused`, so that Accredit delivers it again, and the host "
    .. "takes over what Accredit gives up. What waits for the host's own retry stays where it is. "
    .. "`jobs replay` runs what it names all the same. Without an event it lists what is paused. "
    .. "When no host is running, the ledger is changed for the next one. Of hosts that share a "
    .. "ledger all keep to it, each within a few seconds.",
  examples = {
    "hookward pause BadgeExportZipFile.Created",
    "hookward pause 'Badge.*'",
    "hookward pause '*'",
    "hookward pause    # what is paused?",
  },
}

function M.define(parser)
  parser:argument("EVENT", 'What to pause: a name, "Entity.*", "*.Event", "*".'):target("event")
    :args("?"):convert(options.event)
  parser:flag("--json", "Without an event: print a JSON array of { pattern, since }.")
  options.config(parser)
end

local function list(host, json)
  local all, why = pauses.list(host)
  if not all then return console.fail(why) end
  if json then
    console.say("%s", assert(core.json.encode(core.json.array(all))))
    return 0
  end
  local rows = {}
  for i, pause in ipairs(all) do
    rows[i] = { console.plain(pause.pattern), ("since %s (%s)"):format(time.short(pause.since),
      time.age(pause.since)) }
  end
  if #rows == 0 then console.complain("nothing is paused") end
  console.columns(rows, "")
  return 0
end

function M.run(args)
  local host, no_folder = control.find(args.config)
  if not host then return console.fail(no_folder) end
  if not args.event then return list(host, args.json) end
  local changed, why = pauses.change(host, args.event)
  if changed == nil then return console.fail(why) end
  console.say(changed and "paused %s" or "%s was paused already", console.plain(args.event))
  return 0
end

return M
