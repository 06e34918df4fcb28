-- Prints what the sandbox does: a line for each call of its API, each delivery and each answer.
--
-- The lines are text, with colours on a terminal. With --json each line is an object with a `time`
-- ("2024-05-10T11:09:21.248Z"):
--   { type = "listening", urls, user, password, url?, key_form }
--   { type = "call", method, path, status, code? }
--   { type = "sent", job, event, attempt, to, note? ("duplicate", "repeat", "forged") }
--   { type = "answered", job, attempt, ms, status | failure, error?, message?, note?,
--     next_in? (seconds) }
--   { type = "ended", job, text }

local app = require "hookward.app"
local console = require "hookward.cli.console"
local core = require "hookward.core"
local time = require "hookward.base.time"

local M = {}

local function write_json(kind, fields)
  fields.type, fields.time = kind, time.iso(core.sys.now())
  console.say("%s", assert(core.json.encode(fields)))
end

local function clock()
  return console.paint("dim", os.date("%H:%M:%S"))
end

local function line(format, ...)
  console.say("%s  %s", clock(), format:format(...))
end

---@param addresses string[]
---@param settings table
function M.started(addresses, settings)
  if settings.json then
    return write_json("listening", { urls = addresses, user = settings.user,
      password = settings.password, url = settings.url, key_form = settings.key_form })
  end
  local address = (addresses[1] or ""):gsub("/$", "")
  console.say("%s at %s, account %s / %s", console.paint("bold", "Accredit's stand-in"),
    console.paint("bold", address), settings.user, settings.password)
  console.say("Next, from another terminal:\n  export HOOKWARD_ACCREDIT_USER=%s "
    .. "HOOKWARD_ACCREDIT_PASSWORD=%s", settings.user, settings.password)
  console.say("  hookward subscribe BadgeExportZipFile.Created --api %s --url %s", address,
    settings.url or "URL-OF-THE-HOST")
  console.say("  hookward trigger BadgeExportZipFile.Created --api %s --url %s", address,
    settings.url or "URL-OF-THE-HOST")
end

---@param request hookward.AppRequest
---@param status integer
---@param body? table
function M.called(request, status, body)
  local code = body and (body.Code or body.error)
  if app.settings.json then
    return write_json("call", { method = request.method, path = request.path, status = status,
      code = code })
  end
  line("%s %s  %s", request.method, console.plain(request.path, 100),
    console.paint(status < 400 and "green" or "red", status .. (code and " " .. code or "")))
end

local function noted(note)
  return note and (" (%s)"):format(note) or ""
end

---@param job hookward.sandbox.Job
---@param attempt integer
---@param note? string
function M.sent(job, attempt, note)
  if app.settings.json then
    return write_json("sent", { job = job.id, event = job.event, attempt = attempt, to = job.url,
      note = note })
  end
  line("job %s, attempt %d%s: %s to %s", job.id, attempt, noted(note), job.event,
    console.plain(job.url, 100))
end

-- The error code and message in the answer, if the receiver is a hookward.
local function said(answer)
  local body = answer and core.json.decode(answer.body)
  if type(body) ~= "table" then return nil end
  return type(body.error) == "string" and body.error or nil,
    type(body.message) == "string" and body.message or nil
end

local function text_of(outcome, name, message)
  local answer = outcome.answer
  if not answer then return console.paint("red", console.plain(outcome.why, 400)) end
  local text = name and name .. (message and ": " .. message or "") or ""
  return console.paint(answer.status == 200 and "green" or "red", tostring(answer.status))
    .. (text ~= "" and " " .. console.plain(text, 200) or "")
end

---@param job hookward.sandbox.Job
---@param attempt integer
---@param outcome { answer?: table, why?: string, ms: integer, note?: string, next_in?: number }
function M.answered(job, attempt, outcome)
  local name, message = said(outcome.answer)
  if app.settings.json then
    return write_json("answered", { job = job.id, attempt = attempt, ms = outcome.ms,
      status = outcome.answer and outcome.answer.status, failure = outcome.why, error = name,
      message = message, note = outcome.note, next_in = outcome.next_in })
  end
  local again = outcome.next_in and ("; again in %g s"):format(outcome.next_in) or ""
  line("job %s, attempt %d%s: %s %s", job.id, attempt, noted(outcome.note),
    text_of(outcome, name, message), console.paint("dim", ("(%d ms%s)"):format(outcome.ms, again)))
end

---@param job hookward.sandbox.Job
---@param text string
function M.ended(job, text)
  if app.settings.json then return write_json("ended", { job = job.id, text = text }) end
  line("job %s: %s", job.id, console.paint("yellow", text))
end

return M
