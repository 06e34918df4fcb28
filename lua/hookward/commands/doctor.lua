-- hookward doctor: what is wrong, why it matters, what to do.

local certificates = require "hookward.doctor.certificates"
local console = require "hookward.cli.console"
local core = require "hookward.core"
local door = require "hookward.doctor.door"
local findings_of = require "hookward.doctor.findings"
local host = require "hookward.doctor.host"
local ledger = require "hookward.doctor.ledger"
local machine = require "hookward.doctor.machine"
local options = require "hookward.cli.options"
local patients = require "hookward.doctor.patient"
local project = require "hookward.doctor.project"
local readable = require "hookward.doctor.readable"
local units = require "hookward.base.units"

local M = {
  summary = "Examine everything, and say what to do.",
  usage = "[OPTION...]",
  description = "Examines the configuration, the keys, the handlers, the certificates, the files "
    .. "and who may read them, the ledger, the machine's limits and clock, and the running host. "
    .. "Then it posts an unsigned request to each listener; the answer has to be "
    .. "missing_signature. Each finding says what is wrong, why it matters and what to do. Exits 1 "
    .. "when there is a problem; warnings alone exit 0.\n\nIt does not disturb a running host: it "
    .. "only reads the ledger, for a limited time. The host logs and counts the refused request. "
    .. "Run it as root, or as the host's own user, to see everything.",
  examples = {
    "hookward doctor",
    "hookward doctor -c /etc/hookward/hookward.lua --url https://hooks.example.com",
    "hookward doctor --check-time 10m     # for a large ledger",
    "hookward doctor --json | jq '.findings[] | select(.level == \"problem\")'",
  },
}

local DEFAULT_PATH = "/baseWebhookNotification"
local TIME_MAX = 86400 -- seconds

local function url(text)
  if text:find("^https?://[^/%s%c]+[^%s%c]*$") then return text end
  return nil, ("--url takes the address that senders use, as in https://hooks.example.com%s, not "
    .. "'%s'"):format(DEFAULT_PATH, console.plain(text))
end

local function check_time(text)
  local ms = units.time(text)
  if ms and ms <= TIME_MAX * 1000 then return ms / 1000 end
  return nil, ("--check-time takes a time of at most a day, such as 10s or 5m, or 0; not '%s'")
    :format(console.plain(text))
end

function M.define(parser)
  options.config(parser)
  parser:option("--url", "Also post to this URL: the address that senders use, with the proxy in "
    .. "front. A URL without a path gets the configuration's."):argname("URL"):convert(url)
  options.tls(parser)
  parser:option("--check-time", "How long to check the ledger's file (default: 10s; 0: not at "
    .. "all)."):argname("TIME"):convert(check_time)
  parser:flag("--json", "Print one JSON object: ok, file, running, problems and warnings (their "
    .. "numbers), findings (area, level, what, why, fix). A level is ok, warning, problem, or "
    .. "skipped (it could not be examined).")
end

-- ---- as text ----

local styles = { ok = "green", warning = "yellow", problem = "red", skipped = "dim" }
local INDENT = "           "

local function print_note(name, text)
  if not text then return end
  console.say("%s%s %s", INDENT, console.paint("dim", name),
    (text:gsub("\n", "\n" .. INDENT .. "    ")))
end

-- The latest area, as soon as it is known: some take seconds.
local function print_area(list, from)
  if not list[from] then return end
  console.say("%s", console.paint("bold", list[from].area))
  for i = from, #list do
    local finding = list[i]
    console.say("  %s%s", console.paint(styles[finding.level], ("%-9s"):format(finding.level)),
      finding.what)
    print_note("why", finding.why)
    print_note("do ", finding.fix)
  end
  io.stdout:flush()
end

local function print_end(problems, warnings)
  if problems + warnings == 0 then
    console.say("%s", console.paint("green", "all is well"))
  else
    console.say("%s", console.paint(problems > 0 and "red" or "yellow", ("%s, %s"):format(
      units.count(problems, "problem"), units.count(warnings, "warning"))))
  end
end

-- A line that is replaced, on a terminal only.
local function announce(text)
  if not core.sys.isatty(2) then return end
  io.stderr:write("\r\27[K", text and text .. " ..." or "")
  io.stderr:flush()
end

-- ---- the examination ----

local function areas_of(patient)
  local newest
  return {
    { "configuration", project.configuration },
    { "keys", project.keys },
    { "handlers", project.handlers },
    { "certificates", certificates.examine },
    { "files", readable.examine },
    { "ledger", function(findings)
      newest = ledger.examine(findings, patient, patient.args.json and function() end or announce)
    end },
    { "limits", function(findings)
      machine.files(findings, patient)
      machine.watches(findings, patient)
    end },
    { "clock", function(findings) machine.clock(findings, patient, newest) end },
    { "host", host.examine },
    { "front door", function(findings)
      door.examine(findings, patient, certificates.names_of)
    end },
  }
end

local function examine(patient, on_area)
  local findings = findings_of.new()
  for _, area in ipairs(areas_of(patient)) do
    local from = #findings.list + 1
    findings.area = area[1]
    area[2](findings, patient)
    on_area(findings.list, from)
  end
  return findings
end

local function print_json(patient, findings)
  local list = core.json.array {}
  for i, finding in ipairs(findings.list) do list[i] = finding end
  local problems = findings:count "problem"
  console.say("%s", assert(core.json.encode { ok = problems == 0, file = patient.file,
    running = patient.running, problems = problems, warnings = findings:count "warning",
    findings = list }))
end

function M.run(args)
  local misused = options.tls_misuse(args)
  if misused then return console.misuse("hookward doctor", "%s", misused) end
  local patient = patients.new(args)
  if args.url and args.url:find("^%a+://[^/?#]*$") then
    args.url = args.url .. (patient.settings and patient.settings.path or DEFAULT_PATH)
  end
  local findings = examine(patient, args.json and function() end or print_area)
  local problems, warnings = findings:count "problem", findings:count "warning"
  if args.json then print_json(patient, findings) else print_end(problems, warnings) end
  return problems == 0 and 0 or 1
end

return M
