-- What `events`, `subscribe` and `trigger` share: how to reach the API, with which account, and how
-- to report a failure.

local answers = require "hookward.accredit.answers"
local client = require "hookward.accredit.client"
local config = require "hookward.config"
local console = require "hookward.cli.console"
local core = require "hookward.core"
local files = require "hookward.base.files"
local options = require "hookward.cli.options"

local M = {
  HELP = "The account is a token in HOOKWARD_ACCREDIT_TOKEN, or HOOKWARD_ACCREDIT_USER and "
    .. "HOOKWARD_ACCREDIT_PASSWORD, for which hookward gets a token from the API. Prefer these to "
    .. "--token and --password: everybody can read a command's arguments in the list of processes.",
}

local RETRIES_MAX = 100
local DEFAULT_PATH = "/baseWebhookNotification"

---Adds the options that reach the API.
function M.define(parser)
  parser:option("--api", "The address of the Accredit API (default: HOOKWARD_ACCREDIT_URL, or "
    .. "accredit.url of the configuration)."):argname("URL")
  options.config(parser, "The configuration (default: HOOKWARD_CONFIG, or hookward.lua if it "
    .. "exists).")
  parser:option("--token", "The token, or @FILE, or @- for the standard input (default: "
    .. "HOOKWARD_ACCREDIT_TOKEN, or accredit.token)."):argname("TOKEN")
  parser:option("--user", "The account's name (default: HOOKWARD_ACCREDIT_USER).")
    :argname("NAME")
  parser:option("--password", "Its password, or @FILE, or @- (default: "
    .. "HOOKWARD_ACCREDIT_PASSWORD)."):argname("PASSWORD")
  parser:option("--ca", "Trust only this certificate authority (PEM)."):argname("FILE")
  parser:option("--timeout", "How long to wait for an answer (default: 30s)."):argname("TIME")
    :convert(options.time "--timeout")
  parser:option("--retries", "How often to retry a call that changes nothing (default: 2).")
    :argname("N"):convert(options.whole_number("--retries", 0, RETRIES_MAX))
  parser:option("--delay", "The pause before the first retry; it doubles with each further one "
    .. "(default: 1s)."):argname("TIME"):convert(options.time "--delay")
  parser:flag("--plain-http", "Allow http:// to another machine, although others may read the "
    .. "token on its way.")
end

-- ---- the address ----

local function is_loopback(host)
  return host == "localhost" or host == "[::1]" or host:find("^127%.%d+%.%d+%.%d+$") ~= nil
end

-- Strips what a user may have copied along: the end of "https://x.com/accredit/api/".
local function parse_api(text, source, plain_http)
  local scheme, authority, path = text:match("^(https?)://([^/?#%s]+)(/?[^?#%s]*)$")
  if not scheme then
    return nil, ("%s takes a URL such as https://accredit.example.com, not '%s'")
      :format(source, console.plain((text:gsub("//.*@", "//...@"))))
  elseif authority:find("@", 1, true) then
    return nil, ("%s holds a name and a password; give them as HOOKWARD_ACCREDIT_USER and "
      .. "HOOKWARD_ACCREDIT_PASSWORD"):format(source)
  end
  local host = authority:gsub(":%d*$", "")
  if scheme == "http" and not is_loopback(host) and not plain_http then
    return nil, ("%s: http://%s would let others read the token; use https://, or add "
      .. "--plain-http"):format(source, authority)
  end
  path = path:gsub("/+$", ""):gsub("/[aA][pP][iI]$", "")
  return ("%s://%s%s"):format(scheme, authority, path)
end

-- An empty environment variable counts as not set.
local function env(name)
  local value = os.getenv(name)
  return value ~= "" and value or nil
end

local function api_of(args, settings)
  local text, source = args.api, "--api"
  if not text then text, source = env "HOOKWARD_ACCREDIT_URL", "HOOKWARD_ACCREDIT_URL" end
  if not text and settings then text, source = settings.accredit_url, "accredit.url" end
  if not text then
    return nil, ("where is the Accredit API? Name it with --api URL, HOOKWARD_ACCREDIT_URL, or "
      .. "accredit = { url = \"https://...\" } in %s"):format(config.DEFAULT_FILE)
  end
  return parse_api(text, source, args.plain_http)
end

-- ---- the account ----

-- The value of an option, or the contents of the file that it names.
local function secret(argument, option)
  local text, why = files.read_argument(argument)
  if not text then return nil, ("%s: %s"):format(option, why) end
  return (text:gsub("\r?\n$", ""))
end

