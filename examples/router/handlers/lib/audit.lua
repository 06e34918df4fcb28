-- Shared by all handlers. Files in handlers/lib are not loaded as handlers: a script that requires
-- one gets it from its own version of the scripts.
local hook = require "hookward"

local M = {}

-- Returning nothing is a success, returning nil is not: the number of values counts.
local function finish(name, job, ...)
  local result, reason = ...
  local failed = select("#", ...) > 0 and not result
  hook.log[failed and "warn" or "info"](failed and "refused" or "handled", {
    by = name,
    attempt = job.attempt,
    reason = failed and reason or nil,
  })
  return ...
end

---Wraps a handler, so that each run writes one line to the log. (For an error, the host writes its
---own line, with the traceback.)
---@param name string the handler's name, for the line
---@param fn hookward.Handler
---@return hookward.Handler
function M.wrap(name, fn)
  return function(event, job)
    return finish(name, job, fn(event, job))
  end
end

return M
