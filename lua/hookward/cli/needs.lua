-- Checks what hookward needs and does not contain: Lua modules, and the rock's shared libraries.

local modules = { argparse = "argparse" } -- module -> rock

-- library -> Debian's package
local libraries = { libuv = "libuv1", libssl = "libssl3", libcrypto = "libssl3",
  libsqlite3 = "libsqlite3-0", libcurl = "libcurl4" }

local function missing_module()
  for module, rock in pairs(modules) do
    local found, why = pcall(require, module)
    if not found then
      return ("%s: install it with `apt-get install lua-%s` or `luarocks install %s`")
        :format(why:match("^[^\n]*[^\n:]"), module, rock)
    end
  end
end

local function missing_library()
  local found, why = pcall(require, "hookward.core")
  local file = not found and why:match("([^%s:]+): cannot open shared object file")
  local package = file and libraries[file:match("^[^.]*")]
  return file and ("the library %s is missing%s"):format(file,
    package and (": install it with `apt-get install %s`"):format(package) or "")
end

---One line about the first thing that is missing; nil if nothing is.
---@return string?
return function()
  return missing_module() or missing_library() or nil
end
