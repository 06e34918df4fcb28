-- Writes a zip archive of stored (not compressed) entries: PKWARE's APPNOTE, 4.3.

local M = {}

local crc_table = {}
for i = 0, 255 do
  local c = i
  for _ = 1, 8 do c = c & 1 == 1 and 0xEDB88320 ~ (c >> 1) or c >> 1 end
  crc_table[i] = c
end

---@param bytes string
---@return integer
function M.crc32(bytes)
  local crc = 0xFFFFFFFF
  for i = 1, #bytes do crc = crc_table[(crc ~ bytes:byte(i)) & 0xFF] ~ (crc >> 8) end
  return crc ~ 0xFFFFFFFF
end

local VERSION = 20 -- 2.0: the oldest that a file in an archive may need
local DATE = ((2024 - 1980) << 9) | (1 << 5) | 1 -- 1 January 2024: the same bytes each time

-- The fields that the local header and the central directory share: version, flags, method, time,
-- date, CRC, sizes, and the lengths of name and extra field.
local function common(entry)
  return ("<I2I2I2I2I2I4I4I4I2I2"):pack(VERSION, 0, 0, 0, DATE, M.crc32(entry.bytes), #entry.bytes,
    #entry.bytes, #entry.name, 0)
end

---@param entries { name: string, bytes: string }[]
---@return string
function M.write(entries)
  local out, directory, at = {}, {}, 0
  for _, entry in ipairs(entries) do
    local fields = common(entry)
    local header = "PK\3\4" .. fields .. entry.name
    directory[#directory + 1] = "PK\1\2" .. ("<I2"):pack(VERSION) .. fields
      .. ("<I2I2I2I4I4"):pack(0, 0, 0, 0, at) .. entry.name
    out[#out + 1] = header
    out[#out + 1] = entry.bytes
    at = at + #header + #entry.bytes
  end
  local central = table.concat(directory)
  return table.concat(out) .. central .. "PK\5\6"
    .. ("<I2I2I2I2I4I4I2"):pack(0, 0, #entries, #entries, #central, at, 0)
end

return M
