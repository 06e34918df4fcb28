-- hookward ledger schema: prints the tables of a ledger on PostgreSQL as SQL.

local config = require "hookward.config"
local console = require "hookward.cli.console"
local core = require "hookward.core"
local options = require "hookward.cli.options"

local M = {
  summary = "Print the SQL that makes a ledger on PostgreSQL.",
  usage = "[OPTION...]",
  description = "Prints the SQL that makes the tables, for a database in which hookward's own role "
    .. "may not create a schema. A role that owns the schema needs no such help: `hookward serve` "
    .. "makes and updates the tables itself. The name of the schema and `duplicates` are the "
    .. "configuration's, if there is one. Connects to nothing.",
  examples = {
    "hookward ledger schema",
    "hookward ledger schema | psql 'postgres://postgres@db1/hookward'",
    "hookward ledger schema --schema webhooks",
  },
}

function M.define(parser)
  options.config(parser)
  parser:option("--schema", "The name of the schema, instead of the configuration's.")
    :argname("NAME")
end

function M.run(args)
  local settings, lines = config.load(args.config)
  if not settings and (args.config or core.sys.stat(config.DEFAULT_FILE)) then
    return console.fail(lines)
  end
  local by_body = settings ~= nil and settings.duplicates == "by-body"
  local name = args.schema or settings and settings.ledger_schema or "hookward"
  local sql, why = core.ledger.schema(name, by_body)
  if not sql then return console.misuse("hookward ledger schema", "%s", why) end
  io.stdout:write(sql)
  return 0
end

return M
