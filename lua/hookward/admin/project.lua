-- The configuration of the host that the page shows, and its ledger.
--
-- The configuration may change while the host runs, so it is read again when its file was edited.
-- The control socket and the ledger are the running host's. An edit of these takes effect when the
-- host is restarted.

local app = require "hookward.app"
local config = require "hookward.config"
local core = require "hookward.core"
local database = require "hookward.base.database"
local mask = require "hookward.base.mask"

local M = {}

local EVERY = 1 -- seconds between two looks at the file

local settings ---@type hookward.Config?
local looked_at, edited_at = 0, nil

local function read()
  local read_now, lines, rest = config.read(app.settings.source)
  if read_now or settings then return read_now or settings end
  return rest or error("the configuration can't be read: " .. lines[1], 0)
end

local function when_edited()
  local file = app.settings.file or "" -- none: it comes from a program
  local stat = file ~= "" and core.sys.stat(file)
  return stat and stat.modified or nil
end

---@return hookward.Config
function M.settings()
  local now = core.sys.now()
  if settings and math.abs(now - looked_at) < EVERY then return settings end
  looked_at = now
  local edited = when_edited()
  if settings and edited == edited_at then return settings end
  settings, edited_at = read(), edited -- an edit made meanwhile is found at the next look
  for _, name in ipairs { "control", "ledger", "ledger_schema" } do
    settings[name] = app.settings[name]
  end
  return settings
end

-- ---- events whose bodies are hidden ----

---@return string[] patterns
function M.masks()
  return M.settings().mask
end

---@param event string "" for a body without one, which is hidden if any is
---@return boolean
function M.is_masked(event)
  return mask.hides(M.masks(), event)
end

-- ---- the ledger ----

local CALL_TIME = 3 -- seconds that a database may take for a call; the page waits meanwhile
local QUIET_TIME = 2 -- seconds without another try, after a database could not be reached

local ledger, failed_at, why_failed

local function open()
  local now = core.sys.now()
  if failed_at and math.abs(now - failed_at) < QUIET_TIME then return nil, why_failed end
  local where, schema = M.settings().ledger, M.settings().ledger_schema
  ledger, why_failed = core.ledger.open(where, false, schema, CALL_TIME)
  failed_at = not ledger and database.is_meant(where) and now or nil
  return ledger, why_failed
end

---@return boolean whether there are rows to be listed
function M.has_rows()
  return M.settings().ledger ~= "memory:"
end

---A connection of the app's own, which only reads.
---@return table? ledger a handle of core.ledger
---@return string? why
function M.ledger()
  if not M.has_rows() then
    return nil, 'ledger = "memory:" keeps notifications in memory, where they can\'t be listed'
  end
  if ledger then return ledger end
  return open()
end

return M
