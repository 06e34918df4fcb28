-- Patterns of events, as hook.on takes them: a name, "Entity.*", "*.Event" or "*".

local M = {}

---@param pattern string a well-formed one
---@param event string
---@return boolean
function M.matches(pattern, event)
  if pattern == "*" then return true end
  local begins, ends = pattern:match("^(.+%.)%*$"), pattern:match("^%*(%..+)$")
  if begins then return event:sub(1, #begins) == begins end
  if ends then return #event >= #ends and event:sub(-#ends) == ends end
  return event == pattern
end

return M
