-- Stores the newest state of each entity, in a table that all VMs share. One statement compares and
-- writes, so that no other VM can come in between. Each VM has one connection, opened by the first
-- notification and closed when these scripts are no longer used.
local hook = require "hookward"
local luasql = require "luasql.sqlite3"

local M = {}

local BUSY_MS = 5000 -- how long to wait for another VM's write

local SCHEMA = [[
  CREATE TABLE IF NOT EXISTS states (
    entity TEXT PRIMARY KEY, instant TEXT NOT NULL, digest TEXT NOT NULL,
    event TEXT NOT NULL, body TEXT NOT NULL
  )]]

-- Of two notifications with the same time, the greater digest wins, so that the outcome does not
-- depend on the order of arrival.
local PUT = [[
  INSERT INTO states (entity, instant, digest, event, body) VALUES (%s, %s, %s, %s, %s)
  ON CONFLICT (entity) DO UPDATE SET instant = excluded.instant, digest = excluded.digest,
    event = excluded.event, body = excluded.body
  WHERE (excluded.instant, excluded.digest) > (states.instant, states.digest)]]

local environment, connection

local function close()
  if connection then connection:close() end
  if environment then environment:close() end
  environment, connection = nil, nil
end

local function open()
  if connection then return true end
  environment = luasql.sqlite3()
  local why
  connection, why = environment:connect(hook.config.database)
  if connection then
    connection:execute(("PRAGMA busy_timeout = %d"):format(BUSY_MS)):close()
    local made
    made, why = connection:execute(SCHEMA)
    if made then return true end
  end
  close() -- the next notification tries again
  return nil, why
end

-- Writes a text in hex, so that nothing has to be escaped: luasql binds no parameters here.
local function text(value)
  local hex = value:gsub(".", function(byte) return ("%02x"):format(byte:byte()) end)
  return ("CAST(X'%s' AS TEXT)"):format(hex)
end

---Stores a state, unless a newer one is stored.
---@param entity string
---@param instant string sortable
---@param job hookward.Job
---@return boolean? newer false: the stored state is newer, or comes from this very notification
---@return string? why it failed
function M.put(entity, instant, job)
  local ok, why = open()
  if not ok then return nil, why end
  local changed
  changed, why = connection:execute(PUT:format(text(entity), text(instant), text(job.digest),
    text(job.event), text(job.body)))
  if not changed then return nil, why end
  return changed > 0
end

hook.on_unload(close)

return M
