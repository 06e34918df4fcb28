-- The lines of a handler around the place where it failed.
--
-- The place comes from an error's text, which a handler may have made up. So only *.lua files below
-- the handlers folder are read.

local config = require "hookward.config"
local core = require "hookward.core"
local answers = require "hookward.admin.answers"
local files = require "hookward.base.files"
local project = require "hookward.admin.project"

local M = {}

local AROUND = 6 -- lines before and after
local SIZE_MAX = 1024 * 1024 -- bytes of a file
local LINE_MAX = 300 -- bytes that are shown of one line
local PLACES_MAX = 20 -- of a traceback that are tried
local NAME_MAX = 500 -- bytes

-- The real path of a file that an error calls "handlers/badges.lua" or by its absolute path; nil if
-- it is no Lua file below the handlers folder.
local function find(name)
  local settings = project.settings()
  local root = core.sys.realpath(settings.handlers)
  local real = core.sys.realpath(config.absolute(settings.folder, name))
  if not root or not real then return nil end
  return real:sub(1, #root + 1) == root .. "/" and real:find("%.lua$") and real or nil
end

local function excerpt(text, line)
  local lines, first, number = core.json.array {}, math.max(1, line - AROUND), 0
  for one in (text .. "\n"):gmatch("([^\n]*)\n") do
    number = number + 1
    if number > line + AROUND then break end
    if number >= first then lines[#lines + 1] = answers.text(one:sub(1, LINE_MAX)) end
  end
  return number >= line and lines or nil, first
end

local function look(name, line, since)
  local path = find(name)
  local stat = path and core.sys.stat(path)
  if not stat or stat.kind ~= "file" or stat.size > SIZE_MAX then return nil end
  local text = files.read(path)
  local lines, first = excerpt(text or "", line)
  if not lines then return nil end
  return { file = answers.text(name), first = first, line = line, lines = lines,
    changed = since ~= nil and stat.modified > since }
end

-- The longest end of a text that can be part of a file's name.
local function name_at_end(text)
  return text:reverse():match("^[^%s:\"'<>()]*"):reverse()
end

-- Places such as "handlers/badges.lua:8". Their ends are found first: a pattern that began with the
-- name would take quadratic time for a long text without blanks.
local function each_place(text)
  local at = 1
  return function()
    local first, last, line = text:find("%.lua:(%d+)", at)
    if not first then return nil end
    local name = name_at_end(text:sub(math.max(at, first - NAME_MAX), first - 1))
    at = last + 1
    return name .. ".lua", line
  end
end

---The lines around the first place of the error that is in a handler's file, else around the
---handler's beginning.
---@param row table of core.ledger's show
---@return table? source { file, first, line, lines, changed: the file is newer than the last run }
function M.of(row)
  local tried = 0
  for _, text in ipairs { row.detail or "", row.reason or "", row.place or "" } do
    for name, line in each_place(text) do
      tried = tried + 1
      if tried > PLACES_MAX then return nil end
      local found = look(name, tonumber(line), row.settled_at)
      if found then return found end
    end
  end
end

return M
