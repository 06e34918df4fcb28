-- What is paused: asked of the running host and changed through it, or else in the ledger itself.
--
-- The host keeps its pauses in the ledger, so they hold for the next one too, and one that is not
-- running can be told beforehand. Hosts that share a ledger look there every few seconds.

local control = require "hookward.host.control"
local core = require "hookward.core"

local M = {}

local TIMEOUT = 60 -- seconds

---@class hookward.Pause
---@field pattern string an exact name, "Entity.*", "*.Event" or "*"
---@field since number seconds since 1970

-- Opens the file that no host uses, or the database; or returns nil and why.
local function open(host, write)
  if host.broken then return nil, host.broken end
  if host.database then return core.ledger.open(host.database, write, host.schema) end
  if not host.ledger or not core.sys.stat(host.ledger) then return nil, control.absence(host) end
  if control.is_running(host) then return nil, control.absence(host) end
  return core.ledger.open(host.ledger, write)
end

---@param host hookward.Control
---@return hookward.Pause[]? pauses the oldest first
---@return string? why they are not known
function M.list(host)
  local state = control.state(host)
  if state then
    if state.pauses then return state.pauses end
    return nil, "the host gave no answer in time; its log may say more"
  end
  local opened, why = open(host, true) -- one that may write tidies up after itself
  if not opened then return nil, why end
  local ledger <close> = opened
  return ledger:pauses()
end

-- In the ledger.
local function change_here(host, pattern, resume)
  local opened, why = open(host, true)
  if not opened then return nil, why end
  local ledger <close> = opened
  return ledger:pause(pattern, resume)
end

---Pauses a pattern, or resumes it. It is durable when this returns.
---@param host hookward.Control
---@param pattern string
---@param resume? boolean
---@return boolean? changed false: it was so before
---@return string? why it failed
function M.change(host, pattern, resume)
  local answer, why, absent = control.ask(host, { path = resume and "/resume" or "/pause",
    body = pattern, timeout = TIMEOUT })
  if absent then return change_here(host, pattern, resume) end
  if not answer then
    return nil, ("the host running with %s gave no answer (%s); its log may say more")
      :format(host.file, why)
  end
  local said = core.json.decode(answer.body) or {}
  if said.error == "ledger_unavailable" then
    return nil, "the ledger can't be used now, so nothing was changed; the host's log says why"
  end
  if answer.status ~= 200 then return nil, said.message or answer.body end
  return said.message == "changed"
end

return M
