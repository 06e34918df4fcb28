-- The events whose bodies are hidden: `mask` of the configuration, patterns as those of hook.on.
--
-- Whatever shows a body asks here first. A body whose event is not known is hidden as soon as
-- `mask` names anything: it may be of a masked event.

local json = require "hookward.core".json
local pattern = require "hookward.base.pattern"

local M = {}

---Whether the bodies of this event are hidden.
---@param patterns? string[] `mask`; nil: none
---@param event? string nil or "": it is not known
---@return boolean
function M.hides(patterns, event)
  if not patterns or #patterns == 0 then return false end
  if not event or event == "" then return true end
  for _, one in ipairs(patterns) do
    if pattern.matches(one, event) then return true end
  end
  return false
end

---Whether to hide the body of a request that was not authentic. Its event is read from the body.
---@param patterns? string[] `mask`; nil: none
---@param body string
---@return boolean
function M.hides_body(patterns, body)
  if not patterns or #patterns == 0 then return false end
  local read, value = pcall(json.decode, body)
  local event = read and type(value) == "table" and value.Event
  return M.hides(patterns, type(event) == "string" and event or nil)
end

return M
