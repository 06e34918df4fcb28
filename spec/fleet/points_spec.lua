-- A host dies, or stands still, at a named point of a notification's way, and a copy of it comes to
-- another host: how often does it run?

local F = require "spec.support.fleet"
local H = require "spec.support.host"
local journal = require "spec.support.journal"
local postgres = require "spec.support.postgres"
local socket = require "socket"

if not postgres.installed() then return end

local CRASHING = os.getenv "HOOKWARD_CRASH"
local LEASE_S = tonumber((F.LEASE:gsub("s$", "")))

-- Sends a copy to one host of the fleet; returns the connection.
local function send(fleet, at, id, attempt)
  local client = fleet.hosts[at].host:connect()
  client:send(H.request(H.event(F.EVENT), { id = id, attempt = attempt or 0 }))
  return client
end

-- Waits for the answer to a copy, and notes a 200.
local function receive(fleet, client, id)
  local answer = client:receive()
  if answer and answer.status == 200 then fleet.journal:note("answered", id) end
  return answer
end

local function deliver(fleet, at, id, attempt) return receive(fleet, send(fleet, at, id, attempt), id) end

local function new(point, variable, more)
  assert(CRASHING, "HOOKWARD_CRASH names a binary with crash points (see the Makefile)")
  local options = {
    ledger = postgres.database(), lease = F.LEASE, handler = "socket.sleep(0.02)", binary = CRASHING,
    env = function(at) return at == 1 and point and ("%s=%s"):format(variable, point) or "" end,
  }
  for name, value in pairs(more or {}) do options[name] = value end
  return F.new(options)
end

-- Waits until a host stands still.
local function wait_still(host)
  H.wait_until(function() return host:state() == "T" end, "the host to stand still")
end

local function runs(fleet) return fleet:findings().runs end

describe("a host of several that dies at a named point", function()
  after_each(H.stop_all)

  -- point -> runs in all; 2 is the window that is there with one host, too
  local POINTS = {
    ["before-claim"] = 1, ["after-claim"] = 1, ["before-handler"] = 1, ["after-handler"] = 2,
    ["before-settle"] = 2, ["after-settle"] = 1, ["before-answer"] = 1,
  }
  for point, expected in pairs(POINTS) do
    it(("%s: the copy at another host gets its 200 within the lease, after %d in all"):format(point, expected),
      function()
        local fleet = new(point, "HOOKWARD_CRASH_AT"):start(2)
        send(fleet, 1, "one")
        fleet:wait_killed(1)
        assert.equal(9, fleet.hosts[1].host.killed_by)
        local began = socket.gettime()
        assert.equal(200, deliver(fleet, 2, "one", 1).status)
        assert.is_true(socket.gettime() - began < LEASE_S + 1, "it took longer than the lease")
        assert.equal(expected, runs(fleet))
        assert.equal(200, deliver(fleet, 2, "one", 2).status)
        assert.equal(expected, runs(fleet))
        journal.assert_kept(fleet:findings())
      end)
  end
end)

describe("a host of several that stands still for longer than the lease", function()
  after_each(H.stop_all)

  -- Where its own clock shows it the lease's end before the handler, it must not run what it had.
  local POINTS = {
    ["before-claim"] = 1, ["after-claim"] = 1, ["before-handler"] = 1, ["after-handler"] = 2,
    ["before-settle"] = 2, ["after-settle"] = 1,
  }
  for point, expected in pairs(POINTS) do
    it(("%s: it runs %d in all"):format(point, expected), function()
      local folder = H.folder()
      local fleet = new(folder, "HOOKWARD_STOP_AT"):start(2)
      H.write(folder .. "/" .. point, "")
      local waiting = send(fleet, 1, "one")
      local host = fleet.hosts[1].host
      wait_still(host)
      assert.equal(200, deliver(fleet, 2, "one", 1).status)
      os.remove(folder .. "/" .. point)
      -- Its lease is over, and nobody renews it meanwhile.
      H.wait_until(function()
        return fleet:query "SELECT count(*) FROM hookward.hosts WHERE gone_at IS NOT NULL" == "1"
      end, "it to be declared gone")
      host:signal "CONT"
      local answer = receive(fleet, waiting, "one")
      assert.is_true(answer.status == 200 or answer.error == "ledger_unavailable", answer.body)
      -- It joins anew, which takes it a moment.
      H.wait_until(function() return deliver(fleet, 1, "one", 2).status == 200 end, "a 200 of it")
      assert.equal(expected, runs(fleet))
      -- What ran here has ended before the other began: nobody was frozen within it.
      journal.assert_kept(fleet:findings(), { again = true })
      fleet:stop()
      assert.equal(0, fleet.hosts[1].code)
    end)
  end

  it("within a handler: its outcome is refused, with the name of the host that has taken it over", function()
    local fleet = new(nil, nil, { handler = "socket.sleep(0.5)" }):start(2)
    local waiting = send(fleet, 1, "one")
    H.wait_until(function() return runs(fleet) == 1 end, "it to begin")
    local host = fleet.hosts[1].host
    host:signal "STOP"
    assert.equal(200, deliver(fleet, 2, "one", 1).status)
    host:signal "CONT"
    assert.equal("ledger_unavailable", receive(fleet, waiting, "one").error)
    host:wait_log "error [^\n]*one[^\n]*h2"
    H.wait_until(function() return deliver(fleet, 1, "one", 2).status == 200 end, "a 200 of it")
    assert.equal(2, runs(fleet))
  end)
end)

