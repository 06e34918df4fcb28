-- Writes the output of commands: results to stdout, errors to stderr, colours only on a terminal.

local sys = require "hookward.core".sys

local M = {}

local codes = { bold = 1, dim = 2, red = 31, green = 32, yellow = 33 }

local coloured = {}

local function has_colours(fd)
  if coloured[fd] == nil then
    coloured[fd] = (os.getenv("NO_COLOR") or "") == "" and os.getenv("TERM") ~= "dumb"
      and sys.isatty(fd)
  end
  return coloured[fd]
end

---@param style "bold"|"dim"|"red"|"green"|"yellow"
---@param text string
---@param fd? integer the descriptor that the text is for: 1 (default) or 2
---@return string
function M.paint(style, text, fd)
  if not has_colours(fd or 1) then return text end
  return ("\27[%dm%s\27[0m"):format(codes[style], text)
end

---Prints a line of the result.
---@param format string for string.format if arguments follow, else the line itself
function M.say(format, ...)
  io.stdout:write(select("#", ...) > 0 and format:format(...) or format, "\n")
end

---Prints a line of an error, a warning or a remark.
function M.complain(format, ...)
  io.stdout:flush()
  io.stderr:write(select("#", ...) > 0 and format:format(...) or format, "\n")
end

---Reports a failure.
---@param lines string|string[]
---@return integer code 1
function M.fail(lines)
  for _, line in ipairs(type(lines) == "table" and lines or { lines }) do M.complain("%s", line) end
  return 1
end

---Reports that a command was used wrongly.
---@param command string its full name, "hookward send"
---@return integer code 2
function M.misuse(command, format, ...)
  M.complain("%s: %s", command, select("#", ...) > 0 and format:format(...) or format)
  M.complain("See `%s --help`.", command)
  return 2
end

---Makes foreign text safe for a terminal: one line, no control characters, not too long.
---@param text string
---@param max? integer bytes, default 200
---@return string
function M.plain(text, max)
  max = max or 200
  if #text > max then text = text:sub(1, max):gsub("[\xC0-\xFF][\x80-\xBF]*$", "") .. "..." end
  return (text:gsub("%c", " "))
end

---Prints a foreign text in full: unchanged to a file or a pipe, without control characters to a
---terminal.
---@param text string
function M.verbatim(text)
  if sys.isatty(1) then
    text = text:gsub("\r\n", "\n"):gsub("[%c\x7f]", function(c)
      if c ~= "\n" and c ~= "\t" then return ("\\x%02x"):format(c:byte()) end
    end)
  end
  io.stdout:write(text, text:sub(-1) ~= "\n" and "\n" or "")
end

---Prints rows in columns, each as wide as its widest text.
---@param rows string[][]
---@param indent string
function M.columns(rows, indent)
  local widths = {}
  for _, row in ipairs(rows) do
    for i, text in ipairs(row) do widths[i] = math.max(widths[i] or 0, #text) end
  end
  for _, row in ipairs(rows) do
    local line = { indent }
    for i, text in ipairs(row) do
      line[#line + 1] = i < #row and text .. (" "):rep(widths[i] - #text + 2) or text
    end
    M.say(table.concat(line))
  end
end

return M
