-- PostgreSQL is there, and yet not all goes well: a row is locked by hand, a standby may lack a commit, it
-- takes too few connections.

local F = require "spec.support.fleet"
local H = require "spec.support.host"
local journal = require "spec.support.journal"
local postgres = require "spec.support.postgres"
local socket = require "socket"

if not postgres.installed() then return end

describe("PostgreSQL under several hosts", function()
  local server

  after_each(function()
    H.stop_all()
    if server then server:close() end
    server = nil
  end)

  local function start(options)
    server = postgres.start()
    options.ledger, options.lease = server:url(), "10s"
    return F.new(options):start(options.count or 2)
  end

  it("has a row that somebody locks by hand: all others go on, and its outcome is recorded late", function()
    local gate = H.folder() .. "/gate"
    local fleet = start { count = 1, handler = ("while job.id == 'one' and not io.open(%q) do socket.sleep(0.01) end")
      :format(gate) }
    local host = fleet.hosts[1].host
    local client = host:connect()
    client:send(H.request(H.event(F.EVENT), { id = "one" }))
    H.wait_until(function() return fleet:findings().runs == 1 end, "it to begin")
    local locked = io.popen(("psql -X -q -At -o /dev/null -d '%s' -c %q 2>/dev/null"):format(server:url(),
      "BEGIN; SELECT seq FROM hookward.notifications FOR UPDATE; SELECT pg_sleep(60); COMMIT"))
    local holds = "FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
    H.wait_until(function() return fleet:query("SELECT count(*) " .. holds) == "1" end, "the row to be locked")
    H.write(gate, "")
    assert.equal(400, client:receive().status)
    for i = 1, 20 do
      assert.equal(200, host:notify(H.event(F.EVENT), { id = "other-" .. i }).status)
    end
    assert.equal("20", fleet:query "SELECT count(*) FROM hookward.notifications WHERE state = 1")
    fleet:query("SELECT pg_terminate_backend(pid) " .. holds)
    locked:close()
    H.wait_until(function() return fleet:states() == "1 21" end, "its outcome to be recorded")
    assert.is_nil(host:log():find("is away", 1, true))
    assert.equal(21, fleet:findings().runs)
  end)

  -- Somebody ends the wait for a standby: PostgreSQL warns, and says that it has committed.
  for what, statement in pairs { claim = "INSERT INTO", outcome = "UPDATE" } do
    it(what == "claim" and "commits a claim that its standby may lack: no 200 before it is sure, and one run #long"
      or "commits an outcome that its standby may lack: no 200 before it is sure, and one run", function()
      local gate = H.gate()
      local fleet = start { before = gate.source, handler = "wait()" }
      local function deliver(at, attempt)
        local answer = fleet.hosts[at].host:notify(H.event(F.EVENT), { id = "one", attempt = attempt })
        if answer.status == 200 then fleet.journal:note("answered", "one") end
        return answer
      end
      local client = fleet.hosts[1].host:connect()
      local function send() client:send(H.request(H.event(F.EVENT), { id = "one" })) end
      if what == "outcome" then
        send()
        H.wait_until(function() return fleet:findings().runs == 1 end, "it to begin")
      end
      server:set("synchronous_standby_names", "nobody")
      server:reload()
      H.wait_until(function() return server:query "SHOW synchronous_standby_names" == "nobody" end, "the setting")
      if what == "claim" then send() end
      gate:open(10)
      H.wait_until(function()
        return server:query(([[SELECT pg_cancel_backend(pid) FROM pg_stat_activity
          WHERE wait_event = 'SyncRep' AND application_name LIKE 'hookward/h1%%'
          AND query LIKE '%s "hookward".notifications%%']]):format(statement)) == "t"
      end, "a commit that waits")
      assert.equal("ledger_unavailable", client:receive().error)
      assert.equal("ledger_unavailable", deliver(2, 1).error)
      server:set("synchronous_standby_names", "''")
      server:reload()
      H.wait_until(function() return deliver(2, 2).status == 200 end, "a 200")
      local found = fleet:findings()
      journal.assert_kept(found)
      assert.equal(1, found.runs)
      assert.equal("1 1", fleet:states())
    end)
  end

  it("takes too few connections: it is away until it takes enough, and the log says it once each way", function()
    server = postgres.start()
    server:query "CREATE ROLE few LOGIN CONNECTION LIMIT 2"
    server:query "GRANT CREATE ON DATABASE postgres TO few"
    local fleet = F.new { ledger = (server:url():gsub("postgres@", "few@")), lease = F.LEASE }:start(1)
    local host = fleet.hosts[1].host
    local ends = socket.gettime() + 2.5 -- longer than a return is taken for one that did not last
    while socket.gettime() < ends do
      host:notify(H.event(F.EVENT), { id = "few" })
      socket.sleep(0.05)
    end
    server:query "ALTER ROLE few CONNECTION LIMIT 3"
    H.wait_until(function() return host:notify(H.event(F.EVENT), { id = "enough" }).status == 200 end, "a 200")
    assert.equal(1, host:count_log "PostgreSQL is away", host:log())
    assert.equal(1, host:count_log "PostgreSQL is back", host:log())
  end)
end)
