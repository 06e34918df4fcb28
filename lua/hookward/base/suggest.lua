-- Finds the known name that is nearest to an unknown one.

-- Locals, because a handler may set any global.
local ipairs, huge, max, min = ipairs, math.huge, math.max, math.min

local M = {}

-- The edit distance: how many insertions, deletions, replacements and swaps of neighbours it takes.
local function distance(a, b)
  local before, last = nil, {}
  for j = 0, #b do last[j] = j end
  for i = 1, #a do
    local row = { [0] = i }
    for j = 1, #b do
      local cost = a:byte(i) == b:byte(j) and 0 or 1
      local least = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + cost)
      if before and j > 1 and a:byte(i) == b:byte(j - 1) and a:byte(i - 1) == b:byte(j) then
        least = min(least, before[j - 2] + 1)
      end
      row[j] = least
    end
    before, last = last, row
  end
  return last[#b]
end

---The one of `known` that `name` was most likely meant to be; if several are as near, the first.
---@param name string as it was written
---@param known string[]
---@return string? nearest nil if none is near: more than a third of the letters differ
function M.nearest(name, known)
  local nearest, least = nil, huge
  for _, candidate in ipairs(known) do
    local away = distance(name:lower(), candidate:lower())
    if away < least then nearest, least = candidate, away end
  end
  if nearest and least <= max(1, max(#name, #nearest) // 3) then return nearest end
end

return M
