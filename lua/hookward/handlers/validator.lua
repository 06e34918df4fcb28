-- Compiles a schema into a function that says what in a value breaks it.
--
-- What    a subset of JSON Schema, as a Lua table: type, required, properties,
--         additionalProperties, items, enum, format. As in JSON Schema, a rule about one kind of
--         value does not apply to others: `format` accepts a number, `required` a list.
-- How     compiled once into closures, which build the path of a field only when it breaks a rule.
--         An unknown word is an error: a rule that nobody enforces is worse than none.
-- Values  decoded JSON: null is hook.null; the metatable of hook.json tells an empty array from an
--         empty object.

-- Locals, because a handler may set any global.
local error, getmetatable, ipairs, next, pairs = error, getmetatable, ipairs, next, pairs
local pcall, setmetatable, tostring, type = pcall, setmetatable, tostring, type
local concat, move, sort, math_type = table.concat, table.move, table.sort, math.type

local core = require "hookward.core"

local null, timestamp = core.json.null, core.timestamp
local array_meta = getmetatable(core.json.array {})

local M = {}

---@class hookward.Schema
---@field type? string|string[] "object", "array", "string", "number", "integer", "boolean", "null"
---@field required? string[] members that must be present
---@field properties? table<string, hookward.Schema> the schemas of members, if they are present
---@field additionalProperties? boolean|hookward.Schema are other members allowed, or their schema
---@field items? hookward.Schema the schema of each item of an array
---@field enum? any[] strings, numbers, booleans and hook.null: the allowed values
---@field format? "date-time"|"uuid" the format of a string

---@alias hookward.Check fun(value: any): string?, string? path and reason; nil if the value fits

local DEPTH_MAX = 100 -- schemas inside schemas; JSON itself is not nested deeper
local NAME_SHOWN = 60 -- bytes of a member's name in a path

-- ---- paths ----

-- An unusual member name may be hostile: it is quoted and cut, without control characters.
local function shown(name)
  if name:find("^[%w_$-]+$") and #name <= NAME_SHOWN then return name end
  return '["' .. name:sub(1, NAME_SHOWN):gsub("[%c\"\\\x7f-\xff]", "?") .. '"]'
end

local function join(first, rest)
  if first == "" or rest == "" or rest:sub(1, 1) == "[" then return first .. rest end
  return first .. "." .. rest
end

-- ---- types ----

local function is_list(value)
  local first = next(value)
  if first == nil then return getmetatable(value) == array_meta end
  return math_type(first) == "integer"
end

local is = {
  object = function(value) return type(value) == "table" and not is_list(value) end,
  array = function(value) return type(value) == "table" and is_list(value) end,
  string = function(value) return type(value) == "string" end,
  number = function(value) return type(value) == "number" end,
  -- 1.0 is an integer to JSON Schema, and so is one that 64 bits can't hold
  integer = function(value) return type(value) == "number" and value % 1 == 0 end,
  boolean = function(value) return type(value) == "boolean" end,
  null = function(value) return value == null end,
}

local with_article = {
  object = "an object", array = "an array", string = "a string", number = "a number",
  integer = "an integer", boolean = "true or false", null = "null",
}

local function kind_of(value)
  if value == null then return "null" end
  if type(value) == "boolean" then return tostring(value) end
  if type(value) ~= "table" then return "a " .. type(value) end
  return (next(value) == nil and "an empty " or "an ") .. (is_list(value) and "array" or "object")
end

-- ---- formats ----

local UUID = "^" .. ("x"):rep(8) .. ("%-xxxx"):rep(3) .. "%-" .. ("x"):rep(12) .. "$"
UUID = UUID:gsub("x", "%%x")

local formats = {
  -- Read like a Timestamp: .NET leaves the zone out if it is unspecified.
  ["date-time"] = { expected = "a date-time", fits = function(text) return timestamp(text) end },
  uuid = { expected = "a uuid", fits = function(text) return text:find(UUID) end },
}

-- ---- compiling ----
--
-- A mistake in the schema is raised as a table and caught in M.compile.

local Problem = {}

local function refuse(path, format, ...)
  error(setmetatable({ path = path, why = format:format(...) }, Problem), 0)
end

