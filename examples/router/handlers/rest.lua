local hook = require "hookward"
local audit = require "audit"

-- Events that end with ".Deleted", of all entities without a pattern of their own.
hook.on("*.Deleted", audit.wrap("deletions", function() return true end))

-- Events that no other pattern matches. Without this, such an event is a 400 and is delivered
-- again, which is right as long as a handler has yet to be written. With it, the event is done.
hook.on("*", audit.wrap("rest", function() end))
