-- One host takes over from another, with the same listening sockets, under load: nothing is lost.

local H = require "spec.support.host"
local cli = require "spec.support.cli"
local handover = require "spec.support.handover"
local lfs = require "lfs"
local load = require "spec.support.load"
local manager = require "spec.support.manager"

local BODY = H.event("A.Done")

describe("an upgrade", function()
  local given, folder
  before_each(function() folder = H.folder() end)
  after_each(function()
    H.stop_all()
    manager.stop_all()
    handover.close_all()
  end)

  -- A handler that takes a moment, and writes down each run.
  local function handlers()
    return { ["a.lua"] = ([[
      local runs = assert(io.open(%q, "a"))
      runs:setvbuf("no")
      require "hookward".on("*", function(_, job)
        local until_time = os.clock() + 0.001
        while os.clock() < until_time do end
        runs:write(job.id .. "\n")
      end)
    ]]):format(folder .. "/runs") }
  end

  -- Hosts of one project: they have the ledger, the control socket and the sockets in common.
  local function start(options)
    options = options or {}
    return H.start { handlers = options.handlers or handlers(), ledger = folder .. "/hookward.db",
      listen = options.listen or '"systemd"', wrap = given:wrap(), env = options.env,
      fails = options.waits, config = ('control = "%s/control", drain_timeout = %s'):format(folder,
        options.drain_timeout or 30) }
  end

  local function runs()
    local counts = {}
    for id in H.read(folder .. "/runs"):gmatch("[^\n]+") do counts[id] = (counts[id] or 0) + 1 end
    return counts
  end

  -- Loads the sockets, half with keep-alive, while `rounds` hosts take over, one after the other.
  -- Every one must have answered `each` notifications.
  local function upgrade(rounds, each)
    local hosts, count, mark = { start() }, 0, 0
    local function go_on(so_far)
      local host, after = hosts[#hosts - 1], hosts[#hosts]
      if host and host.pid and not host.stopping then
        if after:log():find("waiting for the ledger", 1, true) then
          host.stopping = true
          host:signal("TERM")
        end
      elseif so_far.count >= mark + each and after:log():find("listening on", 1, true) then
        mark = so_far.count
        if #hosts > rounds then count = math.huge else hosts[#hosts + 1] = start { waits = true } end
      end
      return false
    end
    local result = load.run { port = given.port, connections = 16, reopens = true,
      next_id = function()
        if count < math.huge then
          count = count + 1
          return "job-" .. count
        end
      end,
      request = function(id, connection)
        return H.request(BODY, { id = id, close = connection % 2 == 0 })
      end,
      stop = go_on }
    return result, hosts
  end

  local function check(rounds, each)
    given = handover.new()
    local result, hosts = upgrade(rounds, each)
    assert.is_false(result.broken)
    local ran = runs()
    for _, id in ipairs(result.sent) do
      assert.equal(200, result.answered[id])
      assert.equal(1, ran[id], id)
    end
    for i = 1, #hosts - 1 do
      assert.equal(0, hosts[i]:wait())
      assert.is_nil(hosts[i]:log():find("draining", 1, true))
    end
    assert.equal(rounds + 1, #hosts)
    assert.equal(0, hosts[#hosts]:stop())
  end

  it("loses nothing under load, and runs each notification once", function() check(1, 300) end)

  it("loses nothing when one follows another #long", function() check(8, 300) end)

  -- Each client is a curl of its own, so handshakes are under way at any moment.
  it("loses no client that speaks TLS #long", function()
    assert(H.sh(("cd %s && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 20 "
      .. "-subj /CN=localhost -addext subjectAltName=IP:127.0.0.1 -keyout key.pem -out cert.pem"):format(folder)))
    given = handover.new()
    local options = { listen = ('{ "systemd", tls = { cert = "%s/cert.pem", key = "%s/key.pem" } }'):format(folder,
      folder) }
    H.write(folder .. "/body", BODY)
    H.write(folder .. "/send", ([[
      cd %s
      while [ ! -e enough ]; do
        curl -s -o /dev/null -w '%%{http_code}\n' --cacert cert.pem -H 'X-Signature: %s' --data-binary @body \
          https://127.0.0.1:%d/baseWebhookNotification
      done >>statuses.$1
      touch done.$1]]):format(folder, H.sign(BODY), given.port))
    local first = start(options)
    for i = 1, 6 do os.execute(("sh %s/send %d &"):format(folder, i)) end
    local function answers() return H.sh(("cat %s/statuses.*"):format(folder)) or "" end
    local function wait_for_more(count)
      local before = select(2, answers():gsub("\n", ""))
      H.wait_until(function() return select(2, answers():gsub("\n", "")) >= before + count end, "answers")
    end
    local log, host = "", first
    for _ = 1, 3 do
      wait_for_more(20)
      options.waits = true
      local after = start(options)
      after:wait_log("waiting for the ledger")
      assert.equal(0, host:stop())
      log, host = log .. host:log(), after
    end
    wait_for_more(20)
    H.write(folder .. "/enough", "")
    for i = 1, 6 do
      H.wait_until(function() return lfs.attributes(("%s/done.%d"):format(folder, i)) end, "the clients to end")
    end
    assert.equal("", (answers():gsub("200\n", "")))
    assert.equal(0, host:stop())
    assert.is_nil((log .. host:log()):find("[^\n]*handshake[^\n]*failed"))
  end)

  it("waits until the host before has ended, and says so", function()
    given = handover.new { "127.0.0.1:0", "unix:" .. folder .. "/http" }
    local m = manager.new()
    local first = start()
    local second = start { waits = true, env = m.env, drain_timeout = 7 }
    local _, waiting = m:wait("STATUS=waiting for the ledger, another host has it")
    assert.equal("22000000", waiting.EXTEND_TIMEOUT_USEC)
    second:wait_log("waiting for the ledger, for up to 12 s: another host has it; new connections wait")
    assert.equal(1, #m.all) -- not ready
    assert.equal(0, cli.run { "status", cwd = first.folder }.code) -- the first one's control socket
    assert.equal(0, first:stop())
    local client = first:connect() -- waits in the queue if need be
    client:send(H.request(BODY))
    assert.equal(200, client:receive().status)
    m:wait("READY=1")
    second:wait_log("succeeded")
    client = assert(H.connect_unix(folder .. "/http"))
    client:send(H.request(BODY))
    assert.equal(200, client:receive().status)
    assert.equal(0, cli.run { "reload", cwd = second.folder }.code) -- its own control socket
    assert.equal(0, second:stop())
    assert.equal("socket", lfs.attributes(folder .. "/http", "mode"))
    assert.is_nil(lfs.attributes(folder .. "/control"))
  end)

  it("can be called off while it waits", function()
    given = handover.new()
    local first = start()
    for _, signal in ipairs { "TERM", "INT" } do
      local second = start { waits = true }
      second:wait_log("waiting for the ledger")
      second:signal(signal)
      assert.equal(0, second:wait())
      assert.is_nil(second:log():find("error", 1, true))
      assert.equal(1, select(2, second:log():gsub("\n", "")))
    end
    assert.equal(200, first:notify(BODY).status)
    assert.equal(0, first:stop())
  end)

  it("is given up when the host before does not end #long", function()
    given = handover.new()
    local first = start()
    local second = start { waits = true, drain_timeout = 0 }
    second:wait_log("for up to 5 s")
    assert.equal(1, second:wait())
    assert.matches("another hookward is serving with this ledger", second:log())
    assert.equal(200, first:notify(BODY).status)
    assert.equal(0, first:stop())
  end)

  it("does not wait for an error in what it was given", function()
    given = handover.new()
    local first = start()
    local second = start { waits = true, listen = '"systemd:web"' }
    assert.equal(1, second:wait())
    assert.matches("no socket of that name", second:log())
    assert.equal(0, first:stop())
  end)

  it("is refused at once when the sockets were not handed over", function()
    given = handover.new()
    local first = start()
    local second = start { waits = true, listen = '"127.0.0.1:0"' }
    assert.equal(1, second:wait())
    assert.matches("another hookward is serving with this ledger", second:log())
    assert.equal(0, first:stop())
  end)

  it("lets in what clients send that were connected, for a moment", function()
    given = handover.new()
    local host = start()
    local old, fresh, idle = host:connect(), host:connect(), host:connect()
    old:send(H.request(BODY))
    assert.equal(200, old:receive().status)
    H.wait_until(function() -- the fourth is the command's own
      return cli.run { "status", "--json", cwd = host.folder }.out:find('"connections":%s*4')
    end, "all to be accepted")
    host:signal("TERM")
    host:wait_log("stopping")
    for _, client in ipairs { old, fresh } do
      client:send(H.request(BODY))
      local answer = client:receive()
      assert.equal(200, answer.status)
      assert.equal("close", answer.headers.connection)
      assert.is_true(client:is_closed())
    end
    assert.is_true(idle:is_closed())
    assert.equal(0, host:wait())
  end)
end)

describe("a host that stops", function()
  after_each(H.stop_all)

  it("leaves the control socket that another has put in the place of its own", function()
    local host = H.start { handlers = { ["a.lua"] = 'require "hookward".on("*", function() end)' } }
    local path = host.folder .. "/.hookward.sock"
    assert(os.remove(path))
    local other = require "socket.unix".stream()
    assert(other:bind(path))
    assert.equal(0, host:stop())
    assert.equal("socket", lfs.attributes(path, "mode"))
    other:close()
  end)
end)
