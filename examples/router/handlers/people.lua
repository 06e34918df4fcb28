local hook = require "hookward"
local audit = require "audit"

-- Whatever begins with "Person.": also Person.Deleted, which "*.Deleted" would fit as well.
hook.on("Person.*", audit.wrap("people", function(event)
  if math.type(event.PersonId) ~= "integer" then return nil, "PersonId is no whole number" end
  return true
end))
