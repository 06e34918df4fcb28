-- Tests handlers, in busted or in plain Lua, without a network.
--
--     local testing = require "hookward.testing"
--     local app = testing.load("handlers")
--     app:deliver("BadgeExportZipFile.Created", { BadgeExportZipFileId = "1" }):expect(200)
--
-- Nothing here imitates the host: each delivery is a signed HTTP request that goes through the
-- host's own parser, verification, ledger (in memory), JSON, schemas, limits and Lua VM, in the
-- calling thread. Three things are replaced: hook.http gives recorded answers, the clock can be
-- stopped and moved, and the log is kept. What needs a network or a second thread is missing:
-- connections, copies in flight, the answer to a sender while a handler is stuck.

local config = require "hookward.config"
local core = require "hookward.core"
local files = require "hookward.base.files"
local http = require "hookward.testing.http"
local request = require "hookward.testing.request"
local results = require "hookward.testing.result"
local schema = require "hookward.config.schema"
local spec = require "hookward.testing.spec"
local suggest = require "hookward.base.suggest"
local time = require "hookward.base.time"
local units = require "hookward.base.units"

local M = {}

local KEY_BITS = 2048
local KEY_NAME = "testing.pem" -- what job.key says
local IN_MEMORY = "testing.db" -- stands for it while the options are read; no file is made
local KEY_FOLDER = tonumber("700", 8)
local TIME_MAX = 253402300799 -- the end of the year 9999

-- Seconds since 1970, of a number or of a text such as "2024-05-10T11:09:21.248Z".
local function read_time(value, name)
  local seconds = type(value) == "number" and value or time.read(tostring(value))
  if seconds and seconds >= 0 and seconds <= TIME_MAX then return seconds end
  spec.misuse("%s: expected seconds since 1970, or UTC such as \"2024-05-10T11:09:21Z\"; got %s",
    name, tostring(value))
end

-- ---- the throw-away key: one a process, since making one takes a moment ----

local key

local function private_key()
  if not key then
    local private, public = core.crypto.keygen(KEY_BITS)
    if not private then error(public, 0) end
    key = { private = private, public = public }
  end
  return key.private
end

-- Calls fn with a file that holds the public half, and removes it again.
local function with_key_file(fn)
  private_key()
  local folder = os.tmpname()
  os.remove(folder)
  assert(core.sys.mkdir(folder, KEY_FOLDER))
  local file = folder .. "/" .. KEY_NAME
  local written, why = core.sys.write_new(file, key.public, files.PUBLIC)
  local ok, app, second, third = true, nil, why, nil
  if written then ok, app, second, third = pcall(fn, file) end
  os.remove(file)
  os.remove(folder)
  if not ok then error(app, 0) end
  return app, second, third
end

-- ---- loading ----

---@class hookward.testing.App
---@field http_calls hookward.testing.HttpCall[] all calls of hook.http since it was loaded
---@field logs hookward.testing.Log[] all lines of the log since then
local App = {}
App.__index = App
App.__close = function(app) app:unload() end

local own_options = { config = true, http = true, clock = true }

-- Values by full name, as config.load takes them: { ["log.level"] = … }.
local function flatten(values)
  local flat = {}
  for _, entry in ipairs(schema) do
    local value = values[entry.key]
    if entry.kind == "table" and type(value) == "table" then
      for _, field in ipairs(entry.fields) do
        flat[entry.key .. "." .. field.key] = value[field.key]
      end
    else
      flat[entry.key] = value
    end
  end
  return flat
end

