local hook = require "hookward"

local RETRY_AFTER_MAX = 24 * 3600 -- seconds; a service that asks for more gets `retries`

local function read_delay(answer)
  local seconds = tonumber(answer.headers["retry-after"])
  return seconds and seconds > 0 and seconds <= RETRY_AFTER_MAX and seconds
end

-- Only what the service does not understand is hopeless; all other failures may pass.
local function is_hopeless(status)
  return status >= 400 and status < 500 and status ~= 408 and status ~= 429
end

hook.on("Order.*", {
  ack = "first", -- the sender has its 200 as soon as the order is in the ledger
  key = function(event) return event.CustomerId end, -- one after another for each customer
  concurrency = 4, -- the service bears no more at once
  schema = { required = { "CustomerId" }, properties = { CustomerId = { type = "integer" } } },
}, function(_, job)
  -- The key lets the service recognise a repeat: its answer may be lost, or the host killed.
  local answer, why = hook.http.post(hook.config.url, job.body, {
    timeout = 10,
    headers = { ["Content-Type"] = "application/json", ["Idempotency-Key"] = job.digest },
  })
  if not answer then return nil, why end
  if answer.status // 100 == 2 then return true end
  local reason = "the service answered " .. answer.status
  if is_hopeless(answer.status) then return hook.never(reason) end
  local delay = read_delay(answer)
  if delay then hook.retry_after(delay) end
  return nil, reason
end)
