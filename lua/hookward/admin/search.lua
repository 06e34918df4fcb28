-- Finds the rows of a page in bounded time, however long the ledger is.
--
-- How     A filter may match few of a million rows, so the ledger looks for SECONDS, from the
--         newest row on, and says how far it came; the page then offers to search further. Rows
--         are received in the order of their numbers, within SLACK: a binary search finds a time.

local M = {}

M.SECONDS = 0.2
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

-- A binary search: all rows above the returned number were received after the time.
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

local function search(ledger, filters, limit)
  local high, low = bounds(ledger, filters)
  if not high then return {} end
  local wanted = { after = low - 1, limit = limit + 1, seconds = M.SECONDS }
  for name, value in pairs(filters) do wanted[name] = wanted[name] or value end
  wanted.upto = high
  local rows, stop = ledger:list(wanted)
  if not rows then error(stop, 0) end
  return rows, stop
end

---@param ledger table a handle of core.ledger
---@param filters table as core.ledger's, with `upto`, without `after`
---@param limit integer
---@return table[]? rows the newest first; one more than `limit` if there are more
---@return { seq: integer, received_at: number? }|string|nil searched_to the row that was looked at
---last, when the time was over; or why it failed
function M.page(ledger, filters, limit)
  local ok, rows, searched_to = pcall(search, ledger, filters, limit)
  if not ok then return nil, rows end
  return rows, searched_to
end

return M
