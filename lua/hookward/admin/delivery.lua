-- One delivery: GET /api/deliveries/SEQ, and what can be done with it: POST …/replay, …/purge.

local core = require "hookward.core"
local answers = require "hookward.admin.answers"
local base64 = require "hookward.base.base64"
local copies = require "hookward.admin.copies"
local deliveries = require "hookward.admin.deliveries"
local excerpt = require "hookward.admin.excerpt"
local host = require "hookward.admin.host"
local project = require "hookward.admin.project"
local runner = require "hookward.jobs.runner"
local time = require "hookward.base.time"

local M = {}

local PATIENCE = 25 -- seconds for a replay's outcome; an app has 30 for an answer
local BODY_MAX = 4 * 1024 * 1024 -- bytes that are shown

local function find(seq)
  local ledger, why = project.ledger()
  if not ledger then return nil, answers.error(409, "no_rows", why) end
  local row
  row, why = ledger:show(math.tointeger(tonumber(seq)) or 0)
  if row then return row, ledger end
  if why then return nil, answers.error(503, "ledger_failed", why) end
  return nil, answers.error(404, "not_found", "this notification is no longer in the ledger")
end

-- ---- what is known of it ----

local function why_no_body(row)
  if project.is_masked(row.event or "") then return "`mask` in the configuration hides it" end
  if row.body and #row.body > BODY_MAX then
    return ("it is over %d MB: `hookward jobs show --json` prints it"):format(BODY_MAX >> 20)
  elseif row.body then
    return nil
  elseif row.state == "succeeded" or row.state == "unhandled" then
    return "without keep_bodies = true, only bodies of failures are kept"
  end
  return "it was not kept"
end

local function add_body(out, row)
  out.body_bytes = row.body and #row.body or nil
  out.masked = project.is_masked(row.event or "")
  out.why_no_body = why_no_body(row)
  if out.why_no_body then
    row.body = nil
  elseif utf8.len(row.body) then
    out.body = row.body
  else
    out.body_base64 = base64.encode(row.body)
  end
end

local function headers_of(row)
  local headers = row.headers and core.json.decode(row.headers)
  return type(headers) == "table" and headers or {}
end

local function list_headers(headers)
  local list, names = core.json.array {}, {}
  for name in pairs(headers) do names[#names + 1] = name end
  table.sort(names)
  for i, name in ipairs(names) do list[i] = { name = name, value = tostring(headers[name]) } end
  return list
end

local function history_of(ledger, seq)
  local list = core.json.array {}
  for i, run in ipairs(ledger:history(seq) or {}) do
    list[i] = { began_at = run.began_at, attempt = run.attempt, retry = run.retry,
      waited_ms = run.waited_ms, ms = run.ms, error = answers.text(run.error),
      reason = answers.text(run.reason), version = answers.text(run.version) }
  end
  return list
end

-- ---- what happens next ----

-- The ledger's count has the retry that is to come; what was put off before it ran has none.
local function next_retry(row)
  local number = math.max(row.retries, 1)
  return ("the host runs it again at %s (retry %d of %d)"):format(time.short(row.next_run_at),
    number, math.max(#project.settings().retries_ms, number))
end

local sentences = {
  succeeded = function() return "Nothing more: it is done." end,
  unhandled = function()
    return "Nothing more: no handler takes this event, and that was accepted."
  end,
  dead = function() return "Nothing, until you replay it." end,
  running = function() return "It is running now." end,
  failed = function(row)
    if row.next_run_at then
      return "Unless the sender delivers it again before that, " .. next_retry(row) .. "."
    end
    return "It runs when the sender delivers it again. The host itself does not retry it."
  end,
  queued = function(row)
    if not row.next_run_at then return "It runs after earlier ones with the same key." end
    if row.retries > 0 or row.runs > 0 then return "It failed, and " .. next_retry(row) .. "." end
    return "It was accepted, and runs as soon as a worker is free."
  end,
}

---@param row table
---@return string sentence
function M.next(row)
  if row.parked then
    return "It is set aside, because its event is paused; it runs once that is resumed."
  end
  return sentences[row.state] and sentences[row.state](row) or ""
end

---@param _ hookward.AppRequest
---@param _ hookward.admin.Caller
---@param seq string
function M.show(_, _, seq)
  local row, ledger, headers, body = find(seq)
  if not row then return ledger, headers, body end
  local out, kept = deliveries.row(row), headers_of(row)
  for _, name in ipairs { "detail", "key", "place", "version" } do
    out[name] = answers.text(row[name])
  end
  add_body(out, row)
  out.headers = list_headers(kept)
  out.history = history_of(ledger, row.seq)
  out.next = M.next(row)
  out.source = row.error and excerpt.of(row) or nil
  out.commands = copies.of(row, kept)
  return 200, nil, out
end

-- ---- what can be done with it ----

-- A JSON object, or nothing; the page sends one, a script need not.
local function options_of(request)
  local options = request.body ~= "" and core.json.decode(request.body)
  return type(options) == "table" and options or {}
end

local function note(what, request, caller, row)
  core.log(1, what, { who = caller.name, peer = request.peer, row = row.seq, id = row.id })
end

local function outcome_of(answer)
  local code, message = runner.read_answer(answer)
  return { ok = code == nil, error = code, message = message }
end

-- The host itself would only repeat the answer of what succeeded, without running it.
local function refusal(row, force)
  if not row.body then return "no_body", "its body was not kept, so it can't run again" end
  if row.state == "succeeded" and not force then
    return "already_succeeded", "it succeeded: only a forced replay runs it again"
  end
end

---@param request hookward.AppRequest
---@param caller hookward.admin.Caller
---@param seq string
function M.replay(request, caller, seq)
  local row, status, headers, body = find(seq)
  if not row then return status, headers, body end
  local force = options_of(request).force == true
  local refused, reason = refusal(row, force)
  if refused then return 200, nil, { ok = false, error = refused, message = reason } end
  note("a replay was asked for on the admin page", request, caller, row)
  local answer, why, kind = host.ask("/replay", { method = "POST",
    headers = { ["X-Hookward-Row"] = row.seq, ["X-Hookward-Force"] = force and 1 or nil },
    timeout = math.min(runner.timeout(project.settings()), PATIENCE) })
  if answer then return 200, nil, outcome_of(answer) end
  if kind == "timeout" then
    return 200, nil, { ok = false, error = "still_running",
      message = "it is still running; its outcome will be shown here and in the log" }
  end
  return 200, nil, { ok = false, error = "no_answer", message = "the host gave no answer: " .. why }
end

---@param request hookward.AppRequest
---@param caller hookward.admin.Caller
---@param seq string
function M.purge(request, caller, seq)
  local row, status, headers, body = find(seq)
  if not row then return status, headers, body end
  note("a purge was asked for on the admin page", request, caller, row)
  local said, code, message = host.json("/purge", { method = "POST",
    body = ("%d %d\n"):format(row.seq, math.floor((row.settled_at or 0) * 1000 + 0.5)) })
  if not said then return answers.error(502, code, message) end
  local gone = tostring(said.message or ""):match("^(%d+) ")
  if gone == "0" then
    return answers.error(409, "not_purged", "it is running, or has just run: look at it again")
  end
  return 200, nil, { ok = true }
end

M.routes = {
  { "^/api/deliveries/(%d+)$", GET = M.show },
  { "^/api/deliveries/(%d+)/replay$", POST = M.replay },
  { "^/api/deliveries/(%d+)/purge$", POST = M.purge },
}

return M
