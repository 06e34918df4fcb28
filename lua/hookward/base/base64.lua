-- Base64 (RFC 4648, section 4).

local M = {}

local digits = {}
for i = 0, 63 do
  digits[i] = ("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"):sub(i + 1, i + 1)
end

---@param bytes string
---@return string
function M.encode(bytes)
  local out = {}
  for at = 1, #bytes, 3 do
    local a, b, c = bytes:byte(at, at + 2)
    local n = a << 16 | (b or 0) << 8 | (c or 0)
    out[#out + 1] = digits[n >> 18] .. digits[n >> 12 & 63] .. (b and digits[n >> 6 & 63] or "=")
      .. (c and digits[n & 63] or "=")
  end
  return table.concat(out)
end

return M
