-- Libraries that are loaded before the host and replace functions of libc, to cause rare failures:
-- spec/preload/NAME.c, built by make into build/preload/NAME.so.

local H = require "spec.support.host"
local lfs = require "lfs"

local M = {}

---Shell text to put in front of a command, for the `env` of H.start.
---@param name string
---@param variables table<string, string|integer> what the library reads
function M.env(name, variables)
  local folder = os.getenv("HOOKWARD_PRELOAD") or lfs.currentdir() .. "/build/preload"
  local path = ("%s/%s.so"):format(folder, name)
  assert(lfs.attributes(path), path .. " is missing: make build-tests") -- the loader would go on without
  local words = { ("export LD_PRELOAD=%s"):format(H.quote(path)) }
  for variable, value in pairs(variables) do
    words[#words + 1] = ("%s=%s"):format(variable, H.quote(tostring(value)))
  end
  return table.concat(words, " ") .. ";"
end

---False with a sanitizer, which replaces these functions itself.
function M.is_possible()
  return not H.sh("ldd " .. H.quote(H.binary)):find("lib[at]san")
end

return M
