-- Runs recorded notifications again: through the running host, or else in this process.
--
-- They run one after the other, so that a replay of thousands uses one worker of a running host and
-- leaves the others to notifications that arrive.

local config = require "hookward.config"
local control = require "hookward.host.control"
local core = require "hookward.core"

local M = {}

local SPARE = 30 -- seconds that a row may take beyond the host's own time-outs
local TIMEOUT_MAX = 86400
M.OVERLOADED_TRIES = 10 -- a second apart

---@param settings hookward.Config
---@return boolean runs
function M.has_host(settings)
  return control.state(control.of(settings)) ~= nil
end

---How long one replay may take.
---@param settings hookward.Config
---@return number seconds
function M.timeout(settings)
  local limits = (settings.queue_timeout_ms + settings.handler_timeout_ms) / 1000
  return math.min(limits + SPARE, TIMEOUT_MAX)
end

local function post(row, settings, force)
  local headers = { ["X-Hookward-Row"] = tostring(row.seq) }
  if force then headers["X-Hookward-Force"] = "1" end
  return control.ask(control.of(settings), { path = "/replay", headers = headers,
    timeout = M.timeout(settings) })
end

---@param answer hookward.http.Answer the host's, of POST /replay
---@return string? code of the error; nil: the notification was processed
---@return string? message
function M.read_answer(answer)
  if answer.status == 200 then return nil end
  local said = core.json.decode(answer.body)
  if type(said) == "table" and type(said.error) == "string" then
    return said.error, type(said.message) == "string" and said.message or ""
  end
  return "bad_answer", ("the host answered %d"):format(answer.status)
end

-- Waits while the host's queue is full. "refused" means that nobody listens.
local function run_one(row, settings, force)
  for _ = 1, M.OVERLOADED_TRIES do
    local answer, why, absent = post(row, settings, force)
    if not answer then return absent and "refused" or "no_answer", why end
    local code, message = M.read_answer(answer)
    if code ~= "overloaded" then return code, message end
    core.sys.sleep(1)
  end
  return "overloaded", "too many notifications are waiting in the host"
end

-- Returns true; or nil and why it ended early; or false if no host is running after all.
local function by_host(settings, rows, force, each)
  for i, row in ipairs(rows) do
    local code, message = run_one(row, settings, force)
    if code == "refused" and i == 1 then return false end
    if code == "refused" or code == "draining" then
      return nil, "the host is stopping or gone"
    end
    if each(i, code, message) == false then break end
  end
  return true
end

-- In this process, with the configuration's handlers.
local function here(settings, rows, force, each)
  local no_handlers, no_keys = config.missing(settings)
  if no_handlers or no_keys then return nil, no_handlers or no_keys end
  local seqs, i = {}, 0
  for n, row in ipairs(rows) do seqs[n] = row.seq end
  return core.replay(settings, seqs, force, function(_, code, message)
    i = i + 1
    return each(i, code, message)
  end)
end

---Runs the rows, one after the other: through the running host, else in this process.
---@param settings hookward.Config
---@param rows table[] with seq
---@param force boolean also run those that succeeded
---@param each fun(i: integer, code: string?, message: string?): boolean? after each row; no code:
---success; false ends it
---@return boolean? ok
---@return string? why it ended early
function M.run(settings, rows, force, each)
  local ok, why = by_host(settings, rows, force, each)
  if ok ~= false then return ok, why end
  local host = control.of(settings)
  if control.is_running(host) then return nil, control.absence(host) end
  return here(settings, rows, force, each)
end

return M
