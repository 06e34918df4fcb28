-- Removes what specs leave, without a process: thousands of `rm` are a good part of a run's time.

local lfs = require "lfs"

local M = {}

---Removes a file, a link or a folder with all that is in it; what is not there is no error.
---@param path string
function M.remove(path)
  if lfs.symlinkattributes(path, "mode") ~= "directory" then
    os.remove(path)
    return
  end
  -- Collected first: what is read while it changes may leave something out.
  local names = {}
  for name in lfs.dir(path) do
    if name ~= "." and name ~= ".." then names[#names + 1] = name end
  end
  for _, name in ipairs(names) do M.remove(path .. "/" .. name) end
  lfs.rmdir(path)
end

return M
