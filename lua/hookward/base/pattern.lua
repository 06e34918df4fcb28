-- Patterns of events, as hook.on takes them: a name, "Entity.*", "*.Event" or "*".
--
-- The ledger's filters read the same patterns (core/ledger/filters.c).

local M = {}

---@param pattern string
---@return "exact"|"prefix"|"suffix"|"any"|nil kind nil: a star is in a wrong place, or it is empty
---@return string? part the name, or its beginning "Entity.", or its end ".Event"; "*" of "*"
function M.parse(pattern)
  if pattern == "*" then return "any", pattern end
  if pattern ~= "" and not pattern:find("*", 1, true) then return "exact", pattern end
  local prefix, suffix = pattern:match("^([^*]+%.)%*$"), pattern:match("^%*(%.[^*]+)$")
  if prefix then return "prefix", prefix end
  if suffix then return "suffix", suffix end
end

---@param pattern string a well-formed one
---@param event string
---@return boolean
function M.matches(pattern, event)
  local kind, part = M.parse(pattern)
  if kind == "any" then return true end
  if kind == "prefix" then return event:sub(1, #part) == part end
  if kind == "suffix" then return event:sub(-#part) == part end
  return event == part
end

return M
