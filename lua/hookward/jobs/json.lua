-- Writes JSON for people and scripts, with members in a fixed order; indents foreign JSON.
--
-- Foreign JSON is indented without being decoded, so the order of its members and every digit of
-- its numbers stay.

local core = require "hookward.core"
local text = require "hookward.jobs.text"

local M = {}

-- ---- indenting ----

-- The end of the string that begins at `at`.
local function string_end(json, at)
  repeat
    at = json:find('["\\]', at + 1)
    local escape = json:byte(at) == 92
    if escape then at = at + 1 end
  until not escape
  return at
end

-- The next token from `at` on, and its end. The text is known to be JSON.
local function next_token(json, at)
  at = json:find("[^ \t\r\n]", at)
  if not at then return nil end
  local char = json:sub(at, at)
  local last = at
  if char == '"' then
    last = string_end(json, at)
  elseif not char:find("[%[%]{},:]") then
    last = json:find("[%s%]},]", at)
    last = last and last - 1 or #json
  end
  return json:sub(at, last), last
end

---Breaks a JSON text into lines, indented by two spaces a level.
---@param json string
---@return string? pretty nil when it is not JSON
function M.pretty(json)
  json = json:gsub("^\xEF\xBB\xBF", "")
  if core.json.decode(json) == nil then return nil end
  local out, depth, at, before = {}, 0, 1, nil
  local function put(token) out[#out + 1] = token end
  local function break_line() put("\n" .. ("  "):rep(depth)) end
  while true do
    local token, last = next_token(json, at)
    if not token then break end
    local closes = token == "}" or token == "]"
    local opened = before == "{" or before == "["
    if closes then depth = depth - 1 end
    if opened ~= closes or before == "," then break_line() end
    put(token:byte() == 34 and text.json(token) or token)
    if token == ":" then put(" ") end
    if token == "{" or token == "[" then depth = depth + 1 end
    before, at = token, last + 1
  end
  return table.concat(out)
end

-- ---- writing ----

---@param value string? invalid UTF-8 becomes U+FFFD
---@return string json
function M.string(value)
  if value == nil then return "null" end
  if not value:find('[^ !#-%[%]-~]') then return '"' .. value .. '"' end -- nothing to escape
  while true do
    local _, bad = utf8.len(value)
    if not bad then break end
    value = value:sub(1, bad - 1) .. "\u{FFFD}" .. value:sub(bad + 1)
  end
  return text.json(assert(core.json.encode(value)))
end

---@param members string[] a plain name, its JSON text, the next name, ...
---@return string json
function M.object(members)
  local out = {}
  for i = 1, #members, 2 do
    out[#out + 1] = '"' .. members[i] .. '":' .. members[i + 1]
  end
  return "{" .. table.concat(out, ",") .. "}"
end

---Writes a JSON array item by item, one item a line.
---@class hookward.jobs.Array
local Array = {}
Array.__index = Array

---@param file file*
function M.array(file)
  return setmetatable({ file = file, count = 0 }, Array)
end

---@param item string JSON
---@return boolean? ok nil when nobody reads the output any more
function Array:add(item)
  self.count = self.count + 1
  return self.file:write(self.count == 1 and "[\n" or ",\n", item) ~= nil or nil
end

function Array:close()
  self.file:write(self.count == 0 and "[]\n" or "\n]\n")
end

return M
