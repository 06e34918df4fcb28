-- Takes a moment for each order, and writes down when it begins and when it is done.
local hook = require "hookward"

local name = os.getenv "FLEET_NAME"
local file = assert(io.open(os.getenv "FLEET_DONE", "a"))
file:setvbuf "no" -- a line is one write, so that both hosts can append

hook.on("Order.Created", function(event, job)
  file:write(("begun %d %s %s\n"):format(event.Order, name, job.redelivered and "again" or "first"))
  os.execute "sleep 0.4" -- the work
  file:write(("done %d %s\n"):format(event.Order, name))
end)
