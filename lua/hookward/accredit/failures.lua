-- Explains what went wrong with a call to the Accredit API, and says what to do next.

local answers = require "hookward.accredit.answers"
local errors = require "hookward.accredit.errors"

local M = {}

---@class hookward.accredit.Failure
---@field message string one line: what went wrong
---@field advice? string what to do next
---@field status? integer of the answer
---@field code? string ACR_...
---@field is_permission? boolean the account lacks a permission
---@field says? string Accredit's own words
---@field body? string the whole answer, if the message does not say all of it

local HOW_TO_GET_A_TOKEN = "Set HOOKWARD_ACCREDIT_TOKEN in the environment, --token @FILE or "
  .. "accredit.token in hookward.lua; or set HOOKWARD_ACCREDIT_USER and "
  .. "HOOKWARD_ACCREDIT_PASSWORD, and hookward gets a token by itself."
local IS_IT_THE_API = "Is --api (or accredit.url) the address of the Accredit API?"

local advice_of_kind = {
  resolve = "There is no such host: check --api (or accredit.url), and the network.",
  connect = "Nobody listens there: check --api (or accredit.url); is a firewall or a proxy in "
    .. "between?",
  timeout = "Try again, or allow more time with --timeout.",
  tls = "Its certificate is not trusted: check --api (or accredit.url); --ca FILE names the "
    .. "certificate of a private authority.",
  closed = "Try again; is a firewall or a proxy in between?",
  proxy = "The environment sets this proxy: check it, or name the host in no_proxy.",
}

-- libcurl's own message follows in brackets.
local message_of_kind = {
  connect = "nobody answers", timeout = "no answer in time",
  tls = "no trusted connection", closed = "the connection was closed",
  proxy = "the proxy does not answer",
}

local function shown(api, request)
  return ("%s %s%s"):format(request.method, api, request.path)
end

---The failure of a call without an answer.
---@param api string
---@param request { method: string, path: string }
---@param why string libcurl's message
---@param kind string see core/script/http_client.h
---@return hookward.accredit.Failure
function M.of_exchange(api, request, why, kind)
  local words = message_of_kind[kind]
  return { message = ("%s: %s"):format(shown(api, request),
    words and ("%s (%s)"):format(words, why) or why), advice = advice_of_kind[kind] }
end

---@return hookward.accredit.Failure
function M.no_token()
  return { message = "no token for the Accredit API", advice = HOW_TO_GET_A_TOKEN }
end

-- ---- answers other than success ----

local function redirect(line, answer)
  return { message = ("%s, a redirect to %s"):format(line, answer.headers.location or "nowhere"),
    advice = "Redirects are not followed. " .. IS_IT_THE_API }
end

local function page(line, answer, title)
  return { message = ("%s with a web page%s instead of JSON"):format(line,
    title ~= "" and (' ("%s")'):format(title) or ""),
    advice = answer.status >= 500 and "A proxy in front of the API failed; try again later."
      or IS_IT_THE_API }
end

local function advice_of_status(status)
  if status == 403 then return "The account may not do this: ask your Accredit administrator." end
  if status == 404 then return "There is no such call at this address. " .. IS_IT_THE_API end
  if status == 429 then return "Too many calls; try again later." end
  return status >= 500 and "Try again later." or nil
end

local function without_code(line, answer)
  local says = answers.message_of(answers.decode(answer.body))
  if answer.status == 401 then
    return { message = line .. ": the token is missing, wrong or expired", says = says,
      advice = HOW_TO_GET_A_TOKEN }
  elseif answer.status < 400 then
    return redirect(line, answer)
  end
  local title = answers.page_title(answer.body, answer.headers["content-type"])
  if title then return page(line, answer, title) end
  return { message = line, says = says, body = answer.body,
    advice = advice_of_status(answer.status) }
end

---The failure for an answer with a status other than 2xx.
---@param api string
---@param request { method: string, path: string }
---@param answer hookward.accredit.Answer
---@return hookward.accredit.Failure
function M.of_answer(api, request, answer)
  local code = errors.find(answer.body)[1]
  local failure
  if code then
    failure = { code = code.code, is_permission = code.is_permission, advice = code.advice,
      message = ("%s (%s)"):format(code.meaning, code.code),
      says = answers.message_of(answers.decode(answer.body)),
      body = not code.known and answer.body or nil }
  else
    failure = without_code(("%s: answered %d"):format(shown(api, request), answer.status), answer)
  end
  failure.status = answer.status
  return failure
end

---The failure of a call to /token: the account was not accepted, or something else went wrong.
---@return hookward.accredit.Failure
function M.of_sign_in(api, request, answer, user)
  local failure = M.of_answer(api, request, answer)
  failure.body = nil -- it may repeat the credentials
  if failure.code then return failure end
  if answer.status == 400 or answer.status == 401 or answer.status == 403 then
    failure.message = ("%s: the account %s was not accepted"):format(shown(api, request), user)
    failure.advice = "Check HOOKWARD_ACCREDIT_USER (or --user) and HOOKWARD_ACCREDIT_PASSWORD (or "
      .. "--password)."
  elseif answer.status == 404 then
    failure.advice = "There is no /token at this address. " .. IS_IT_THE_API .. " "
      .. HOW_TO_GET_A_TOKEN
  end
  return failure
end

---The failure for an answer of /token without a recognisable token. It may still contain one, so
---only its field names are shown.
---@return hookward.accredit.Failure
function M.of_unknown_token(api, request, answer, value)
  local names = {}
  for name in pairs(type(value) == "table" and value or {}) do
    names[#names + 1] = tostring(name)
  end
  table.sort(names)
  local found = #names > 0 and "an object with " .. table.concat(names, ", ")
    or value ~= nil and "JSON that is not an object"
    or ("%d bytes that are not JSON"):format(#answer.body)
  return { status = answer.status,
    message = ("%s: answered %d without a token; looked for \"access_token\" in a JSON object, "
      .. "found %s"):format(shown(api, request), answer.status, found),
    advice = IS_IT_THE_API .. " A token from elsewhere can be given as HOOKWARD_ACCREDIT_TOKEN." }
end

return M
