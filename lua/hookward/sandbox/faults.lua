-- Faults on demand (--fail CALL=WHAT): calls that fail in ways that a client must cope with.
--
--   events=500:ACR_00.000.000     that status with that code
--   subscribe=ACR_02.003.002      the code's own status
--   token=503                     that status with an empty body
--   trigger=html                  a web page of a proxy, status 502
--   events=503*2                  only the first two calls

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
---@field times integer how many more calls fail; -1: all

local planned = {} ---@type hookward.sandbox.Fault[]

local function is_call(name)
  for _, call in ipairs(M.calls) do
    if call:lower() == name:lower() then return call end
  end
end

---Reads an argument of --fail.
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
      return nil, ("--fail %s: '%s' is neither a documented code, such as ACR_00.000.000, nor a "
        .. "status")
        :format(text, code)
    end
    fault.code = code
  end
  fault.status = tonumber(status) or answers.codes[code].status
  if fault.status < 200 or fault.status > 599 then
    return nil, ("--fail %s: a status is from 200 to 599"):format(text)
  end
  return fault
end

---@param texts string[] arguments of --fail that M.parse accepts
function M.plan(texts)
  for i, text in ipairs(texts) do planned[i] = assert(M.parse(text)) end
end

---The answer of a call that has to fail; nil if it is to succeed.
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
