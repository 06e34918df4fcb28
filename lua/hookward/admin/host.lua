-- Asks the host through its control socket, as any command does, but without blocking the app's
-- only thread. The app shares no memory with the host.

local async = require "hookward.admin.async"
local core = require "hookward.core"
local project = require "hookward.admin.project"

local M = {}

local BASE = "http://hookward"
local TIMEOUT = 10 -- seconds
local ANSWER_MAX = 16 * 1024 * 1024 -- bytes

---@class hookward.admin.Ask
---@field method? string default: GET
---@field headers? table<string, string|number>
---@field body? string
---@field timeout? number seconds; default: 10

---@param path string of the control socket
---@param ask? hookward.admin.Ask
---@return hookward.http.Answer? answer
---@return string? why one line
function M.ask(path, ask)
  ask = ask or {}
  return async.fetch { method = ask.method or "GET", url = BASE .. path,
    unix = project.settings().control, headers = ask.headers, answer_max = ANSWER_MAX,
    body = ask.body or ask.method == "POST" and "" or nil, timeout = ask.timeout or TIMEOUT }
end

---The JSON that the host answers with.
---@param path string
---@param ask? hookward.admin.Ask
---@return any? value nil if there is none
---@return string? code of the error
---@return string? message one line
function M.json(path, ask)
  local answer, why = M.ask(path, ask)
  if not answer then return nil, "no_answer", "the host gave no answer: " .. why end
  local value, bad = core.json.decode(answer.body)
  if value == nil then return nil, "bad_answer", "the host's answer is not JSON: " .. bad end
  if answer.status == 200 then return value end
  local said = type(value) == "table" and value or {}
  local code, message = said.error, said.message
  return nil, type(code) == "string" and code or "bad_answer",
    type(message) == "string" and message or ("the host answered %d"):format(answer.status)
end

return M
