-- The ways in which the sandbox can be told to misbehave.

local M = {}

local NAME_MAX = 100 -- bytes of an unknown name that an answer repeats

M.ways = {
  duplicate = "the first delivery comes twice at the same time",
  ["repeat"] = "after its success the job is delivered once more",
  forged = "before the first delivery a copy comes with the signature of another body",
  stale = "the Timestamp is a day old",
  slow = "the body trickles in",
}

M.names = { "duplicate", "repeat", "forged", "stale", "slow" }

---@param list string|string[]|nil names, or a text with commas between them
---@return table<string, boolean>? ways
---@return string? why
function M.parse(list)
  local ways = {}
  for _, text in ipairs(type(list) == "table" and list or { list or "" }) do
    if type(text) ~= "string" then return nil, "a way is a text" end
    for name in text:gmatch("[^,%s]+") do
      if not M.ways[name] then
        return nil, ("'%s' is none of %s")
          :format(name:sub(1, NAME_MAX), table.concat(M.names, ", "))
      end
      ways[name] = true
    end
  end
  return ways
end

return M
