-- examples/fleet, as `make fleet-demo` runs it, and what it says in the end.

local H = require "spec.support.host"
local postgres = require "spec.support.postgres"

if not postgres.installed() or not H.sh "command -v haproxy" then return end

describe("examples/fleet", function()
  after_each(H.stop_all)

  it("does each order once, though a host is killed", function()
    local folder = H.folder()
    math.randomseed(os.time())
    local port = math.random(2000, 2999) * 10 -- below what the system gives away
    local _, out, code = H.sh(("ORDERS=60 PORT=%d HOOKWARD=%s DEV=%s timeout 120 sh examples/fleet/run.sh"):format(
      port, H.quote(H.binary), folder))
    assert.equal(0, code, out)
    assert.match("72 deliveries, 72 of them were answered 200", out, 1, true)
    assert.match("Never: 0.", out, 1, true)
    assert.match("web%-1%s+gone", out)
    -- Nothing is left of it. The brackets keep the shell that looks from finding itself.
    H.wait_until(function() return not H.sh(("pgrep -f '[%s]%s'"):format(folder:sub(1, 1), folder:sub(2))) end,
      "the end of all that it started")
  end)
end)
