-- The running host, by what it says itself through its control socket.

local console = require "hookward.cli.console"
local control = require "hookward.host.control"
local time = require "hookward.base.time"
local units = require "hookward.base.units"

local M = {}

local function absent(findings, patient)
  if not patient.control then
    return findings:line("problem", patient.no_folder, "nothing can be found out about a host",
      "name the configuration with -c FILE")
  end
  local line = control.absence(patient.control)
  local what, fix = line:match("^(.-): ([^:]+`.*)$")
  if not what then what, fix = line:match("^(.*): (.-)$") end
  if patient.running then
    return findings:warning(what or line, "this command, `status` and `reload` can't ask it "
      .. "anything", fix or "use the host's own user")
  end
  findings:problem(what or line, "every delivery fails, and Accredit gives up after five retries",
    fix or "`hookward serve`")
end

local function stuck(findings, state)
  local count = state.workers_stuck or 0 -- an older host does not say
  if count == 0 then return end
  findings:add(count >= state.workers and "problem" or "warning",
    ("%d of %d workers are stuck in handlers that do not return"):format(count, state.workers),
    count >= state.workers and "no handler runs, and what arrives is answered 400 queue_timeout"
      or "fewer notifications are handled at the same time, and none once all are stuck",
    "the log names the handlers (handler_timeout): what they wait for is not available, or has "
      .. "no time-out of its own")
end

local function workers(findings, state)
  local replaced, lost = state.replaced or 0, state.unreplaced or 0
  local fix = "the log names the handlers: fix them, then restart the host"
  if lost > 0 then
    findings:problem(("%d worker%s lost to handlers that can't be stopped"):format(lost,
      lost == 1 and " was" or "s were"), "fewer and fewer notifications are handled at the same "
      .. "time", fix)
  elseif replaced > 0 then
    findings:warning(("%d worker%s replaced, since handlers can't be stopped"):format(replaced,
      replaced == 1 and " was" or "s were"), "such a handler still holds its memory, and at most "
      .. "`workers` of them are replaced", fix)
  end
end

local function fleet(findings, found)
  if found.away_since then
    findings:problem(("it can't use PostgreSQL, since %s"):format(time.when(found.away_since)),
      "no handler runs, and every notification is answered 400 ledger_unavailable",
      "the log says why; it goes on by itself as soon as PostgreSQL can be used")
  end
  if found.fenced > 0 then
    findings:warning(("%s of it %s refused, since another host had taken over"):format(
      units.count(found.fenced, "outcome"), found.fenced == 1 and "was" or "were"),
      "those notifications may have run twice", "the log names them: this host was cut off from "
        .. "PostgreSQL, or stood still, for longer than `lease`; a longer lease makes that rarer")
  end
end

local function ledger(findings, state)
  local health = state.ledger and state.ledger.health
  if state.ledger and state.ledger.fleet then return fleet(findings, state.ledger.fleet) end
  if health == "failed" then
    findings:problem("it can't write its ledger", "no handler runs, and every notification is "
      .. "answered 400 ledger_unavailable", "the log says why: mostly the disk is full, or the "
      .. "file's owner or mode is wrong")
  elseif health == "slow" then
    findings:warning("its ledger is slow", "every answer waits for the disk",
      "another program may keep the disk busy: `iostat -x 1`")
  end
end

---@param findings hookward.doctor.Findings
---@param patient hookward.doctor.Patient
function M.examine(findings, patient)
  local state = patient.state
  if not state then return absent(findings, patient) end
  if not state.state then
    return findings:problem("a host runs, but did not answer in time", "it does nothing else "
      .. "either: its loop or its disk is stuck", "the log may say why; restart it if it stays so")
  end
  local user = patient.user
  findings:ok(("%s, pid %d, hookward %s, for %s, as %s"):format(state.state, state.pid,
    state.hookward, time.age(state.started_at):gsub(" ago$", ""), user.name))
  if state.state ~= "serving" then
    findings:warning("it is " .. state.state, "it accepts nothing more, and ends once what has "
      .. "begun is done (drain_timeout)", "start it again if nobody does: `hookward serve`")
  end
  if user.uid == 0 then
    findings:warning("it runs as root", "a fault in a handler then affects the whole machine",
      "give it a user of its own: `hookward help deployment`")
  end
  stuck(findings, state)
  workers(findings, state)
  ledger(findings, state)
  if state.reload and not state.reload.ok then
    findings:problem(("its last reload failed %s: %s"):format(time.age(state.reload.at),
      console.plain(state.reload.text, 1000)), ("it goes on with what it had (version %s)"):format(
      state.version), "fix that: it reloads by itself, or by `hookward reload`")
  end
  for _, pause in ipairs(state.pauses or {}) do
    findings:warning(("%s is paused since %s"):format(console.plain(pause.pattern),
      time.short(pause.since)), "nothing of it runs",
      ("`hookward resume '%s'`"):format(console.plain(pause.pattern)))
  end
end

return M
