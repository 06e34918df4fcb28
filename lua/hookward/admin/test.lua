-- Sends tests, where the host runs with --dev: GET /api/test, POST /api/test.
--
-- A test is signed with the development key and posted to the host's own listener, so that it takes
-- the way of any other notification. A body that was edited is a new notification: without a job id
-- of its own it gets a new one.

local answers = require "hookward.admin.answers"
local app = require "hookward.app"
local async = require "hookward.admin.async"
local catalogue = require "hookward.handlers.catalogue"
local config = require "hookward.config"
local core = require "hookward.core"
local delivery = require "hookward.host.delivery"
local doors = require "hookward.host.doors"
local files = require "hookward.base.files"
local host = require "hookward.admin.host"
local project = require "hookward.admin.project"
local tls_advice = require "hookward.base.tls_advice"

local M = {}

M.ID_MAX = 128 -- characters, as the host accepts
M.ATTEMPT_MAX = 1000
M.EVENTS_MAX = 200
local SPARE = 10 -- seconds beyond the host's own time-outs
local ANSWER_MAX = 64 * 1024 -- bytes

-- ---- with which key, and where to ----

local function key_path()
  return project.settings().folder .. "/" .. delivery.KEY
end

-- The host's listeners with the ports that they really have, the simplest first.
local function doors_of(state)
  local settings, found = project.settings(), {}
  for i, address in ipairs(state.addresses or {}) do
    local listener = settings.listen[i] or {}
    local tls = address:find("^https://") and (listener.tls or {}) or nil
    found[i] = doors.of({ address = address:gsub("^https?://", ""), tls = tls,
      proxy_protocol = #settings.listen == #state.addresses and listener.proxy_protocol or false },
      settings.path)
  end
  table.sort(found, function(a, b) return not a.tls and b.tls ~= nil end)
  return found
end

-- The listener's own certificate is trusted, whoever signed it, since it is in the configuration.
-- The host is called by a name that the certificate has.
local function add_tls(target, tls)
  local certificate = tls.pairs and core.tls.check(tls).certificates[1]
  local name = certificate and certificate.names[1]
  if not name then return end
  target.ca = certificate.file
  name = name:gsub("^%*%.", "any."):gsub("^[^%[].*:.*$", "[%0]")
  local path
  target.connect, path = target.url:match("^https://([^/]+)(.*)$")
  target.url = ("https://%s:%s%s"):format(name, target.connect:match("%d+$"), path)
end

local function target_of(door)
  local target = { url = door.url, unix = door.unix, proxy_protocol = door.proxy_protocol,
    shown = door.unix and door.address or door.url }
  if door.tls then add_tls(target, door.tls) end
  return target
end

-- The first listener that asks for no client certificate.
local function door_of(state)
  for _, door in ipairs(doors_of(state)) do
    if door.url and not (door.tls and door.tls.client_ca) then return target_of(door) end
  end
  return nil, "no listener can be reached from here without a client certificate"
end

-- Returns the signing key and the door; or nil and why no test can be sent.
local function means()
  if not app.settings.dev then
    return nil, "tests can be sent only if the host runs with `hookward serve --dev`"
  end
  local key, why = files.read(key_path())
  if not key then
    return nil, config.shown(why, project.settings().folder) .. "; `hookward keygen DIR` makes a "
      .. "key pair"
  end
  local state, _, message = host.json "/state"
  if not state then return nil, message end
  local door
  door, why = door_of(state)
  if not door then return nil, why end
  return { key = key, door = door, state = state }
end

-- ---- which events ----

-- The catalogue's, those that have a handler of their own, and those that have arrived.
local function names_of(state)
  local names, known = {}, { other = true, none = true }
  local function add(name)
    if known[name] or name:find("*", 1, true) or #names >= M.EVENTS_MAX then return end
    known[name] = true
    names[#names + 1] = name
  end
  for _, route in ipairs(state.routes or {}) do add(route.pattern) end
  for name in pairs(catalogue) do add(name) end
  for _, one in ipairs(state.events or {}) do add(one.event) end
  table.sort(names)
  return names
end

function M.about()
  local with, why = means()
  local events = core.json.array {}
  if not with then return 200, nil, { available = false, why = why, events = events } end
  for i, name in ipairs(names_of(with.state)) do
    events[i] = { name = name, sample = delivery.body(name, delivery.sample(name), "the sample") }
  end
  return 200, nil, { available = true, events = events, to = with.door.shown, key = delivery.KEY }
end

-- ---- sending one ----

-- Returns the body, the job id and the attempt; or nil and what is wrong.
local function read(request)
  local fields = core.json.decode(request.body)
  if type(fields) ~= "table" then return nil, "the request is not a JSON object" end
  local body, id, attempt = fields.body, fields.job_id, fields.attempt
  if id == core.json.null or id == nil then id = delivery.new_id() end
  if attempt == core.json.null or attempt == nil then attempt = 0 end
  if type(body) ~= "string" then return nil, "body must be a text" end
  if type(id) ~= "string" or #id > M.ID_MAX or not id:find("^[\x21-\x7E]+$") then
    return nil, ("job_id must be 1 to %d printable ASCII characters without spaces")
      :format(M.ID_MAX)
  end
  if math.type(attempt) ~= "integer" or attempt < 0 or attempt > M.ATTEMPT_MAX then
    return nil, ("attempt must be a whole number from 0 to %d"):format(M.ATTEMPT_MAX)
  end
  return body, id, attempt
end

local function deliver(with, body, id, attempt)
  local signature, why = core.crypto.sign(with.key, body)
  if not signature then return nil, ("%s: %s"):format(delivery.KEY, why) end
  local settings, door, begun = project.settings(), with.door, core.sys.now()
  local limits = (settings.queue_timeout_ms + settings.handler_timeout_ms) / 1000
  local answer, failure = async.fetch { method = "POST", url = door.url, unix = door.unix,
    connect = door.connect, proxy_protocol = door.proxy_protocol, ca = door.ca, body = body,
    answer_max = ANSWER_MAX, timeout = limits + SPARE,
    headers = delivery.headers(id, attempt, signature) }
  return { job_id = id, ms = math.max(0, core.sys.now() - begun) * 1000,
    status = answer and answer.status, answer = answer and answers.text(answer.body),
    failure = not answer and (tls_advice.explain(failure) or failure) or nil }
end

function M.send(request, caller)
  local with, why = means()
  if not with then return answers.error(409, "no_test", why) end
  local body, id, attempt = read(request)
  if not body then return answers.error(400, "bad_test", id) end
  local outcome
  outcome, why = deliver(with, body, id, attempt)
  if not outcome then return answers.error(409, "no_test", why) end
  core.log(1, "a test was sent from the admin page", { who = caller.name, id = id,
    status = outcome.status })
  return 200, nil, outcome
end

M.routes = {
  { "^/api/test$", GET = M.about, POST = M.send },
}

return M
