-- A ledger on PostgreSQL: what a host would find there, and what is not as it should be.
--
-- For `hookward check` and `hookward doctor`. Connects as a host does, and only reads.

local core = require "hookward.core"
local database = require "hookward.base.database"
local units = require "hookward.base.units"

local M = {}

local OLDEST = 12 -- the first version of PostgreSQL that knows all of the SQL

---@class hookward.Database
---@field server string "15.4"
---@field database string
---@field user string
---@field host string a name, an address, or the folder of a socket
---@field port string
---@field tls boolean
---@field is_local boolean a Unix socket or a loopback address
---@field pooled boolean behind a pooler
---@field durable boolean fsync and full_page_writes are on
---@field synchronous string synchronous_standby_names
---@field standbys integer how many are attached
---@field has_schema boolean false: the first start makes it
---@field may_create boolean its user may make a schema
---@field hosts? integer alive; nil without a schema

---@class hookward.DatabaseFlaw
---@field level "warning"|"problem"
---@field what string
---@field why string
---@field fix string

---@param settings hookward.Config
---@return hookward.Database? found
---@return string? why
---@return boolean? starts a host would start all the same, and wait for it
function M.look(settings)
  return core.trial.postgres(settings.ledger, settings.ledger_schema,
    settings.duplicates == "by-body")
end

-- "db1:5432", or the socket's folder
local function place(found)
  if found.host:find("^/") then return found.host end
  return ("%s:%s"):format(found.host, found.port)
end

---@param found hookward.Database
---@return string text "PostgreSQL 15.4 at db1:5432, database hookward as hookward; direct, TLS, …"
function M.describe(found)
  return ("PostgreSQL %s at %s, database %s as %s; %s, %s, %s, %s"):format(found.server,
    place(found), found.database, found.user, found.pooled and "behind a pooler" or "direct",
    found.tls and "TLS" or found.is_local and "local" or "not encrypted",
    found.durable and "durable" or "not durable",
    found.hosts and units.count(found.hosts, "host") .. " alive" or "no schema yet")
end

local function major(version)
  return tonumber(version:match("^%d+")) or OLDEST
end

---@param settings hookward.Config
---@param found hookward.Database
---@return hookward.DatabaseFlaw[]
function M.flaws(settings, found)
  local flaws = {}
  local function add(level, what, why, fix)
    flaws[#flaws + 1] = { level = level, what = what, why = why, fix = fix }
  end
  if not found.durable then
    add(os.getenv "HOOKWARD_TEST" == "1" and "warning" or "problem",
      "PostgreSQL runs with fsync or full_page_writes off",
      "a crash of its machine loses what was processed, so that it runs again, or all of it",
      "turn both on in postgresql.conf")
  end
  if not found.has_schema and not found.may_create then
    add("problem", ("its user %s may not make the schema %s"):format(found.user,
      settings.ledger_schema), "the host can't start without its tables",
      ("let a DBA run what `hookward ledger schema` prints, or GRANT CREATE ON DATABASE %s TO %s")
        :format(found.database, found.user))
  end
  if found.standbys > 0 and found.synchronous == "" then
    add("warning", ("%s attached, but synchronous_standby_names is empty"):format(
      units.count(found.standbys, "replica")),
      "a failover forgets the last notifications that were answered 200; what of them is delivered "
        .. "again runs again", "set synchronous_standby_names (`hookward help fleet`)")
  end
  if major(found.server) < OLDEST then
    add("problem", ("PostgreSQL %s is too old"):format(found.server),
      "its SQL lacks what the ledger needs", ("update it to %d or later"):format(OLDEST))
  end
  return flaws
end

---@param settings hookward.Config
---@param why string
---@param starts boolean
---@return string line with what follows from it
function M.failure(settings, why, starts)
  return ("%s: %s%s"):format(database.shown(settings.ledger), why, starts
    and "; a host starts all the same, and answers 400 ledger_unavailable until it can connect"
    or "")
end

return M
