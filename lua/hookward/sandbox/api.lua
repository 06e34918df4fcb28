-- The token, and the three calls of Accredit's webhook subscriptions, as the sandbox serves them.
--
-- Where the vendor's documentation names no fields, they are chosen here, in PascalCase. Field
-- names of requests may be in any case, and unknown fields are ignored.
--
-- POST /token, a form: grant_type=password&username=sandbox&password=sandbox
--   200 { access_token, token_type = "bearer", expires_in }     400 { error, error_description }
-- Every other call needs Authorization: Bearer TOKEN, or is answered 401.
-- GET /api/webhookSubscription/events
--   200 [ { "Event": "BadgeExportZipFile.Created", "Description": "…" } ]
-- POST /api/webhookSubscription    { "Event": …, "Url": …, "Tenant": …? }
--   201 { "Id", "Event", "Url", "Tenant"?, "SignatureKey" }; the key is the user's, always the same
--   400 ACR_01.000.00x (a value is missing, wrong or too long), ACR_02.003.001 (no such event),
--       ACR_02.003.002 (the subscription exists), ACR_01.000.007 (for the tenant "unknown")
-- POST /api/webhookSubscription/triggerSampleEventNotification
--                                  { "Event": …, "Url": …?, "Misbehave": …? }
--   200 { "JobId": "…" }; the default of Url is --url, else the event's newest subscription.
--       "Misbehave": "forged,slow", or a list: the same as --misbehave, for this job
--   400 as above, ACR_02.003.000 (no Url, and no subscription), ACR_02.003.003 (no key yet: it is
--       made with the first subscription, unless --key gave one)

local app = require "hookward.app"
local core = require "hookward.core"
local answers = require "hookward.sandbox.answers"
local catalogue = require "hookward.handlers.catalogue"
local delivery = require "hookward.sandbox.delivery"
local form = require "hookward.base.form"
local misbehaviour = require "hookward.sandbox.misbehaviour"

local M = {}

local NAME_MAX = 200 -- characters of an event's or a tenant's name
local URL_MAX = 2000 -- characters
local SUBSCRIPTIONS_MAX = 1000
local TOKENS_MAX = 1000

local settings = app.settings

-- ---- the token ----

local tokens = {} -- token -> when it expires
local token_order = {}

-- Field names may be in any case.
local function fields_of(body)
  local fields = {}
  for name, value in pairs(form.read(body)) do fields[name:lower()] = value end
  return fields
end

local function refuse_token(name, text)
  return answers.json(400, { error = name, error_description = text })
end

local function new_token()
  local token = (core.crypto.uuid() .. core.crypto.uuid()):gsub("-", "")
  tokens[token] = core.sys.now() + settings.token_life
  token_order[#token_order + 1] = token
  if #token_order > TOKENS_MAX then tokens[table.remove(token_order, 1)] = nil end
  return token
end

---@param request hookward.AppRequest
function M.token(request)
  local fields = fields_of(request.body)
  if fields.grant_type ~= "password" then
    return refuse_token("unsupported_grant_type", "The grant type must be password.")
  elseif fields.username ~= settings.user or fields.password ~= settings.password then
    return refuse_token("invalid_grant", "The user name or password is incorrect.")
  end
  return 200, { ["Cache-Control"] = "no-store" }, {
    access_token = new_token(), token_type = "bearer",
    expires_in = math.ceil(settings.token_life), userName = fields.username,
  }
end

---@param request hookward.AppRequest
---@return boolean
function M.is_authorized(request)
  local token = (request.headers.authorization or ""):match("^[Bb][Ee][Aa][Rr][Ee][Rr] +(%S+)$")
  local ends = token and tokens[token]
  return ends ~= nil and core.sys.now() < ends
end

-- ---- reading a call's fields ----

-- Returns a mandatory text of up to `max` characters; or nil, an error code and a detail.
local function text_of(fields, name, max)
  local value = fields[name:lower()]
  if value == nil or value == "" then return nil, "ACR_01.000.001", name .. "." end
  if type(value) ~= "string" then return nil, "ACR_01.000.002", name .. " must be a text." end
  if #value > max then
    return nil, "ACR_01.000.004", ("%s has over %d characters."):format(name, max)
  end
  return value
end

local function url_of(fields)
  local url, code, detail = text_of(fields, "Url", URL_MAX)
  if not url then return nil, code, detail end
  if not url:find("^https?://[^/]") or url:find("[%s%c]") then
    return nil, "ACR_01.000.003", "Url must be an http or https address."
  end
  return url
end

local function event_of(fields)
  local event, code, detail = text_of(fields, "Event", NAME_MAX)
  if event and not catalogue[event] then return nil, "ACR_02.003.001" end
  return event, code, detail
end

-- ---- subscriptions ----

local subscriptions = {} -- oldest first

local function has_key()
  return settings.key_is_given or #subscriptions > 0
end

local function find_subscription(event, url, tenant)
  for _, one in ipairs(subscriptions) do
    if one.Event == event and one.Url == url and one.Tenant == tenant then return one end
  end
end

function M.events()
  local list = core.json.array {}
  for event, one in pairs(catalogue) do
    list[#list + 1] = { Event = event, Description = one.description }
  end
  table.sort(list, function(a, b) return a.Event < b.Event end)
  return answers.json(200, list)
end

---@param request hookward.AppRequest
function M.subscribe(request)
  local fields = answers.fields(request.body)
  if not fields then return answers.error("ACR_01.000.000", "The body must be a JSON object.") end
  local event, code, detail = event_of(fields)
  if not event then return answers.error(code, detail) end
  local url
  url, code, detail = url_of(fields)
  if not url then return answers.error(code, detail) end
  local tenant = fields.tenant
  if tenant ~= nil then
    tenant, code, detail = text_of(fields, "Tenant", NAME_MAX)
    if not tenant then return answers.error(code, detail) end
    if tenant == "unknown" then return answers.error("ACR_01.000.007") end
  end
  if find_subscription(event, url, tenant) then return answers.error("ACR_02.003.002") end
  if #subscriptions >= SUBSCRIPTIONS_MAX then return answers.error("ACR_00.000.001") end
  subscriptions[#subscriptions + 1] = { Event = event, Url = url, Tenant = tenant }
  return answers.json(201, { Id = core.crypto.uuid(), Event = event, Url = url, Tenant = tenant,
    SignatureKey = settings.signature_key })
end

-- ---- the sample ----

local function default_url(event)
  if settings.url then return settings.url end
  for i = #subscriptions, 1, -1 do
    if subscriptions[i].Event == event then return subscriptions[i].Url end
  end
end

---@param request hookward.AppRequest
function M.trigger(request)
  local fields = answers.fields(request.body)
  if not fields then return answers.error("ACR_01.000.000", "The body must be a JSON object.") end
  local event, code, detail = event_of(fields)
  if not event then return answers.error(code, detail) end
  local url = fields.url == nil and default_url(event)
  if fields.url ~= nil then
    url, code, detail = url_of(fields)
    if not url then return answers.error(code, detail) end
  end
  if not url then return answers.error("ACR_02.003.000") end
  if not has_key() then return answers.error("ACR_02.003.003") end
  local ways, why = misbehaviour.parse(fields.misbehave or settings.misbehave)
  if not ways then return answers.error("ACR_01.000.003", "Misbehave: " .. why) end
  local job = delivery.start(event, url, ways)
  if not job then return answers.error("ACR_00.000.001") end
  return answers.json(200, { JobId = job.id })
end

return M
