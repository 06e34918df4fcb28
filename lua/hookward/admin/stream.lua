-- GET /api/stream: what becomes of deliveries, live (server-sent events), and GET /api/state.
--
-- Why     each open page would otherwise ask the host for itself.
-- How     While at least one page is open, one coroutine follows the host's feed by long polls, and
--         another asks for its state. What they learn goes to all pages at once. A poll waits until
--         there is something, so GAP after it bounds the messages to four a second.
-- Slow    What a page's connection has no room for is not kept for it, but counted as skipped.
--
--     event: deliveries    { records: [record], skipped: how many more there were }
--     event: state         the host's /state without its long lists
--     a comment            when there was nothing else for HEARTBEAT seconds

local app = require "hookward.app"
local core = require "hookward.core"
local answers = require "hookward.admin.answers"
local async = require "hookward.admin.async"
local host = require "hookward.admin.host"
local sessions = require "hookward.admin.sessions"

local M = {}

M.PAGES_MAX = 32
M.RECORDS_MAX = 50 -- of a message
local GAP = 0.25 -- seconds between two messages
local STATE_EVERY = 5 -- seconds
local HEARTBEAT = 15 -- seconds
local FEED_TIMEOUT = 30 -- seconds; the host answers after 20
local AGAIN = 1 -- seconds before the host is asked again after a failure

---@class hookward.admin.Page
---@field later hookward.AppLater
---@field session? hookward.admin.Session nil: it came with a token
---@field skipped integer records that its connection had no room for
---@field heard number when something was sent to it last

local pages = {} ---@type table<hookward.admin.Page, boolean>
local count = 0

local function drop(page)
  if not pages[page] then return end
  pages[page] = nil
  count = count - 1
end

local function finish(page)
  page.later:finish()
  drop(page)
end

-- Returns whether the text is under way; a page that is gone is forgotten.
local function send(page, text)
  local sent, why = page.later:send(text)
  if sent then
    page.heard = core.sys.now()
  elseif why == "gone" then
    drop(page)
  end
  return sent
end

-- That a client has left may become known only by sending it something.
local function look_for_gone()
  for page in pairs(pages) do
    if page.later:gone() then drop(page) else send(page, ":\n\n") end
  end
end

local function event(name, value)
  return ("event: %s\ndata: %s\n\n"):format(name, assert(core.json.encode(value)))
end

-- ---- deliveries ----

local function newest(records)
  local first = math.max(1, #records - M.RECORDS_MAX + 1)
  return table.move(records, first, #records, 1, core.json.array {}), first - 1
end

local function tell_deliveries(answer)
  local records, left_out = newest(answer.records)
  local skipped = answer.skipped + left_out
  if #records == 0 and skipped == 0 and not answer.gap then return end
  local text = event("deliveries", { records = records, skipped = skipped, gap = answer.gap })
  for page in pairs(pages) do
    local own = page.skipped == 0 and text or event("deliveries", { records = records,
      skipped = skipped + page.skipped, gap = answer.gap })
    page.skipped = send(page, own) and 0 or page.skipped + #records + skipped
  end
end

local function follow()
  local after = 0
  while next(pages) do
    local answer = host.json("/feed", { headers = { ["X-Hookward-After"] = ("%d"):format(after) },
      timeout = FEED_TIMEOUT })
    if answer then
      after = answer.last
      tell_deliveries(answer)
    end
    async.sleep(answer and GAP or AGAIN)
  end
end

-- ---- state ----

local long = { events = true, routes = true }

local function brief(state)
  local out = {}
  for name, value in pairs(state) do
    if not long[name] then out[name] = value end
  end
  return out
end

local function end_sessions()
  for page in pairs(pages) do
    if page.session then sessions.end_if_over(page.session) end
  end
end

sessions.on_end(function(session)
  for page in pairs(pages) do
    if page.session == session then finish(page) end
  end
end)

local latest -- the last message of the state

local function tell_state()
  local state = host.json("/state")
  local text = state and event("state", brief(state))
  latest = text
  local now = core.sys.now()
  for page in pairs(pages) do
    if text then
      send(page, text)
    elseif now - page.heard >= HEARTBEAT then
      send(page, ": still here\n\n")
    end
  end
end

local function watch()
  while next(pages) do
    tell_state()
    async.sleep(STATE_EVERY)
    end_sessions()
  end
  latest = nil
end

-- ---- pages ----

-- One coroutine of each kind, while a page is open. An error is logged, and ends the pages: their
-- browsers connect again, which starts anew.
local running = {}

local function run(name, loop)
  if running[name] then return end
  running[name] = true
  async.spawn(function()
    local ok, why = xpcall(loop, debug.traceback)
    running[name] = nil
    if ok then return end
    for page in pairs(pages) do finish(page) end
    error(why, 0)
  end)
end

local HEADERS = { ["Content-Type"] = "text/event-stream", ["X-Accel-Buffering"] = "no" }

---@param request hookward.AppRequest
---@param caller hookward.admin.Caller
function M.open(request, caller)
  if request.method == "HEAD" then return 200, { ["Content-Type"] = HEADERS["Content-Type"] } end
  if count >= M.PAGES_MAX then look_for_gone() end
  if count >= M.PAGES_MAX then
    return answers.error(503, "too_many_pages", "too many pages are open", { ["Retry-After"] = 5 })
  end
  local later = app.later()
  local headers = {}
  for name, value in pairs(HEADERS) do headers[name] = value end
  if not later:begin(200, answers.complete(headers)) then return later end
  local page = { later = later, session = caller.session, skipped = 0, heard = core.sys.now() }
  pages[page] = true
  count = count + 1
  send(page, "retry: 3000\n\n" .. (running.watch and latest or ""))
  app.after(0, function() -- the page has its answer first
    run("follow", follow)
    run("watch", watch)
  end)
  return later
end

function M.state()
  local state, code, message = host.json("/state")
  if not state then return answers.error(502, code, message) end
  return 200, nil, state
end

M.routes = {
  { "^/api/stream$", GET = M.open },
  { "^/api/state$", GET = M.state },
}

return M
