-- rooms.lua -- the order of the rooms below core/, and whether the includes keep to it.
--
-- A room includes only from itself and from rooms below it, so that the files of a low room can be
-- read without those above. No files include each other in a circle, however long; a unit is x.c
-- and x.h together. Includes name the room.
--
-- usage: lua5.4 spec/rooms.lua [FOLDER]       breaches, one a line; exit 1 if there are any
--        lua5.4 spec/rooms.lua --arrows [FOLDER]     how many includes go from room to room
-- FOLDER is the one that contains core/, by default the current one.

-- The lowest first.
local ORDER = { "base", "signing", "http", "notification", "ledger", "script", "trip", "reload",
  "app", "host", "bindings", "main" }

local rank = {}
for i, room in ipairs(ORDER) do rank[room] = i end

-- "core/http/line.c" -> "http/line", "http"; "core/main.c" -> "main", "main"
local function unit_of(path)
  local unit = path:gsub("%.[ch]$", "")
  return unit, unit:match("^([^/]+)/") or unit
end

---@return { path: string, line: integer, unit: string, to: string }[] includes of our own headers
---@return string[] breaches
local function read(folder)
  local includes, breaches = {}, {}
  local core = folder .. "/core/"
  local pipe = assert(io.popen(("find '%s' -name '*.[ch]' | LC_ALL=C sort"):format(core)))
  for file in pipe:lines() do
    local path, number = file:sub(#core + 1), 0
    local unit, room = unit_of(path)
    if not rank[room] then
      breaches[#breaches + 1] = ("core/%s: no room is called %s (spec/rooms.lua has the list)")
        :format(path, room)
    end
    for text in io.lines(file) do
      number = number + 1
      local header = text:match('^%s*#%s*include%s+"([^"]+)"')
      if header then
        includes[#includes + 1] = { path = path, line = number, unit = unit, room = room,
          header = header }
      end
    end
  end
  pipe:close()
  return includes, breaches
end

local function exists(path)
  local file = io.open(path)
  return file ~= nil and file:close()
end

local function check_include(folder, include, breaches)
  local to, room = unit_of(include.header)
  local function say(text, ...)
    breaches[#breaches + 1] = ("core/%s:%d: #include \"%s\" %s")
      :format(include.path, include.line, include.header, text:format(...))
  end
  if not exists(folder .. "/core/" .. include.header) then
    say("names no file below core/; an include names the room: \"http/line.h\"")
  elseif rank[room] and rank[include.room] and rank[room] > rank[include.room] then
    say("goes upwards: %s stands above %s", room, include.room)
    return
  end
  include.to = to
end

-- The includes of each unit, without those upwards, which are reported already.
local function graph(includes)
  local to, units = {}, {}
  for _, include in ipairs(includes) do
    if not to[include.unit] then
      to[include.unit] = {}
      units[#units + 1] = include.unit
    end
    if include.to and include.to ~= include.unit then
      table.insert(to[include.unit], include)
    end
  end
  return to, units
end

-- Finds circles as Tarjan's strongly connected components.
local function components(to, units)
  local index, low, stack, on_stack, count, found = {}, {}, {}, {}, 0, {}
  local function visit(unit)
    count = count + 1
    index[unit], low[unit], on_stack[unit] = count, count, true
    stack[#stack + 1] = unit
    for _, include in ipairs(to[unit] or {}) do
      if not index[include.to] then
        visit(include.to)
        low[unit] = math.min(low[unit], low[include.to])
      elseif on_stack[include.to] then
        low[unit] = math.min(low[unit], index[include.to])
      end
    end
    if low[unit] == index[unit] then
      local members = {}
      repeat
        local last = table.remove(stack)
        on_stack[last] = nil
        members[last] = true
        members[#members + 1] = last
      until last == unit
      if #members > 1 then found[#found + 1] = members end
    end
  end
  for _, unit in ipairs(units) do
    if not index[unit] then visit(unit) end
  end
  return found
end

-- The includes of a shortest circle through the unit, by breadth-first search.
local function circle_of(to, first, members)
  local way, queue = { [first] = {} }, { first }
  for _, unit in ipairs(queue) do
    for _, include in ipairs(to[unit]) do
      local next_way = table.move(way[unit], 1, #way[unit], 1, {})
      next_way[#next_way + 1] = include
      if include.to == first then return next_way end
      if members[include.to] and not way[include.to] then
        way[include.to] = next_way
        queue[#queue + 1] = include.to
      end
    end
  end
end

local function check_circles(includes, breaches)
  local to, units = graph(includes)
  for _, members in ipairs(components(to, units)) do
    table.sort(members)
    for _, include in ipairs(circle_of(to, members[1], members)) do
      breaches[#breaches + 1] = ("core/%s:%d: #include \"%s\" is part of a circle")
        :format(include.path, include.line, include.header)
    end
  end
end

local function print_arrows(includes)
  local counts, names, total, inside = {}, {}, 0, 0
  for _, include in ipairs(includes) do
    local _, room = unit_of(include.header)
    if room == include.room then
      inside = inside + 1
    else
      local name = include.room .. " > " .. room
      if not counts[name] then
        counts[name] = 0
        names[#names + 1] = name
      end
      counts[name] = counts[name] + 1
      total = total + 1
    end
  end
  table.sort(names, function(a, b)
    if counts[a] ~= counts[b] then return counts[a] > counts[b] end
    return a < b
  end)
  print(("arrows between rooms (includes): %d in %d pairs; %d within rooms"):format(total, #names,
    inside))
  for _, name in ipairs(names) do print(("%6d  %s"):format(counts[name], name)) end
end

local arrows = arg[1] == "--arrows"
local folder = arg[arrows and 2 or 1] or "."
local includes, breaches = read(folder)
if arrows then
  print_arrows(includes)
  os.exit(0)
end
for _, include in ipairs(includes) do check_include(folder, include, breaches) end
check_circles(includes, breaches)
for _, breach in ipairs(breaches) do io.stderr:write(breach, "\n") end
os.exit(#breaches == 0 and 0 or 1)
