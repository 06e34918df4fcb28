-- Finds the rows of a page in bounded time, however long the ledger is.
--
-- How     A filter may match few of a million rows, so rows are looked at in windows of their
--         numbers, from the newest on, until the page is full or the time is over. Then the page
--         offers to search further. Rows arrive in the order of their numbers, but for SLACK, so
--         that a time is found by halving.

local core = require "hookward.core"

local M = {}

M.SECONDS = 0.2
local WINDOW, WINDOW_MAX = 1000, 64000 -- numbers of rows
local QUICK, SLOW = 0.02, 0.05 -- seconds; a window of less is followed by a larger one
local SLACK = 60 -- seconds

local function first(rows, why)
  if not rows then error(why, 0) end
  return rows[1]
end

-- The newest row up to a number.
local function row_at(ledger, seq)
  return first(ledger:list { upto = seq, limit = 1 })
end

local function oldest(ledger)
  return first(ledger:list { oldest_first = true, limit = 1 })
end

-- A number that no row received before a time is above.
local function seek(ledger, time, low, high)
  while low < high do
    local middle = (low + high) // 2
    local row = row_at(ledger, middle)
    if row and row.received_at > time then
      high = row.seq - 1
    else
      low = middle + 1
    end
  end
  return high
end

-- Where to begin and to end; nil when there is no row at all.
local function bounds(ledger, filters)
  local newest, last = row_at(ledger, filters.upto or math.maxinteger), oldest(ledger)
  if not newest then return nil end
  local high, low = newest.seq, last.seq
  if filters["until"] then high = seek(ledger, filters["until"] + SLACK, low, high) end
  if filters.since then low = seek(ledger, filters.since - SLACK, low, high) end
  return high, low
end

local function next_size(size, took)
  if took < QUICK then return math.min(size * 2, WINDOW_MAX) end
  if took > SLOW then return math.max(size // 2, WINDOW) end
  return size
end

local function search(ledger, filters, limit)
  local high, low = bounds(ledger, filters)
  local found, size, began = {}, WINDOW, core.sys.now()
  local window = {}
  for name, value in pairs(filters) do window[name] = value end
  while high and high >= low do
    local from, at = math.max(low, high - size + 1), core.sys.now()
    window.after, window.upto, window.limit = from - 1, high, limit + 1 - #found
    local rows, why = ledger:list(window)
    if not rows then error(why, 0) end
    table.move(rows, 1, #rows, #found + 1, found)
    if #found > limit then return found end
    local now = core.sys.now()
    if now - began > M.SECONDS and from > low then return found, from end
    high, size = from - 1, next_size(size, now - at)
  end
  return found
end

---@param ledger table a handle of core.ledger
---@param filters table as core.ledger's, with `upto`, without `after`
---@param limit integer
---@return table[]? rows the newest first; one more than `limit` if there are more
---@return integer|string|nil searched_to the lowest number that was looked at, when the time was
---over; or why it failed
function M.page(ledger, filters, limit)
  local ok, rows, searched_to = pcall(search, ledger, filters, limit)
  if not ok then return nil, rows end
  return rows, searched_to
end

---When the first row at or below a number was received.
---@param ledger table
---@param seq integer
---@return number? seconds since 1970
function M.time_of(ledger, seq)
  local ok, row = pcall(row_at, ledger, seq)
  return ok and row and row.received_at or nil
end

return M
