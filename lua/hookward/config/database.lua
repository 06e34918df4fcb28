-- What is dangerous about a ledger on PostgreSQL, as far as its address tells.

local database = require "hookward.base.database"
local sys = require "hookward.core".sys

local M = {}

local OTHERS_READ = tonumber("004", 8)

local function contains(path, text)
  local file = io.open(path, "rb")
  local content = file and file:read("a")
  if file then file:close() end
  return content and content:find(text, 1, true) ~= nil
end

-- A password that comes from somewhere else, such as the environment, is that place's matter.
local function password(add, settings, flag)
  if not database.has_password(settings.ledger) then return end
  local stat = settings.file_path ~= "" and sys.stat(settings.file_path)
  if flag then
    add("%s: every user of this machine can see its password (ps); write it into a file that "
      .. "PGPASSFILE names", flag)
  elseif stat and stat.mode and stat.mode & OTHERS_READ ~= 0
    and contains(settings.file_path, settings.ledger) then
    add("ledger: its password stands in %s, which every user of this machine may read; use "
      .. "`chmod o-rwx`, or write it into a file that PGPASSFILE names", settings.file)
  end
end

local function encryption(add, settings)
  local mode, remote = database.sslmode(settings.ledger), database.remote_hosts(settings.ledger)
  if #remote == 0 or mode == nil or mode == "verify-full" then return end
  add("ledger: with sslmode=%s whoever is between this host and %s can pretend to be the database; "
    .. "add sslmode=verify-full&sslrootcert=FILE to the address", mode, remote[1])
end

---@param settings hookward.Config with a ledger on PostgreSQL
---@param flag? string the flag that named the ledger
---@return string[] lines
function M.advice(settings, flag)
  local lines = {}
  local function add(format, ...) lines[#lines + 1] = format:format(...) end
  password(add, settings, flag)
  encryption(add, settings)
  return lines
end

return M
