-- Lets a handler wait for other answers without holding up the app: it runs in a coroutine.

local app = require "hookward.app"

local M = {}

---Sends a request and waits for its answer. Only within M.run or M.spawn.
---@param options hookward.http.Request
---@return hookward.http.Answer? answer
---@return string? why
---@return hookward.http.Failure? kind
function M.fetch(options)
  local thread = coroutine.running()
  local begun, why, kind = app.request(options, function(...) M.resume(thread, ...) end)
  if not begun then return nil, why, kind end
  return coroutine.yield()
end

---@param seconds number
function M.sleep(seconds)
  local thread = coroutine.running()
  app.after(seconds, function() M.resume(thread) end)
  coroutine.yield()
end

---Runs a handler that may wait. It is answered at once if it did not wait, else later.
---@param handle fun(...): integer, table?, string|table?
---@param on_error fun(why: string): integer, table?, string|table?
---@return any answer what an app's handler returns
function M.run(handle, on_error, ...)
  local later
  local function finish(...)
    if later then return later:answer(...) end
    return ...
  end
  local thread = coroutine.create(function(...)
    local answer = table.pack(xpcall(handle, debug.traceback, ...))
    if not answer[1] then return finish(on_error(answer[2])) end
    return finish(table.unpack(answer, 2, answer.n))
  end)
  local answer = table.pack(coroutine.resume(thread, ...))
  if not answer[1] then error(answer[2], 0) end
  if coroutine.status(thread) == "dead" then return table.unpack(answer, 2, answer.n) end
  later = app.later()
  return later
end

---Starts a function that may wait, apart from any request.
---@param fn fun()
function M.spawn(fn)
  M.resume(coroutine.create(fn))
end

---Resumes a coroutine; an error in it is raised here.
---@param thread thread
function M.resume(thread, ...)
  local ok, why = coroutine.resume(thread, ...)
  if not ok then error(debug.traceback(thread, tostring(why)), 0) end
end

return M
