-- Each VM has one connection. The first notification that needs it opens it, so that `hookward
-- check`, which also loads handlers, does not. It is closed when this version of the scripts is no
-- longer used.
local hook = require "hookward"
local luasql = require "luasql.sqlite3"

local M = {}

local BUSY_MS = 5000 -- how long to wait for another VM's write; less than handler_timeout

local SCHEMA = [[
  CREATE TABLE IF NOT EXISTS exports (
    job_id TEXT NOT NULL, digest TEXT NOT NULL,
    export_id TEXT NOT NULL, happened_at TEXT NOT NULL, attempt INTEGER NOT NULL,
    PRIMARY KEY (job_id, digest)
  )]]

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

---Runs one statement.
---@param sql string
---@return number? changed rows
---@return string? why it failed
function M.run(sql)
  local ok, why = open()
  if not ok then return nil, why end
  return connection:execute(sql)
end

---Writes a text as SQL, in hex, so that nothing has to be escaped: luasql binds no parameters here,
---and a quoted text would end at its first NUL.
---@param value string
---@return string sql
function M.text(value)
  local hex = value:gsub(".", function(byte) return ("%02x"):format(byte:byte()) end)
  return ("CAST(X'%s' AS TEXT)"):format(hex)
end

hook.on_unload(close)

return M
