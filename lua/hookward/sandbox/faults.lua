-- Faults on demand (--fail CALL=WHAT): a call that answers what a client must be able to take.
--
--   events=500:ACR_00.000.000     that status with that code
--   subscribe=ACR_02.003.002      the code's own status
--   token=503                     that status with an empty body
--   trigger=html                  a web page of a proxy, status 502
--   events=503*2                  the first two times only

local answers = require "hookward.sandbox.answers"

local M = {}

M.calls = { "token", "events", "subscribe", "trigger", "printQueue" }

local PAGE = "<!DOCTYPE html><html><head><title>502 Bad Gateway</title></head>"
  .. "<body><h1>502 Bad Gateway</h1></body></html>\n"

---@class hookward.sandbox.Fault
---@field call string
---@field status integer
---@field code? string ACR_…
---@field page? boolean
---@field times integer how often from now on; -1: always

local planned = {} ---@type hookward.sandbox.Fault[]

local function is_call(name)
  for _, call in ipairs(M.calls) do
    if call:lower() == name:lower() then return call end
  end
end

---Reads what --fail says.
---@param text string
---@return hookward.sandbox.Fault? fault
---@return string? why
function M.parse(text)
  local name, what, times = text:match("^(%w+)=([^*]+)%*?(%d*)$")
  local call = name and is_call(name)
  if not call or text:find("%*$") then
    return nil, ("--fail takes CALL=WHAT, as in events=500:ACR_00.000.000, not '%s'; CALL is %s")
      :format(text, table.concat(M.calls, ", "))
  end
  local fault = { call = call, times = tonumber(times) or -1 }
  if what == "html" then
    fault.page, fault.status = true, 502
    return fault
  end
  local status, code = what:match("^(%d%d%d):?(.*)$")
  code = code or what
  if code ~= "" then
    if not answers.codes[code] then
      return nil, ("--fail %s: '%s' is no documented code, as ACR_00.000.000 is, nor a status")
        :format(text, code)
    end
    fault.code = code
  end
  fault.status = tonumber(status) or answers.codes[code].status
  if fault.status < 200 or fault.status > 599 then
    return nil, ("--fail %s: a status is 200 to 599"):format(text)
  end
  return fault
end

---@param texts string[] as of --fail, and right
function M.plan(texts)
  for i, text in ipairs(texts) do planned[i] = assert(M.parse(text)) end
end

---What a call answers instead of what it is for; nil when nothing is planned.
---@param call string
function M.answer(call)
  for _, fault in ipairs(planned) do
    if fault.call == call and fault.times ~= 0 then
      fault.times = fault.times - 1
      if fault.page then return 502, { ["Content-Type"] = "text/html" }, PAGE end
      if not fault.code then return fault.status, {}, "" end
      return answers.json(fault.status,
        { Code = fault.code, Message = answers.codes[fault.code].message })
    end
  end
end

return M
