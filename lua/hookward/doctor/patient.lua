-- Who is examined: a configuration, as far as it can be read, the host that runs with it, and the
-- user that this host is or will be.

local config = require "hookward.config"
local control = require "hookward.host.control"
local core = require "hookward.core"
local database = require "hookward.base.database"

local machine, sys = core.machine, core.sys

local M = {}

---@class hookward.doctor.User
---@field uid integer
---@field gid? integer
---@field groups? integer[]
---@field name string
---@field role string "the user of the running host": how it is known

---@class hookward.doctor.Patient
---@field file string the configuration, as the user calls it
---@field settings? hookward.Config what is usable of it; nil: nothing
---@field bad table<string, boolean> the names in `settings` whose values were wrong
---@field lines string[] what is wrong with the configuration
---@field control? hookward.Control
---@field no_folder? string why there is no control
---@field state? hookward.HostState what the host says; nil: it does not answer
---@field running boolean a host is running
---@field user? hookward.doctor.User nil: not known
---@field args table

local function read(path)
  local file = io.open(path, "rb")
  local text = file and file:read("a")
  if file then file:close() end
  return text
end

---A line of /proc/PID/NAME; nil when there is none, or it may not be read.
---@param pid integer
---@param name string "status"
---@param pattern string for what is returned
function M.proc(pid, name, pattern)
  local text = read(("/proc/%d/%s"):format(pid, name))
  return text and text:match(pattern)
end

---@return hookward.doctor.User?
local function user_of_process(pid)
  local uid = math.tointeger(tonumber(M.proc(pid, "status", "\nUid:%s+%d+%s+(%d+)")))
  if not uid then return nil end
  local groups = {}
  for gid in (M.proc(pid, "status", "\nGroups:([^\n]*)") or ""):gmatch("%d+") do
    groups[#groups + 1] = math.tointeger(tonumber(gid))
  end
  return { uid = uid, groups = groups, name = machine.user_name(uid),
    gid = math.tointeger(tonumber(M.proc(pid, "status", "\nGid:%s+%d+%s+(%d+)"))),
    role = "the user of the running host" }
end

-- Root starts no host as a rule, but a service does to which the ledger, or its folder, belongs.
---@return hookward.doctor.User?
local function user_of_ledger(path)
  local uid, role = machine.owner(path), "the owner of the ledger"
  if not uid then
    uid, role = machine.owner(path:match("^(.*/)") or "."), "the owner of the ledger's folder"
  end
  return uid and { uid = uid, name = machine.user_name(uid), role = role }
end

local function find_user(patient)
  local pid = patient.state and patient.state.pid
  local user = pid and user_of_process(pid)
  if user then return user end
  local own = machine.user()
  local ledger = patient.settings and patient.settings.ledger
  local is_file = ledger and ledger ~= "memory:" and not database.is_meant(ledger)
  user = own == 0 and is_file and user_of_ledger(ledger)
  if user and user.uid ~= own then return user end
  return { uid = own, name = machine.user_name(own), role = "you" }
end

---@param args table of the command
---@return hookward.doctor.Patient
function M.new(args)
  local file = args.config or config.DEFAULT_FILE
  local settings, lines, rest, bad = config.load(file)
  local patient = { file = file, settings = settings or rest, bad = bad or {}, lines = lines or {},
    args = args, running = false }
  patient.control, patient.no_folder = control.find(file)
  if patient.control then
    patient.state = control.state(patient.control)
    patient.running = patient.state ~= nil or control.is_running(patient.control) == true
  end
  patient.user = find_user(patient)
  return patient
end

---A path as the user would write it.
---@param path string absolute
function M.shown(path)
  return config.shown(path, sys.cwd() or "")
end

return M
