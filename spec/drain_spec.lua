-- How the host stops: it finishes what was begun and begins nothing new.

local H = require "spec.support.host"

describe("when it is told to stop, the host", function()
  local host, gate
  after_each(H.stop_all)

  local BODY = H.event("A.Done")

  local function start(config)
    gate = H.gate()
    host = H.start { config = config, handlers = { ["a.lua"] = gate.source .. [[
      local hook = require "hookward"
      hook.on("G.*", function() wait() end)
      hook.on("A.Done", function() end)
    ]] } }
  end

  local function send(bytes)
    local client = host:connect()
    client:send(bytes)
    return client
  end

  -- Returns once the host has read all that was sent before.
  local function settle()
    host:notify(BODY)
  end

  local function told_to_stop(signal)
    host:signal(signal or "TERM")
    host:wait_log("stopping: finishing what was begun")
  end

  it("exits with 0 at SIGTERM and at SIGINT", function()
    for _, signal in ipairs { "TERM", "INT" } do
      start()
      settle()
      host:signal(signal)
      assert.equal(0, host:wait())
      assert.matches("stopped\n$", host:log())
    end
  end)

  it("treats a second SIGTERM as the first", function()
    start()
    local client = send(H.request(H.event("G.Wait")))
    host:wait_log("begun")
    told_to_stop()
    host:signal("TERM")
    gate:open()
    assert.equal(200, client:receive().status)
    assert.equal(0, host:wait())
  end)

  it("answers for a running handler, and then closes", function()
    start()
    local client = send(H.request(H.event("G.Wait")))
    host:wait_log("begun")
    told_to_stop()
    assert.is_true(host:alive())
    gate:open()
    local answer = client:receive()
    assert.equal(200, answer.status)
    assert.equal("close", answer.headers.connection)
    assert.is_true(client:is_closed())
    assert.equal(0, host:wait())
  end)

  it("answers what is in the queue", function()
    start "workers = 1"
    local running = send(H.request(H.event("G.Wait")))
    host:wait_log("begun")
    local queued = send(H.request(BODY))
    local noise = send("no HTTP\r\n\r\n") -- its answer shows that all sent before it was read
    assert.equal("malformed_request", noise:receive().error)
    noise:close()
    told_to_stop()
    gate:open()
    assert.equal(200, running:receive().status)
    assert.equal(200, queued:receive().status)
    assert.equal(0, host:wait())
  end)

  it("reads the rest of a body, processes the notification, and then closes", function()
    start()
    local request = H.request(BODY)
    local client = send(request:sub(1, -10))
    settle()
    told_to_stop()
    client:send(request:sub(-9))
    local answer = client:receive()
    assert.equal(200, answer.status)
    assert.equal("close", answer.headers.connection)
    assert.is_true(client:is_closed())
    assert.equal(0, host:wait())
  end)

  it("refuses with draining a header that is complete only later, and closes", function()
    start()
    local request = H.request(BODY)
    local client = send(request:sub(1, 30))
    settle()
    told_to_stop()
    client:send(request:sub(31))
    local answer = client:receive()
    assert.equal("draining", answer.error)
    assert.equal("close", answer.headers.connection)
    assert.is_true(client:is_closed())
    assert.equal(0, host:wait())
  end)

  it("does not begin a request pipelined after one that it finishes", function()
    start()
    local client = send(H.request(H.event("G.Wait")) .. H.request(BODY, { id = "behind" }))
    host:wait_log("begun")
    told_to_stop()
    gate:open()
    assert.equal("close", client:receive().headers.connection)
    assert.is_true(client:is_closed())
    client:close()
    assert.equal(0, host:wait())
    assert.equal(0, host:count_log("job=behind"))
  end)

  it("closes idle connections at once", function()
    start()
    local gated = H.request(H.event("G.Wait"))
    local fresh, used = host:connect(), host:connect()
    used:send(H.request(BODY))
    assert.equal(200, used:receive().status)
    local busy = send(gated)
    host:wait_log("begun")
    told_to_stop()
    assert.is_true(fresh:is_closed())
    assert.is_true(used:is_closed())
    gate:open()
    assert.equal(200, busy:receive().status)
    assert.equal(0, host:wait())
  end)

  it("accepts no new connection", function()
    start()
    local client = send(H.request(H.event("G.Wait")))
    host:wait_log("begun")
    told_to_stop()
    H.wait_until(function() return not pcall(host.connect, host) end, "connections to be refused")
    gate:open()
    assert.equal(200, client:receive().status)
    assert.equal(0, host:wait())
  end)

  it("closes at drain_timeout what has not ended, and exits with 1", function()
    start "drain_timeout = 0.3"
    local running = send(H.request(H.event("G.Wait")))
    host:wait_log("begun")
    local reading = send(H.request(BODY):sub(1, -2))
    settle()
    told_to_stop()
    assert.is_true(running:is_closed())
    assert.is_true(reading:is_closed())
    assert.equal(1, host:wait())
    assert.matches("drain_timeout: cut off 2 connections and 1 notifications", host:log())
  end)

-- With and without another handler that never returns, so that the host frees nothing.
  it("records a run that ended after its sender was cut off", function()
    for _, other in ipairs { false, true } do
      gate = H.gate()
      host = H.start { ledger = "hookward.db", config = "drain_timeout = 0.2", handlers = { ["a.lua"] =
        gate.source .. [[
          local hook = require "hookward"
          hook.on("G.*", function() wait() end)
          hook.on("A.Late", function()
            hook.log.info("begun")
            repeat
              local log <close> = io.open("log")
            until log:read("a"):find("cut off", 1, true)
          end)
        ]] } }
      if other then send(H.request(H.event("G.Wait"))) end
      local late = send(H.request(H.event("A.Late"), { id = "late" }))
      host:wait_log_count("begun", other and 2 or 1)
      told_to_stop()
      assert.is_true(late:is_closed())
      assert.equal(1, host:wait())
      assert.matches("succeeded event=A%.Late job=late", host:log())
      assert.equal(other, host:log():find("never came back", 1, true) ~= nil)
      host = H.start { folder = host.folder }
      assert.equal(200, host:notify(H.event("A.Late"), { id = "late", attempt = 1 }).status)
      host:wait_log("duplicate event=%S+ job=late")
      host:stop()
    end
  end)

  it("exits with 1 when only a connection was cut off", function()
    start "drain_timeout = 0.2"
    local client = send(H.request(BODY):sub(1, -2))
    settle()
    told_to_stop()
    assert.is_true(client:is_closed())
    assert.equal(1, host:wait())
  end)

  it("waits for a run whose sender was answered, and records it", function()
    start "handler_timeout = 0.2"
    local client = send(H.request(H.event("G.Wait"), { id = "late" }))
    assert.equal("handler_timeout", client:receive().error)
    client:close()
    told_to_stop()
    gate:open()
    assert.equal(0, host:wait())
    assert.matches("succeeded event=G%.Wait job=late", host:log())
  end)

  it("ends at once at a second SIGINT", function()
    start()
    local client = send(H.request(H.event("G.Wait")))
    host:wait_log("begun")
    told_to_stop "INT"
    host:signal("INT")
    assert.equal(130, host:wait())
    assert.is_true(client:is_closed())
  end)

  it("ends at once at a SIGINT that follows a SIGTERM and a SIGINT", function()
    start()
    send(H.request(H.event("G.Wait")))
    host:wait_log("begun")
    told_to_stop "TERM"
    H.wait_until(function() -- one is not enough, and two in a row may be merged into one
      host:signal("INT")
      return not host:alive()
    end)
    assert.equal(130, host:wait())
  end)

  it("survives a client that is gone (SIGPIPE)", function()
    start()
    for _ = 1, 5 do
      local client = send(H.request(H.event("G.Wait")))
      host:wait_log("begun")
      client.tcp:setoption("linger", { on = true, timeout = 0 })
      client:close()
      gate:open()
    end
    assert.equal(200, host:notify(BODY).status)
    assert.equal(0, host:stop())
  end)
end)
