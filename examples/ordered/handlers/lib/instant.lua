-- Makes timestamps texts that sort by time. As they arrive they do not: a fraction may have any
-- number of digits, and "21.5Z" sorts before "21Z".
local M = {}

local FORM = "^(%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%d)(%.?%d*)Z$"
local DIGITS = 9 -- of a fraction; .NET writes up to 7

---@param stamp any "2024-05-10T11:09:21.248Z"; refused if it is not UTC in this form
---@return string? sortable "2024-05-10T11:09:21.248000000Z"
function M.sortable(stamp)
  if type(stamp) ~= "string" then return nil end
  local seconds, fraction = stamp:match(FORM)
  if not seconds or fraction == "." or (fraction ~= "" and fraction:sub(1, 1) ~= ".") then
    return nil
  end
  local digits = fraction:sub(2)
  if #digits > DIGITS then return nil end
  return ("%s.%s%sZ"):format(seconds, digits, ("0"):rep(DIGITS - #digits))
end

return M
