-- hookward ledger backup: copies the ledger into a new file.

local config = require "hookward.config"
local console = require "hookward.cli.console"
local core = require "hookward.core"
local database = require "hookward.base.database"
local store = require "hookward.jobs.store"
local units = require "hookward.base.units"

local M = {
  summary = "Copy the ledger into a new file.",
  usage = "FILE [OPTION...]",
  description = "Copies the ledger, as it is at one moment, into a file that must not exist yet. A "
    .. "running host goes on meanwhile. The copy is checked, has no log beside it, and is as small "
    .. "as possible: nothing that was removed is in it. It appears whole or not at all. Only its "
    .. "owner may read it (0600), because it holds the bodies of failed notifications.",
  examples = {
    "hookward ledger backup /var/backups/hookward.db",
    "hookward ledger backup \"/var/backups/hookward-$(date +%F).db\"",
  },
}

function M.define(parser)
  parser:argument("FILE", "The file to write."):target("file")
  store.define(parser)
end

function M.run(args)
  local path, lines = store.find(args)
  if not path then return console.fail(lines) end
  if database.is_meant(path) then
    return console.fail(("the ledger is on PostgreSQL: back the database up, for example by "
      .. "`pg_dump --format=custom --schema=%s --file=FILE`; `hookward ledger copy` writes it into "
      .. "a ledger's file"):format(lines and lines.ledger_schema or "hookward"))
  end
  local count, why = core.ledger.backup(path, args.file)
  if not count then return console.fail(why) end
  console.say("%s: %s", config.shown(args.file, core.sys.cwd()), units.count(count, "notification"))
  return 0
end

return M
