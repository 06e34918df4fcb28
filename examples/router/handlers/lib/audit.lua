-- What all handlers share. Files in handlers/lib are not loaded by themselves: whoever requires one
-- gets it, from the same version of the scripts as itself.
local hook = require "hookward"

local M = {}

-- To return nothing is a success, to return nil is none: the number of values counts.
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

---Wraps a handler, so that each run of it leaves one line in the log. (An error raised leaves the
---host's own, with its traceback.)
---@param name string of the handler, for the line
---@param fn hookward.Handler
---@return hookward.Handler
function M.wrap(name, fn)
  return function(event, job)
    return finish(name, job, fn(event, job))
  end
end

return M
