-- longest.lua -- prints the longest functions and files; no length makes it fail.
-- usage: lua5.4 spec/bench/longest.lua core/*.c

local functions, files = {}, {}
for _, path in ipairs(arg) do
  local name, from, number = nil, nil, 0
  for line in io.lines(path) do
    number = number + 1
    if line == "{" then from = number
    elseif line == "}" and from then
      functions[#functions + 1] = { number - from + 2, path, name or "?" }
      from = nil
    elseif not from then name = line:match("([%w_]+)%(") or name end
  end
  files[#files + 1] = { number, path }
end

local function longest_first(a, b) return a[1] > b[1] end
table.sort(functions, longest_first)
table.sort(files, longest_first)

print("longest functions (lines)")
for i = 1, math.min(15, #functions) do print(("%6d  %s: %s"):format(table.unpack(functions[i]))) end
print(("median %d, three quarters under %d, of %d functions"):format(
  functions[#functions // 2 + 1][1], functions[#functions // 4 + 1][1], #functions))
print("longest files (lines)")
for i = 1, math.min(8, #files) do print(("%6d  %s"):format(table.unpack(files[i]))) end
