-- A table of text: as wide as it needs to be, or fitted to a terminal.

local text = require "hookward.jobs.text"

local M = {}

local GAP = 2

---@class hookward.jobs.Column
---@field title string
---@field right? boolean flush right, for numbers
---@field least? integer characters that it may be cut to; none: it is never cut
---@field spare? integer it is left out when there is no room at all, 1 first
---@field paint? fun(cell: string, padded: string): string colours a padded cell

local function natural_widths(columns, rows)
  local widths = {}
  for i, column in ipairs(columns) do
    widths[i] = utf8.len(column.title)
    for _, row in ipairs(rows) do widths[i] = math.max(widths[i], utf8.len(row[i])) end
  end
  return widths
end

local function sum(widths)
  local total = GAP * (#widths - 1)
  for _, width in ipairs(widths) do total = total + width end
  return total
end

-- Takes from the last column that can give first: what identifies a row stands in front.
local function fit(columns, widths, room)
  for i = #columns, 1, -1 do
    local spare = columns[i].least and math.max(0, widths[i] - columns[i].least) or 0
    widths[i] = widths[i] - math.min(spare, math.max(0, sum(widths) - room))
  end
  return sum(widths) <= room
end

-- Where the column is that can best be done without; nil: each is needed.
local function least_needed(columns)
  local found
  for i, column in ipairs(columns) do
    if column.spare and (not found or column.spare < columns[found].spare) then found = i end
  end
  return found
end

local function without(list, at)
  local rest = table.move(list, 1, #list, 1, {})
  table.remove(rest, at)
  return rest
end

local function write_row(columns, widths, row, paint)
  local cells = {}
  for i, column in ipairs(columns) do
    local cell = text.cut(row[i], widths[i])
    local padded = i == #columns and not column.right and cell
      or text.pad(cell, widths[i], column.right)
    cells[i] = paint and column.paint and column.paint(cell, padded) or padded
  end
  return (table.concat(cells, (" "):rep(GAP)):gsub("%s+$", ""))
end

---@param columns hookward.jobs.Column[]
---@param rows string[][] clean texts, a cell a column
---@return integer width with nothing cut
function M.width(columns, rows)
  return sum(natural_widths(columns, rows))
end

---@param columns hookward.jobs.Column[]
---@param rows string[][] clean texts, a cell a column
---@param room? integer the terminal's width; nil: nothing is cut
---@param paint? boolean
---@return string[] lines the titles first
function M.lines(columns, rows, room, paint)
  local widths = natural_widths(columns, rows)
  if room and not fit(columns, widths, room) then
    local at = least_needed(columns)
    if at then
      local fewer = {}
      for i, row in ipairs(rows) do fewer[i] = without(row, at) end
      return M.lines(without(columns, at), fewer, room, paint)
    end
  end
  local titles, lines = {}, {}
  for i, column in ipairs(columns) do titles[i] = column.title end
  lines[1] = write_row(columns, widths, titles)
  for _, row in ipairs(rows) do lines[#lines + 1] = write_row(columns, widths, row, paint) end
  return lines
end

return M