local function read_token(text, source)
  local token = text:gsub("^%s+", ""):gsub("%s+$", ""):gsub("^[Bb]earer%s+", "")
  if token:find("^[!-~]+$") then return token end
  return nil, ("%s: this is not a token: %s"):format(source, token == "" and "it is empty"
    or "it has spaces or characters that a header can't carry")
end

-- An option takes precedence over the environment, and that over the configuration.
local function token_of(args, settings)
  if args.token then
    local text, why = secret(args.token, "--token")
    if not text then return nil, why end
    return read_token(text, "--token")
  elseif args.user or args.password then
    return nil
  end
  local text = env "HOOKWARD_ACCREDIT_TOKEN"
  if text then return read_token(text, "HOOKWARD_ACCREDIT_TOKEN") end
  text = settings and settings.accredit_token
  if text then return read_token(text, "accredit.token") end
end

local function credentials_of(args)
  local user, password = args.user or env "HOOKWARD_ACCREDIT_USER", env "HOOKWARD_ACCREDIT_PASSWORD"
  if args.password then
    local why
    password, why = secret(args.password, "--password")
    if why then return nil, nil, why end
  end
  if args.user and not password then
    return nil, nil, "--user needs a password: HOOKWARD_ACCREDIT_PASSWORD, or --password @FILE"
  elseif args.password and not user then
    return nil, nil, "--password needs a name: HOOKWARD_ACCREDIT_USER, or --user NAME"
  end
  return user, password
end

local function read_settings(args)
  local file = args.config or config.DEFAULT_FILE
  if not args.config and not core.sys.stat(file) then return nil end
  return config.load(file)
end

---@class hookward.accredit.Connection
---@field client hookward.accredit.Client
---@field settings? hookward.Config nil when there is no configuration

---Reads options, environment and configuration.
---@param args table
---@return hookward.accredit.Connection?
---@return string[]? lines
function M.open(args)
  local settings, lines = read_settings(args)
  if lines then return nil, lines end
  local api, why = api_of(args, settings)
  if not api then return nil, { why } end
  local token, user, password
  token, why = token_of(args, settings)
  if not why then user, password, why = credentials_of(args) end
  if why then return nil, { why } end
  return { settings = settings, client = client.new {
    api = api, token = token, user = user, password = password,
    ca = args.ca, timeout = args.timeout or 30, retries = args.retries or 2,
    delay = args.delay or 1,
    on_retry = function(because, pause)
      if not args.json then
        console.complain("%s; trying again in %.1f s", console.plain(because), pause)
      end
    end,
  } }
end

---Checks the URL that Accredit is to notify. Adds the configuration's path if it has none.
---@param text string
---@param settings? hookward.Config
---@return string? url
---@return string? why
function M.target(text, settings)
  if not text:find("^https?://[^/?#%s]+[^%s%c]*$") then
    return nil, ("--url takes the URL to be notified, such as https://hooks.example.com%s, not "
      .. "'%s'"):format(DEFAULT_PATH, console.plain(text))
  end
  local bare = text:match("^(%a+://[^/?#]*)/?$")
  return bare and bare .. (settings and settings.path or DEFAULT_PATH) or text
end

---For an argument's `convert`.
function M.event_name(text)
  if text:find("^[%w_][%w_.%-]*$") and #text <= 200 then return text end
  return nil, ("EVENT is a name such as BadgeExportZipFile.Created, not '%s'")
    :format(console.plain(text))
end

-- ---- failures ----

---The failure for a successful answer that could not be read.
---@return hookward.accredit.Failure
function M.unknown(connection, method, path, answer, looked_for)
  return { message = ("%s %s%s: can't read the answer (%d); looked for %s"):format(method,
    connection.client.api, path, answer.status, looked_for), status = answer.status,
    body = answer.body }
end

---Reports a failure: as lines on stderr and the whole answer on stdout, or as one JSON object.
---@param connection hookward.accredit.Connection
---@param failure hookward.accredit.Failure
---@param as_json boolean
---@return integer code 1
function M.fail(connection, failure, as_json)
  local client_ = connection.client
  local function clean(text) return text and client_:redact(text) or nil end
  if as_json then
    local body = clean(failure.body)
    console.say("%s", assert(core.json.encode { ok = false, message = clean(failure.message),
      advice = clean(failure.advice), status = failure.status, code = failure.code,
      says = clean(failure.says), answer = body and (answers.decode(body) or body) }))
    return 1
  end
  console.complain("%s", console.plain(clean(failure.message), 1000))
  if failure.says then
    console.complain("Accredit says: %s", console.plain(clean(failure.says), 1000))
  end
  if failure.advice then console.complain("%s", clean(failure.advice)) end
  if failure.body and failure.body ~= "" then
    console.complain("The whole answer:")
    console.verbatim(clean(failure.body))
  end
  return 1
end

return M
