-- hookward jobs replay ID --here: runs a recorded notification in this terminal, for debugging.
--
-- The handler runs in this process even if a host is running, as often as the user likes. Nothing
-- is recorded without --record. `print` writes to the terminal, `debug.debug()` reads from it, and
-- no time-out interrupts.

local config = require "hookward.config"
local console = require "hookward.cli.console"
local core = require "hookward.core"
local database = require "hookward.base.database"
local runner = require "hookward.jobs.runner"
local store = require "hookward.jobs.store"
local text = require "hookward.jobs.text"

local M = {}

local NAME = "hookward jobs replay"
local A_YEAR_MS = 365 * 86400 * 1000

function M.define(parser)
  parser:flag("--here", "Run one notification in this terminal, for debugging: print writes to it, "
    .. "debug.debug() reads from it, and nothing is recorded.")
  parser:flag("--record", "With --here: record the outcome.")
end

local function misuse(args)
  for _, name in ipairs { "json", "dry_run", "state", "event", "id", "since", "until_time",
    "rate" } do
    local value = args[name]
    if value and (type(value) ~= "table" or #value > 0) then
      return ("--here runs one notification, named by its id: it can't be combined with --%s")
        :format((name:gsub("_time$", ""):gsub("_", "-")))
    end
  end
  if #args.wanted ~= 1 then
    return "--here runs one notification: name its id, as in `hookward jobs replay 8812 --here`"
  end
end

-- Returns the row with its body; or nil and why.
local function find(ledger, id, digest)
  local found = {}
  local ok, why = store.walk(ledger, { ids = { id } }, function(row)
    if row.digest:sub(1, #(digest or "")) == (digest or "") then found[#found + 1] = row end
  end)
  if not ok then return nil, why end
  if #found == 0 then
    return nil, ("no notification %s%s is in the ledger"):format(text.line(id),
      digest and " with that digest" or "")
  elseif #found > 1 then
    return nil, ("%d notifications have the id %s; say which one with --digest, as in "
      .. "--digest %s"):format(#found, text.line(id), found[1].digest:sub(1, 8))
  end
  local row
  row, why = ledger:show(found[1].seq)
  if not row then return nil, why or "it is not in the ledger any more" end
  if not row.body then
    return nil, ("the body of %s was not kept, so it can't be run (keep_bodies = true keeps the "
      .. "bodies of successes)"):format(text.line(id))
  end
  return row
end

-- Returns true; or false, code and text; or nil and why.
local function record(settings, row, force)
  if not database.is_meant(settings.ledger) and runner.has_host(settings) then
    return nil, "a host is running with this ledger: leave --record out, or stop it"
  end
  local outcome = { true }
  local ok, why = core.replay(settings, { row.seq }, force, function(_, code, said)
    if code then outcome = { false, code, said } end
  end, true)
  if not ok then return nil, why end
  return table.unpack(outcome, 1, 3)
end

local function run(settings, row, args)
  local no_handlers, no_keys = config.missing(settings)
  if no_handlers or no_keys then return nil, no_handlers or no_keys end
  settings.handler_timeout_ms = A_YEAR_MS
  if not args.record then
    settings.ledger = "memory:"
    return core.rehearse(settings, row)
  end
  if row.state == "succeeded" and not args.force then
    return nil, "it succeeded; --force runs and records it again"
  end
  return record(settings, row, args.force or false)
end

---@param args table of hookward jobs replay
---@return integer code
function M.run(args)
  local wrong = misuse(args)
  if wrong then return console.misuse(NAME, "%s", wrong) end
  local settings, lines = config.load(args.config, { ledger = args.ledger })
  if not settings then return console.fail(lines) end
  local ledger
  ledger, lines = store.open { config = args.config, ledger = settings.ledger,
    schema = settings.ledger_schema }
  if not ledger then return console.fail(lines) end
  local row, why = find(ledger, args.wanted[1], args.digest)
  ledger:close()
  if not row then return console.fail(why) end
  console.complain("%s", console.paint("dim", ("%s, attempt %d, %d bytes; %s"):format(
    row.event == "" and "-" or text.line(row.event), row.attempt, #row.body,
    args.record and "the outcome will be recorded" or "nothing will be recorded"), 2))
  local ok, code, said = run(settings, row, args)
  if ok == nil then return console.fail(config.shown(code, settings.folder)) end
  if ok then
    console.say("%s", console.paint("green", "succeeded"))
    return 0
  end
  console.say("%s: %s", console.paint("red", code), text.block(said))
  return 1
end

return M
