-- hookward send: signs a notification and delivers it, as Accredit does.

local config = require "hookward.config"
local console = require "hookward.cli.console"
local core = require "hookward.core"
local delivery = require "hookward.host.delivery"
local doors = require "hookward.host.doors"
local files = require "hookward.base.files"
local options = require "hookward.cli.options"
local tls_advice = require "hookward.base.tls_advice"

local sys = core.sys

local M = {
  summary = "Sign a notification and deliver it.",
  usage = "[EVENT] [OPTION...]",
  description = "Signs a notification with a private key and posts it, as Accredit does. Exits 0 "
    .. "when the answer is 200, else 1.\n\nThe body begins with Event and Timestamp (now); the "
    .. "fields of --data follow. Data that already has an Event is sent unchanged, byte for byte, "
    .. "and EVENT may be left out. Without --data, BadgeExportZipFile.Created names a zip that "
    .. "`hookward sandbox` has in its print queue.",
  examples = {
    "hookward send BadgeExportZipFile.Created",
    "hookward send Person.Updated --data '{\"PersonId\": 7}' --retries 5",
    "hookward send --raw @body.json --to https://example.com/hooks --key key.pem",
    "hookward send Person.Updated --header 'X-Signature: forged'   # refused?",
    "hookward send Person.Updated --to https://localhost:8443 --ca tls/cert.pem",
  },
}

local NUMBER_MAX = 1000 -- of attempts and retries
local NOBODY = "nobody listens there"
local DEFAULT_PATH = "/baseWebhookNotification"

-- ---- arguments ----

local function header(text)
  local name, value = text:match("^([%w!#$%%&'*+%-.^_`|~]+):%s*(.-)%s*$")
  if name and not value:find("%c") then return { name = name, value = value } end
  return nil, ("--header takes 'Name: value', or 'Name:' to leave it out, not '%s'"):format(text)
end

-- Accepts whatever a header can carry, also ids that a host refuses.
local function read_job_id(text)
  if not text:find("%c") then return text end
  return nil, "--job-id takes a text without control characters, because it goes into a header"
end

function M.define(parser)
  parser:argument("EVENT", "The event's name, as in Person.Updated."):target("event"):args("?")
  parser:option("--to", "Deliver to this URL, or to the socket unix:PATH (default: where the "
    .. "configuration listens). A URL without a path gets the configuration's."):argname("URL")
  parser:option("--key", "The private key (default: development.key beside the configuration).")
    :argname("FILE")
  options.config(parser)
  parser:mutex(
    parser:option("--data", "A JSON object of fields for the body; @FILE or @- reads it from a "
      .. "file or the standard input."):argname("JSON"),
    parser:option("--raw", "The whole body, sent unchanged; @FILE or @- as above.")
      :argname("BODY"))
  parser:option("--job-id", "X-JobId (default: a random number)."):argname("ID")
    :convert(read_job_id)
  parser:option("--attempt", "X-JobAttempt of the first delivery (default: 0).")
    :argname("N"):convert(options.whole_number("--attempt", 0, NUMBER_MAX))
  parser:option("--retries", "Deliver again up to N times, with the same job id, until the answer "
    .. "is 200 (default: 0; Accredit: 5)."):argname("N")
    :convert(options.whole_number("--retries", 0, NUMBER_MAX))
  parser:option("--delay", "The pause between attempts (default: 1s)."):argname("TIME")
    :convert(options.time "--delay")
  parser:option("--timeout", "How long to wait for an answer (default: 100s, like .NET).")
    :argname("TIME"):convert(options.time "--timeout")
  options.tls(parser)
  parser:option("--header", "Add this header, or replace it; 'Name:' alone leaves it out. "
    .. "May be repeated."):argname("HEADER"):count("*"):convert(header)
  parser:flag("--json", "Print one JSON object: ok, event, job_id, to, attempts.")
end

-- ---- the body ----

-- Returns the body and the event's name; or nil and what is wrong with the arguments.
local function build_body(args)
  if args.raw then
    local text, why = files.read_argument(args.raw)
    return text, text and (args.event or "a raw body") or why
  elseif args.data then
    local text, why = files.read_argument(args.data)
    if not text then return nil, why end
    return delivery.body(args.event, text, "--data")
  elseif not args.event then
    return nil, "which event? Name it as in `hookward send Person.Updated`"
  end
  return delivery.body(args.event, delivery.sample(args.event), "--data")
end

-- ---- where to, and with which key ----

---@class hookward.send.Target
---@field url string
---@field unix? string
---@field proxy_protocol? boolean
---@field shown string

-- The first listener that can be connected to.
---@return hookward.send.Target?
local function default_target(settings)
  for _, door in ipairs(doors.all(settings)) do
    if door.url then
      return { url = door.url, unix = door.unix, proxy_protocol = door.proxy_protocol,
        shown = door.unix and door.address or door.url }
    end
  end
  return nil, ("%s: `listen` names no port; name the URL with --to"):format(settings.file)
end

---@return hookward.send.Target?
local function parse_target(text, path)
  local socket = text:match("^unix:(.+)$")
  if socket then return { url = "http://localhost" .. path, unix = socket, shown = text } end
  if not text:find("^https?://[^/]") then
    return nil, ("--to takes a URL such as http://127.0.0.1:8080%s, or unix:PATH, not '%s'")
      :format(DEFAULT_PATH, text)
  end
  local url = text:find("^%a+://[^/?#]*$") and text .. path or text
  return { url = url, shown = url }
