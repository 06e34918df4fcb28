-- Raises failures at the place in the spec: the nearest caller outside of hookward.testing.

local M = {}

local OURS = "hookward/testing/[%w_]+%.lua$"

-- "spec/badges_spec.lua:12: "
local function place()
  local level = 2
  while true do
    local info = debug.getinfo(level, "Sl")
    if not info then return "" end
    if info.what ~= "C" and not info.source:find(OURS) then
      return ("%s:%d: "):format(info.short_src, info.currentline)
    end
    level = level + 1
  end
end

---Fails the spec. With busted it is a failure, otherwise an error.
---@param message string
function M.fail(message)
  local busted = package.loaded.busted
  local text = place() .. message
  if type(busted) == "table" and busted.fail then busted.fail(text, 0) end
  error(text, 0)
end

---Raises an error for a wrong use of hookward.testing.
---@param format string for string.format
function M.misuse(format, ...)
  error(place() .. format:format(...), 0)
end

return M
