-- The ways in which the sandbox can be told to misbehave.

local M = {}

M.ways = {
  duplicate = "the first delivery comes twice at the same time",
  ["repeat"] = "after its success the job is delivered once more",
  forged = "the signature is another body's",
  stale = "the Timestamp is a day old",
  slow = "the body trickles in",
}

M.names = { "duplicate", "repeat", "forged", "stale", "slow" }

---@param list string|string[]|nil names, or a text with commas between them
---@return table<string, boolean>? ways
---@return string? why
function M.parse(list)
  local ways = {}
  if type(list) == "table" then list = table.concat(list, ",") end
  for name in tostring(list or ""):gmatch("[^,%s]+") do
    if not M.ways[name] then
      return nil, ("'%s' is none of %s"):format(name, table.concat(M.names, ", "))
    end
    ways[name] = true
  end
  return ways
end

return M