describe("a copy at one host, while another has it", function()
  after_each(H.stop_all)

  it("waits, and gets the same 200 after one run", function()
    local fleet = new(nil, nil, { handler = "socket.sleep(1)" }):start(2)
    local first = send(fleet, 1, "one")
    H.wait_until(function() return runs(fleet) == 1 end, "it to begin")
    local second = send(fleet, 2, "one")
    assert.same({ 200, 200 }, { receive(fleet, first, "one").status, receive(fleet, second, "one").status })
    assert.equal(1, runs(fleet))
    journal.assert_kept(fleet:findings())
  end)

  it("gets the same refusal, and the delivery after it runs", function()
    local fleet = new(nil, nil, { handler = [[
      socket.sleep(1)
      if job.attempt == 0 then return nil, "not yet" end]] }):start(2)
    local first = send(fleet, 1, "one")
    H.wait_until(function() return runs(fleet) == 1 end, "it to begin")
    local second = send(fleet, 2, "one")
    local answers = { receive(fleet, first, "one"), receive(fleet, second, "one") }
    for _, answer in ipairs(answers) do
      assert.same({ 400, "handler_refused" }, { answer.status, answer.error })
    end
    assert.equal(answers[1].body, answers[2].body)
    assert.equal(1, runs(fleet))
    assert.equal(200, deliver(fleet, 2, "one", 1).status)
    assert.equal(2, runs(fleet))
    journal.assert_kept(fleet:findings())
  end)

  it("takes it over when that host is killed, within the lease", function()
    local fleet = new(nil, nil, { handler = "socket.sleep(job.redelivered and 0 or 20)" }):start(2)
    send(fleet, 1, "one")
    H.wait_until(function() return runs(fleet) == 1 end, "it to begin")
    local second = send(fleet, 2, "one")
    socket.sleep(0.3)
    local began = socket.gettime()
    fleet:kill(1)
    assert.equal(200, receive(fleet, second, "one").status)
    assert.is_true(socket.gettime() - began < LEASE_S + 1, "it took longer than the lease")
    assert.equal(2, runs(fleet))
    journal.assert_kept(fleet:findings())
  end)

  it("runs at once when that host ends in order and lets go what it has not begun", function()
    local gate = H.gate()
    local fleet = new(nil, nil, {
      handler = "if host:find '^h1' then wait() end", before = gate.source, lease = "60s",
      config = "workers = 1, drain_timeout = '300ms',",
    }):start(2)
    for i = 1, 5 do send(fleet, 1, "n-" .. i) end
    H.wait_until(function() return fleet:states() == "6 5" end, "all to be taken")
    fleet.hosts[1].host:signal "TERM"
    fleet.hosts[1].host:wait_log "cut off"
    gate:open(5)
    fleet:wait_killed(1)
    for i = 1, 5 do assert.equal(200, deliver(fleet, 2, "n-" .. i, 1).status) end
    local found = fleet:findings()
    journal.assert_kept(found)
    assert.equal(5, found.runs)
    assert.equal("1 5", fleet:states())
  end)
end)
