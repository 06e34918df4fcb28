-- What the host does and did: GET /api/overview, GET /api/timeline.

local answers = require "hookward.admin.answers"
local config = require "hookward.config"
local core = require "hookward.core"
local form = require "hookward.base.form"
local host = require "hookward.admin.host"
local pattern = require "hookward.base.pattern"
local project = require "hookward.admin.project"

local M = {}

local HOSTS_SHOWN = 50

local ranges = { hour = true, day = true, week = true }

local function text_fields(row)
  for name, value in pairs(row) do
    if type(value) == "string" then row[name] = answers.text(value) end
  end
  return row
end

-- The keys as they are on disk now; or nil and why one of them can't be used.
local function keys()
  local settings = project.settings()
  local paths, why = config.find_keys(settings.key_patterns)
  if paths and #paths == 0 then paths, why = nil, "no key file matches `keys`" end
  if not paths then return nil, why end
  local found
  found, why = core.crypto.keys(paths, settings.min_key_bits)
  if not found then return nil, config.shown(why, settings.folder) end
  local list = core.json.array {}
  for i, key in ipairs(found) do list[i] = text_fields(key) end
  return list
end

-- The error of a failed reload names files; they are shown as the user calls them.
local function reload_of(state)
  local reload = state.reload
  if not reload then return nil end
  return { at = reload.at, ok = reload.ok,
    text = config.shown(reload.text, project.settings().folder) }
end

-- Adds an event's counts to those of its route.
local function add(route, event)
  route.succeeded = route.succeeded + (event.succeeded or 0)
  route.failed = route.failed + (event.failed or 0)
  if (event.last_error_at or 0) > (route.last_error_at or 0) then
    route.last_error, route.last_error_at = event.last_error, event.last_error_at
  end
end

-- The routes of the live scripts, each with the counts of the events that it takes now. They come
-- with the most specific one first, so the first that matches is an event's.
local function routes_of(state)
  local routes = core.json.array {}
  for i, route in ipairs(state.routes or {}) do
    route.place = route.place and config.shown(route.place, project.settings().folder)
    route.succeeded, route.failed = 0, 0
    routes[i] = route
  end
  for _, event in ipairs(state.events or {}) do
    for _, route in ipairs(routes) do
      if pattern.matches(route.pattern, event.event) then
        add(route, event)
        break
      end
    end
  end
  return routes
end

-- The hosts that share the ledger, those that live first. While this host has lost the database,
-- the page does not wait for it either.
local function hosts_of(state)
  local fleet = state.ledger and state.ledger.fleet
  if not fleet or fleet.away_since then return nil end
  local ledger = project.ledger()
  local found = ledger and ledger:hosts()
  if not found then return nil end
  table.sort(found, function(a, b)
    if a.alive ~= b.alive then return a.alive end
    return a.id > b.id
  end)
  local list = core.json.array {}
  for i = 1, math.min(#found, HOSTS_SHOWN) do list[i] = text_fields(found[i]) end
  return list
end

function M.overview()
  local state, code, message = host.json "/state"
  if not state then return answers.error(502, code, message) end
  local found, why = keys()
  local overview = { host = state, events = core.json.array(state.events or {}),
    routes = routes_of(state), keys = found or core.json.array {}, keys_error = why,
    rows = project.has_rows() and state.rows or nil, hosts = hosts_of(state),
    reload = reload_of(state) }
  state.events, state.routes, state.rows, state.reload = nil, nil, nil, nil
  return 200, nil, overview
end

function M.timeline(request)
  local range = form.read(request.query).range or "hour"
  if not ranges[range] then
    return answers.error(400, "bad_range", "range must be hour, day or week")
  end
  local timeline, code, message = host.json("/timeline",
    { headers = { ["X-Hookward-Range"] = range } })
  if not timeline then return answers.error(502, code, message) end
  return 200, nil, timeline
end

M.routes = {
  { "^/api/overview$", GET = M.overview },
  { "^/api/timeline$", GET = M.timeline },
}

return M
