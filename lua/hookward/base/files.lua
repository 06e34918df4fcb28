-- Reads files and makes folders. A failure is nil and one line that names the file.

local sys = require "hookward.core".sys

local M = {
  SECRET = tonumber("600", 8), -- modes
  PUBLIC = tonumber("644", 8),
  FOLDER = tonumber("755", 8),
}

---@param name string a path, or "-" for the standard input
---@return string? content
---@return string? why
function M.read(name)
  if name == "-" then return io.stdin:read("a") end
  local file, why = io.open(name, "rb")
  if not file then return nil, why end
  local content, read_why = file:read("a")
  file:close()
  if not content then return nil, ("%s: %s"):format(name, read_why) end
  return content
end

---Reads an argument: the text itself, or after an @ the name of a file that holds the text.
---@param argument string TEXT, @FILE or @-
---@return string? content
---@return string? why
function M.read_argument(argument)
  local name = argument:match("^@(.*)$")
  if name then return M.read(name) end
  return argument
end

---Makes a folder, and those above it, unless it exists.
---@param path string
---@return boolean? made
---@return string? why
function M.make_folder(path)
  if sys.stat(path) then return true end
  local parent = path:match("^(.*[^/])/+[^/]+/*$")
  if parent then
    local ok, why = M.make_folder(parent)
    if not ok then return nil, why end
  end
  return sys.mkdir(path, M.FOLDER)
end

return M
