-- The configuration of the host that the page shows, and its ledger.
--
-- The configuration may change while the host runs, so it is read again when the host has another
-- version (M.note_version).

local app = require "hookward.app"
local config = require "hookward.config"
local core = require "hookward.core"

local M = {}

local settings ---@type hookward.Config?
local version

local function source()
  local given = app.settings.source
  if type(given) == "string" then return assert(load(given, "=source", "t"))() end
  return given
end

local function read()
  if app.settings.config then return app.settings.config end
  local read_now, lines, rest = config.read(source())
  if read_now or settings then return read_now or settings end
  return rest or error("the configuration can't be read: " .. lines[1], 0)
end

---@return hookward.Config
function M.settings()
  settings = settings or read()
  return settings
end

---@param now string? the version of the scripts and settings that the host uses
function M.note_version(now)
  if version and now and now ~= version then settings = read() end
  version = now or version
end

-- ---- events whose bodies are shown nowhere ----

local function matches(pattern, event)
  if pattern == "*" then return true end
  if pattern:sub(-2) == ".*" then return event:sub(1, #pattern - 1) == pattern:sub(1, -2) end
  if pattern:sub(1, 2) == "*." then return event:sub(1 - #pattern) == pattern:sub(2) end
  return event == pattern
end

---@return string[] patterns
function M.masks()
  return M.settings().mask or {}
end

---@param event string "" for a body without one
---@return boolean
function M.is_masked(event)
  for _, pattern in ipairs(M.masks()) do
    if matches(pattern, event) then return true end
  end
  return false
end

-- ---- the ledger ----

local ledger

---@return boolean whether there are rows to be listed
function M.has_rows()
  return M.settings().ledger ~= "memory:"
end

---A connection of the app's own, which only reads.
---@return table? ledger a handle of core.ledger
---@return string? why
function M.ledger()
  if not M.has_rows() then
    return nil, 'ledger = "memory:" keeps notifications in memory: none can be listed'
  end
  if ledger then return ledger end
  local why
  ledger, why = core.ledger.open(M.settings().ledger)
  return ledger, why
end

return M
