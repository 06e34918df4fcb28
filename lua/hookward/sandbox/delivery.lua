-- Delivers notifications as Accredit's .NET sender does: signed, with up to five retries.
--
-- A job is first delivered with X-JobAttempt 0. After anything but a 200 (another answer, a
-- time-out, no connection) it is retried with 1 to 5, after the pauses below divided by --speed,
-- and then given up. As in .NET's HttpWebRequest, the body waits up to 350 ms for a 100 Continue.
-- Connections are kept open. Header names are in mixed case.

local app = require "hookward.app"
local core = require "hookward.core"
local print_queue = require "hookward.sandbox.print_queue"
local screen = require "hookward.sandbox.screen"
local time = require "hookward.base.time"
local tls_advice = require "hookward.base.tls_advice"

local M = {}

-- Seconds before retry 1, 2 …: Hangfire's default, (n - 1)^4 + 15 + up to 30 n at random, here with
-- half of the random part. Accredit's own schedule is not documented.
M.pauses = { 30, 46, 76, 156, 346 }

local EXPECT = 0.35 -- seconds
local STALE = 24 * 3600 -- seconds
local SLOW = 20 -- seconds for a slow body, divided by --speed
local SLOW_MIN = 0.5 -- seconds, at any speed
local JOBS_MAX = 1000 -- under way or waiting for a retry

local settings = app.settings
local open_jobs = 0
local last_id = math.floor(core.sys.now()) - 1700000000 -- also grows from one run to the next

---@class hookward.sandbox.Job
---@field id string
---@field event string
---@field url string
---@field body string
---@field signature string
---@field ways table<string, boolean>

local function body_of(event, ways)
  local stamp = time.iso(core.sys.now() - (ways.stale and STALE or 0))
  return ('{"Event":"%s","Timestamp":"%s","BadgeExportZipFileId":"%s"}')
    :format(event, stamp, print_queue.add())
end

local function options_of(job, attempt, signature)
  local slow = math.max(SLOW / settings.speed, SLOW_MIN)
  return {
    method = "POST", url = job.url, body = job.body, timeout = settings.timeout, expect = EXPECT,
    answer_max = 64 * 1024,
    ca = settings.ca, client_cert = settings.client_cert, client_key = settings.client_key,
    send_rate = job.ways.slow and math.max(1, math.ceil(#job.body / slow)) or nil,
    headers = {
      ["content-type"] = "application/json; charset=utf-8",
      ["X-Signature"] = signature or job.signature,
      ["x-jobid"] = job.id,
      ["X-JOBATTEMPT"] = attempt,
    },
  }
end

-- Sends one attempt, shows it, and calls done(true, outcome) if the answer is a 200. A request that
-- is not the delivery itself has a note, and may have another signature.
local function send(job, attempt, note, done, signature)
  local begun = core.sys.now()
  local function on_outcome(answer, why)
    why = why and (tls_advice.explain(why) or why)
    local ms = math.floor((core.sys.now() - begun) * 1000 + 0.5)
    done(answer ~= nil and answer.status == 200,
      { answer = answer, why = why, ms = ms, note = note })
  end
  screen.sent(job, attempt, note)
  local ok, why = app.request(options_of(job, attempt, signature), on_outcome)
  if not ok then on_outcome(nil, why) end
end

local function finish(job, text)
  open_jobs = open_jobs - 1
  if text then screen.ended(job, text) end
end

local function send_again_after_success(job, attempt)
  send(job, attempt, "repeat", function(_, outcome)
    screen.answered(job, attempt, outcome)
    finish(job)
  end)
end

local attempt_job

local function on_attempt(job, attempt, ok, outcome)
  if ok then
    screen.answered(job, attempt, outcome)
    if job.ways["repeat"] then return send_again_after_success(job, attempt) end
    return finish(job)
  end
  local pause = M.pauses[attempt + 1]
  if not pause then
    screen.answered(job, attempt, outcome)
    return finish(job, "given up after the fifth retry")
  end
  pause = pause / settings.speed
  outcome.next_in = pause
  screen.answered(job, attempt, outcome)
  app.after(pause, function() attempt_job(job, attempt + 1) end)
end

function attempt_job(job, attempt)
  send(job, attempt, nil, function(ok, outcome) on_attempt(job, attempt, ok, outcome) end)
  if job.ways.duplicate and attempt == 0 then
    send(job, attempt, "duplicate", function(_, outcome) screen.answered(job, attempt, outcome) end)
  end
end

-- Sends the forged copy first, then the delivery itself, whatever the answer was.
local function send_forged(job)
  local signature = assert(core.crypto.sign(settings.private_key, job.body .. " "))
  send(job, 0, "forged", function(_, outcome)
    screen.answered(job, 0, outcome)
    attempt_job(job, 0)
  end, signature)
end

---Makes a sample notification and starts to deliver it.
---@param event string
---@param url string
---@param ways table<string, boolean> misbehaviours
---@return hookward.sandbox.Job? job nil: too many are waiting
function M.start(event, url, ways)
  if open_jobs >= JOBS_MAX then return nil end
  open_jobs = open_jobs + 1
  last_id = last_id + 1
  local job = { id = tostring(last_id), event = event, url = url, ways = ways }
  job.body = body_of(event, ways)
  job.signature = assert(core.crypto.sign(settings.private_key, job.body))
  app.after(0, function() -- the caller gets the id first
    if ways.forged then send_forged(job) else attempt_job(job, 0) end
  end)
  return job
end

return M
