-- hookward ledger copy: copies a ledger into another one, of whatever kind.

local config = require "hookward.config"
local console = require "hookward.cli.console"
local core = require "hookward.core"
local database = require "hookward.base.database"
local options = require "hookward.cli.options"
local units = require "hookward.base.units"

local M = {
  summary = "Copy a ledger into another one: from a file to PostgreSQL, or back.",
  usage = "FROM TO [OPTION...]",
  description = "Copies all notifications with their history, in order, and what is paused. FROM "
    .. "and TO are files or databases (postgres://HOST/NAME); TO is made if it is not there. No "
    .. "host may use a file meanwhile. A database may be in use; what its hosts record after a row "
    .. "was copied is missing, until the same command is run again without them. An interrupted "
    .. "copy is begun anew with the same command: what is there already is not copied again. A "
    .. "notification that was running is copied as if its host had ended. Work that waits is in "
    .. "both ledgers afterwards, so start no host with FROM again. The schema and `duplicates` of "
    .. "a new database are the configuration's, if there is one.",
  examples = {
    "hookward ledger copy hookward.db postgres://hookward@db1/hookward",
    "hookward ledger copy postgres://hookward@db1/hookward hookward.db",
  },
}

function M.define(parser)
  parser:argument("FROM", "The ledger that is copied."):target("from")
  parser:argument("TO", "The ledger that it is copied into."):target("to")
  options.config(parser)
end

local function shown(ledger)
  return config.shown(database.shown(ledger), core.sys.cwd())
end

-- The schema and whether duplicates go by the body; false and what is wrong with the configuration.
local function settings_of(args)
  if not args.config and not core.sys.stat(config.DEFAULT_FILE) then return "hookward", false end
  local settings, lines = config.load(args.config)
  if not settings then return false, lines end
  return settings.ledger_schema, settings.duplicates == "by-body"
end

-- Warns of hosts that go on using a database.
local function warn_of_hosts(path, schema, what)
  if not database.is_meant(path) then return end
  local ledger <close> = core.ledger.open(path, false, schema)
  local names = {}
  for _, host in ipairs(ledger and ledger:hosts() or {}) do
    if not host.gone_at then names[#names + 1] = console.plain(host.name) end
  end
  if #names == 0 then return end
  console.complain("%s %s: %s", console.paint("yellow", "warning:", 2), table.concat(names, ", "),
    what)
end

local function progress(done)
  if not core.sys.isatty(2) then return end
  io.stderr:write(("\r%d of %d copied\27[K"):format(done.looked_at, math.max(done.total,
    done.looked_at)))
end

local function copy(copying)
  local more, done
  repeat
    more, done = copying:step()
    if more == nil then return nil, done end
    progress(done)
  until not more
  if core.sys.isatty(2) then io.stderr:write("\r\27[K") end
  return done
end

function M.run(args)
  local schema, by_body = settings_of(args)
  if not schema then return console.fail(by_body) end
  for _, ledger in ipairs { args.from, args.to } do
    if ledger == "memory:" then
      return console.fail('"memory:" is no ledger that can be copied: nothing is on disk')
    end
  end
  if args.from == args.to then return console.fail("FROM and TO are the same ledger") end
  warn_of_hosts(args.from, schema, "running hosts go on writing to the ledger that is copied; run "
    .. "this again once they are stopped")
  local opened, why = core.ledger.copy(args.from, args.to, schema, by_body)
  if not opened then return console.fail(why) end
  local copying <close> = opened
  local done
  done, why = copy(copying)
  if not done then
    return console.fail(("%s; the same command goes on"):format(why))
  end
  local there = done.looked_at - done.added - done.changed
  console.say("%s: %s added%s%s", shown(args.to), units.count(done.added, "notification"),
    done.changed > 0 and (", %d brought up to date"):format(done.changed) or "",
    there > 0 and (", %d there already"):format(there) or "")
  return 0
end

return M
