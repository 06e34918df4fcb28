-- Sizes, times and counts as people write them: "64KB", "1.5h", "2 keys".

-- Locals, because a handler may set any global.
local ipairs, tonumber, type = ipairs, tonumber, type
local floor, math_type, tointeger = math.floor, math.type, math.tointeger

local M = {}

local sizes = { b = 1, kb = 1024, mb = 1024 ^ 2, gb = 1024 ^ 3 }
local times = { ms = 1, s = 1000, m = 60000, h = 3600000, d = 86400000 }

-- A plain number is multiplied by `plain`; a text is a number with or without a unit.
local function read(value, units, plain)
  local number, factor = value, plain
  if type(value) == "string" then
    local digits, unit = value:match("^%s*(%d+%.?%d*)%s*(%a*)%s*$")
    number = tonumber(digits or "")
    if unit ~= "" then factor = units[unit and unit:lower()] end
  end
  if math_type(number) == nil or factor == nil then return nil end
  return tointeger(floor(number * factor + 0.5))
end

---@param value number|string a number of bytes, or "500B", "64KB", "1MB", "2GB" (1024 each)
---@return integer? bytes nil when it is not a size
function M.size(value)
  return read(value, sizes, 1)
end

---@param value number|string a number of seconds, or "500ms", "90s", "10m", "1h", "30d"
---@return integer? milliseconds nil when it is not a time
function M.time(value)
  return read(value, times, 1000)
end

-- Shows a number in the largest unit that leaves a whole number.
local function show(number, units)
  for _, unit in ipairs(units) do
    if number >= unit[2] and number % unit[2] == 0 then
      return ("%d%s"):format(number // unit[2], unit[1])
    end
  end
  return ("%d%s"):format(number, units[#units][1])
end

---@param bytes integer
---@return string text such as "64KB", which size() reads again
function M.show_size(bytes)
  return show(bytes, { { "GB", 1 << 30 }, { "MB", 1 << 20 }, { "KB", 1 << 10 }, { "B", 1 } })
end

---@param bytes integer
---@return string text rounded, such as "1.5 MB"
function M.rough_size(bytes)
  local unit = 1
  while bytes >= 1024 and unit < 5 do bytes, unit = bytes / 1024, unit + 1 end
  return ("%.3g %s"):format(bytes, ({ "bytes", "KB", "MB", "GB", "TB" })[unit])
end

---@param milliseconds integer
---@return string text such as "90s", which time() reads again
function M.show_time(milliseconds)
  return show(milliseconds,
    { { "d", times.d }, { "h", times.h }, { "m", times.m }, { "s", times.s }, { "ms", 1 } })
end

---@param count integer
---@param one string "notification"
---@return string text "1 notification", "12 notifications"
function M.count(count, one)
  return ("%d %s%s"):format(count, one, count == 1 and "" or "s")
end

return M
