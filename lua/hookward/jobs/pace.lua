-- Paces a replay: keeps it below a number of runs per second, until a Ctrl-C.

local core = require "hookward.core"
local text = require "hookward.jobs.text"

local M = {}

M.LEAST, M.MOST = 0.01, 1000 -- a second
local SLICE = 0.05 -- seconds; a Ctrl-C is noticed so soon

---Reads the value of --rate.
---@param value string
---@return number? rate
---@return string? why
function M.read(value)
  local rate = tonumber(value)
  if rate and rate >= M.LEAST and rate <= M.MOST then return rate end
  return nil, ("--rate takes how many run a second, from %g to %g, not '%s'"):format(M.LEAST,
    M.MOST, text.line(value))
end

local function sleep_until(at)
  while not core.process.was_interrupted() do
    local rest = at - core.sys.now()
    if rest <= 0 then return end
    core.sys.sleep(math.min(rest, SLICE))
  end
end

---@param rate? number nil: without a pause
---@return fun(): boolean wait waits for the next one's turn; false: there was a Ctrl-C. What took
---longer than its turn is not made up for, and a clock that is set back delays none for longer.
function M.new(rate)
  local gap = rate and 1 / rate or 0
  local next_at = core.sys.now() + gap
  return function()
    local now = core.sys.now()
    next_at = math.min(next_at, now + gap)
    sleep_until(next_at)
    next_at = math.max(next_at, now) + gap
    return not core.process.was_interrupted()
  end
end

---@param count integer how many are to run
---@param rate number
---@return string "45 s", "12 min", "3 h": how long they take at least
function M.left(count, rate)
  local seconds = math.ceil(count / rate)
  if seconds < 120 then return ("%d s"):format(seconds) end
  if seconds < 7200 then return ("%d min"):format(math.ceil(seconds / 60)) end
  return ("%d h"):format(math.ceil(seconds / 3600))
end

return M
