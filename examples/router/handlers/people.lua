local hook = require "hookward"
local audit = require "audit"

-- Events that begin with "Person.": also Person.Deleted, although "*.Deleted" matches it too.
hook.on("Person.*", audit.wrap("people", function(event)
  if math.type(event.PersonId) ~= "integer" then return nil, "PersonId is no whole number" end
  return true
end))
