-- embed.lua -- writes the C file that carries hookward's Lua modules, the guide's texts, the admin
-- page and the examples inside the binary.
--
-- Modules are compiled here, with their line numbers: parsing their source took over a third of a
-- command's time. So this interpreter must be of the same Lua version as the library that is
-- linked.
-- usage: lua5.4 core/script/embed.lua lua/hookward/init.lua ... > embedded.c

-- "lua/hookward/cli/init.lua" -> "hookward.cli". The name of an example's file is its path, and
-- that of a file of the admin page is its path below lua/hookward/.
local function module_name(path)
  if not path:find("^lua/") then return path end
  if path:find("/admin/page/", 1, true) then return (path:gsub("^lua/hookward/", "")) end
  return (path:gsub("^lua/", ""):gsub("%.%a+$", ""):gsub("/init$", ""):gsub("/", "."))
end

-- The annotations are for editors, so they stay source: `hookward init` writes them to a file.
local function is_module(path)
  return path:find("^lua/.*%.lua$") and path ~= "lua/hookward/_meta.lua"
end

local paths = table.move(arg, 1, #arg, 1, {})
for _, example in ipairs(dofile("lua/hookward/cli/examples.lua").list) do
  for _, file in ipairs(example.files) do
    paths[#paths + 1] = ("examples/%s/%s"):format(example.name, file)
  end
end

local rows = {}
print('#include "script/embedded.h"\n')
for i, path in ipairs(paths) do
  local file = assert(io.open(path, "rb"))
  local text = file:read("a")
  file:close()
  if is_module(path) then text = string.dump(assert(load(text, "@" .. path))) end
  print(("static const unsigned char m%d[] = {"):format(i))
  for at = 1, #text, 20 do
    print((text:sub(at, at + 19):gsub(".", function(c) return c:byte() .. "," end)))
  end
  print("0};")
  rows[i] = ('    {"%s", "@%s", (const char *)m%d, %d},'):format(module_name(path), path, i, #text)
end
print("const struct hw_embedded hw_embedded[] = {")
print(table.concat(rows, "\n"))
print("    {0, 0, 0, 0}};")
