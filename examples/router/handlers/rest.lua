local hook = require "hookward"
local audit = require "audit"

-- Whatever ends with ".Deleted", of all entities that have no pattern of their own.
hook.on("*.Deleted", audit.wrap("deletions", function() return true end))

-- What nothing else fits. Without it such an event is a 400 and comes again, which is right while a
-- handler is still to be written; with it the event is done for good.
hook.on("*", audit.wrap("rest", function() end))
