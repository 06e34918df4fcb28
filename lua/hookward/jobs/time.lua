-- Points in time: ISO 8601 in UTC, and ages such as "2h".

local sys = require "hookward.core".sys
local units = require "hookward.units"

local M = {}

-- Days since 1970-01-01 of a date of the Gregorian calendar (a year is counted from March, so that
-- the day that leap years add is its last).
local function days_since_1970(year, month, day)
  if month <= 2 then year = year - 1 end
  local from_march = (month + 9) % 12
  local of_year = (153 * from_march + 2) // 5 + day - 1
  return 365 * year + year // 4 - year // 100 + year // 400 + of_year - 719468
end

local month_days = { 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 }

local function is_date(year, month, day)
  if month < 1 or month > 12 or day < 1 or day > month_days[month] then return false end
  local leap = year % 4 == 0 and (year % 100 ~= 0 or year % 400 == 0)
  return leap or month ~= 2 or day <= 28
end

-- Seconds that a zone is ahead of UTC; nil when it is none.
local function zone_offset(zone)
  if zone == "" or zone == "Z" or zone == "z" then return 0 end
  local sign, hours, minutes = zone:match("^([+-])(%d%d):?(%d%d)$")
  if not sign then
    sign, hours = zone:match("^([+-])(%d%d)$")
    minutes = "00"
  end
  if not sign or tonumber(hours) > 23 or tonumber(minutes) > 59 then return nil end
  return (sign == "-" and -1 or 1) * (tonumber(hours) * 3600 + tonumber(minutes) * 60)
end

-- "11:09", "11:09:21" or "11:09:21.248" with a zone or none: seconds of the day, in UTC.
local function clock(text)
  local hour, minute, rest = text:match("^(%d%d):(%d%d)(.*)$")
  if not hour then return nil end
  local second, zone = rest:match("^:(%d%d%.?%d*)(.*)$")
  local offset = zone_offset(zone or rest)
  hour, minute, second = tonumber(hour), tonumber(minute), tonumber(second or 0)
  if not offset or not second or hour > 23 or minute > 59 or second >= 61 then return nil end
  return hour * 3600 + minute * 60 + second - offset
end

-- Seconds since 1970, or nil.
local function read_iso(text)
  local year, month, day, rest = text:match("^(%d%d%d%d)%-(%d%d)%-(%d%d)(.*)$")
  if not year then return nil end
  year, month, day = tonumber(year), tonumber(month), tonumber(day)
  local seconds = rest == "" and 0 or rest:find("^[Tt ]") and clock(rest:sub(2))
  if not seconds or not is_date(year, month, day) then return nil end
  return days_since_1970(year, month, day) * 86400 + seconds
end

---Reads an ISO 8601 time (without a zone it is UTC, like all times that are shown), or an age.
---@param text string "2024-05-10", "2024-05-10T11:09:21.248Z", "2h"
---@return number? seconds since 1970
---@return string? why
function M.read(text)
  local seconds = read_iso(text)
  if seconds then return seconds end
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

---@param seconds number since 1970
---@return string age "5d ago", "2h ago", "3m ago", "12s ago"
function M.age(seconds)
  local age = math.max(0, sys.now() - seconds)
  for _, step in ipairs(steps) do
    if age >= step[2] then return ("%d%s ago"):format(age // step[2], step[1]) end
  end
  return ("%ds ago"):format(age // 1)
end

return M
