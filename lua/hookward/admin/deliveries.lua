-- GET /api/deliveries: the rows of the ledger, the newest first, a page at a time.
--
-- Pages go by the rows' numbers, so that a page costs the same however far down it is, and rows
-- that arrive meanwhile shift nothing. search.lua bounds the time.

local core = require "hookward.core"
local answers = require "hookward.admin.answers"
local form = require "hookward.base.form"
local pattern = require "hookward.base.pattern"
local project = require "hookward.admin.project"
local search = require "hookward.admin.search"

local M = {}

local LIMIT, LIMIT_MAX = 50, 200 -- rows of a page

-- ---- a row ----

local plain = { "seq", "digest", "state", "attempt", "deliveries", "runs", "retries", "received_at",
  "settled_at", "next_run_at", "parked", "has_body" }
local texts = { "id", "event", "error", "reason" }

---What the page gets of a row; absent values are left out.
---@param row table of core.ledger
---@return table
function M.row(row)
  local out = {}
  for _, name in ipairs(plain) do out[name] = row[name] end
  for _, name in ipairs(texts) do out[name] = answers.text(row[name]) end
  -- An error that a handler raised has a traceback in place of a reason: its first line says most.
  out.reason = out.reason or answers.text(row.gist and row.gist:match("^[^\n]*"))
  return out
end

-- ---- filters ----

local known_states = {}
for _, state in ipairs(core.ledger.states) do known_states[state] = true end

local function read_states(text)
  local states = {}
  for state in text:gmatch("[^,]+") do
    if not known_states[state] then
      return nil, ("there is no state '%s'; there are %s"):format(state,
        table.concat(core.ledger.states, ", "))
    end
    states[#states + 1] = state
  end
  return #states > 0 and states or nil
end

local function read_event(text)
  if pattern.parse(text) then return text end
  return nil, "event must be a name, Entity.*, *.Event or *"
end

local function read_time(text)
  local seconds = tonumber(text)
  if seconds and seconds >= 0 and seconds <= 1e12 then return seconds end
  return nil, "a time must be in seconds since 1970"
end

local function read_whole(least, most)
  return function(text)
    local number = math.tointeger(tonumber(text))
    if number and number >= least and number <= most then return number end
    return nil, ("expected a whole number from %d to %d"):format(least, most)
  end
end

local function as_is(text) return text end

local readers = {
  state = { "states", read_states },
  event = { "event", read_event },
  id = { "ids", function(text) return { text } end },
  since = { "since", read_time },
  ["until"] = { "until", read_time },
  error = { "error", as_is },
  before = { "upto", function(text)
    local seq, why = read_whole(1, math.maxinteger)(text)
    return seq and seq - 1, why
  end },
  limit = { "limit", read_whole(1, LIMIT_MAX) },
}

---Reads filters as the page writes them into its address.
---@param fields table<string, string> empty ones count as missing; unknown ones are left out
---@return table? filters of core.ledger
---@return string? why
function M.filters(fields)
  local filters = {}
  for name, reader in pairs(readers) do
    local text = fields[name]
    if text and text ~= "" then
      local value, why = reader[2](text)
      if why then return nil, ("%s: %s"):format(name, answers.text(why)) end
      filters[reader[1]] = value
    end
  end
  return filters
end

-- ---- the list ----

-- The next page begins after the last row, or, if the time ran out, where the search stopped.
local function page(ledger, filters)
  local limit = filters.limit or LIMIT
  local rows, searched_to = search.page(ledger, filters, limit)
  if not rows then return nil, searched_to end
  local list = core.json.array {}
  for i = 1, math.min(#rows, limit) do list[i] = M.row(rows[i]) end
  local more = #rows > limit
  if more then searched_to = nil end
  return { rows = list, more = more or searched_to ~= nil, searched_to = searched_to,
    next = more and list[limit].seq or searched_to and searched_to.seq }
end

---@param request hookward.AppRequest
function M.list(request)
  local filters, bad = M.filters(form.read(request.query))
  if not filters then return answers.error(400, "bad_filter", bad) end
  local ledger, none = project.ledger()
  if not ledger then return answers.error(409, "no_rows", none) end
  local found, why = page(ledger, filters)
  if not found then return answers.error(503, "ledger_failed", why) end
  return 200, nil, found
end

M.routes = {
  { "^/api/deliveries$", GET = M.list },
}

return M
