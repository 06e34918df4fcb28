-- hookward ledger duplicates: changes how a ledger on PostgreSQL tells duplicates.

local console = require "hookward.cli.console"
local database = require "hookward.base.database"
local store = require "hookward.jobs.store"

local M = {
  summary = 'Turn a ledger on PostgreSQL to duplicates = "by-body".',
  usage = "by-body [OPTION...]",
  description = "All hosts that share a ledger must tell duplicates in the same way, so the ledger "
    .. "says which, and a host with another setting does not start. This turns one of by-job to "
    .. "by-body, while no host runs; then set `duplicates` in each configuration. What was "
    .. "recorded before is recognised too. A file needs nothing of this, and there is no way back.",
  examples = { "hookward ledger duplicates by-body" },
}

local NAME = "hookward ledger duplicates"

function M.define(parser)
  parser:argument("WAY", "by-body."):target("way")
  store.define(parser)
end

function M.run(args)
  if args.way ~= "by-body" then
    return console.misuse(NAME, "there is only by-body, not '%s'", console.plain(args.way))
  end
  local path, settings = store.find(args, true)
  if not path then return console.fail(settings) end
  if not database.is_meant(path) then
    return console.fail("a ledger's file needs no change: set `duplicates` in the configuration")
  end
  local opened, lines = store.open(args, true)
  if not opened then return console.fail(lines) end
  local ledger <close> = opened
  if ledger:facts().duplicates == "by-body" then
    console.say("it is by-body already")
    return 0
  end
  local ok, why = ledger:go_by_body()
  if not ok then return console.fail(why) end
  console.say('by-body from now on: set duplicates = "by-body" for each host')
  return 0
end

return M
