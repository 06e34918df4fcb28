-- The address of a database on PostgreSQL, as libpq takes it: what it says, how it may be shown.
--
-- libpq alone decides what an address means. This finds passwords (rather one too many), and reads
-- single parameters for advice.

local sys = require "hookward.core".sys

local M = {}

---@param ledger any
---@return boolean meant it is a database on PostgreSQL
function M.is_meant(ledger)
  return type(ledger) == "string" and ledger:find("^postgres://") == 1
    or type(ledger) == "string" and ledger:find("^postgresql://") == 1
end

---@param text string an address, or a text in which addresses stand
---@return string text the same without passwords
function M.shown(text)
  return sys.without_passwords(text)
end

---@param ledger string
---@return boolean has a password stands in it
function M.has_password(ledger)
  return M.shown(ledger) ~= ledger
end

local function decode(text)
  return (text:gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end))
end

---@param ledger string
---@return table<string, string> parameters what follows the question mark, decoded
function M.parameters(ledger)
  local found = {}
  for name, value in (ledger:match("%?(.*)$") or ""):gmatch("([^&=]+)=([^&]*)") do
    found[decode(name)] = decode(value)
  end
  return found
end

return M
