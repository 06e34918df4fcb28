-- How large a ledger's file is.

local sys = require "hookward.core".sys

local M = {}

---@param path string of the ledger
---@return integer bytes with its write-ahead log; 0 if it is not there
function M.of(path)
  local size = 0
  for _, suffix in ipairs { "", "-wal" } do
    local file = sys.stat(path .. suffix)
    size = size + (file and file.size or 0)
  end
  return size
end

return M
