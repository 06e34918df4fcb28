local hook = require "hookward"
local delivered = require "delivered"

-- Passes on the signed bytes unchanged. If a target's answer was lost, the key lets the target
-- recognise the repeat.
local function post(target, job)
  local answer, why = hook.http.post(target.url, job.body, {
    timeout = target.timeout,
    headers = {
      ["Content-Type"] = "application/json",
      ["Idempotency-Key"] = job.id .. "-" .. job.digest,
    },
  })
  if not answer then return nil, why end
  if answer.status // 100 ~= 2 then return nil, "answered " .. answer.status end
  return delivered.add(job, target.name)
end

hook.on("*", function(_, job)
  local done, why = delivered.of(job)
  if not done then
    hook.log.error("nothing was posted: the database failed", { reason = why })
    return nil, "the database failed"
  end
  local failed = {}
  for _, target in ipairs(hook.config.targets) do
    if not done[target.name] then
      local ok, reason = post(target, job)
      if not ok then
        hook.log.warn("a target failed", { target = target.name, reason = reason })
        failed[#failed + 1] = target.name
      end
    end
  end
  if #failed > 0 then return nil, "not delivered to " .. table.concat(failed, ", ") end
  return true
end)
