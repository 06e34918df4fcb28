-- hookward trigger: have Accredit send a sample notification.

local answers = require "hookward.accredit.answers"
local connect = require "hookward.accredit.connect"
local console = require "hookward.cli.console"
local core = require "hookward.core"

local M = {
  summary = "Have Accredit send a sample notification.",
  usage = "EVENT --url URL [OPTION...]",
  description = "Has Accredit send one sample notification of an event to a URL, signed like "
    .. "every other. What becomes of it is in the log of `hookward serve`. It is asked for once: "
    .. "a call that fails is not repeated, since it may have been carried out.\n\n" .. connect.HELP,
  examples = {
    "hookward trigger BadgeExportZipFile.Created --url https://hooks.example.com",
    "hookward jobs list --limit 1   # what came of it",
  },
}

local PATH = "/api/webhookSubscription/triggerSampleEventNotification"

function M.define(parser)
  parser:argument("EVENT", "The event's name; `hookward events` lists them."):target("event")
    :convert(connect.event_name)
  parser:option("--url", "Where to. Without a path it gets the configuration's."):argname("URL")
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
  console.say("%s: Accredit sends a sample of %s there%s", url, args.event,
    job and ", job " .. console.plain(job) or "")
  return 0
end

return M
