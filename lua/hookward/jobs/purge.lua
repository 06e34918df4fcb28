-- hookward jobs purge: removes notifications from the ledger.

local ask = require "hookward.jobs.ask"
local console = require "hookward.cli.console"
local core = require "hookward.core"
local filters = require "hookward.jobs.filters"
local remove = require "hookward.jobs.remove"
local store = require "hookward.jobs.store"
local units = require "hookward.base.units"

local M = {
  summary = "Remove notifications from the ledger.",
  usage = "[OPTION...]",
  description = "Removes the notifications that match, in small steps. If a host is running, the "
    .. "host does it. The command first shows how many match, and asks. A removed notification is "
    .. "forgotten: it can't be replayed, and a copy that arrives later is processed as new. Queued "
    .. "notifications were accepted and still have to run; they stay, unless --state queued "
    .. "selects them. The file keeps its size, and its free space is used again (`hookward ledger "
    .. "backup` makes a smaller file). Rows older than `retention` are removed automatically.",
  examples = {
    "hookward jobs purge --state succeeded --until 7d",
    "hookward jobs purge --event 'Test.*' --dry-run",
    "hookward jobs purge --all --yes",
  },
}

local NAME = "hookward jobs purge"

function M.define(parser)
  filters.define(parser)
  parser:flag("--all", "Remove everything, if no other filter is given.")
  parser:flag("--dry-run", "Say how many would be removed, and remove nothing.")
  parser:flag("-y --yes", "Do not ask.")
  store.define(parser)
end

-- Nobody else remembers a notification that was accepted and has not run yet, or runs now.
local function spare_queued(wanted)
  if wanted.states then return end
  wanted.states = {}
  for _, state in ipairs(core.ledger.states) do
    if state ~= "queued" and state ~= "running" then wanted.states[#wanted.states + 1] = state end
  end
end

local function progress(total)
  if not core.sys.isatty(2) then return nil end
  return function(count)
    io.stderr:write(("\r%d of %d removed\27[K"):format(count, total))
    if count >= total then io.stderr:write("\r\27[K") end
  end
end

local function purge(host, ledger, wanted, total)
  local removed, why, before = remove.run(host, ledger, wanted, progress(total))
  if removed == false then return nil end
  if not removed then
    return console.fail(("%s; %s removed before that"):format(why,
      units.count(before, "notification")))
  end
  console.say("%s removed", units.count(removed, "notification"))
  if why then console.complain("%s", why) end
  return 0
end

function M.run(args)
  local wanted, misuse = filters.read(args)
  if not wanted then return console.misuse(NAME, "%s", misuse) end
  if next(wanted) == nil and not args.all then
    return console.misuse(NAME, "which ones? Add a filter such as --until 30d, or --all")
  end
  spare_queued(wanted)
  local path, settings = store.find(args, not args.dry_run)
  if not path then return console.fail(settings) end
  local host = not args.dry_run and remove.host(path, args, settings) or nil
  local opened, lines = store.open(args, not args.dry_run and not host)
  if not opened then return console.fail(lines) end
  local ledger <close> = opened
  local total, by_state = ledger:count(wanted)
  if not total then return console.fail(by_state) end
  if total == 0 then
    console.say("nothing to remove: no notification matches")
    return 0
  end
  local what = ("%s (%s)"):format(units.count(total, "notification"), filters.breakdown(by_state))
  if args.dry_run then
    console.say("%s would be removed", what)
    return 0
  end
  local go, code = ask(NAME, ("Remove %s?"):format(what), args.yes)
  if not go then return code end
  code = purge(host, ledger, wanted, total)
  if code then return code end
  ledger:close() -- the host can't be reached: write beside it, as any program may
  opened, lines = store.open(args, true)
  if not opened then return console.fail(lines) end
  local writer <close> = opened
  return purge(nil, writer, wanted, total)
end

return M
