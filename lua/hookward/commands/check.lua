-- hookward check: would `hookward serve` start?

local advice = require "hookward.config.advice"
local config = require "hookward.config"
local console = require "hookward.cli.console"
local control = require "hookward.host.control"
local core = require "hookward.core"
local database = require "hookward.ledger.database"
local is_database = require "hookward.base.database".is_meant
local listen = require "hookward.config.listen"
local options = require "hookward.cli.options"
local pauses = require "hookward.host.pauses"
local time = require "hookward.base.time"
local units = require "hookward.base.units"

local M = {
  summary = "Say whether the host would start.",
  usage = "[OPTION...]",
  description = "Says whether `hookward serve` would start. It loads configuration, keys and "
    .. "handlers as the host does, tries the ledger and the addresses, and reports every problem. "
    .. "It prints keys, the certificates of TLS, routes (and which of them are ack-first or check "
    .. "a schema), retries and what is paused, and counts dead notifications. If a host is running "
    .. "with this configuration, it is not disturbed: ledger and addresses are not tried. Exits 0 "
    .. "when the host would start or is running, else 1.",
  examples = {
    "hookward check",
    "hookward check -c /etc/hookward/hookward.lua",
    "hookward check --offline    # for another machine, as in CI",
    "hookward check --json | jq .routes",
  },
}

local RETRIES_SHOWN = 8
local FINGERPRINT_SHOWN = 16 -- hex digits: 64 bits tell keys apart, and fit a line

function M.define(parser)
  options.config(parser)
  parser:flag("--offline", "Check only configuration, keys and handlers, not the ledger and the "
    .. "addresses.")
  parser:flag("--json", "Print one JSON object: ok, file, running, keys, certificates (of TLS; "
    .. "not_after in seconds since 1970, and in days), routes, retries (in seconds), database (of "
    .. "a ledger on PostgreSQL), warnings, errors.")
end

---@class hookward.Report
---@field errors string[]
---@field warnings string[]
---@field keys table[]
---@field certificates table[] of TLS
---@field routes table[]
---@field retries integer[] the host's own, in milliseconds
---@field dead_kept? string how long what is dead is kept: "until purged", "for 90d"
---@field database? hookward.Database what was found, with a ledger on PostgreSQL
---@field running boolean a host is running with this configuration
local Report = {}
Report.__index = Report