-- A copy: the user's table may change later.
local function copy_list(list, path, of)
  if type(list) ~= "table" or (next(list) ~= nil and #list == 0) then
    refuse(path, "a list of %s was expected", of)
  end
  for key in pairs(list) do
    if math_type(key) ~= "integer" or key < 1 or key > #list then
      refuse(path, "a list of %s was expected", of)
    end
  end
  return move(list, 1, #list, 1, {})
end

local function sorted_names(map, path)
  local names = {}
  for name in pairs(map) do
    if type(name) ~= "string" then refuse(path, "the name of a member is a string") end
    names[#names + 1] = name
  end
  sort(names)
  return names
end

local compile

local function compile_type(types, path)
  if type(types) == "string" then types = { types } end
  types = copy_list(types, path, "types")
  if #types == 0 then refuse(path, "a list of types was expected, not an empty one") end
  local tests, expected = {}, {}
  for i, name in ipairs(types) do
    tests[i] = is[name]
    if not tests[i] then
      refuse(path, "the type %s is not known; known are array, boolean, integer, null, number, "
        .. "object and string", tostring(name))
    end
    expected[i] = with_article[name]
  end
  local message = "expected " .. concat(expected, " or ") .. ", found "
  return function(value)
    for i = 1, #tests do
      if tests[i](value) then return end
    end
    return "", message .. kind_of(value)
  end
end

local function compile_enum(values, path)
  values = copy_list(values, path, "values")
  if #values == 0 then refuse(path, "a list of values was expected, not an empty one") end
  local known, texts = {}, {}
  for i, value in ipairs(values) do
    if type(value) == "table" or type(value) == "function" then
      refuse(path, "its values are strings, numbers, booleans or hook.null")
    end
    known[value] = true
    texts[i] = core.json.encode(value)
  end
  local message = "expected " .. (#texts > 1 and "one of " or "") .. concat(texts, ", ")
  return function(value)
    if not known[value] then return "", message end
  end
end

local function compile_format(name, path)
  local format = formats[name]
  if not format then
    refuse(path, "the format %s is not known; known are date-time and uuid", tostring(name))
  end
  local fits, message = format.fits, "expected " .. format.expected
  return function(value)
    if type(value) == "string" and not fits(value) then return "", message end
  end
end

local function compile_items(schema, path, depth)
  local check = compile(schema, path, depth)
  return function(value)
    if type(value) ~= "table" or not is_list(value) then return end
    for i = 1, #value do
      local rest, why = check(value[i])
      if rest then return join(("[%d]"):format(i - 1), rest), why end -- as JSON counts
    end
  end
end

local function compile_required(names, path)
  names = copy_list(names, path, "names")
  for _, name in ipairs(names) do
    if type(name) ~= "string" then refuse(path, "a list of names was expected") end
  end
  return function(value)
    if not is.object(value) then return end
    for i = 1, #names do
      if value[names[i]] == nil then return shown(names[i]), "is missing" end
    end
  end
end

local function compile_properties(schemas, path, depth)
  if type(schemas) ~= "table" then refuse(path, "a table of schemas by name was expected") end
  local names, checks = sorted_names(schemas, path), {}
  for i, name in ipairs(names) do
    checks[i] = compile(schemas[name], join(path, shown(name)), depth)
  end
  return function(value)
    if not is.object(value) then return end
    for i = 1, #names do
      local member = value[names[i]]
      if member ~= nil then
        local rest, why = checks[i](member)
        if rest then return join(shown(names[i]), rest), why end
      end
    end
  end
end

local function nothing_else() return "", "is not expected here" end

-- Checks the other members of an object; reports the first one in name order.
local function compile_additional(rule, path, depth, schema)
  if rule == true then return function() end end
  local known = {}
  for name in pairs(schema.properties or {}) do known[name] = true end
  local check = rule == false and nothing_else or compile(rule, path, depth)
  return function(value)
    if not is.object(value) then return end
    local first, first_rest, first_why
    for name, member in pairs(value) do
      if not known[name] and (not first or name < first) then
        local rest, why = check(member)
        if rest then first, first_rest, first_why = name, rest, why end
      end
    end
    if first then return join(shown(first), first_rest), first_why end
  end
end

-- In the order in which the rules are checked.
local words = {
  { "type", compile_type }, { "enum", compile_enum }, { "format", compile_format },
  { "required", compile_required }, { "properties", compile_properties },
  { "additionalProperties", compile_additional }, { "items", compile_items },
}

local known_words = {}
for i, word in ipairs(words) do known_words[i], known_words[word[1]] = word[1], true end

function compile(schema, path, depth)
  if type(schema) ~= "table" then refuse(path, "a schema is a table, not a %s", type(schema)) end
  if depth > DEPTH_MAX then refuse(path, "schemas nested more than %d deep", DEPTH_MAX) end
  for _, name in ipairs(sorted_names(schema, path)) do
    if not known_words[name] then
      refuse(join(path, shown(name)), "is not supported; known are %s",
        concat(known_words, ", "))
    end
  end
  local steps = {}
  for _, word in ipairs(words) do
    local name, compile_word = word[1], word[2]
    if schema[name] ~= nil then
      steps[#steps + 1] = compile_word(schema[name], join(path, name), depth + 1, schema)
    end
  end
  if #steps == 1 then return steps[1] end
  return function(value)
    for i = 1, #steps do
      local rest, why = steps[i](value)
      if rest then return rest, why end
    end
  end
end

---Compiles a schema.
---@param schema hookward.Schema
---@return hookward.Check? check
---@return string? why one line: what is wrong with the schema, and where in it
function M.compile(schema)
  local ok, result = pcall(compile, schema, "", 1)
  if ok then return result end
  if getmetatable(result) ~= Problem then error(result, 0) end
  return nil, (result.path == "" and "" or result.path .. ": ") .. result.why
end

---Says what in an event breaks its schema, for the answer and the log.
---@param check hookward.Check
---@param event table
---@return string? violation such as "BadgeExportZipFileId: expected a uuid"
function M.violation(check, event)
  local path, why = check(event)
  if path then return (path == "" and "the event" or path) .. ": " .. why end
end

return M
