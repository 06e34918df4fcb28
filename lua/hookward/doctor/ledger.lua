-- The ledger: is its file whole, how large is it, what in it failed, how much disk is left.
--
-- It is only read, and each look has a limit of time: a host that runs is not held up.

local core = require "hookward.core"
local database = require "hookward.ledger.database"
local is_database = require "hookward.base.database".is_meant
local ledger_size = require "hookward.ledger.size"
local patients = require "hookward.doctor.patient"
local time = require "hookward.base.time"
local units = require "hookward.base.units"

local M = {}

local CHECK_TIME = 10 -- seconds
local COUNT_TIME = 10 -- seconds
local WARNED_OF = 64 << 20 -- bytes: the check of a larger file is announced
local LATE = 600 -- seconds: what waits longer than this to be run is late

local RESTORE = "stop the host, put the latest backup in its place (`hookward ledger restore "
  .. "FILE`), or save what can be read: sqlite3 %s .recover"

-- ---- disk ----

local function disk(findings, settings, folder)
  local found, why = core.machine.disk(folder)
  if not found then return findings:skipped(why) end
  local least = settings.min_disk_free
  local free = units.rough_size(found.free)
  local matters = "under min_disk_free nothing more is accepted ack-first (400 overloaded), and "
    .. "on a full disk nothing at all (400 ledger_unavailable)"
  local fix = ("make room on the disk of %s, or move `ledger` to another; `hookward jobs purge` "
    .. "empties the ledger, a backup and a restore make its file smaller"):format(folder)
  if found.free < least then
    findings:problem(("disk: %s left, less than min_disk_free (%s)"):format(free,
      units.show_size(least)), matters, fix)
  elseif found.free < 2 * least then
    findings:warning(("disk: %s left, and min_disk_free is %s"):format(free,
      units.show_size(least)), matters, fix)
  else
    findings:ok(("disk: %s left of %s"):format(free, units.rough_size(found.size)))
  end
end

-- ---- the file ----

-- SQLite may say "*** in database main ***" and then several things, each in a line.
local function first_line(report)
  return report:gsub("^%*%*%* in database %w+ %*%*%*\n", ""):match("^[^\n]*")
end

local function quick_check(findings, ledger, path, seconds, announce)
  if seconds == 0 then return findings:skipped("the file was not checked (--check-time 0)") end
  local size = ledger_size.of(path)
  if size > WARNED_OF then
    announce(("checking %s of ledger, at most %g s"):format(units.rough_size(size), seconds))
  end
  local lines, done = ledger:check(seconds)
  announce(nil)
  local matters = "what was processed may run again or be lost, and writing may make it worse"
  if not lines then
    return findings:problem(tostring(done), matters, RESTORE:format(path))
  elseif #lines > 0 then
    return findings:problem(("%s is damaged: %s"):format(patients.shown(path),
      first_line(lines[1])), matters, RESTORE:format(path))
  elseif not done then
    return findings:skipped(("no damage was found in %g s; the rest of the file was not checked")
      :format(seconds), "`hookward doctor --check-time 10m`")
  end
  findings:ok(("%s: %s, no damage (quick_check)"):format(patients.shown(path),
    units.rough_size(size)))
end

-- ---- its rows ----

local function first_of(a, b)
  return a and b and math.min(a, b) or a or b
end

local function count_states(groups)
  local found = { failed = 0, dead = 0 }
  for _, group in ipairs(groups) do
    if found[group.state] then
      found[group.state] = found[group.state] + group.count
      found[group.state .. "_at"] = first_of(found[group.state .. "_at"], group.oldest)
    end
  end
  return found
end

local function failures(findings, ledger)
  ledger:limit(COUNT_TIME)
  local groups, why = ledger:stats {}
  ledger:limit(nil)
  if not groups then
    return findings:skipped(("what failed could not be counted in %d s (%s)"):format(COUNT_TIME,
      why), "`hookward jobs stats`")
  end
  local found = count_states(groups)
  if found.failed > 0 then
    findings:warning(("%s failed, the oldest was received %s"):format(
      units.count(found.failed, "notification"), time.age(found.failed_at)),
      "their work is not done; Accredit or the host tries again, until it succeeds or is given up",
      "`hookward jobs list --state failed` shows why; after a cure, `hookward jobs replay`")
  end
  if found.dead > 0 then
    findings:warning(("%s %s dead, the oldest was received %s"):format(
      units.count(found.dead, "notification"), found.dead == 1 and "is" or "are",
      time.age(found.dead_at)),
      "nobody tries them again; they keep their bodies, which may hold personal data",
      "`hookward jobs replay --state dead` after a cure, or `hookward jobs purge --state dead`")
  end
  if found.failed + found.dead == 0 then findings:ok("nothing in it failed or is dead") end