-- Refuses an unknown option that looks like one of ours. The configuration's are checked elsewhere.
local function check_own(options)
  local known, own = {}, {}
  for _, entry in ipairs(schema) do known[entry.key] = true end
  for name in pairs(own_options) do own[#own + 1] = name end
  for name in pairs(options) do
    local nearest = not known[name] and not own_options[name]
      and suggest.nearest(tostring(name), own)
    if nearest then
      spec.misuse("testing.load: %s: unknown key; did you mean %s?", tostring(name), nearest)
    end
  end
end

-- Returns what the host gets; or nil and lines. The ledger in memory is chosen last: a host with
-- one has no bodies to run again, so its configuration has no retries; here the core keeps them.
local function read_options(handlers, options)
  local values = { ledger = IN_MEMORY, workers = 1 }
  for name, value in pairs(options) do
    local is_default = name == "ledger" and value == "memory:"
    if not own_options[name] and not is_default then values[name] = value end
  end
  values.handlers = handlers
  local settings, lines = config.of(values, "testing.load")
  if not settings then return nil, lines end
  if options.config then
    settings, lines = config.load(options.config, flatten(values))
    if not settings then return nil, lines end
  elseif not options.keys then
    settings.key_files = {}
  end
  local no_handlers = config.missing(settings)
  if no_handlers then return nil, { (no_handlers:gsub(";.*$", "")) } end
  if values.ledger == IN_MEMORY then settings.ledger = "memory:" end
  return settings
end

local function stub_all(app, stubs)
  for name, answer in pairs(stubs or {}) do
    local method, url = tostring(name):match("^(%S+) (%S+)$")
    if not method then
      spec.misuse("testing.load: http: a name is a method and a url, as in "
        .. "\"GET https://...\", not %q", tostring(name))
    end
    app.http:stub(method, url, answer)
  end
end

---Loads a set of handlers as a host does.
---@param handlers? string the folder; default: what `config` says, else "handlers"
---@param options? hookward.testing.Options
---@return hookward.testing.App app raises an error if the set does not load
function M.load(handlers, options)
  options = options or {}
  if type(options) ~= "table" then
    spec.misuse("testing.load: expected a table of options, got %s", type(options))
  elseif options.config ~= nil and type(options.config) ~= "string" then
    spec.misuse("testing.load: config: expected a file's name, got %s", type(options.config))
  elseif options.http ~= nil and type(options.http) ~= "table" then
    spec.misuse("testing.load: http: expected a table of stubs, got %s", type(options.http))
  end
  check_own(options)
  local settings, lines = read_options(handlers, options)
  if not settings then spec.misuse("%s", table.concat(lines, "\n")) end
  local app = setmetatable({ http = http.new(), logs = {}, settings = settings, last_id = 0,
    sent = {} }, App)
  app.http_calls = app.http.calls
  if options.clock ~= nil then app.at = read_time(options.clock, "testing.load: clock") end
  stub_all(app, options.http)
  local core_app, more, why_lines = with_key_file(function(file)
    settings.key_files[#settings.key_files + 1] = file
    return core.testing.open(settings, function(call) return app.http:answer(call) end, app.at)
  end)
  local failure, raised = app.http:take_failure()
  if raised then error(failure, 0) end
  if not core_app then
    local text = config.shown(failure or more, settings.folder)
    for _, log in ipairs(results.logs(why_lines, false)) do
      text = ("%s\n  log: %s %s"):format(text, log.level, log.message)
    end
    spec.misuse("%s", text)
  elseif failure then
    core_app:close()
    spec.fail(failure)
  end
  app.core = core_app
  app:keep(results.logs(more, false))
  return app
end

function App:keep(logs)
  for _, log in ipairs(logs) do self.logs[#self.logs + 1] = log end
  return logs
end

-- ---- the clock ----

---Returns the time, or stops the clock at a time. Until then it is the real clock; afterwards only
---`advance` moves it. Nothing runs meanwhile, whatever falls due. Handlers see it in
---job.received_at, and in os.time() and os.date() without a time, and max_age uses it.
---@param at? number|string seconds since 1970, or UTC as in "2024-05-10T11:09:21Z"
---@return number seconds since 1970
function App:clock(at)
  if at ~= nil then self.at = read_time(at, "app:clock") end
  return self.at or core.sys.now()
end

-- ---- hook.http ----

---Says what a call of hook.http gets. A call without a stub fails the spec.
---@param method string "GET"; "*" is any
---@param url string the whole url; a star stands for any characters
---@param answer hookward.testing.Stub a list is used one by one, and its last answer repeated
function App:stub_http(method, url, answer)
  self.http:stub(method, url, answer)
end

-- ---- delivering ----

local function check_names(values, known, what)
  if type(values) ~= "table" then
    spec.misuse("%s: expected a table of options, got %s", what, type(values))
  end
  for name in pairs(values) do
    local found = false
    for _, one in ipairs(known) do found = found or one == name end
    if not found then
      local nearest = suggest.nearest(tostring(name), known)
      spec.misuse("%s: unknown option '%s'; %s", what, tostring(name),
        nearest and ("did you mean %s?"):format(nearest)
          or "known are " .. table.concat(known, ", "))
    end
  end
end

---Signs a body with the throw-away key; returns the Base64 text for X-Signature.
---@param body string
---@return string
function App.sign(_, body)
  if type(body) ~= "string" then
    spec.misuse("app:sign: the body must be a string, got %s", type(body))
  end
  return assert(core.crypto.sign(private_key(), body))
end

local function core_of(app)
  return app.core or spec.misuse("this set of handlers was unloaded")
end

-- One that is to run again has no other copy of what was sent. Returns that of this result.
local function note_sent(app, raw, sent)
  local identity = raw.digest and ("%s %s"):format(raw.digest, raw.id)
  if not identity then return sent end
  sent = sent or app.sent[identity]
  app.sent[identity] = (raw.next_run_at or raw.state == "queued") and sent or nil
  return sent
end

-- Calls fn, which runs a handler in the core, and makes a result of what it returns, if anything.
local function run(app, sent, fn, ...)
  local first = #app.http.calls + 1
  local raw = fn(core_of(app), ...)
  local failure, raised = app.http:take_failure()
  if raised then error(failure, 0) end
  if not raw then return nil end
  local calls = table.move(app.http.calls, first, #app.http.calls, 1, {})
  local result = results.new(raw, note_sent(app, raw, sent), calls, app.core:routes())
  app:keep(result.logs)
  if failure then spec.fail(failure .. "\n" .. tostring(result)) end
  return result
end

local function send(app, sent)
  local bytes = request.bytes(app.settings.path, sent)
  return run(app, sent, core_of(app).request, bytes, sent.at or app.at, sent.remote,
    sent.client)
end

local CLIENT_MAX = 255 -- bytes

local function check_client(client, what)
  if client ~= nil and (type(client) ~= "string" or #client == 0 or #client > CLIENT_MAX) then
    spec.misuse("%s: client must be the name in a certificate, such as \"sender.example\"", what)
  end
end

local post_options = { "body", "signature", "id", "attempt", "headers", "at", "client", "remote" }

local function check_remote(remote, what)
  if remote == nil or remote == "unix" then return end
  local is_address = type(remote) == "string" and not remote:find("/", 1, true)
    and core.sys.network(remote)
  if is_address then return end
  spec.misuse('%s: remote must be an address such as "203.0.113.7", or "unix", not %s', what,
    type(remote) == "string" and ("%q"):format(remote) or tostring(remote))
end

---Posts a body, as a sender would.
---@param options hookward.testing.Post
---@return hookward.testing.Result
function App:post(options)
  check_names(options, post_options, "app:post")
  if type(options.body) ~= "string" then
    spec.misuse("app:post: body must be a string, got %s", type(options.body))
  end
  local sent = { body = options.body, signature = options.signature, id = options.id,
    attempt = options.attempt or 0, headers = options.headers, client = options.client,
    remote = options.remote }
  check_client(sent.client, "app:post")
  check_remote(sent.remote, "app:post")
  sent.at = options.at and read_time(options.at, "app:post: at")
  if sent.signature == nil then sent.signature = self:sign(sent.body) end
  if sent.id == nil then
    self.last_id = self.last_id + 1
    sent.id = ("test-%d"):format(self.last_id)
  end
  return send(self, sent)
end

local deliver_options = { "id", "attempt", "headers", "at", "body", "signature", "client",
  "remote" }

---Delivers a notification, signed.
---@param event string its name
---@param fields? table<string, any> of the body, besides Event and Timestamp (the clock's time)
---@param options? hookward.testing.Delivery
---@return hookward.testing.Result
function App:deliver(event, fields, options)
  if type(event) ~= "string" then
    spec.misuse("app:deliver: the event's name must be a string, got %s", type(event))
  end
  if fields ~= nil and type(fields) ~= "table" then
    spec.misuse("app:deliver: the fields must be a table, got %s", type(fields))
  end
  options = options or {}
  check_names(options, deliver_options, "app:deliver")
  local at = options.at and read_time(options.at, "app:deliver: at")
  return self:post {
    body = options.body or request.body(event, fields, at or self:clock()),
    id = options.id,
    attempt = options.attempt,
    headers = options.headers,
    signature = options.signature,
    at = at,
    client = options.client,
    remote = options.remote,
  }
end

---Delivers the same bytes again, as the sender's retry does: the same id, the next attempt.
---@param result hookward.testing.Result the result of an earlier delivery
---@param options? { attempt?: integer, at?: number|string }
---@return hookward.testing.Result
function App:redeliver(result, options)
  options = options or {}
  check_names(options, { "attempt", "at" }, "app:redeliver")
  if type(result) ~= "table" or not result.sent then
    spec.misuse("app:redeliver: expected the result of a delivery, got %s", type(result))
  end
  local sent = {}
  for name, value in pairs(result.sent) do sent[name] = value end
  sent.attempt = options.attempt or sent.attempt + 1
  sent.at = options.at and read_time(options.at, "app:redeliver: at")
  return send(self, sent)
end

-- ---- the host's own retries ----

local function to_ms(seconds)
  return math.floor(seconds * 1000 + 0.5)
end

---Moves the clock forward, and stops it there. On the way the host's own retries run, each when it
---is due; one that fails may be due again in this time.
---@param amount number|string seconds, or a text such as "2h"; below 0: back, and nothing runs
---@return hookward.testing.Result[] results of what ran, in order
function App:advance(amount)
  local ms = units.time(amount)
  if not ms then
    spec.misuse("app:advance: expected a time such as 60 or \"2h\", got %s", tostring(amount))
  end
  local until_time = self:clock() + ms / 1000
  read_time(until_time, "app:advance")
  local ran = {}
  local due = ms >= 0 and core_of(self):next_due()
  while due and due <= to_ms(until_time) do
    self.at = math.max(self:clock(), due / 1000)
    ran[#ran + 1] = run(self, nil, self.core.run_due, self.at)
    due = self.core:next_due()
  end
  self.at = until_time
  return ran
end

-- ---- the rest ----

---The patterns of the handlers, the most specific first.
---@return { pattern: string, place: string }[]
function App:routes()
  return core_of(self):routes()
end

---Ends the app: calls the functions of hook.on_unload. May be called again; garbage collection does
---the same.
---@return hookward.testing.Log[] logs of these functions
function App:unload()
  if not self.core then return {} end
  local logs = results.logs(self.core:close(), false)
  self.core = nil
  return self:keep(logs)
end

return M
