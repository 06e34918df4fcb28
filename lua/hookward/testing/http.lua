-- hook.http in a test: gives recorded answers, and keeps the calls.
--
-- An instance answers the calls of one set of handlers. An unexpected call gets no answer, and
-- fails the spec after the delivery, whatever the handler did about it.

local core = require "hookward.core"
local spec = require "hookward.testing.spec"

local M = {}

---@class hookward.testing.Http
---@field calls hookward.testing.HttpCall[] in their order
local Http = {}
Http.__index = Http

function M.new()
  return setmetatable({ calls = {}, stubs = {} }, Http)
end

-- ---- stubs ----

-- In a stub's url, a star stands for any characters.
local function pattern_of(url)
  return "^" .. url:gsub("[%^%$%(%)%%%.%[%]%+%-%?]", "%%%0"):gsub("%*", ".*") .. "$"
end

local kinds = { resolve = true, connect = true, timeout = true, tls = true, closed = true,
  proxy = true, failed = true }
local fields_known = { status = true, headers = true, body = true, error = true, kind = true }

local function check_answer(answer)
  if type(answer) ~= "table" then
    spec.misuse("stub_http: an answer is a table such as { status = 200, body = \"...\" }, a list "
      .. "of these, or a function; got %s", type(answer))
  end
  for name in pairs(answer) do
    if not fields_known[name] then
      spec.misuse("stub_http: an answer has no '%s'; it has status, headers, body, error and kind",
        tostring(name))
    end
  end
  if answer.kind ~= nil and not kinds[answer.kind] then
    spec.misuse("stub_http: %s is no kind of failure", tostring(answer.kind))
  end
  if answer.body ~= nil and type(answer.body) ~= "string" and type(answer.body) ~= "table" then
    spec.misuse("stub_http: body is a string, or a table that is sent as JSON; got %s",
      type(answer.body))
  end
  if answer.kind ~= nil and answer.error == nil then
    spec.misuse("stub_http: kind goes with error, as in { error = \"slow\", kind = \"timeout\" }")
  end
  if answer.headers ~= nil and type(answer.headers) ~= "table" then
    spec.misuse("stub_http: headers is a table, got %s", type(answer.headers))
  end
  local status = answer.status
  if status ~= nil and (math.type(status) ~= "integer" or status < 100 or status > 599) then
    spec.misuse("stub_http: status is a whole number from 100 to 599, such as 200")
  end
end

---Says what a call gets. Of the stubs that match, the one added last is used.
---@param method string "GET"; "*" is any
---@param url string the whole of it; a star stands for any characters
---@param answer hookward.testing.Stub
function Http:stub(method, url, answer)
  if type(method) ~= "string" or type(url) ~= "string" then
    spec.misuse("stub_http: expected a method and a url, as in "
      .. "stub_http(\"GET\", \"https://...\", { status = 200 })")
  end
  local queue = type(answer) == "table" and answer[1] ~= nil and answer or { answer }
  for _, one in ipairs(queue) do
    if type(one) ~= "function" then check_answer(one) end
  end
  table.insert(self.stubs, 1, { method = method:upper(), pattern = pattern_of(url),
    queue = table.move(queue, 1, #queue, 1, {}) })
end

local function find(stubs, call)
  for _, stub in ipairs(stubs) do
    if (stub.method == "*" or stub.method == call.method) and call.url:find(stub.pattern) then
      return stub
    end
  end
end

-- ---- calls ----

-- Reads curl's header lines: "Name: value". "Name;" is sent without a value, "Name:" not at all.
local function read_headers(lines)
  local headers = {}
  for _, line in ipairs(lines) do
    local name, value = line:match("^([^:;]+):%s*(.*)$")
    if not name then name, value = line:match("^([^:;]+)(;)$") end
    if name and value ~= "" then headers[name:lower()] = value == ";" and "" or value end
  end
  return headers
end

local function write_headers(headers)
  local lines = {}
  for name, value in pairs(headers) do lines[#lines + 1] = ("%s: %s\r\n"):format(name, value) end
  return table.concat(lines)
end

-- Returns what the core takes: status, header lines, body; or nil, why and the kind of failure.
local function give(answer)
  if answer.error then return nil, tostring(answer.error), answer.kind end
  local headers, body = {}, answer.body or ""
  if type(body) == "table" then
    headers["Content-Type"] = "application/json"
    body = assert(core.json.encode(body))
  end
  for name, value in pairs(answer.headers or {}) do headers[name] = value end
  return answer.status or 200, write_headers(headers), body
end

-- The answer of a function can be checked only now.
local function ask(stub, call)
  local answer = stub.queue[1]
  if #stub.queue > 1 then table.remove(stub.queue, 1) end
  if type(answer) ~= "function" then return give(answer) end
  local made, why = answer(call)
  if made == nil then return nil, tostring(why or "failed") end
  check_answer(made)
  return give(made)
end

-- "GET https://..."
local function name_of(call)
  return ("%s %s"):format(call.method, call.url)
end

---Called by the core for each call that a handler makes; never raises an error.
function Http:answer(call)
  call.headers = read_headers(call.headers)
  self.calls[#self.calls + 1] = call
  local stub = find(self.stubs, call)
  if not stub then
    self.failure = self.failure or ("unexpected call of hook.http: %s; say what it gets with "
      .. "app:stub_http(%q, %q, { status = 200 })"):format(name_of(call), call.method, call.url)
    return nil, "nobody expected the call " .. name_of(call)
  end
  local ok, status, head, body = pcall(ask, stub, call)
  if ok then return status, head, body end
  self.failure, self.failed_in_stub = self.failure or status, true
  return nil, "the stub failed"
end

---Returns what went wrong since the last call of this, if anything.
---@return any failure
---@return boolean? raised a stub raised it, so it has to be raised as it is
function Http:take_failure()
  local failure, raised = self.failure, self.failed_in_stub
  self.failure, self.failed_in_stub = nil, nil
  return failure, raised
end

return M
