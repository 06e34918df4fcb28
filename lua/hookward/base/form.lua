-- Reads forms and queries: application/x-www-form-urlencoded (WHATWG URL, 5.1).

local M = {}

local function decode(text)
  return (text:gsub("+", " "):gsub("%%(%x%x)", function(hex)
    return string.char(tonumber(hex, 16))
  end))
end

---@param text string a form's body, or a query without its question mark
---@return table<string, string> fields any bytes; of a repeated name the last one; a pair without
---"=" or without a name is left out
function M.read(text)
  local fields = {}
  -- Each pair is found first and then split at its "=". A pattern that looked for the "=" itself
  -- would take quadratic time for a pair without one.
  for pair in text:gmatch("[^&]+") do
    local at = pair:find("=", 1, true)
    if at and at > 1 then fields[decode(pair:sub(1, at - 1))] = decode(pair:sub(at + 1)) end
  end
  return fields
end

return M
