-- hookward events: lists the events that this account may subscribe to.

local answers = require "hookward.accredit.answers"
local catalogue = require "hookward.handlers.catalogue"
local connect = require "hookward.accredit.connect"
local console = require "hookward.cli.console"
local core = require "hookward.core"

local M = {
  summary = "List the events that Accredit offers.",
  usage = "[OPTION...]",
  description = "Asks Accredit which events this account may subscribe to.\n\n" .. connect.HELP,
  examples = {
    "hookward events --api https://accredit.example.com",
    "hookward events --json | jq -r '.[].event'",
    "HOOKWARD_ACCREDIT_USER=api HOOKWARD_ACCREDIT_PASSWORD=... hookward events",
  },
}

local PATH = "/api/webhookSubscription/events"

function M.define(parser)
  connect.define(parser)
  parser:flag("--json", "Print a JSON array of objects: event, description, and schema (true if "
    .. "hookward knows its fields).")
end

local function print_json(events)
  local list = core.json.array {}
  for i, one in ipairs(events) do
    list[i] = { event = one.event, description = one.description,
      schema = catalogue[one.event] ~= nil }
  end
  console.say("%s", assert(core.json.encode(list)))
end

local function print_text(events)
  local rows = {}
  for i, one in ipairs(events) do
    local known = catalogue[one.event]
    rows[i] = { console.plain(one.event),
      console.plain(one.description or known and known.description or "") }
  end
  console.columns(rows, "")
  if #rows == 0 then console.complain("This account may not subscribe to any event.") end
end

function M.run(args)
  local connection, lines = connect.open(args)
  if not connection then return console.fail(lines) end
  local answer, failure = connection.client:call("GET", PATH)
  if not answer then return connect.fail(connection, failure, args.json) end
  local events, looked_for = answers.events(answer.value)
  if not events then
    return connect.fail(connection, connect.unknown(connection, "GET", PATH, answer, looked_for),
      args.json)
  end
  if args.json then print_json(events) else print_text(events) end
  return 0
end

return M
