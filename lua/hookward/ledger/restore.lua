-- hookward ledger restore: puts a copy in the ledger's place.

local ask = require "hookward.jobs.ask"
local config = require "hookward.config"
local console = require "hookward.cli.console"
local core = require "hookward.core"
local database = require "hookward.base.database"
local store = require "hookward.jobs.store"
local units = require "hookward.base.units"

local M = {
  summary = "Put a copy in the ledger's place.",
  usage = "FILE [OPTION...]",
  description = "Replaces the ledger and its log by a copy that `hookward ledger backup` made. No "
    .. "host may be running with the ledger. If the ledger holds anything, the command asks first. "
    .. "The copy stays where it is. The restored ledger does not know what Accredit delivered "
    .. "after the copy was made, and runs it again if it is delivered again. To make a ledger "
    .. "smaller, back it up and restore the copy.",
  examples = {
    "hookward ledger restore /var/backups/hookward.db",
    "hookward ledger restore /var/backups/hookward.db --yes",
  },
}

local NAME = "hookward ledger restore"

function M.define(parser)
  parser:argument("FILE", "The copy."):target("file")
  parser:flag("-y --yes", "Do not ask.")
  store.define(parser)
end

-- The ledger's path. Unlike for other commands, the file need not exist.
local function place(args)
  if args.ledger and not args.config then return args.ledger end
  local settings, lines = config.load(args.config, { ledger = args.ledger })
  if not settings then return nil, lines end
  if settings.ledger == "memory:" then
    return nil, { 'ledger = "memory:" keeps notifications in memory: nothing is on disk' }
  end
  return settings.ledger
end

-- How many notifications would be lost; nil if unknown.
local function count_in(path)
  local ledger <close> = core.ledger.open(path)
  return ledger and ledger:count {} or nil
end

local function question(path)
  local count = count_in(path)
  if count == 0 then return nil end
  local what = count and units.count(count, "notification") or "a file that can't be read"
  return ("Replace %s (%s)?"):format(config.shown(path, core.sys.cwd()), what)
end

function M.run(args)
  local path, lines = place(args)
  if not path then return console.fail(lines) end
  if database.is_meant(path) then
    return console.fail("the ledger is on PostgreSQL: stop all hosts and restore the database, for "
      .. "example by `pg_restore`; `hookward ledger copy` copies a ledger's file into it")
  end
  if core.sys.stat(path) then
    if core.ledger.is_locked(path) then
      return console.fail(("a host is running with %s: stop it first"):format(path))
    end
    local what = question(path)
    local go, code = true, 0
    if what then go, code = ask(NAME, what, args.yes) end
    if not go then return code end
  end
  local count, why = core.ledger.restore(args.file, path)
  if not count then return console.fail(why) end
  console.say("%s: %s", config.shown(path, core.sys.cwd()), units.count(count, "notification"))
  return 0
end

return M
