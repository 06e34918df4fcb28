-- hookward subscribe: makes a subscription and saves its Signature Key in the keys folder.

local answers = require "hookward.accredit.answers"
local connect = require "hookward.accredit.connect"
local console = require "hookward.cli.console"
local control = require "hookward.host.control"
local core = require "hookward.core"
local key_files = require "hookward.accredit.key_files"

local M = {
  summary = "Subscribe to an event of Accredit.",
  usage = "EVENT --url URL [OPTION...]",
  description = "Creates a subscription and saves its Signature Key where the configuration's "
    .. "`keys` finds it, whatever its form. A running host has loaded it when the command ends. A "
    .. "key that exists already is not saved again, and no file is ever overwritten.\n\n"
    .. connect.HELP,
  examples = {
    "hookward subscribe BadgeExportZipFile.Created --url https://hooks.example.com",
    "hookward subscribe Person.Updated --url https://hooks.example.com --tenant 12",
    "hookward subscribe Person.Updated --url https://... --key-file keys/p.pem",
  },
}

local PATH = "/api/webhookSubscription"

function M.define(parser)
  parser:argument("EVENT", "The event's name; `hookward events` lists them."):target("event")
    :convert(connect.event_name)
  parser:option("--url", "Where Accredit sends notifications: a URL that it can reach. Without a "
    .. "path it gets the configuration's."):argname("URL"):count(1)
  parser:option("--tenant", "Only for this tenant (default: the whole system)."):argname("ID")
  parser:option("--key-file", "Save the key in this file (default: a file named after EVENT, in "
    .. "the folder of the first pattern of `keys`, or in keys/)."):argname("FILE")
  connect.define(parser)
  parser:flag("--json", "Print one JSON object: ok, event, url, tenant, id, key (with `live`: "
    .. "true if a running host has it).")
end

local ID_NAMES = { "id", "subscriptionid", "webhooksubscriptionid", "subscription" }

-- The subscription exists, but its key could not be saved: shows the whole answer, so that nothing
-- is lost.
local function lost_key(connection, answer, line, advice, as_json)
  return connect.fail(connection, { message = line, advice = advice, status = answer.status,
    body = answer.body }, as_json)
end

-- ---- the running host ----

local RELOAD_TIMEOUT = 60 -- seconds, added to the time that a script may take to load

-- Tells a running host to load the key, and waits until it has. It would do so by itself a moment
-- later, but would refuse what is sent within that moment. Returns true if the host has the key,
-- false and why if it has not, nil if no host is running.
local function hand_over(settings)
  if not settings then return nil end
  local host = control.of(settings)
  local answer, why, absent = control.ask(host, { path = "/reload",
    timeout = settings.handler_timeout_ms / 1000 + RELOAD_TIMEOUT })
  if absent then
    if not control.is_running(host) then return nil end
    return false, control.absence(host)
  end
  if not answer then return false, why end
  if answer.status == 200 then return true end
  local body = core.json.decode(answer.body)
  return false, type(body) == "table" and body.message or answer.body
end

-- ---- telling ----

local function print_json(args, url, id, key, saved, live)
  console.say("%s", assert(core.json.encode { ok = true, event = args.event, url = url,
    tenant = args.tenant, id = id, key = { file = saved.path, new = saved.is_new, live = live,
      form = key.form, bits = key.bits, fingerprint = key.fingerprint } }))
end

local function print_text(args, url, id, key, saved, shown, live, why)
  console.say("%s: subscribed to %s%s%s", url, args.event,
    args.tenant and " of tenant " .. args.tenant or "",
    id and (" (%s)"):format(console.plain(id)) or "")
  console.say(saved.is_new and "%s: its Signature Key (%s, %d bits, SHA-256 %s)"
    or "%s: already has its Signature Key (%s, %d bits, SHA-256 %s)", shown, key.form, key.bits,
    key.fingerprint:sub(1, 16))
  if not saved.is_found then
    console.complain("`keys` of the configuration does not cover %s: add it there", shown)
  elseif live == false then
    console.complain("The running host does not have the key yet, and refuses notifications "
      .. "signed with it: %s", why)
  elseif live then
    console.say("The running host has loaded it.")
  end
  console.say("Try it: hookward trigger %s --url %s", args.event, url)
end

local function keep_key(connection, ring, args, url, answer)
  local key, looked_for, nearly = answers.signature_key(answer.value or answer.body, ring.min_bits)
  if not key then
    return lost_key(connection, answer, ("subscribed, but there is no Signature Key in the "
      .. "answer%s; looked for %s"):format(nearly and " (" .. nearly .. ")" or "", looked_for),
      "Save the key, from the answer or from where Accredit shows it, in the keys folder.",
      args.json)
  end
  local saved, why = ring:save(key, args.event, args.tenant)
  if not saved then
    return lost_key(connection, answer, "subscribed, but the Signature Key could not be saved: "
      .. why, "Save the key from the answer yourself, as a file in the keys folder.", args.json)
  end
  local id = answers.text_of(answer.value, ID_NAMES)
  local live, why_not
  if saved.is_found then live, why_not = hand_over(connection.settings) end
  if args.json then print_json(args, url, id, key, saved, live)
  else print_text(args, url, id, key, saved, ring:shown(saved.path), live, why_not) end
  return 0
end

function M.run(args)
  local connection, lines = connect.open(args)
  if not connection then return console.fail(lines) end
  local url, why = connect.target(args.url, connection.settings)
  if not url then return console.misuse("hookward subscribe", "%s", why) end
  local ring
  ring, why = key_files.open(connection.settings, args.key_file)
  if not ring then return console.fail(why) end
  local answer, failure = connection.client:call("POST", PATH,
    { Event = args.event, Url = url, Tenant = args.tenant })
  if not answer then return connect.fail(connection, failure, args.json) end
  return keep_key(connection, ring, args, url, answer)
end

return M