end

-- Reads the configuration only for what the arguments leave open.
local function look_up(args)
  local settings
  if args.config or not args.to or not args.key then
    local lines
    settings, lines = config.load(args.config)
    if not settings then
      if not args.config and not sys.stat(config.DEFAULT_FILE) then
        lines = { ("there is no %s here: name --to URL and --key FILE, or -c FILE")
          :format(config.DEFAULT_FILE) }
      end
      return nil, lines
    end
  end
  local target, why
  if not args.to then
    target, why = default_target(settings)
    if not target then return nil, { why } end
  end
  return {
    target = target,
    path = settings and settings.path or DEFAULT_PATH,
    key = args.key or config.shown(settings.folder .. "/" .. delivery.KEY, assert(sys.cwd())),
  }
end

local function read_key(path)
  local text, why = files.read(path)
  return text, why and why .. "; name a private key with --key FILE, or make one with "
    .. "`hookward keygen DIR`"
end

-- ---- delivering ----

local function headers_of(job_id, attempt, signature, extra)
  local headers = delivery.headers(job_id, attempt, signature)
  for _, one in ipairs(extra) do
    for name in pairs(headers) do
      if name:lower() == one.name:lower() then headers[name] = nil end
    end
    if one.value ~= "" then headers[one.name] = one.value end
  end
  return headers
end

-- Recognises libcurl's messages for a refused connection.
local function is_refused(why)
  return why:find("^Failed to connect") or why:find("^Couldn't connect")
end

-- Makes one attempt. Returns its outcome, for print and for --json.
local function deliver(job, attempt)
  local begun = sys.now()
  local answer, why = core.http.request {
    method = "POST",
    url = job.target.url,
    unix = job.target.unix,
    proxy_protocol = job.target.proxy_protocol,
    body = job.body,
    headers = headers_of(job.id, attempt, job.signature, job.headers),
    timeout = job.timeout,
    ca = job.ca, client_cert = job.client_cert, client_key = job.client_key,
  }
  local outcome = { attempt = attempt, ms = math.floor((sys.now() - begun) * 1000 + 0.5) }
  if not answer then
    outcome.failure = is_refused(why) and NOBODY or tls_advice.explain(why) or why
    return outcome
  end
  outcome.status, outcome.body = answer.status, answer.body
  local said = core.json.decode(answer.body)
  if type(said) == "table" then
    outcome.error = type(said.error) == "string" and said.error or nil
    outcome.message = type(said.message) == "string" and said.message or nil
  end
  return outcome
end

local function describe(outcome)
  if outcome.failure then return console.paint("red", outcome.failure) end
  local said = outcome.error and outcome.error .. ": " .. (outcome.message or "")
    or outcome.status == 200 and "" or outcome.body
  return ("%s %s"):format(console.paint(outcome.status == 200 and "green" or "red",
    tostring(outcome.status)), console.plain(said, 300)):gsub(" $", "")
end

local function print_outcome(outcome)
  console.say("attempt %d: %s %s", outcome.attempt, describe(outcome),
    console.paint("dim", ("(%d ms)"):format(outcome.ms)))
end

-- Makes attempts until one is answered 200, as Accredit does.
local function play(job, first, retries, delay, on_outcome)
  local outcomes = core.json.array {}
  for attempt = first, first + retries do
    if attempt > first then sys.sleep(delay) end
    local outcome = deliver(job, attempt)
    outcomes[#outcomes + 1] = outcome
    on_outcome(outcome)
    if outcome.status == 200 then break end
  end
  return outcomes
end

function M.run(args)
  local misused = options.tls_misuse(args)
  if misused then return console.misuse("hookward send", "%s", misused) end
  local body, event = build_body(args)
  if not body then return console.misuse("hookward send", "%s", event) end
  local found, lines = look_up(args)
  if not found then return console.fail(lines) end
  local target, why = found.target, nil
  if not target then target, why = parse_target(args.to, found.path) end
  if not target then return console.misuse("hookward send", "%s", why) end
  local key, signature
  key, why = read_key(found.key)
  if not key then return console.fail(why) end
  signature, why = core.crypto.sign(key, body)
  if not signature then return console.fail(("%s: %s"):format(found.key, why)) end

  local job = {
    id = args.job_id or delivery.new_id(),
    target = target, body = body, signature = signature, headers = args.header,
    timeout = args.timeout or 100, ca = args.ca,
    client_cert = args.client_cert, client_key = args.client_key,
  }
  if not args.json then console.say("%s, job %s, to %s", event, job.id, target.shown) end
  local outcomes = play(job, args.attempt or 0, args.retries or 0, args.delay or 1,
    args.json and function() end or print_outcome)
  local last = outcomes[#outcomes]
  if args.json then
    console.say("%s", assert(core.json.encode { ok = last.status == 200, event = event,
      job_id = job.id, to = target.shown, body = body, attempts = outcomes }))
  end
  if last.failure == NOBODY then console.complain("Start the host with `hookward serve`.") end
  return last.status == 200 and 0 or 1
end

return M
