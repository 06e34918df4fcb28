-- Makes foreign text safe for a terminal: no control characters, no changes of text direction.
--
-- An id, an event's name, a handler's error or a body may contain escape sequences that would move
-- the cursor, set a title or hide what follows. They are shown as visible escapes.

local M = {}

-- Characters that are invisible or change how others are shown: C1 controls, zero-width characters,
-- line separators, and changes of text direction.
local unseen = {
  { 0x80, 0x9F }, { 0xAD, 0xAD }, { 0x61C, 0x61C }, { 0x180E, 0x180E }, { 0x200B, 0x200F },
  { 0x2028, 0x202E }, { 0x2060, 0x206F }, { 0xFEFF, 0xFEFF }, { 0xFFF9, 0xFFFB },
  { 0xE0000, 0xE007F },
}

local function is_unseen(code)
  for _, range in ipairs(unseen) do
    if code >= range[1] and code <= range[2] then return true end
  end
  return false
end

-- Replaces the unseen characters beyond ASCII in valid UTF-8 by escape(code).
local function replace_unseen(text, escape)
  return (text:gsub("[\xC2-\xF4][\x80-\xBF]+", function(char)
    local code = utf8.codepoint(char)
    return is_unseen(code) and escape(code) or nil
  end))
end

local function escape_byte(byte)
  return ("\\x%02x"):format(byte:byte())
end

local function escape_code(code)
  return ("\\u{%x}"):format(code)
end

-- Escapes invalid UTF-8, unseen characters, and what `controls` matches: a Lua pattern of the
-- control characters to escape.
local function clean(text, controls)
  if not text:find("[^\x20-\x7E]") then return text end
  local out, at = {}, 1
  while at <= #text do
    local _, bad = utf8.len(text, at)
    local good = text:sub(at, (bad or #text + 1) - 1):gsub(controls, escape_byte)
    out[#out + 1] = replace_unseen(good, escape_code)
    if bad then out[#out + 1] = escape_byte(text:sub(bad, bad)) end
    at = (bad or #text) + 1
  end
  return table.concat(out)
end

---@param text string any bytes
---@return string line valid UTF-8 in one line
function M.line(text)
  return (clean((text:gsub("\n", "\\n"):gsub("\t", "\\t"):gsub("\r", "\\r")), "%c"))
end

---@param text string any bytes
---@return string block valid UTF-8; its line ends and tabs stay
function M.block(text)
  return clean(text:gsub("\r\n", "\n"), "[%z\1-\8\11-\31\127]")
end

---Replaces them inside JSON by JSON's own escapes, which mean the same character.
---@param text string valid UTF-8, JSON or a part of it
---@return string
function M.json(text)
  return replace_unseen(text:gsub("\127", "\\u007f"), function(code)
    if code < 0x10000 then return ("\\u%04x"):format(code) end
    code = code - 0x10000
    return ("\\u%04x\\u%04x"):format(0xD800 + (code >> 10), 0xDC00 + (code & 0x3FF))
  end)
end

---Cuts a clean text, and marks the cut with an ellipsis.
---@param text string valid UTF-8
---@param width integer characters, at least 1
---@return string
function M.cut(text, width)
  if utf8.len(text) <= width then return text end
  return text:sub(1, utf8.offset(text, width) - 1) .. "…"
end

---@param text string valid UTF-8
---@param width integer characters
---@param right? boolean
---@return string
function M.pad(text, width, right)
  local fill = (" "):rep(width - utf8.len(text))
  return right and fill .. text or text .. fill
end

return M
