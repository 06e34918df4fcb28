-- Points in time and durations: ISO 8601 in UTC, ages such as "2h", and "12 ms".

local core = require "hookward.core"
local units = require "hookward.base.units"

local sys = core.sys

local M = {}

---Reads an ISO 8601 time or an age. A time without a zone is UTC, like all times that are shown.
---A plain number is refused, because it could mean either.
---@param text string "2024-05-10", "2024-05-10T11:09:21.248Z", "@1715339361" (Unix time), "2h"
---@return number? seconds since 1970
---@return string? why
function M.read(text)
  local seconds = core.timestamp(text, true)
  if seconds then return seconds end
  local unix = text:match("^@(%d+%.?%d*)$")
  if unix then return tonumber(unix) end
  if text:find("^%s*%d+%.?%d*%s*$") then
    return nil, ("'%s' has no unit: use an age such as %ss, 10m, 2h or 30d, a time such as "
      .. "2024-05-10T11:09Z, or @%s for seconds since 1970"):format(text, text, text)
  end
  local age = units.time(text)
  if age then return sys.now() - age / 1000 end
  return nil, ("'%s' is neither a time, such as 2024-05-10T11:09Z, nor an age, such as 90s, 10m, "
    .. "2h or 30d"):format(text)
end

---@param seconds number? since 1970
---@return string? iso "2024-05-10T11:09:21.248Z"; nil for nil
function M.iso(seconds)
  if not seconds then return nil end
  local ms = math.floor(seconds * 1000 + 0.5)
  return os.date("!%Y-%m-%dT%H:%M:%S", ms // 1000) .. (".%03dZ"):format(ms % 1000)
end

---The same to the second, for a terminal.
---@param seconds number since 1970
---@return string iso "2024-05-10T11:09:21Z"
function M.short(seconds)
  return os.date("!%Y-%m-%dT%H:%M:%SZ", math.floor(seconds)) --[[@as string]]
end

local steps = { { "d", 86400 }, { "h", 3600 }, { "m", 60 } }

-- "5d", "2h", "3m", "12s"
local function span(seconds)
  for _, step in ipairs(steps) do
    if seconds >= step[2] then return ("%d%s"):format(seconds // step[2], step[1]) end
  end
  return ("%ds"):format(seconds // 1)
end

---@param seconds number since 1970
---@return string age "5d ago", "2h ago", "3m ago", "12s ago"
function M.age(seconds)
  return span(math.max(0, sys.now() - seconds)) .. " ago"
end

---@param seconds number since 1970
---@return string distance "in 5m"; of a time that has passed, its age
function M.distance(seconds)
  local ahead = seconds - sys.now()
  return ahead > 0 and "in " .. span(ahead) or M.age(seconds)
end

---@param seconds number since 1970
---@return string when "2026-01-01T12:00:00Z (12s ago)"
function M.when(seconds)
  return ("%s (%s)"):format(M.short(seconds), M.distance(seconds))
end

---@param ms number
---@return string duration "12 ms"; from a second on "1.5 s"
function M.took(ms)
  return ms < 1000 and ("%d ms"):format((ms + 0.5) // 1) or ("%.1f s"):format(ms / 1000)
end

return M
