-- Reads Accredit's answers leniently. Field names are not documented, so any spelling is accepted
-- ("SignatureKey", "signature_key"), at any depth.

local core = require "hookward.core"
local keys = require "hookward.accredit.key_texts"

local M = {}

-- ---- walking ----

-- Reduces a name to letters and digits: "Signature_Key" and "signatureKey" are the same.
local function plain(name)
  return type(name) == "string" and name:lower():gsub("[^%a%d]", "") or ""
end

local function sorted_keys(value)
  local names = {}
  for name in pairs(value) do names[#names + 1] = name end
  table.sort(names, function(a, b)
    if type(a) == type(b) then return a < b end
    return type(a) == "number"
  end)
  return names
end

-- Lists all values, outer levels first, as { name, field, value }: `name` in plain letters, `field`
-- as it is spelt. An item of a list has the name of the list.
local function flatten(root)
  local all = { { name = "", value = root } }
  local at = 1
  while all[at] do
    local here = all[at]
    if type(here.value) == "table" then
      for _, key in ipairs(sorted_keys(here.value)) do
        local name = type(key) == "string" and plain(key) or here.name
        all[#all + 1] = { name = name, field = type(key) == "string" and key or here.field,
          value = here.value[key] }
      end
    end
    at = at + 1
  end
  return all
end

---The first text or number in a field with one of the names. Earlier names are preferred.
---@param root any decoded JSON
---@param names string[] in plain letters: "jobid"
---@return string?
function M.text_of(root, names)
  local all = flatten(root)
  for _, name in ipairs(names) do
    for _, one in ipairs(all) do
      local kind = type(one.value)
      if one.name == name and (kind == "string" or kind == "number") and one.value ~= "" then
        return tostring(one.value)
      end
    end
  end
end

---Accredit's own words about what went wrong.
---@param root any
---@return string?
function M.message_of(root)
  if type(root) == "string" and root ~= "" then return root end
  return M.text_of(root, { "errordescription", "errormessage", "message", "detail", "description",
    "exceptionmessage", "title", "reason", "error", "errors" })
end

-- ---- the list of events ----

local EVENT = "^[%a_][%w_]*%.[%w_.]+$" -- Entity.Event

local event_names = { "event", "eventname", "notificationevent", "eventtype", "name", "type",
  "code", "value", "id" }

-- Reads one item of a list: { event, description }, or nil.
local function read_event(item)
  if type(item) == "string" then return item:find(EVENT) and { event = item } or nil end
  if type(item) ~= "table" then return nil end
  local fields = {}
  for name, value in pairs(item) do
    if type(value) == "string" then fields[plain(name)] = value end
  end
  local event
  for _, name in ipairs(event_names) do
    local value = fields[name]
    if value and (name == "event" or value:find(EVENT)) then event = event or value end
  end
  if not event then return nil end
  return { event = event, description = fields.description or fields.summary
    or fields.displayname or fields.title }
end

local function read_list(list)
  local events = {}
  for _, item in ipairs(list) do
    local event = read_event(item)
    if not event then return nil end
    events[#events + 1] = event
  end
  return events
end

-- Reads an object whose member names are the events.
local function read_map(map)
  local events = {}
  for _, name in ipairs(sorted_keys(map)) do
    if type(name) ~= "string" or not name:find(EVENT) then return {} end
    local value = map[name]
    events[#events + 1] = { event = name, description = type(value) == "string" and value or nil }
  end
  return events
end

---@param root any decoded JSON
---@return { event: string, description: string? }[]? events
---@return string? looked_for
function M.events(root)
  local empty
  for _, one in ipairs(flatten(root)) do
    if type(one.value) == "table" then
      local is_list = math.type(next(one.value)) == "integer"
      local events = is_list and read_list(one.value) or read_map(one.value)
      if #events > 0 then return events end
      if next(one.value) == nil then empty = empty or events end
    end
  end
  if empty then return empty end
  return nil, "a list of event names, or of objects with a field such as \"Event\" or \"Name\""
end

-- ---- the Signature Key ----

local function rank(name)
  if name:find("signaturekey") or name:find("signingkey") then return 1 end
  if name:find("publickey") or name:find("verif%a*key") then return 2 end
  if name:find("key$") or name == "signature" or name == "pem" or name == "xml"
    or name:find("certificate") then
    return 3
  end
  return 4
end

---Finds the Signature Key: in a field with a fitting name, else any text that is a public RSA key.
---@param root any decoded JSON, or the body's text when it is not JSON
---@param min_bits integer
---@return { text: string, form: string, bits: integer, fingerprint: string }? key
---@return string? looked_for
---@return string? nearly why the value of a field with a fitting name was not accepted
function M.signature_key(root, min_bits)
  local by_rank, nearly = { {}, {}, {}, {} }, nil
  for _, one in ipairs(flatten(root)) do table.insert(by_rank[rank(one.name)], one) end
  for place, group in ipairs(by_rank) do
    for _, one in ipairs(group) do
      local key, why = keys.recognise(one.value, min_bits)
      if key then return key end
      if place < 4 and why then nearly = nearly or ("%s: %s"):format(one.field, why) end
    end
  end
  return nil, "a field such as \"SignatureKey\" or \"PublicKey\", or else any text that is a "
    .. "public RSA key", nearly
end

-- ---- the kind of answer ----

---@param body string
---@return any value nil when it is not JSON
function M.decode(body)
  local value = core.json.decode((body:gsub("^\xEF\xBB\xBF", "")))
  if value == core.json.null then return nil end
  return value
end

---The title of a web page; nil when the body is not a web page.
---@param body string
---@param content_type? string
---@return string? title perhaps empty
function M.page_title(body, content_type)
  local is_page = (content_type or ""):lower():find("html", 1, true)
    or body:find("^%s*<!%s*[Dd][Oo][Cc]") or body:find("^%s*<[Hh][Tt][Mm][Ll]")
  if not is_page then return nil end
  local title = body:match("<[Tt][Ii][Tt][Ll][Ee][^>]*>(.-)</") or ""
  return (title:gsub("%s+", " "):gsub("^ ", ""):gsub(" $", ""))
end

return M
