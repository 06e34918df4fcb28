-- hookward trigger: asks Accredit to send a sample notification.

local answers = require "hookward.accredit.answers"
local connect = require "hookward.accredit.connect"
local console = require "hookward.cli.console"
local core = require "hookward.core"

local M = {
  summary = "Ask Accredit to send a sample notification.",
  usage = "EVENT --url URL [OPTION...]",
  description = "Asks Accredit to send one sample notification of an event to a URL, signed like "
    .. "every other. The log of `hookward serve` shows what became of it. A call that fails is not "
    .. "repeated, because Accredit may have carried it out.\n\n" .. connect.HELP,
  examples = {
    "hookward trigger BadgeExportZipFile.Created --url https://hooks.example.com",
    "hookward jobs list --limit 1   # what became of it",
  },
}

local PATH = "/api/webhookSubscription/triggerSampleEventNotification"

function M.define(parser)
  parser:argument("EVENT", "The event's name; `hookward events` lists them."):target("event")
    :convert(connect.event_name)
  parser:option("--url", "The receiver. Without a path it gets the configuration's."):argname("URL")
    :count(1)
  connect.define(parser)
  parser:flag("--json", "Print one JSON object: ok, event, url, job_id.")
end

function M.run(args)
  local connection, lines = connect.open(args)
  if not connection then return console.fail(lines) end
  local url, why = connect.target(args.url, connection.settings)
  if not url then return console.misuse("hookward trigger", "%s", why) end
  local answer, failure = connection.client:call("POST", PATH, { Event = args.event, Url = url })
  if not answer then return connect.fail(connection, failure, args.json) end
  local job = answers.text_of(answer.value, { "jobid", "notificationjobid", "id" })
  if args.json then
    console.say("%s", assert(core.json.encode { ok = true, event = args.event, url = url,
      job_id = job }))
    return 0
  end
  console.say("%s: Accredit sends it a sample of %s%s", url, args.event,
    job and ", job " .. console.plain(job) or "")
  return 0
end

return M
