-- What the machine gives: open files, watches, the clock.

local core = require "hookward.core"
local patients = require "hookward.doctor.patient"
local time = require "hookward.base.time"

local machine = core.machine

local M = {}

local YEAR_MIN, YEAR_MAX = 2024, 2100
local SLACK = 60 -- seconds by which a record may be ahead of the clock
local CONNECTIONS_MIN = 16 -- with fewer, hardly anybody gets in

-- ---- files ----

-- What the host may open, and who allows that.
local function files_allowed(patient, files)
  local pid = patient.state and patient.state.pid
  local text = pid and patients.proc(pid, "limits", "\nMax open files%s+(%w+)")
  if text then return math.tointeger(tonumber(text)) or math.maxinteger, "the running host" end
  return files.hard, "this shell" -- a host raises the soft limit by itself
end

---@param findings hookward.doctor.Findings
---@param patient hookward.doctor.Patient
function M.files(findings, patient)
  local settings = patient.settings
  if not settings then return end
  local files = machine.files(settings.max_connections, settings.workers)
  local allowed, who = files_allowed(patient, files)
  if allowed >= files.wanted then
    return findings:ok(("open files: %d wanted, %s may open %s"):format(files.wanted, who,
      allowed == math.maxinteger and "any number" or tostring(allowed)))
  end
  local for_connections = allowed - (files.wanted - settings.max_connections)
  local level = for_connections < math.min(CONNECTIONS_MIN, settings.max_connections / 2)
    and "problem" or "warning"
  findings:add(level, ("open files: %s may open %d, max_connections = %d and %d workers want %d")
    :format(who, allowed, settings.max_connections, settings.workers, files.wanted),
    level == "problem" and "hardly a connection is accepted, and handlers may be unable to open "
      .. "files" or "with that many connections, further ones wait and are then closed",
    "LimitNOFILE= in the unit (`ulimit -n` in a shell), or a lower max_connections")
end

-- ---- watches ----

local function sysctl(name)
  local file = io.open("/proc/sys/fs/inotify/" .. name)
  local number = file and file:read("n")
  if file then file:close() end
  return number or 0
end

---@param findings hookward.doctor.Findings
---@param patient hookward.doctor.Patient
function M.watches(findings, patient)
  local user = patient.user
  local ok, what = machine.watchable(user)
  if ok == nil then
    return findings:skipped(("inotify: only root can try it for %s"):format(user.name))
  elseif ok then
    return findings:ok(("inotify: %d instances and %d watches a user, and %s can have more"):format(
      sysctl "max_user_instances", sysctl "max_user_watches", user.name))
  end
  local name = "fs.inotify.max_user_" .. what
  findings:warning(("inotify: %s has used up %s (%d)"):format(user.name, name,
      sysctl("max_user_" .. what)),
    "edits are still noticed, but only by polling twice a second",
    ("sysctl %s=%d, and a line in /etc/sysctl.d for the next boot"):format(name,
      math.max(512, 2 * sysctl("max_user_" .. what))))
end

-- ---- the clock ----

---@param findings hookward.doctor.Findings
---@param patient hookward.doctor.Patient
---@param newest? number the newest record of the ledger, seconds since 1970
function M.clock(findings, patient, newest)
  local now = core.sys.now()
  local shown = time.short(now)
  local year = tonumber(os.date("!%Y", math.floor(now)))
  local max_age = patient.settings and patient.settings.max_age_ms or 0
  local matters = "retries and retention are counted by it, certificates are judged by it"
    .. (max_age > 0 and ", and max_age refuses what is not from now" or "")
  local set = "set it, and synchronise it: `timedatectl set-ntp true`"
  if year < YEAR_MIN or year > YEAR_MAX then
    findings:problem("the clock says " .. shown, matters, set)
  elseif newest and newest > now + SLACK then
    findings:problem(("the clock says %s, but the newest notification was received %s"):format(
      shown, time.short(newest)), "it was or is wrong: " .. matters, set)
  elseif machine.clock() == false then
    findings:warning(("the clock says %s, and nothing synchronises it"):format(shown), matters,
      "`timedatectl set-ntp true` (systemd-timesyncd), or chrony; in a container, on its machine")
  else
    findings:ok(("the clock says %s%s"):format(shown,
      machine.clock() and ", and is synchronised" or ""))
  end
end

return M
