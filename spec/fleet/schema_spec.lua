-- A fleet that is updated host by host: a newer hookward has added to the schema, others run on.

local F = require "spec.support.fleet"
local H = require "spec.support.host"
local postgres = require "spec.support.postgres"
local socket = require "socket"

if not postgres.installed() then return end

-- What a later step of the schema may do.
local STEP = [[
  ALTER TABLE hookward.notifications ADD COLUMN newer text, ADD COLUMN newest bigint NOT NULL DEFAULT 7;
  ALTER TABLE hookward.hosts ADD COLUMN newer text;
  CREATE INDEX newer ON hookward.notifications (newer) WHERE newer IS NOT NULL;
  UPDATE hookward.meta SET schema = schema + 1]]

describe("a fleet whose schema is newer than some of its hosts", function()
  local fleet

  before_each(function() fleet = F.new { ledger = postgres.database(), lease = F.LEASE } end)
  after_each(H.stop_all)

  local function status(at, id) return fleet.hosts[at].host:notify(H.event(F.EVENT), { id = id }).status end

  it("goes on beside it, and takes in more that are older", function()
    fleet:start(1)
    local sender = F.sender(fleet)
    sender:run(0.3)
    fleet:query(STEP)
    sender:run(0.5)
    fleet:launch(2)
    fleet:wait_for(2)
    sender:run(0.5)
    sender:finish(30)
    assert.equal(200, status(1, "both-1"))
    assert.equal(200, status(2, "both-1"))
    local found = fleet:findings()
    F.tell(fleet, sender, found, "beside a newer schema")
    assert.equal(0, found.window + found.cut_short)
    assert.is_nil(fleet.hosts[1].host:log():find("away", 1, true), fleet.hosts[1].host:log())
  end)

  it("refuses those that are too old for it, with what to do", function()
    fleet:start(1)
    fleet:query(STEP .. "; UPDATE hookward.meta SET compat = schema")
    fleet:launch(2)
    local old = fleet.hosts[2].host
    H.wait_until(function() return not old:alive() end, "the host to end")
    assert.matches('the schema "hookward" was written by a newer hookward .*; update this one', old:log())
  end)

  it("stops taking notifications when it has become too old", function()
    fleet:start(1)
    assert.equal(200, status(1, "before-1"))
    fleet:query(STEP .. "; UPDATE hookward.meta SET compat = schema")
    local host = fleet.hosts[1].host
    H.wait_until(function() return host:log():find("newer hookward", 1, true) end, "the host to notice")
    for _ = 1, 5 do
      assert.equal(400, status(1, "after-1"))
      socket.sleep(0.2)
    end
    fleet:query "UPDATE hookward.meta SET compat = 1"
    H.wait_until(function() return status(1, "after-1") == 200 end, "the host to come back")
  end)
end)