end

local function backlog(findings, patient, ledger)
  local found, why = ledger:backlog()
  if not found then return findings:skipped(why) end
  local oldest = found.oldest_waiting
  local what = ("%s due to be run"):format(units.count(found.due, "notification"))
    .. (oldest and (", the oldest of all that wait was received " .. time.age(oldest)) or "")
  if found.due > 0 and not patient.running then
    findings:warning(what, "no host is running that would run them", "`hookward serve`")
  elseif found.due > 0 and oldest and oldest < core.sys.now() - LATE then
    findings:warning(what, "the host can't keep up, or what they need is not available",
      "`hookward status` and the log show what runs and what fails; more `workers` if these are "
        .. "slow")
  elseif found.waiting > 0 then
    findings:ok(("%d to be run, %d of them now"):format(found.waiting, found.due))
  end
end

-- ---- the whole ----

-- One that may write tidies up after itself; beside a host nothing is written.
local function open(patient, path)
  local ledger, why = core.ledger.open(path, not patient.running)
  if ledger then return ledger end
  if not patient.running then ledger = core.ledger.open(path, false) end
  return ledger, why
end

local function read(findings, patient, path, announce)
  local opened, why = open(patient, path)
  if not opened then
    return findings:line("problem", why, "without it the host does not start, and a running one "
      .. "answers 400 ledger_unavailable", RESTORE:format(path))
  end
  local ledger <close> = opened
  quick_check(findings, ledger, path, patient.args.check_time or CHECK_TIME, announce)
  failures(findings, ledger)
  backlog(findings, patient, ledger)
  local newest = ledger:list { limit = 1 }
  return newest and newest[1] and newest[1].received_at
end

-- ---- on PostgreSQL ----

local function find_flaws(findings, settings, found)
  for _, flaw in ipairs(database.flaws(settings, found)) do
    findings[flaw.level](findings, flaw.what, flaw.why, flaw.fix)
  end
  for _, line in ipairs(settings.ledger_advice) do
    findings:line("warning", line, "who has the password, or answers in the database's place, can "
      .. "read and change everything in the ledger")
  end
end

local function examine_database(findings, patient)
  local settings = patient.settings
  local found, why, starts = database.look(settings)
  if not found then
    findings:problem(database.failure(settings, why), starts and "a host starts all the same, and "
      .. "answers 400 ledger_unavailable until it can connect" or "no host starts with it",
      starts and "look at the database, and at what is between it and this machine"
        or "mend what is named above: the address, the database, or this machine")
    return nil
  end
  findings:ok(database.describe(found))
  find_flaws(findings, settings, found)
  local ledger <close> = found.has_schema
    and core.ledger.open(settings.ledger, false, settings.ledger_schema) or nil
  if not ledger then return nil end
  failures(findings, ledger)
  backlog(findings, { running = found.hosts > 0 }, ledger)
  local newest = ledger:list { limit = 1 }
  return newest and newest[1] and newest[1].received_at
end

---@param findings hookward.doctor.Findings
---@param patient hookward.doctor.Patient
---@param announce fun(text: string?) shows what takes long; nil: it is over
---@return number? newest when the newest notification was received
function M.examine(findings, patient, announce)
  local settings = patient.settings
  if not settings or patient.bad.ledger then
    findings:skipped("the configuration does not say where the ledger is")
    return nil
  elseif settings.ledger == "memory:" then
    findings:warning('ledger = "memory:"', "it forgets everything when the host ends, so that what "
      .. "Accredit delivers again then runs again", "name a file, unless this is a test")
    return nil
  elseif is_database(settings.ledger) then
    return examine_database(findings, patient)
  end
  local path = settings.ledger
  local folder = path:match("^(.*)/") .. "/"
  local why
  if not patient.running then
    why = select(2, core.trial.ledger(path)) -- before anything else opens the file
    if why then findings:line("problem", why, "no host starts with it", "set `ledger`") end
  end
  local newest
  if core.sys.stat(path) then
    newest = read(findings, patient, path, announce)
  elseif patient.running then
    findings:problem(patients.shown(path) .. ": is gone", "the running host answers 400 "
      .. "ledger_unavailable", "put it back, or restart the host: it makes a new one, which "
      .. "knows no earlier notification")
  elseif not why then
    findings:ok(patients.shown(path) .. ": not there yet; the first start makes it")
  end
  disk(findings, settings, folder)
  return newest
end

return M
