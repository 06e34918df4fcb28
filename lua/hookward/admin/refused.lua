-- The requests that were not authentic, from the host's memory, each with its diagnosis.
--
--   GET  /api/refused?before=N&limit=50   the newest first, without headers and bodies
--   GET  /api/refused/N                   one, with all that is known of it
--   POST /api/refused/N/try               the diagnosis with the keys that are there now
--
-- A diagnosis takes up to some milliseconds for each key, and the app has one thread. So a list
-- makes them only as long as LIST_SECONDS allow; the rest have no `findings` until one is opened.

local answers = require "hookward.admin.answers"
local config = require "hookward.config"
local core = require "hookward.core"
local form = require "hookward.base.form"
local host = require "hookward.admin.host"
local mask = require "hookward.base.mask"
local project = require "hookward.admin.project"
local text = require "hookward.jobs.text"
local unproven = require "hookward.host.unproven"

local M = {}

M.LIMIT, M.LIMIT_MAX = 50, 200 -- requests of a list
M.LIST_SECONDS = 0.05

-- ---- asking the host ----

-- The newest request with a lower number; of nil, the newest of all. nil alone: there is none.
local function before(number)
  local answer, why = host.ask("/unproven", { headers = { ["X-Hookward-Before"] = number } })
  if not answer then return nil, "the host gave no answer: " .. why end
  if answer.status == 404 then return nil end
  if answer.status ~= 200 then return nil, ("the host answered %d"):format(answer.status) end
  local request = unproven.read(answer)
  request.at = core.timestamp(request.at)
  return request
end

local function no_answer(why)
  return answers.error(502, "no_answer", why)
end

-- ---- diagnosis ----

-- With the keys as they are on disk now.
local function diagnose(request)
  local settings = project.settings()
  local paths, why = config.find_keys(settings.key_patterns)
  if paths and #paths > 0 then
    local usable
    usable, why = core.crypto.keys(paths, settings.min_key_bits)
    if usable then
      local key, findings = unproven.diagnose(request, paths, settings.min_key_bits)
      return { key = key and text.line(key), findings = findings }
    end
  end
  return { findings = { "it can't be diagnosed: " .. (why or "there is no key") } }
end

local function shown_findings(diagnosis)
  local lines = core.json.array {}
  for i, line in ipairs(diagnosis.findings) do lines[i] = text.line(line) end
  return lines
end

-- ---- what the page gets ----

local function first_header(request, name)
  local value = unproven.header(request, name)[1]
  return value and text.line(value)
end

local function brief(request)
  return { number = request.number, at = request.at, peer = request.peer, error = request.error,
    id = first_header(request, "x-jobid"), attempt = first_header(request, "x-jobattempt"),
    body_length = request.body_length }
end

local function why_no_body(request)
  if request.body and mask.hides_body(project.settings().mask, request.body) then
    return "`mask` in the configuration hides it"
  end
end

local function headers_of(request)
  local headers = core.json.array {}
  for i, header in ipairs(request.headers) do
    headers[i] = { name = text.line(header.name), value = text.line(header.value) }
  end
  return headers
end

local function whole(request)
  local diagnosis = diagnose(request)
  local one, why = brief(request), why_no_body(request)
  one.headers, one.digest = headers_of(request), request.digest
  one.key, one.findings = diagnosis.key, shown_findings(diagnosis)
  one.masked, one.why_no_body = why ~= nil, why
  if request.body and not why then
    one.body_is_text = utf8.len(request.body) ~= nil
    one.body = one.body_is_text and request.body or text.block(request.body)
  end
  return one
end

-- ---- the API ----

local function read_whole(value, least, most)
  local number = math.tointeger(tonumber(value))
  return number and number >= least and number <= most and number or nil
end

-- Adds the diagnosis while there is time.
local function listed(request, spent)
  local one = brief(request)
  if spent >= M.LIST_SECONDS then return one, spent end
  local begun = core.sys.now()
  local diagnosis = diagnose(request)
  one.key, one.findings = diagnosis.key, shown_findings(diagnosis)
  return one, spent + math.max(0, core.sys.now() - begun)
end

function M.list(request)
  local query = form.read(request.query)
  local limit = read_whole(query.limit or M.LIMIT, 1, M.LIMIT_MAX)
  local number = query.before and read_whole(query.before, 1, math.maxinteger)
  if not limit then
    return answers.error(400, "bad_limit", ("limit must be a whole number from 1 to %d")
      :format(M.LIMIT_MAX))
  elseif query.before and not number then
    return answers.error(400, "bad_number", "before must be the number of a request")
  end
  local requests, spent, more = core.json.array {}, 0, false
  while true do
    local found, why = before(number)
    if why then return no_answer(why) end
    if not found then break end
    if #requests == limit then more = true break end
    requests[#requests + 1], spent = listed(found, spent)
    number = found.number
  end
  return 200, nil, { requests = requests, more = more }
end

-- Finds the request of a path; or returns nil and the answer.
local function find(captured)
  local number = read_whole(captured, 1, math.maxinteger - 1)
  if not number then return nil, answers.error(404, "not_found", "no request has this number") end
  local found, why = before(number + 1)
  if why then return nil, no_answer(why) end
  if not found or found.number ~= number then
    return nil, answers.error(404, "not_found", "the host no longer keeps this request")
  end
  return found
end

function M.show(_, _, number)
  local found, status, headers, body = find(number)
  if not found then return status, headers, body end
  return 200, nil, whole(found)
end

function M.try(_, _, number)
  local found, status, headers, body = find(number)
  if not found then return status, headers, body end
  local diagnosis = diagnose(found)
  return 200, nil, { key = diagnosis.key, findings = shown_findings(diagnosis) }
end

M.routes = {
  { "^/api/refused$", GET = M.list },
  { "^/api/refused/(%d+)$", GET = M.show },
  { "^/api/refused/(%d+)/try$", POST = M.try, own = true },
}

return M
