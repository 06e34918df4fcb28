-- The print-queue part of Accredit's API.
--
-- Each function returns nil and a reason on failure; a reason never contains the password or a
-- token. Each Lua VM keeps its own token, and renews it once after a 401. Accredit's documentation
-- names only the path api/printQueue: routes and fields are those of `hookward sandbox`, and member
-- names may be in any case.

local hook = require "hookward"

local M = {}

local TIMEOUT = 10 -- seconds, for one call
local FILE_TIMEOUT = 40 -- seconds, for a call that returns a zip

-- ---- settings ----

-- The address, without a slash at its end. A password is sent only over TLS, or to this machine.
local function read_url(url)
  local scheme, host = tostring(url):match("^(https?)://([^/?#@%s]+)[^?#@%s]*$")
  if not scheme then
    error("settings.url: expected an address such as https://accredit.example.com", 0)
  end
  host = host:gsub(":%d+$", "")
  local is_here = host == "localhost" or host == "[::1]" or host:find("^127%.%d+%.%d+%.%d+$")
  if scheme == "http" and not is_here then
    error("settings.url: use https://; http:// would show the password to others", 0)
  end
  return (url:gsub("/+$", ""))
end

local url = read_url(hook.config.url)
local user = hook.config.user
if type(user) ~= "string" or user == "" then
  error("settings.user: name the API user", 0)
end

local password = os.getenv "HOOKWARD_ACCREDIT_PASSWORD"
if not password or password == "" then password = "sandbox" end -- the sandbox's

-- ---- answers ----

-- The members of a JSON object by their lower-case names.
local function fields_of(body)
  local value = hook.json.decode(body)
  if type(value) ~= "table" then return nil end
  local fields = {}
  for name, member in pairs(value) do fields[tostring(name):lower()] = member end
  return fields
end

local function is_success(answer)
  return answer.status >= 200 and answer.status <= 299
end

-- ---- the token ----

local token -- of this VM

local function url_encode(text)
  return (text:gsub("[^%w%-._~]", function(c) return ("%%%02X"):format(c:byte()) end))
end

local function sign_in()
  local answer, why = hook.http.post(url .. "/token",
    ("grant_type=password&username=%s&password=%s"):format(url_encode(user), url_encode(password)),
    { headers = { ["Content-Type"] = "application/x-www-form-urlencoded" }, timeout = TIMEOUT })
  if not answer then return nil, "POST /token: " .. why end
  if not is_success(answer) then
    return nil, ("POST /token: answered %d; are settings.user and HOOKWARD_ACCREDIT_PASSWORD "
      .. "right?"):format(answer.status)
  end
  local fields = fields_of(answer.body)
  local text = fields and fields.access_token
  if type(text) ~= "string" or not text:find("^[!-~]+$") then
    return nil, "POST /token: there is no access_token in the answer"
  end
  token = text
  return token
end

-- ---- calls ----

local function send(method, path, body, timeout)
  if not token then
    local ok, why = sign_in()
    if not ok then return nil, why end
  end
  local answer, why = hook.http.request { method = method, url = url .. path, body = body,
    headers = { Authorization = "Bearer " .. token }, timeout = timeout or TIMEOUT }
  if not answer then return nil, ("%s %s: %s"):format(method, path, why) end
  if answer.status == 401 then token = nil end
  return answer
end

-- Returns an answer with a status of 200 to 299; or nil and why.
local function call(method, path, body, timeout)
  local had_token = token ~= nil
  local answer, why = send(method, path, body, timeout)
  if answer and answer.status == 401 and had_token then -- it may have expired
    answer, why = send(method, path, body, timeout)
  end
  if not answer then return nil, why end
  if not is_success(answer) then
    return nil, ("%s %s: answered %d"):format(method, path, answer.status)
  end
  return answer
end

---Asks the queue about a zip.
---@param id string a uuid
---@return { size?: integer, status?: string }? zip
---@return string? why
function M.zip(id)
  local path = "/api/printQueue/" .. id
  local answer, why = call("GET", path)
  if not answer then return nil, why end
  local fields = fields_of(answer.body)
  if not fields then return nil, ("GET %s: the answer is no JSON object"):format(path) end
  return { size = math.tointeger(fields.size), status = fields.printstatus }
end

---@param id string a uuid
---@return string? bytes
---@return string? why
function M.file(id)
  local answer, why = call("GET", ("/api/printQueue/%s/file"):format(id), nil, FILE_TIMEOUT)
  if not answer then return nil, why end
  return answer.body
end

---@param id string a uuid
---@param status "Pending"|"Printing"|"Printed"|"Failed"
---@return boolean? ok
---@return string? why
function M.set_status(id, status)
  local answer, why = call("PUT", ("/api/printQueue/%s/status"):format(id),
    { PrintStatus = status })
  if not answer then return nil, why end
  return true
end

return M
