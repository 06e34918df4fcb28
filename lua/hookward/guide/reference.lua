-- Generates the reference of the configuration from the table that checks it (config/schema.lua).

local schema = require "hookward.config.schema"

local M = {}

local WIDTH = 78

-- A value as a user would write it.
local function show(value)
  if type(value) == "string" then return ("%q"):format(value) end
  if type(value) ~= "table" then return tostring(value) end
  local items = {}
  for i, item in ipairs(value) do items[i] = show(item) end
  return #items == 0 and "{}" or "{ " .. table.concat(items, ", ") .. " }"
end

-- What follows the key's name: its default, what is allowed, the flag.
local function facts(entry)
  local list = {}
  if entry.fields then list[1] = "a table"
  elseif entry.default ~= nil then list[1] = ("default `%s`"):format(show(entry.default))
  else list[1] = entry.example and ("no default; such as `%s`"):format(show(entry.example))
    or "no default" end
  if entry.min then
    list[#list + 1] = ("from `%s` to `%s`"):format(show(entry.min), show(entry.max))
  end
  if entry.choices then
    local choices = {}
    for i, choice in ipairs(entry.choices) do choices[i] = ("`%s`"):format(show(choice)) end
    list[#list + 1] = "one of " .. table.concat(choices, ", ")
  end
  if entry.flag then list[#list + 1] = ("`serve %s`"):format(entry.flag) end
  return table.concat(list, "; ")
end

-- Wraps a text, with all lines but the first indented, as in an item of a list.
local function wrap(text)
  local lines, line = {}, nil
  for word in text:gmatch("%S+") do
    if line and #line + 1 + #word > WIDTH then lines[#lines + 1], line = line, " " end
    line = line and line .. " " .. word or word
  end
  lines[#lines + 1] = line
  return table.concat(lines, "\n")
end

local function add(items, entries, prefix)
  for _, entry in ipairs(entries) do
    items[#items + 1] = { name = prefix .. entry.key, facts = facts(entry), doc = entry.doc }
    if entry.fields then add(items, entry.fields, prefix .. entry.key .. ".") end
  end
  return items
end

---Every key, those inside a table as "log.level".
---@return { name: string, facts: string, doc: string }[] items
function M.items()
  return add({}, schema, "")
end

---@return string text a Markdown list with every key
function M.text()
  local lines = {}
  for _, item in ipairs(M.items()) do
    lines[#lines + 1] = wrap(("- `%s`: %s"):format(item.name, item.facts))
    lines[#lines + 1] = "  " .. wrap(item.doc)
  end
  return table.concat(lines, "\n") .. "\n"
end

return M
