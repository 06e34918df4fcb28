-- hookward sandbox: runs a local stand-in for Accredit.

local config = require "hookward.config"
local console = require "hookward.cli.console"
local core = require "hookward.core"
local files = require "hookward.base.files"
local options = require "hookward.cli.options"
local suggest = require "hookward.base.suggest"

local M = {
  summary = "Play Accredit, for development.",
  usage = "[OPTION...]",
  description = "A stand-in for Accredit on this machine: the token (account sandbox / sandbox), "
    .. "events, subscribe, trigger, the print queue, and signed notifications with up to five "
    .. "retries, as Accredit's .NET sender delivers them. It prints a line for each call, delivery "
    .. "and answer. SIGINT or SIGTERM ends it.\n\n"
    .. "--misbehave takes one or more of these, separated by commas: duplicate (delivers the first "
    .. "attempt twice at once), repeat (delivers a job again after its success), forged (first "
    .. "sends a copy with another body's signature), stale (a Timestamp a day old), slow (sends "
    .. "the body in small pieces). A single trigger call can ask for them with a field "
    .. "\"Misbehave\".\n\n"
    .. "With --fail CALL=WHAT a call fails. CALL: token, events, subscribe, trigger, printQueue. "
    .. "WHAT: a status, an ACR_ code, STATUS:CODE, or html (a proxy's page). With *N after it, "
    .. "only the first N calls fail.",
  examples = {
    "hookward sandbox --url http://127.0.0.1:8080/baseWebhookNotification",
    "hookward sandbox --speed 100 --misbehave duplicate,repeat",
    "hookward sandbox --fail 'events=503:ACR_00.000.001*2' --json",
    "hookward sandbox --key sandbox.key --key-form xml   # keeps its key",
    "hookward sandbox --url https://localhost:8443 --ca tls/cert.pem",
  },
}

local KEY_BITS = 2048
local DEFAULT_PATH = "/baseWebhookNotification"

-- ---- arguments ----

local function speed(text)
  local number = tonumber(text)
  if number and number >= 0.01 and number <= 100000 then return number + 0.0 end
  return nil, ("--speed takes a number from 0.01 to 100000, not '%s'"):format(text)
end

local function url(text)
  if not text:find("^https?://[^/%s%c]+[^%s%c]*$") then
    return nil, ("--url takes the address of a host, as in http://127.0.0.1:8080%s, not '%s'")
      :format(DEFAULT_PATH, text)
  end
  return text:find("^%a+://[^/?#]*$") and text .. DEFAULT_PATH or text
end

function M.define(parser)
  parser:option("--listen", "Listen here (default: 127.0.0.1:8090): host:port, [v6]:port or "
    .. "unix:PATH."):argname("ADDRESS")
  parser:option("--url", "Where samples go if a trigger call names no Url."):argname("URL")
    :convert(url)
  parser:option("--speed", "Divide the pauses before retries, 30 s to 6 minutes, by N.")
    :argname("N"):convert(speed)
  parser:option("--key-form", "The form of the Signature Key: xml (.NET's, the default), pem or "
    .. "der (bare Base64)."):choices({ "xml", "pem", "der" }):argname("FORM")
  parser:option("--key", "Sign with this private key; the file is made if it does not exist. "
    .. "Without --key, each run has a new key."):argname("FILE")
  parser:option("--misbehave", "How to misbehave; see above."):argname("WAYS")
  parser:option("--fail", "Make a call fail; see above. May be repeated."):argname("CALL=WHAT")
    :count("*")
  parser:option("--timeout", "How long to wait for a host's answer (default: 100s, like .NET).")
    :argname("TIME"):convert(options.time "--timeout")
  options.tls(parser)
  parser:option("--token-life", "How long a token is valid (default: 1h)."):argname("TIME")
    :convert(options.time "--token-life")
  parser:flag("--public", "Allow an address that other machines can reach, although everybody "
    .. "knows the account.")
  parser:flag("--json", "Print everything as JSON, one object a line.")
end

-- ---- the key ----

-- A new private key in PEM; written to the file, if one is named.
local function make_key(file)
  local private, public = core.crypto.keygen(KEY_BITS)
  if not private then return nil, public end
  if not file then return private end
  local ok, why = core.sys.write_new(file, private, files.SECRET)
  return ok and private, why
end

local function find_key(file)
  if not file or not core.sys.stat(file) then return make_key(file) end
  return files.read(file)
end

-- ---- the address ----

local function is_local(address)
  local host = address:match("^(.*):[^:]*$") or address
  return address:find("^unix:") or address:find("^systemd") or host == "localhost"
    or host:find("^127%.%d+%.%d+%.%d+$") or host == "[::1]"
end

local function first_unknown(args)
  local misbehaviour = require "hookward.sandbox.misbehaviour"
  local ways, why = misbehaviour.parse(args.misbehave)
  if not ways then
    local nearest = suggest.nearest(why:match("^'(.-)'") or "", misbehaviour.names)
    return "--misbehave: " .. why .. (nearest and ("; did you mean %s?"):format(nearest) or "")
  end
  local faults = require "hookward.sandbox.faults"
  for _, text in ipairs(args.fail) do
    local fault
    fault, why = faults.parse(text)
    if not fault then return why end
  end
end

function M.run(args)
  local listen = args.listen or "127.0.0.1:8090"
  local why = options.tls_misuse(args) or first_unknown(args)
  if why then return console.misuse("hookward sandbox", "%s", why) end
  if not is_local(listen) and not args.public then
    return console.misuse("hookward sandbox", "--listen %s can be reached from other machines, and "
      .. "everybody knows the account; add --public if you want that", listen)
  end
  local private, signature_key
  private, why = find_key(args.key)
  if not private then return console.fail(why) end
  local form = args.key_form or "xml"
  signature_key, why = core.crypto.public_key(private, form)
  if not signature_key then return console.fail(("%s: %s"):format(args.key or "key", why)) end
  local settings, lines = config.of({
    listen = listen, ledger = "memory:", drain_timeout = 2, log = { level = "warn" },
    settings = {
      user = "sandbox", password = "sandbox", url = args.url, speed = args.speed or 1,
      private_key = private, signature_key = signature_key, key_form = form,
      key_is_given = args.key ~= nil, misbehave = args.misbehave, fail = args.fail,
      timeout = args.timeout or 100, token_life = args.token_life or 3600,
      json = args.json or false,
      ca = args.ca, client_cert = args.client_cert, client_key = args.client_key,
    },
  }, "hookward sandbox")
  if not settings then return console.fail(lines) end
  local code
  code, why = core.serve_app(settings, "hookward.sandbox")
  -- A thread that was given up may be stuck writing a line that nobody reads: exit() would wait.
  if code == 1 then core.process.leave(code) end
  return code or console.fail(why)
end

return M
