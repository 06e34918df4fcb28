-- A table of text: as wide as it needs to be, or fitted to a terminal.

local text = require "hookward.jobs.text"

local M = {}

local GAP = 2

---@class hookward.jobs.Column
---@field title string
---@field right? boolean flush right, for numbers
---@field least? integer characters that it may be cut to; none: it is never cut
---@field paint? fun(cell: string, padded: string): string colours a padded cell

local function natural_widths(columns, rows)
  local widths = {}
  for i, column in ipairs(columns) do
    widths[i] = utf8.len(column.title)
    for _, row in ipairs(rows) do widths[i] = math.max(widths[i], utf8.len(row[i])) end
  end
  return widths
end

-- Takes from the last column that can give first: what identifies a row stands in front.
local function fit(columns, widths, room)
  local total = GAP * (#columns - 1)
  for _, width in ipairs(widths) do total = total + width end
  for i = #columns, 1, -1 do
    local spare = columns[i].least and math.max(0, widths[i] - columns[i].least) or 0
    local give = math.min(spare, math.max(0, total - room))
    widths[i] = widths[i] - give
    total = total - give
  end
end

local function write_row(columns, widths, row, paint)
  local cells = {}
  for i, column in ipairs(columns) do
    local cell = text.cut(row[i], widths[i])
    local padded = i == #columns and not column.right and cell
      or text.pad(cell, widths[i], column.right)
    cells[i] = paint and column.paint and column.paint(row[i], padded) or padded
  end
  return (table.concat(cells, (" "):rep(GAP)):gsub("%s+$", ""))
end

---@param columns hookward.jobs.Column[]
---@param rows string[][] clean texts, a cell a column
---@param room? integer the terminal's width; nil: nothing is cut
---@param paint? boolean
---@return string[] lines the titles first
function M.lines(columns, rows, room, paint)
  local widths = natural_widths(columns, rows)
  if room then fit(columns, widths, room) end
  local titles, lines = {}, {}
  for i, column in ipairs(columns) do titles[i] = column.title end
  lines[1] = write_row(columns, widths, titles)
  for _, row in ipairs(rows) do lines[#lines + 1] = write_row(columns, widths, row, paint) end
  return lines
end

return M
