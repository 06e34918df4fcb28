-- Three hosts share a ledger and are killed one after another, while each notification comes to any of
-- them, some twice at once. Nothing is lost, nothing runs after a 200, nothing runs side by side.
--
-- HOOKWARD_FLEET_ROUNDS kills, 3 by default, and a quarter of them where hosts run again by themselves;
-- HOOKWARD_FLEET_LEASE, 3 s by default.

local F = require "spec.support.fleet"
local H = require "spec.support.host"
local journal = require "spec.support.journal"
local postgres = require "spec.support.postgres"

if not postgres.installed() then return end

local ROUNDS = tonumber(os.getenv "HOOKWARD_FLEET_ROUNDS" or 3)
local FEWER = math.max(3, ROUNDS // 4)
local LANES = 7

describe("three hosts with one ledger that are killed", function()
  after_each(H.stop_all)

  before_each(function() math.randomseed(tonumber(os.getenv "HOOKWARD_CRASH_SEED" or os.time())) end)

  local function rounds(fleet, sender, kills)
    F.rounds(fleet, sender, { kills = kills, each = function() assert.equal("", fleet:forgotten()) end })
  end

  -- What the ledger says in the end.
  local function assert_settled(fleet, sender)
    fleet:wait_swept()
    assert.equal("", fleet:forgotten())
    assert.equal("1 " .. #sender.sent, fleet:states())
    fleet:stop()
    for _, one in ipairs(fleet.hosts) do assert.equal(0, one.code, one.host:log()) end
  end

  for name, way in pairs {
    ["directly"] = function(url) return url end,
    ["through a pooler in transaction mode"] = function(url) return postgres.pooler(url).url end,
  } do
    local tag = name == "directly" and "" or " #long"
    it("lose nothing and repeat nothing that was answered, " .. name .. tag, function()
      if tag ~= "" and not H.sh "command -v pgbouncer" then return pending "pgbouncer is not installed" end
      local direct = postgres.database()
      local url = way(direct)
      local fleet = F.new { ledger = direct, ledger_of = function() return url end, lease = F.LEASE }
      fleet:start(3)
      local sender = F.sender(fleet, { width = 64 })
      rounds(fleet, sender, ROUNDS)
      local found = fleet:findings()
      F.tell(fleet, sender, found, name)
      journal.assert_kept(found)
      assert_settled(fleet, sender)
    end)
  end

  -- The hosts try again by themselves, beside the sender's copies.
  it("keep their promises at the sender's last attempt #ci", function()
    local fleet = F.new { ledger = postgres.database(), lease = F.LEASE, config = "retries = { 1, 1, 1, 1, 1 }," }
    fleet:start(3)
    local sender = F.sender(fleet, { attempt = 5, width = 64 })
    rounds(fleet, sender, FEWER)
    local found = fleet:findings()
    F.tell(fleet, sender, found, "last attempt")
    journal.assert_kept(found)
    assert_settled(fleet, sender)
  end)

  it("run all that was accepted, in the order of its lane #ci", function()
    local fleet = F.new {
      ledger = postgres.database(), lease = F.LEASE, config = "retries = { 1, 1, 1, 1, 1 },",
      handler_options = "{ ack = 'first', key = function(event) return tostring(event.Lane) end }",
      handler = [[
        local number = tonumber(job.id:match "%d+$")
        socket.sleep(number % 5 * 0.004)
        if number % 25 == 7 and job.retry == 0 then return nil, "not yet" end
      ]],
    }
    fleet:start(3)
    local sender = F.sender(fleet, { width = 12, body = function(number)
      return H.event(F.EVENT, ('"Lane":%d'):format(number % LANES))
    end })
    rounds(fleet, sender, FEWER)
    local expected = "1 " .. #sender.sent
    H.wait_until(function() return fleet:states() == expected end, "all that was accepted to succeed")
    local found = fleet:findings(true, function(id) return tonumber(id:match "%d+$") % LANES end)
    F.tell(fleet, sender, found, "accepted")
    journal.assert_kept(found)
    assert_settled(fleet, sender)
  end)
end)
