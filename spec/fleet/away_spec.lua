-- PostgreSQL goes away under load and comes back: its connections end, it restarts, its disk is full.
-- No handler runs twice for it, and the hosts are back within a second.

local F = require "spec.support.fleet"
local H = require "spec.support.host"
local journal = require "spec.support.journal"
local postgres = require "spec.support.postgres"
local socket = require "socket"

if not postgres.installed() then return end

-- A second, which a busy machine stretches.
local BACK_S = os.getenv "HOOKWARD_SPEC_PATIENCE" and 3 or 1

describe("PostgreSQL under several hosts", function()
  local server

  after_each(function()
    H.stop_all()
    if server then server:close() end
    server = nil
  end)

  local function start(options, settings)
    server = postgres.start(settings)
    options = options or {}
    options.ledger, options.lease = server:url(), options.lease or "10s"
    return F.new(options):start(options.count or 2)
  end

  -- All was answered, and nothing ran twice without a handler's own failure.
  local function assert_kept(fleet, sender, name)
    sender:finish()
    local found = fleet:findings()
    F.tell(fleet, sender, found, name)
    journal.assert_kept(found)
    assert.equal(0, found.window + found.cut_short)
    H.wait_until(function() return fleet:states() == "1 " .. #sender.sent end, "all to be recorded")
    assert.equal("0", fleet:query "SELECT count(*) FROM hookward.hosts WHERE gone_at IS NOT NULL")
  end

  it("ends all connections six times: nobody notices", function()
    local fleet = start()
    local sender = F.sender(fleet)
    for _ = 1, 6 do
      sender:run(0.5)
      assert.is_true(tonumber(server:terminate()) >= 2)
    end
    sender:run(0.3)
    assert_kept(fleet, sender, "connections end")
    assert.is_nil(sender.statuses["400 ledger_unavailable"])
  end)

  for _, mode in ipairs { "fast", "immediate" } do
    it(("restarts (%s): 400 at once while it is away, 200 within a second of its return"):format(mode), function()
      local fleet = start()
      local sender = F.sender(fleet)
      local firsts = {}
      sender:run(0.7)
      for _ = 1, 3 do
        server:down(mode)
        local away = socket.gettime()
        sender:run(0.6)
        for _, one in ipairs(fleet.hosts) do
          local before = socket.gettime()
          local answer = one.host:notify(H.event(F.EVENT), { id = ("away-%f"):format(before) })
          assert.equal("ledger_unavailable", answer.error)
          assert.is_true(socket.gettime() - before < 0.5, "it was not answered at once")
        end
        local first
        function sender.on_answer(copy, status)
          if status == 200 and copy.since > away and not first then first = socket.gettime() end
        end
        server:up()
        local back = socket.gettime()
        H.wait_until(function()
          sender:step()
          return first
        end, "a first 200")
        firsts[#firsts + 1] = ("%.2f"):format(first - back)
        assert.is_true(first - back < BACK_S, ("the first 200 came after %.2f s"):format(first - back))
        sender:run(0.7)
      end
      assert_kept(fleet, sender, ("restarts (%s), first 200 after %s s"):format(mode, table.concat(firsts, ", ")))
      for _, one in ipairs(fleet.hosts) do
        assert.equal(3, one.host:count_log "PostgreSQL is away", one.host:log())
        assert.equal(3, one.host:count_log "PostgreSQL is back", one.host:log())
      end
    end)
  end

  it("is away for longer than the lease, under a run that is longer still: nobody is declared gone", function()
    local fleet = start { lease = "2s", handler = "socket.sleep(6)" }
    local clients = {}
    for at = 1, 2 do
      clients[at] = fleet.hosts[at].host:connect()
      clients[at]:send(H.request(H.event(F.EVENT), { id = "long", attempt = at - 1 }))
      H.wait_until(function() return fleet:findings().runs == 1 end, "it to begin")
    end
    server:down "fast"
    socket.sleep(4)
    server:up()
    for at = 1, 2 do
      local answer = clients[at]:receive()
      assert.is_true(answer.status == 200 or answer.error == "ledger_unavailable", answer.body)
      H.wait_until(function()
        return fleet.hosts[at].host:notify(H.event(F.EVENT), { id = "long", attempt = 3 }).status == 200
      end, "a 200")
    end
    assert.equal(1, fleet:findings().runs)
    assert.equal("0", fleet:query "SELECT count(*) FROM hookward.hosts WHERE gone_at IS NOT NULL")
  end)

  it("is away when a host starts: it answers 400, is not ready, and joins by itself", function()
    server = postgres.start()
    server:down()
    local fleet = F.new { ledger = server:url(), lease = F.LEASE }:start(1)
    local host = fleet.hosts[1].host
    assert.equal("ledger_unavailable", host:notify(H.event(F.EVENT), { id = "early" }).error)
    server:up()
    H.wait_until(function() return host:notify(H.event(F.EVENT), { id = "early", attempt = 1 }).status == 200 end,
      "a 200")
    assert.equal(1, fleet:findings().runs)
  end)

  it("has no room on its disk any more, and has it again", function()
    if H.sh "id -u" ~= "0\n" then return pending "mounting takes root" end
    local disk = H.folder()
    if not H.sh(("mount -t tmpfs -o size=80m,mode=777 none %s"):format(disk)) then return pending "no mount" end
    finally(function()
      H.stop_all()
      if server then server:close() end
      server = nil
      H.sh("umount " .. disk)
    end)
    local fleet = start({}, { initdb = "--waldir=" .. disk .. "/wal --wal-segsize=1",
      settings = { max_wal_size = "'32MB'", min_wal_size = "'2MB'" } })
    local sender = F.sender(fleet)
    sender:run(0.7)
    H.sh(("dd if=/dev/zero of=%s/filler bs=64k"):format(disk))
    assert(H.sh(("test -s %s/filler"):format(disk)))
    H.wait_until(function()
      pcall(server.query, server, "CREATE TABLE x AS SELECT generate_series(1, 99999)")
      pcall(server.query, server, "INSERT INTO x SELECT generate_series(1, 99999)")
      sender:step()
      return sender.statuses["400 ledger_unavailable"]
    end, "the disk to be full")
    sender:run(0.5)
    os.remove(disk .. "/filler")
    -- It ends when it can't write its log; its supervisor starts it again.
    if not pcall(server.query, server, "SELECT 1") then
      pcall(server.down, server, "immediate")
      server:up()
    end
    sender:run(1)
    assert_kept(fleet, sender, "disk full")
  end)
end)
