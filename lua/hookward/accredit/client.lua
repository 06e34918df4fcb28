-- Calls the Accredit API: gets a token, limits the time, and retries where that is harmless.
--
-- Token     given, or from /token with the account's name and password; kept only in this object.
--           After a 401 it is renewed once, if there are credentials.
-- Retries   a call that changes nothing is repeated after a temporary failure, with growing pauses.
--           A call that creates or sends something is never repeated, because it may have been
--           carried out.
-- Secrets   whatever is shown goes through client:redact().

local core = require "hookward.core"
local answers = require "hookward.accredit.answers"
local failures = require "hookward.accredit.failures"

local ANSWER_MAX = 1024 * 1024 -- bytes
local PAUSE_MAX = 60 -- seconds, whatever a Retry-After asks for
local SECRET_MIN = 4 -- bytes; a shorter text is no secret, and may be part of any word
local EARLY = 30 -- seconds: a token is renewed so long before it expires

---@class hookward.accredit.Answer
---@field status integer
---@field headers table<string, string>
---@field body string
---@field value any decoded; nil when it is not JSON

---@class hookward.accredit.Client
---@field api string the address, without a slash at its end
---@field token? string
---@field user? string
---@field password? string
---@field ca? string
---@field timeout number seconds, for one exchange
---@field retries integer
---@field delay number seconds before the first retry; doubles with each further one
---@field on_retry fun(why: string, pause: number)
local Client = {}
Client.__index = Client

-- ---- secrets ----

local function url_encode(text)
  return (text:gsub("[^%w%-._~]", function(c) return ("%%%02X"):format(c:byte()) end))
end

function Client:keep_secret(text, name)
  if not text or #text < SECRET_MIN then return end
  local in_json = (core.json.encode(text) or '""'):sub(2, -2)
  for _, form in ipairs { text, url_encode(text), in_json, (in_json:gsub("/", "\\/")) } do
    table.insert(self.secrets, { text = form, shown = "[" .. name .. "]" })
  end
  table.sort(self.secrets, function(a, b) return #a.text > #b.text end)
end

---Removes token and password from a text that will be shown.
---@param text string
---@return string
function Client:redact(text)
  for _, secret in ipairs(self.secrets) do
    text = text:gsub(secret.text:gsub("%p", "%%%0"), (secret.shown:gsub("%%", "%%%%")))
  end
  return text
end

-- ---- one exchange ----

local fleeting_kinds = { connect = true, timeout = true, closed = true, resolve = true,
  proxy = true }
local fleeting_statuses = { [429] = true, [500] = true, [502] = true, [503] = true, [504] = true }

function Client:send(request)
  local headers = { Accept = "application/json", ["Content-Type"] = request.content_type }
  if request.token then headers.Authorization = "Bearer " .. request.token end
  return core.http.request {
    method = request.method, url = self.api .. request.path, body = request.body,
    headers = headers, timeout = self.timeout, answer_max = ANSWER_MAX, ca = self.ca,
  }
end

local function pause_before(attempt, delay, answer)
  local asked = answer and tonumber((answer.headers["retry-after"] or ""):match("^%d+$"))
  local pause = delay * 2 ^ (attempt - 1) * (0.75 + math.random() / 2)
  return math.min(math.max(pause, asked or 0), PAUSE_MAX)
end

-- Returns the answer, whatever its status; or nil and a failure.
function Client:exchange(request)
  for attempt = 1, request.repeatable and self.retries + 1 or 1 do
    local answer, why, kind = self:send(request)
    local fleeting = answer and fleeting_statuses[answer.status] or fleeting_kinds[kind]
    if not fleeting or not request.repeatable or attempt > self.retries then
      if answer then return answer end
      return nil, failures.of_exchange(self.api, request, why, kind)
    end
    local pause = pause_before(attempt, self.delay, answer)
    self.on_retry(self:redact(why or ("the answer was %d"):format(answer.status)), pause)
    core.sys.sleep(pause)
  end
end

local function is_success(answer)
  return answer.status >= 200 and answer.status <= 299
end

-- ---- the token ----

local function is_token(text)
  return type(text) == "string" and text:find("^[!-~]+$") ~= nil
end

-- Exchanges the credentials for a token. This POST may be repeated, because it is harmless (RFC
-- 9110, 9.2.2): a second token (RFC 6749, 4.3) duplicates nothing, and a token whose answer was
-- lost just expires. A wrong password is a 400 (5.2) or a 401, which are not repeated, so retries
-- lock no account.
function Client:sign_in()
  local request = {
    method = "POST", path = "/token", repeatable = true,
    content_type = "application/x-www-form-urlencoded",
    body = ("grant_type=password&username=%s&password=%s"):format(url_encode(self.user),
      url_encode(self.password)),
  }
  local answer, failure = self:exchange(request)
  if not answer then return nil, failure end
  if not is_success(answer) then
    return nil, failures.of_sign_in(self.api, request, answer, self.user)
  end
  local value = answers.decode(answer.body)
  local token = answers.text_of(value, { "accesstoken", "bearertoken", "token" })
  if not is_token(token) then
    return nil, failures.of_unknown_token(self.api, request, answer, value)
  end
  self:keep_secret(token, "token")
  local seconds = tonumber(answers.text_of(value, { "expiresin" }) or "")
  self.token, self.ends_at = token, seconds and core.sys.now() + seconds - EARLY
  return token
end

function Client:can_sign_in()
  return self.user ~= nil and self.password ~= nil
end

function Client:bearer()
  local is_over = self.ends_at and core.sys.now() >= self.ends_at
  if self.token and not is_over then return self.token end
  if self:can_sign_in() then return self:sign_in() end
  return nil, failures.no_token()
end

-- ---- calls ----

---@param method "GET"|"POST"
---@param path string appended to the API's address
---@param fields? table sent as JSON
---@return hookward.accredit.Answer? answer with a status of 200 to 299
---@return hookward.accredit.Failure? failure
function Client:call(method, path, fields)
  local request = {
    method = method, path = path, repeatable = method == "GET",
    body = fields and assert(core.json.encode(fields)),
    content_type = fields and "application/json",
  }
  local answer, failure
  for turn = 1, 2 do
    request.token, failure = self:bearer()
    if not request.token then return nil, failure end
    answer, failure = self:exchange(request)
    if not answer then return nil, failure end
    if is_success(answer) then break end
    failure = failures.of_answer(self.api, request, answer)
    local renew = turn == 1 and answer.status == 401 and not failure.is_permission
      and self:can_sign_in()
    if not renew then return nil, failure end
    self.token = nil
  end
  answer.value = answers.decode(answer.body)
  return answer
end

local M = {}

---@param fields table the fields of a hookward.accredit.Client
---@return hookward.accredit.Client
function M.new(fields)
  local client = setmetatable(fields, Client)
  client.secrets = {}
  client.on_retry = client.on_retry or function() end
  client:keep_secret(client.token, "token")
  client:keep_secret(client.password, "password")
  return client
end

return M
