-- Many hosts start at once on an empty database, and a host ends in order under load.

local F = require "spec.support.fleet"
local H = require "spec.support.host"
local journal = require "spec.support.journal"
local postgres = require "spec.support.postgres"

if not postgres.installed() then return end

local ROUNDS = tonumber(os.getenv "HOOKWARD_FLEET_ROUNDS" or 3)
local EMPTY = ROUNDS < 20 and 2 or ROUNDS < 100 and 4 or 20

describe("hosts with one ledger", function()
  after_each(H.stop_all)

  it("start eight at once on an empty database, all of them, " .. EMPTY .. " times", function()
    for _ = 1, EMPTY do
      local fleet = F.new { ledger = postgres.database(), lease = F.LEASE }
      fleet:start(8)
      assert.equal("8", fleet:query "SELECT count(*) FROM hookward.hosts WHERE gone_at IS NULL")
      assert.equal("1", fleet:query "SELECT count(*) FROM hookward.meta")
      for _, one in ipairs(fleet.hosts) do
        assert.equal(200, one.host:notify(H.event(F.EVENT), { id = "one" }).status)
      end
      assert.equal(1, fleet:findings().runs)
      fleet:stop()
    end
  end)

  it("end in order one after another under load, and are started again", function()
    local fleet = F.new { ledger = postgres.database(), lease = "60s" }
    fleet:start(3)
    local sender = F.sender(fleet)
    for round = 1, 6 do
      sender:run(0.4)
      local one = fleet.hosts[round % 3 + 1]
      one.host:signal "TERM"
      H.wait_until(function()
        sender:step()
        return not one.host:alive()
      end, "it to end")
      fleet:wait_killed(one.at)
      assert.equal(0, one.host.code, one.host:log())
      fleet:launch(one.at)
    end
    sender:finish(30) -- less than the lease: nothing waits for it
    local found = fleet:findings()
    F.tell(fleet, sender, found, "ended in order")
    journal.assert_kept(found)
    assert.equal(0, found.window + found.cut_short)
    assert.equal("1 " .. #sender.sent, fleet:states())
  end)
end)
