-- Removes the files of specs without starting `rm`, which would take a good part of a run's time.

local lfs = require "lfs"

local M = {}

---Removes a file, a link or a folder with its contents; it is no error if it does not exist.
---@param path string
function M.remove(path)
  if lfs.symlinkattributes(path, "mode") ~= "directory" then
    os.remove(path)
    return
  end
  -- The names are collected first: reading a folder while it changes may miss some.
  local names = {}
  for name in lfs.dir(path) do
    if name ~= "." and name ~= ".." then names[#names + 1] = name end
  end
  for _, name in ipairs(names) do M.remove(path .. "/" .. name) end
  lfs.rmdir(path)
end

return M
