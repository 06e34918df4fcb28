-- Builds what a test delivers: a notification's body, and the bytes of its request.

local core = require "hookward.core"
local spec = require "hookward.testing.spec"
local time = require "hookward.base.time"

local M = {}

-- The body begins with Event and Timestamp, as the real ones do.
---@param event string
---@param fields? table<string, any>
---@param at number seconds since 1970
---@return string
function M.body(event, fields, at)
  local rest = {}
  for name, value in pairs(fields or {}) do rest[name] = value end
  if rest.Event ~= nil then
    spec.misuse("app:deliver: the event is named by the first argument, not by a field Event")
  end
  local stamp = rest.Timestamp
  if stamp == nil then stamp = time.iso(at) end
  rest.Timestamp = nil
  local text, why = core.json.encode(rest)
  if not text then spec.misuse("app:deliver: %s", why) end
  local inside = next(rest) == nil and "" or text:match("^{(.*)}$")
  if not inside then
    spec.misuse("app:deliver: fields must have names, as in { PersonId = 7 }")
  end
  return ('{"Event":%s,"Timestamp":%s%s}'):format(core.json.encode(event),
    core.json.encode(stamp), inside == "" and "" or "," .. inside)
end

local function header_lines(headers)
  local names, lines = {}, {}
  for name in pairs(headers) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do
    local value = headers[name]
    if value then lines[#lines + 1] = ("%s: %s\r\n"):format(name, value) end
  end
  return table.concat(lines)
end

-- Checks a header's value, which may be false. Refuses what a client could not send.
local function check_value(name, value)
  local kind = type(value)
  if value ~= false and kind ~= "string" and kind ~= "number" then
    spec.misuse("app:post: %s: expected a text, a number or false, got %s", name, kind)
  elseif tostring(value):find("[%c]") then
    spec.misuse("app:post: %s: %q can't be sent in a header", name, value)
  end
end

-- The defaults, replaced by the caller's headers; names are compared without regard to case.
local function merge_headers(defaults, own)
  local by_lower, headers = {}, {}
  for name, value in pairs(defaults) do by_lower[name:lower()], headers[name] = name, value end
  if own ~= nil and type(own) ~= "table" then
    spec.misuse("app:post: headers: expected a table such as { [\"X-Name\"] = \"text\" }, got %s",
      type(own))
  end
  for name, value in pairs(own or {}) do
    if type(name) ~= "string" or name == "" or name:find("[%c%s:]") then
      spec.misuse("app:post: headers: %q is no header that can be sent", tostring(name))
    end
    check_value(name, value)
    local replaced = by_lower[name:lower()]
    if replaced then headers[replaced] = nil end
    headers[name] = value
  end
  return headers
end

---The bytes of a request.
---@param path string
---@param sent table body, signature, id, attempt; headers: name -> value, false leaves one out
---@return string
function M.bytes(path, sent)
  for _, name in ipairs { "signature", "id", "attempt" } do
    if sent[name] ~= nil then check_value(name, sent[name]) end
  end
  local headers = merge_headers({
    ["Host"] = "testing",
    ["Content-Type"] = "application/json",
    ["Content-Length"] = #sent.body,
    ["X-Signature"] = sent.signature,
    ["X-JobId"] = sent.id,
    ["X-JobAttempt"] = sent.attempt,
  }, sent.headers)
  return ("POST %s HTTP/1.1\r\n%s\r\n%s"):format(path, header_lines(headers), sent.body)
end

return M
