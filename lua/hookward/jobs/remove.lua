-- Removes rows of the ledger: through the host that uses it, or else in this process.
--
-- A running host does it itself, because it checks that its files are in place before it writes,
-- and nobody waits for a lock. Removed rows, bodies included, are still in the write-ahead log
-- (-wal) for a while, so the log is emptied in the end.

local config = require "hookward.config"
local control = require "hookward.host.control"
local core = require "hookward.core"
local database = require "hookward.base.database"

local M = {}

local ROWS_MAX = 500  -- in one request
local LINE_MAX = 40   -- bytes; a request must not exceed max_body
local TIMEOUT = 60    -- seconds
local BUSY_TRIES = 10

local STILL_THERE = "a program is reading the ledger, so removed rows can still be found in its "
  .. "log (-wal); the host empties it later"

-- The configuration whose host uses this very file; nil when none is known.
local function settings_of(path, args, settings)
  settings = settings or config.load(args.config)
  local real = core.sys.realpath
  if settings and settings.ledger ~= "memory:" and real(settings.ledger) == real(path) then
    return settings
  end
end

---Finds the host that has to remove the rows. Call it before the ledger is opened. From a database
---any process may remove rows.
---@param path string the ledger
---@param args table
---@param settings? hookward.Config
---@return hookward.Config? host nil: no host uses the ledger, or its socket is not known
function M.host(path, args, settings)
  if database.is_meant(path) or not core.ledger.is_locked(path) then return nil end
  return settings_of(path, args, settings)
end

-- Returns what the host says; false when nobody listens there; or nil and why.
local function post(host, body)
  for _ = 1, BUSY_TRIES do
    local answer, why, absent = control.ask(control.of(host), { path = "/purge", body = body,
      timeout = TIMEOUT })
    if not answer then return not absent and nil, why end
    local said = core.json.decode(answer.body) or {}
    if answer.status == 200 then return said.message or "" end
    if said.error ~= "overloaded" then return nil, said.message or answer.body end
    core.sys.sleep(1)
  end
  return nil, "the host is overloaded"
end

-- A row that has run again since it was listed has another time, and is not removed.
local function line_of(row)
  return ("%d %d\n"):format(row.seq, math.floor((row.settled_at or 0) * 1000 + 0.5))
end

-- Has the host remove these rows. Returns how many; or nil or false, as post() does, and why.
local function ask(host, rows)
  local from, removed = 1, 0
  while from <= #rows do
    local lines = {}
    for i = from, #rows do lines[#lines + 1] = line_of(rows[i]) end
    local said, why = post(host, table.concat(lines))
    if not said then return said, why, removed end
    local gone, looked_at = said:match("^(%d+) (%d+)$")
    looked_at = tonumber(looked_at) or 0
    if looked_at == 0 then return nil, "the host removed nothing", removed end
    removed, from = removed + tonumber(gone), from + looked_at
  end
  return removed
end

local function by_host(host, ledger, wanted, on_progress)
  local page, total = { oldest_first = true }, 0
  for name, value in pairs(wanted) do page[name] = value end
  page.limit = math.max(1, math.min(ROWS_MAX, host.max_body // LINE_MAX))
  repeat
    local rows, why = ledger:list(page)
    if not rows then return nil, why, total end
    local removed, more
    removed, why, more = ask(host, rows)
    if not removed then return removed or total > 0 and nil, why, total + (more or 0) end
    total = total + removed
    if on_progress then on_progress(total) end
    page.after = rows[#rows] and rows[#rows].seq
  until #rows < page.limit
  return total, post(host, "") == nil and STILL_THERE or nil
end

---Removes what matches.
---@param host? hookward.Config as of M.host
---@param ledger table a handle of core.ledger
---@param wanted table filters
---@param on_progress? fun(total: integer)
---@return integer? removed false: the host that uses the ledger can't be reached
---@return string? why it failed; with a number, a remark
---@return integer? before how many were removed before it failed
function M.run(host, ledger, wanted, on_progress)
  if host then return by_host(host, ledger, wanted, on_progress) end
  local removed, why, before = ledger:purge(wanted, on_progress)
  if not removed then return nil, why, before end
  return removed, not why and STILL_THERE or nil
end

return M
