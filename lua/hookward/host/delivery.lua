-- Builds a delivery as Accredit makes it: a body, its headers, and which key signs it while
-- developing. For `hookward send`, and for the tests that the admin page sends.

local catalogue = require "hookward.handlers.catalogue"
local core = require "hookward.core"
local time = require "hookward.base.time"

local M = {}

M.KEY = "development.key" -- beside the configuration; `hookward init` makes it

-- ---- the body ----

local function head_of(event, has_timestamp)
  local head = '{"Event":' .. assert(core.json.encode(event))
  return has_timestamp and head or ('%s,"Timestamp":"%s"'):format(head, time.iso(core.sys.now()))
end

---Adds Event and Timestamp (now) to a JSON object, before its fields. They are spliced in as text:
---the order of the fields and their numbers stay as written.
---@param event? string nil: the object names it
---@param text string the JSON object; one that has an Event stays unchanged, byte for byte
---@param name string what the user calls the object, for messages
---@return string? body
---@return string event of the body; or why there is none
function M.body(event, text, name)
  local data, why = core.json.decode(text)
  local fields = text:match("^\xEF?\xBB?\xBF?%s*{%s*(.-)%s*}%s*$")
  if data == nil then return nil, ("%s is not JSON: %s"):format(name, why) end
  if not fields then
    return nil, ("%s is not a JSON object, as in '{\"PersonId\": 7}'"):format(name)
  end
  if data.Event ~= nil then
    if event and data.Event ~= event then
      return nil, ("%s has the Event %s, not %s; name only one of them")
        :format(name, tostring(data.Event), event)
    end
    return text, data.Event
  elseif not event then
    return nil, "which event? Name it as in `hookward send Person.Updated`"
  end
  local head = head_of(event, data.Timestamp ~= nil)
  return head .. (fields == "" and "" or "," .. fields) .. "}", event
end

---@param event string
---@return string text a JSON object: the fields that the event has without the user's
function M.sample(event)
  local known = catalogue[event]
  return known and known.sample or "{}"
end

-- ---- the head ----

---@return string id of a job, random: most likely nobody has sent it before
function M.new_id()
  return tostring(math.random(100000, 99999999))
end

---@param job_id string
---@param attempt integer
---@param signature string
---@return table<string, string>
function M.headers(job_id, attempt, signature)
  return {
    ["Content-Type"] = "application/json",
    ["X-Signature"] = signature,
    ["X-JobId"] = job_id,
    ["X-JobAttempt"] = tostring(attempt),
  }
end

return M
