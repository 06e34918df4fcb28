-- Lays out a table of texts: as wide as needed, or fitted to a terminal.

local text = require "hookward.jobs.text"

local M = {}

local GAP = 2
local COMFORT = 3

---@class hookward.jobs.Column
---@field title string
---@field right? boolean flush right, for numbers
---@field least? integer it may be cut to so many characters; nil: it is never cut
---@field wanted? integer spare columns are left out before it is cut below so many characters
---@field spare? integer it is left out if there is no room at all, 1 first; up to COMFORT also if a
---column would be cut below `wanted`
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

-- Takes from the last column that can give first: what identifies a row stands in front. `bound` is
-- what a column keeps: "least", or "wanted" if it has that.
local function fit(columns, widths, room, bound)
  for i = #columns, 1, -1 do
    local kept = columns[i][bound] or columns[i].least
    local spare = kept and math.max(0, widths[i] - kept) or 0
    widths[i] = widths[i] - math.min(spare, math.max(0, sum(widths) - room))
  end
  return sum(widths) <= room
end

-- Where the column is that can best be done without; nil: each is needed.
local function least_needed(columns, most)
  local found
  for i, column in ipairs(columns) do
    local spare = column.spare
    if spare and spare <= most and (not found or spare < columns[found].spare) then found = i end
  end
  return found
end

-- Fits the widths, or tells which column has to go first.
local function to_leave_out(columns, widths, room)
  if fit(columns, widths, room, "wanted") then return nil end
  local at = least_needed(columns, COMFORT)
  if at or fit(columns, widths, room, "least") then return at end
  return least_needed(columns, math.huge)
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
  local at = room and to_leave_out(columns, widths, room)
  if at then
    local fewer = {}
    for i, row in ipairs(rows) do fewer[i] = without(row, at) end
    return M.lines(without(columns, at), fewer, room, paint)
  end
  local titles, lines = {}, {}
  for i, column in ipairs(columns) do titles[i] = column.title end
  lines[1] = write_row(columns, widths, titles)
  for _, row in ipairs(rows) do lines[#lines + 1] = write_row(columns, widths, row, paint) end
  return lines
end

return M