function Report:error(line)
  if line then self.errors[#self.errors + 1] = config.shown(line, self.folder or "") end
end

function Report:warn(format, ...)
  self.warnings[#self.warnings + 1] = format:format(...)
end

-- Reads one file at a time, so that each bad one gets its own line.
local function check_keys(report, settings)
  local owner = {}
  for _, path in ipairs(settings.key_files) do
    local keys, why = core.crypto.keys({ path }, settings.min_key_bits)
    for _, key in ipairs(keys or {}) do
      report.keys[#report.keys + 1] = key
      local shown = config.shown(path, settings.folder)
      if owner[key.fingerprint] then
        report:warn("%s: the same key as %s", shown, owner[key.fingerprint])
      elseif key.name == "development.pem" then
        report:warn("%s: a key for development; remove it before you go live", shown)
      end
      owner[key.fingerprint] = owner[key.fingerprint] or shown
    end
    report:error(why)
  end
  if #report.keys > 0 and #report.keys == #settings.key_files then
    report:error(select(2, core.crypto.keys(settings.key_files, settings.min_key_bits)))
  end
end

-- With --offline, a file that is not here may be on the machine that the configuration is for.
local function check_tls(report, settings, tls, offline)
  local found = core.tls.check(tls)
  for _, line in ipairs(found.errors) do
    if offline and line:find(": No such file or directory; ", 1, true) then
      report:warn("%s", config.shown(line, settings.folder))
    else
      report:error(line)
    end
  end
  for _, line in ipairs(found.warnings) do
    report:warn("%s", config.shown(line, settings.folder))
  end
  for _, one in ipairs(found.certificates) do
    report.certificates[#report.certificates + 1] = one
    if one.development then
      report:warn("%s: a certificate for development, which no sender trusts; get another before "
        .. "you go live", config.shown(one.file, settings.folder))
    end
  end
end

local function check_handlers(report, settings)
  local found, why = core.check(settings)
  if not found then return report:error(why) end
  report.routes = found.routes
  if #found.routes == 0 then
    report:warn("%s: no handler is registered; every notification will be %s",
      config.shown(settings.handlers, settings.folder),
      settings.unhandled == "accept" and "accepted without being handled" or "refused")
  end
end

-- A worker whose handler can't be stopped is lost until a restart; at most `workers` are replaced.
local function check_workers(report, state)
  local replaced, unreplaced = state.replaced or 0, state.unreplaced or 0
  if unreplaced > 0 then
    report:error(("the running host has lost %s to handlers that can't be stopped; its log "
      .. "names them: fix them, then restart the host"):format(units.count(unreplaced, "worker")))
  elseif replaced > 0 then
    report:warn("the running host has replaced %d of its workers, because their handlers can't be "
      .. "stopped; its log names them: fix them, then restart the host", replaced)
  end
end

-- Asks nothing of a running host, so it is done beside one too.
local function check_database(report, settings)
  local found, why, starts = database.look(settings)
  if not found then return report:error(database.failure(settings, why, starts)) end
  report.database = found
  for _, flaw in ipairs(database.flaws(settings, found)) do
    if flaw.level == "problem" then
      report:error(("ledger: %s; %s"):format(flaw.what, flaw.fix))
    else
      report:warn("ledger: %s: %s; %s", flaw.what, flaw.why, flaw.fix)
    end
  end
end

-- Tries what the host needs from this machine: its ledger and its addresses.
local function check_machine(report, settings, bad)
  local state = control.state(control.of(settings))
  local is_file = settings.ledger ~= "memory:" and not is_database(settings.ledger)
  report.running = state ~= nil
  if is_database(settings.ledger) and not bad.ledger then check_database(report, settings) end
  if state then
    check_workers(report, state)
    return
  end
  if is_file and not bad.ledger then
    report:error(select(2, core.trial.ledger(settings.ledger)))
  end
  for _, line in ipairs(not bad.listen and core.trial.listen(settings.listen) or {}) do
    report:error(line)
  end
  for _, line in ipairs(settings.admin and core.trial.listen { settings.admin.listen } or {}) do
    report:error("admin: " .. line)
  end
end

-- Nobody removes them but the user.
local function check_dead(report, settings, bad)
  local found = report.database
  if settings.dead_retention_ms > 0 or settings.ledger == "memory:" or bad.ledger
    or not (found and found.has_schema or core.sys.stat(settings.ledger)) then return end
  -- One that may write tidies up after itself.
  local ledger <close> = core.ledger.open(settings.ledger, not found and not report.running,
    settings.ledger_schema)
  local dead = ledger and ledger:count { states = { "dead" } } or 0
  if dead > 0 then
    report:warn("the ledger keeps %s, with bodies that may hold personal data, until you replay "
      .. "or remove them: `hookward jobs purge --state dead`",
      units.count(dead, "dead notification"))
  end
end

-- Events that a running host, or the next one, does not run.
local function check_pauses(report, settings)
  for _, pause in ipairs(pauses.list(control.of(settings)) or {}) do
    report:warn("%s is paused since %s: nothing of it runs until `hookward resume '%s'`",
      console.plain(pause.pattern), time.short(pause.since), console.plain(pause.pattern))
  end
end

local function check_retries(report, settings)
  report.retries = settings.retries_ms
  report.dead_kept = settings.dead_retention_ms == 0 and "until purged"
    or "for " .. units.show_time(math.max(settings.dead_retention_ms, settings.retention_ms))
  if settings.retries_unused then
    report:warn('retries: without effect, since ledger = "memory:" keeps no bodies to run again')
  end
end

---@return hookward.Report
local function check(file, offline)
  local settings, lines, rest, bad = config.load(file)
  local report = setmetatable({ file = file, errors = {}, warnings = {}, keys = {},
    certificates = {}, routes = {}, retries = {}, running = false }, Report)
  for _, line in ipairs(lines or {}) do report:error(line) end
  settings, bad = settings or rest, bad or {}
  if not settings then return report end
  report.folder = settings.folder
  local no_handlers, no_keys = config.missing(settings)
  if not bad.key_patterns then
    report:error(no_keys)
    check_keys(report, settings)
  end
  if not bad.listen and not bad.tls then
    for _, tls in ipairs(listen.all_tls(settings)) do
      check_tls(report, settings, tls, offline)
    end
  end
  if no_handlers and not bad.handlers then
    report:error(no_handlers)
  elseif not bad.handlers and not bad.settings then
    check_handlers(report, settings)
  end
  for _, line in ipairs(advice.of(settings)) do report:warn("%s", line) end
  if not lines then check_retries(report, settings) end
  if not offline then
    check_machine(report, settings, bad)
    check_dead(report, settings, bad)
    if not bad.ledger then check_pauses(report, settings) end
  end
  return report
end

local function print_json(report)
  local array = core.json.array
  local retries = {}
  for i, ms in ipairs(report.retries) do retries[i] = ms / 1000 end
  local certificates = {}
  for i, one in ipairs(report.certificates) do
    certificates[i] = { file = one.file, names = array(one.names), issuer = one.issuer,
      not_after = one.not_after, days = one.days, key = one.key }
  end
  console.say("%s", assert(core.json.encode {
    ok = #report.errors == 0,
    file = report.file,
    running = report.running,
    keys = array(report.keys),
    certificates = array(certificates),
    routes = array(report.routes),
    retries = array(retries),
    database = report.database,
    warnings = array(report.warnings),
    errors = array(report.errors),
  }))
end

-- "after 1m, 5m, 30m, 2h, 6h; then dead, kept until purged"
local function describe_retries(report)
  local times = {}
  for i, ms in ipairs(report.retries) do
    times[i] = units.show_time(ms)
    if i == RETRIES_SHOWN and #report.retries > i then
      times[i] = ("... (%d in all)"):format(#report.retries)
      break
    end
  end
  if #times == 0 then return "none" end
  return ("after %s; then dead, kept %s"):format(table.concat(times, ", "), report.dead_kept)
end

-- "ack first, in order by key; schema: its own"; nil for an ordinary route
local function describe_route(route)
  local notes = { route.way }
  if route.schema then notes[#notes + 1] = "schema: " .. route.schema end
  return notes[1] and table.concat(notes, "; ")
end

-- "cert.pem", "a.example, b.example", "ECDSA P-256", "by Example CA", "until 2027-02-27 (89 days)"
local function describe_certificates(report)
  local rows = {}
  for i, one in ipairs(report.certificates) do
    rows[i] = { config.shown(one.file, report.folder), console.plain(table.concat(one.names, ", ")),
      one.key, "by " .. console.plain(one.issuer),
      ("until %s (%s)"):format(os.date("!%Y-%m-%d", one.not_after),
        one.days < 0 and "expired" or units.count(one.days, "day")) }
  end
  return rows
end

local function print_text(report)
  local keys, routes = {}, {}
  for i, key in ipairs(report.keys) do
    keys[i] = { key.name, key.form, key.bits .. " bits",
      "SHA-256 " .. key.fingerprint:sub(1, FINGERPRINT_SHOWN) }
  end
  for i, route in ipairs(report.routes) do
    routes[i] = { route.pattern, route.place, describe_route(route) }
  end
  if #keys > 0 then console.say(console.paint("bold", "keys")) end
  console.columns(keys, "  ")
  if #report.certificates > 0 then console.say(console.paint("bold", "certificates")) end
  console.columns(describe_certificates(report), "  ")
  if #routes > 0 then console.say(console.paint("bold", "routes")) end
  console.columns(routes, "  ")
  if report.dead_kept then
    console.say("%s %s", console.paint("bold", "retries by this host:"), describe_retries(report))
  end
  if report.database then
    console.say("%s %s", console.paint("bold", "ledger:"),
      console.plain(database.describe(report.database)))
  end
  for _, line in ipairs(report.warnings) do
    console.say("%s %s", console.paint("yellow", "warning:"), line)
  end
  for _, line in ipairs(report.errors) do
    console.complain("%s %s", console.paint("red", "error:", 2), line)
  end
  if report.running then
    console.say("%s a host is running with this configuration; its %saddresses were not tried",
      console.paint("dim", "note:"), report.database and "" or "ledger and its ")
  end
  if #report.errors == 0 then
    console.say("%s %s, %s", console.paint("green", "ok:"), units.count(#keys, "key"),
      units.count(#routes, "route"))
  end
end

function M.run(args)
  local report = check(args.config or config.DEFAULT_FILE, args.offline)
  if args.json then print_json(report) else print_text(report) end
  return #report.errors == 0 and 0 or 1
end

return M
