-- Records which target has had which notification, in a table that all VMs share. Each VM has one
-- connection, opened by the first notification and closed when these scripts are no longer used.
local hook = require "hookward"
local luasql = require "luasql.sqlite3"

local M = {}

local BUSY_MS = 5000 -- how long to wait for another VM's write
local DAY = 86400

local SCHEMA = [[
  CREATE TABLE IF NOT EXISTS delivered (
    job_id TEXT NOT NULL, digest TEXT NOT NULL, target TEXT NOT NULL, at INTEGER NOT NULL,
    PRIMARY KEY (job_id, digest, target)
  )]]

local environment, connection

local function close()
  if connection then connection:close() end
  if environment then environment:close() end
  environment, connection = nil, nil
end

local function set_up()
  connection:execute(("PRAGMA busy_timeout = %d"):format(BUSY_MS)):close()
  local made, why = connection:execute(SCHEMA)
  if not made then return nil, why end
  return connection:execute(("DELETE FROM delivered WHERE at < %d")
    :format(os.time() - hook.config.remember_days * DAY))
end

local function open()
  if connection then return true end
  environment = luasql.sqlite3()
  local ok, why
  connection, why = environment:connect(hook.config.delivered)
  if connection then
    ok, why = set_up()
    if ok then return true end
  end
  close() -- the next notification tries again
  return nil, why
end

-- Writes a text in hex, so that nothing has to be escaped: luasql binds no parameters here.
local function text(value)
  local hex = value:gsub(".", function(byte) return ("%02x"):format(byte:byte()) end)
  return ("CAST(X'%s' AS TEXT)"):format(hex)
end

---@param job hookward.Job
---@return table<string, boolean>? targets by name: those that have had it
---@return string? why they can't be read
function M.of(job)
  local ok, why = open()
  if not ok then return nil, why end
  local cursor
  cursor, why = connection:execute((
    "SELECT target FROM delivered WHERE job_id = %s AND digest = %s"):format(text(job.id),
    text(job.digest)))
  if not cursor then return nil, why end
  local targets = {}
  local target = cursor:fetch()
  while target do
    targets[target] = true
    target = cursor:fetch()
  end
  cursor:close()
  return targets
end

---@param job hookward.Job
---@param target string its name
---@return number? done
---@return string? why not
function M.add(job, target)
  return connection:execute(("INSERT INTO delivered VALUES (%s, %s, %s, %d) ON CONFLICT DO NOTHING")
    :format(text(job.id), text(job.digest), text(target), os.time()))
end

hook.on_unload(close)

return M
