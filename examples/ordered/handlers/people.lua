local hook = require "hookward"
local instant = require "instant"
local states = require "states"

-- Person.Deleted is a state like any other. Its row stays, so that an older update that arrives
-- later does not bring the person back.
hook.on("Person.*", function(event, job)
  if math.type(event.PersonId) ~= "integer" then return nil, "PersonId is no whole number" end
  local at = instant.sortable(event.Timestamp)
  if not at then return nil, "Timestamp is no UTC time such as 2024-05-10T11:09:21.248Z" end
  local newer, why = states.put("Person " .. event.PersonId, at, job)
  if newer == nil then
    hook.log.error("the state is not written", { reason = why })
    return nil, "the database failed"
  end
  if not newer then
    hook.log.info("left out: a newer state is known", { person = event.PersonId })
  end
  return true -- also if it was too old: another delivery would not make it newer
end)
