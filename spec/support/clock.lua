-- A host's clock, moved by the spec: spec/preload/clock.c.

local H = require "spec.support.host"
local preload = require "spec.support.preload"

local M = {}

-- A sanitizer wants to be loaded first, but can do without.
local ASAN = 'export ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}verify_asan_link_order=0"; '

---A clock that goes right. `clock.env` is for H.start; `clock.pass(seconds)` lets so much time pass at
---once, `clock.set(seconds)` sets the time of day so much wrong, by less than zero to the past.
function M.new()
  local path = H.folder() .. "/clock"
  H.write(path, ("\0"):rep(16))
  local file = assert(io.open(path, "r+b"))
  file:setvbuf("no")
  local self = { env = ASAN .. preload.env("clock", { HOOKWARD_CLOCK = path }) }
  local passed = 0
  local function put(at, seconds)
    file:seek("set", at)
    file:write(string.pack("<i8", math.ceil(seconds * 1000)))
  end
  function self.pass(seconds)
    passed = passed + seconds
    put(0, passed)
  end
  function self.set(seconds) put(8, seconds) end
  return self
end

return M
