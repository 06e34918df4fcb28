-- Requests for wrk: one signed body, with a new job id each time; with RATE, at most so many a second.
local file = io.open(os.getenv("BODY"))
local body = file:read("*a")
file:close()
local signature, salt, n = os.getenv("SIGNATURE"), os.getenv("SALT"), 0
local rate = tonumber(os.getenv("RATE") or 0)

function request()
  n = n + 1
  return wrk.format("POST", "/baseWebhookNotification", {
    ["X-Signature"] = signature, ["X-JobId"] = salt .. "-" .. n, ["X-JobAttempt"] = "0",
  }, body)
end

if rate > 0 then
  local ffi = require "ffi" -- wrk has LuaJIT
  ffi.cdef "struct timespec { long s, ns; }; int clock_gettime(int id, struct timespec *time);"
  local time = ffi.new "struct timespec"
  local next_ms

  -- Each request has its place in time, whatever connection it goes over.
  function delay()
    ffi.C.clock_gettime(1, time)
    local now_ms = tonumber(time.s) * 1000 + tonumber(time.ns) / 1e6
    next_ms = (next_ms or now_ms) + 1000 / rate
    return math.max(0, math.floor(next_ms - now_ms))
  end
end

function done(summary, latency)
  local failed = summary.errors.status + summary.errors.connect + summary.errors.read
    + summary.errors.write + summary.errors.timeout
  print(("figures: %.0f %.1f %.1f %d"):format(summary.requests / summary.duration * 1e6,
    latency:percentile(50) / 1000, latency:percentile(99) / 1000, failed))
end
