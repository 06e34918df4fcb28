-- The crew of threads: handlers that block do not delay other notifications.

local H = require "spec.support.host"

describe("the crew", function()
  local host, gate
  after_each(H.stop_all)

  -- Handlers of G.* wait at the gate.
  local function start(config, more)
    gate = H.gate()
    host = H.start { config = config, handlers = { ["a.lua"] = gate.source .. [[
      local hook = require "hookward"
      hook.on("G.*", function() wait() end)
      hook.on("A.Done", function() end)
    ]] .. (more or "") } }
  end

  local function send(body, options)
    local request = H.request(body, options)
    local client = host:connect()
    client:send(request)
    return client
  end

  local function refuse_noise()
    local answer, client = host:raw("no HTTP\r\n\r\n")
    assert.equal("malformed_request", answer.error)
    client:close()
  end

  -- Fills `count` VMs with handlers that wait at the gate.
  local function block(count)
    local clients = {}
    for i = 1, count do clients[i] = send(H.event("G.Wait"), { id = "wait-" .. i }) end
    host:wait_log_count("begun", count)
    return clients
  end

  local function release(clients)
    gate:open(#clients)
    for _, client in ipairs(clients) do
      assert.equal(200, client:receive().status)
      client:close()
    end
  end

  it("has threads with names that `top -H` shows", function()
    start "workers = 3"
    local function names()
      local found = {}
      for id in require "lfs".dir(("/proc/%d/task"):format(host.pid)) do
        local name = id:match("%d") and H.read(("/proc/%d/task/%s/comm"):format(host.pid, id))
        found[#found + 1] = name and name:match("hookward%-%S+")
      end
      table.sort(found)
      return table.concat(found, " ")
    end
    local all = "hookward-crew hookward-crew hookward-crew hookward-crew hookward-keeper "
      .. "hookward-log hookward-reload hookward-watch"
    H.wait_until(function() return names() == all end, all)
  end)

  it("runs handlers while six of eight VMs are blocked", function()
    start "workers = 8"
    local blocked = block(6)
    local body = H.event("A.Done")
    local client = host:connect()
    for _ = 1, 200 do
      client:send(H.request(body))
      assert.equal(200, client:receive().status)
    end
    for _, waiting in ipairs(blocked) do assert.is_true(waiting:is_silent()) end
    release(blocked)
    assert.equal(0, host:stop())
  end)

  it("runs many at once on the VMs that are left", function()
    start "workers = 8"
    local blocked = block(6)
    local clients = {}
    for i = 1, 40 do clients[i] = send(H.event("A.Done")) end
    for _, client in ipairs(clients) do assert.equal(200, client:receive().status) end
    release(blocked)
  end)

  it("accepts, refuses and reports while every VM is blocked", function()
    start "workers = 8"
    local blocked = block(8)
    local queued = {}
    for i = 1, 5 do queued[i] = send(H.event("A.Done"), { id = "queued-" .. i }) end
    for _ = 1, 20 do
      assert.equal(404, host:notify(H.event("A.Done"), { path = "/other" }).status)
      assert.equal("missing_signature", host:notify("{}", { signature = false }).error)
      refuse_noise()
    end
    host:wait_log("refused error=malformed_request")
    for _, client in ipairs(queued) do assert.is_true(client:is_silent()) end
    gate:open() -- one VM is enough for all of them
    for _, client in ipairs(queued) do assert.equal(200, client:receive().status) end
    gate:open(7)
    for _, client in ipairs(blocked) do assert.equal(200, client:receive().status) end
    assert.equal(0, host:stop())
  end)

  it("processes the queue in order of arrival", function()
    start("workers = 1", [[
      hook.on("N.*", function(event) hook.log.info("turn", { n = event.N }) end)
    ]])
    local blocked = block(1)
    local clients = {}
    for i = 1, 20 do
      clients[i] = send(H.event("N.N", '"N":' .. i))
      host:notify("{}", { signature = false }) -- so that this one is read before the next
    end
    release(blocked)
    for _, client in ipairs(clients) do assert.equal(200, client:receive().status) end
    host:wait_log_count(" turn ", 20)
    local turns = {}
    for n in host:log():gmatch(" turn [^\n]*n=(%d+)") do turns[#turns + 1] = tonumber(n) end
    local expected = {}
    for i = 1, 20 do expected[i] = i end
    assert.same(expected, turns)
  end)

  it("does not count time in the queue as the handler's time", function()
    start "workers = 1, handler_timeout = 0.2, queue_timeout = 20"
    local blocked = block(1)
    local queued = {}
    for i = 1, 3 do queued[i] = send(H.event("A.Done"), { id = "queued-" .. i }) end
    assert.equal("handler_timeout", blocked[1]:receive().error)
    H.wait_until(function() return host:log():find("stuck past", 1, true) end, "the report")
    for _, client in ipairs(queued) do assert.is_true(client:is_silent()) end
    gate:open()
    for _, client in ipairs(queued) do assert.equal(200, client:receive().status) end
    host:wait_log("succeeded event=G%.Wait [^\n]*status=400 answered=handler_timeout ")
    assert.equal(1, host:count_log("handler_timeout [^\n]*waited_ms"))
  end)

  it("refuses what no worker took within queue_timeout, and never runs it", function()
    start "workers = 1, handler_timeout = 20, queue_timeout = 0.1"
    local blocked = block(1)
    local queued = send(H.event("A.Done"), { id = "late" })
    local copy = send(H.event("A.Done"), { id = "late" }) -- joins, and gets the same answer
    local behind = send(H.event("A.Done"), { id = "late", signature = H.sign("another body") })
    for _, client in ipairs { queued, copy, behind } do
      assert.equal("queue_timeout", client:receive().error)
    end
    host:wait_log_count("refused job=late attempt=0 error=queue_timeout status=400 "
      .. "waited_ms=%d%d%d%.%d%d ms=0%.00 ", 2)
    assert.is_true(blocked[1]:is_silent())
    release(blocked)
    assert.equal(200, host:notify(H.event("A.Done"), { id = "late", attempt = 1 }).status)
    assert.equal(1, host:count("succeeded event=A%.Done job=late"))
    assert.equal(0, host:stop())
  end)

  it("logs for each notification the answer that its sender got", function()
    start "workers = 2, handler_timeout = 0.15, queue_timeout = 0.3"
    local clients, told = {}, {}
    for i = 1, 6 do clients[i] = send(H.event("G.Wait"), { id = "t-" .. i .. "." }) end
    for i, client in ipairs(clients) do told["t-" .. i .. "."] = client:receive() end
    gate:open(6)
    for id, answer in pairs(told) do
      assert.equal(400, answer.status)
      local line = host:wait_log("([^\n]*job=" .. id:gsub("%p", "%%%0") .. " [^\n]*waited_ms[^\n]*)")
      assert.matches(" status=400 ", line)
      assert.matches((answer.error == "queue_timeout" and "error=" or "answered=") .. answer.error, line)
    end
  end)

  it("works with one VM", function()
    start "workers = 1"
    local body = H.event("A.Done")
    for _ = 1, 50 do assert.equal(200, host:notify(body).status) end
    local blocked = block(1)
    assert.equal(404, host:notify(body, { path = "/" }).status)
    local queued = send(body)
    refuse_noise()
    release(blocked)
    assert.equal(200, queued:receive().status)
    assert.equal(0, host:stop())
  end)

  it("works with 64 VMs", function()
    start "workers = 64"
    local blocked = block(60)
    assert.equal(200, host:notify(H.event("A.Done")).status)
    release(blocked)
    assert.equal(0, host:stop())
  end)

  -- Takes 5 s, since a thread is given up only after 5 s of CPU time.
  it("gives up the thread of a loop that nothing stops, and goes on #long", function()
    host = H.start { ledger = "hookward.db", config = "workers = 1, handler_timeout = 0.1",
      handlers = { ["a.lua"] = [[
        local hook = require "hookward"
        hook.on("L.L", function(event)
          hook.log.info("begun")
          local meta = { __gc = true }
          setmetatable({}, meta)
          meta.__gc = function() while true do end end -- set later, so that it can't be wrapped
          collectgarbage()
        end)
        hook.on("A.Done", function() end)
      ]] } }
    local loop, done = H.event("L.L"), H.event("A.Done")
    assert.equal("handler_timeout", host:notify(loop, { id = "lost" }).error)
    host:wait_log("error a handler that can't be stopped was given up[^\n]* event=L%.L job=lost ")
    host:wait_log('failed event=L%.L job=lost attempt=0 error=handler_timeout next="Accredit delivers '
      .. 'again" status=400 ')
    assert.equal(200, host:notify(done).status)
    assert.equal("handler_timeout", host:notify(loop, { id = "lost", attempt = 1 }).error)
    assert.equal(1, host:count_log(" begun "))
    local rows = H.sh(("sqlite3 %s/hookward.db 'select state from notifications order by 1'")
      :format(host.folder))
    assert.equal("1\n2\n", rows)
    local checked = H.sh(("cd %s && %s check"):format(host.folder, H.binary))
    assert.matches("warning: the running host has replaced 1 of its workers", checked, 1, true)
    assert.equal(1, host:stop())
    assert.matches("never came back", host:log())
  end)

  it("is not held up by handlers that use the CPU", function()
    start("workers = 4", [[
      local stop = os.getenv("PWD") .. "/stop"
      hook.on("C.*", function()
        hook.log.info("computing")
        repeat
          for _ = 1, 1e6 do end
          local file = io.open(stop)
        until file
      end)
    ]])
    local busy = {}
    for i = 1, 3 do busy[i] = send(H.event("C.C"), { id = "c-" .. i }) end
    host:wait_log_count("computing", 3)
    for _ = 1, 10 do assert.equal(200, host:notify(H.event("A.Done")).status) end
    H.write(host.folder .. "/stop", "")
    for _, client in ipairs(busy) do assert.equal(200, client:receive().status) end
  end)

  it("gives each of many clients its own answer", function()
    start(nil, [[
      hook.on("E.*", function(event) return nil, "n" .. event.N end)
    ]])
    local requests, clients = {}, {}
    for n = 1, 30 do
      local body = H.event("E.E", '"N":' .. n)
      H.sign(body)
      requests[n] = body
    end
    for n = 1, 30 do
      clients[n] = host:connect()
      for i = 0, 9 do clients[n]:send(H.request(requests[(n + i * 7) % 30 + 1])) end
    end
    for n, client in ipairs(clients) do
      for i = 0, 9 do
        assert.equal("n" .. (n + i * 7) % 30 + 1, client:receive().message)
      end
      client:close()
    end
    assert.equal(0, host:stop())
  end)
end)
