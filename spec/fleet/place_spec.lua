-- A host that is killed and started again in its place: what it left behind does not wait for its lease.

local F = require "spec.support.fleet"
local H = require "spec.support.host"
local lfs = require "lfs"
local postgres = require "spec.support.postgres"

if not postgres.installed() then return end

local LOCK = "/.hookward.sock.lock"

-- Its first run never ends; the lease is longer than any wait of these tests.
local function start(count, options)
  local fleet = F.new { ledger = postgres.database(), lease = "5m",
    handler = "if job.run == 1 and job.id == 'one' then socket.sleep(600) end", handler_options = options }
  return fleet:start(count)
end

local function begun(fleet) return fleet:findings().runs end

local function send(fleet, at)
  local client = fleet.hosts[at].host:connect()
  client:send(H.request(H.event(F.EVENT), { id = "one" }))
  H.wait_until(function() return begun(fleet) == 1 end, "it to begin")
end

local function gone(fleet) return fleet:query "SELECT count(*) FROM hookward.hosts WHERE gone_at IS NOT NULL" end

describe("a host that was killed, and is started again in its place", function()
  after_each(H.stop_all)

  it("lets another host take over at once what it ran", function()
    local fleet = start(2)
    send(fleet, 1)
    fleet:kill(1)
    fleet:launch(1)
    fleet:wait_for(1)
    fleet.hosts[1].host:wait_log "h1%) has ended; what it left behind is taken over at once"
    assert.equal(200, fleet.hosts[2].host:notify(H.event(F.EVENT), { id = "one", attempt = 1 }).status)
    assert.equal(2, begun(fleet))
  end)

  it("has what was accepted run again at once", function()
    local fleet = start(1, '{ ack = "first" }')
    send(fleet, 1)
    fleet:kill(1)
    fleet:launch(1)
    H.wait_until(function() return fleet:states() == "1 1" end, "it to succeed")
    assert.equal(2, begun(fleet))
  end)

  it("has ended in order: nobody is declared gone", function()
    local fleet = start(1)
    fleet:stop()
    fleet:launch(1)
    fleet:wait_for(1)
    assert.equal("1", gone(fleet))
    assert.is_nil(fleet.hosts[1].host:log():find("has ended", 1, true))
  end)
end)

describe("a host that may still run", function()
  after_each(H.stop_all)

  it("stays, when its folder is copied and a host is started in the copy", function()
    local fleet = start(1)
    send(fleet, 1)
    local other = F.new { ledger = fleet.options.ledger, lease = "5m" }
    other:start(1):stop()
    H.write(other.hosts[1].host.folder .. LOCK, H.read(fleet.hosts[1].host.folder .. LOCK))
    other:launch(1)
    other:wait_for(1)
    assert.equal("1", gone(fleet)) -- the other's own start before
  end)

  it("stays, when a second host is started in its folder", function()
    local fleet = start(1)
    send(fleet, 1)
    local second = H.start { folder = fleet.hosts[1].host.folder .. "/.", fails = true,
      env = "HOOKWARD_TEST=1", listen = '"127.0.0.1:0"' }
    H.wait_until(function() return second:log():find("listening on", 1, true) or not second:alive() end,
      "it to listen or to end")
    assert.equal("0", gone(fleet))
  end)

  it("has no place in a folder that can't be written, and runs all the same", function()
    local fleet = start(1)
    fleet:kill(1)
    local lock = fleet.hosts[1].host.folder .. LOCK
    os.remove(lock)
    assert(lfs.mkdir(lock))
    fleet:launch(1)
    fleet:wait_for(1)
    assert.equal("0", gone(fleet))
    assert.equal(200, fleet.hosts[1].host:notify(H.event(F.EVENT), { id = "two" }).status)
  end)
end)
