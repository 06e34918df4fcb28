-- examples/fleet, as `make fleet-demo` runs it, and what it says in the end.

local H = require "spec.support.host"
local postgres = require "spec.support.postgres"

if not postgres.installed() or not H.sh "command -v haproxy" then return end

describe("examples/fleet", function()
  after_each(H.stop_all)

  local folder, port
  before_each(function()
    folder = H.folder()
    math.randomseed(os.time())
    port = math.random(2000, 2999) * 10 -- below what the system gives away
  end)

  local function demo(prefix)
    return ("ORDERS=60 PORT=%d HOOKWARD=%s DEV=%s %s sh examples/fleet/run.sh"):format(
      port, H.quote(H.binary), folder, prefix)
  end

  -- The brackets keep the shell that looks from finding itself.
  local function nothing_runs()
    return not H.sh(("pgrep -f '[%s]%s'"):format(folder:sub(1, 1), folder:sub(2)))
  end

  it("does each order once, though a host is killed", function()
    local _, out, code = H.sh(demo "timeout 120")
    assert.equal(0, code, out)
    assert.match("72 deliveries, 72 of them were answered 200", out, 1, true)
    assert.match("Never: 0.", out, 1, true)
    assert.match("web%-1%s+gone", out)
    H.wait_until(nothing_runs, "the end of all that it started")
  end)

  it("says which port is taken, before it starts anything", function()
    local other = assert(require "socket".bind("127.0.0.1", port + 3))
    local _, out, code = H.sh(demo "timeout 60")
    other:close()
    assert.equal(1, code, out)
    assert.match(("Port %d is taken."):format(port + 3), out, 1, true)
    assert.is_true(nothing_runs())
  end)

  for _, signal in ipairs { "HUP", "TERM" } do
    it("leaves nothing behind when it is ended by SIG" .. signal .. " #long", function()
      -- The signal reaches the script alone.
      local _, out, code = H.sh(demo("timeout --foreground --signal=" .. signal .. " 12"))
      assert.equal(124, code, out)
      assert.match("orders come in", out, 1, true)
      H.wait_until(nothing_runs, "the end of all that it started")
    end)
  end
end)
