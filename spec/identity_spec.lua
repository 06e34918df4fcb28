-- A notification is processed once: repeats, copies in flight, and forgeries.

local H = require "spec.support.host"

local BODY = H.event("A.Done")

local COUNTING = [[
  local hook = require "hookward"
  hook.on("A.*", function(event, job)
    hook.log.info("ran", { id = job.id, redelivered = job.redelivered, nth = event.N })
    if event.Event == "A.Failed" and job.attempt == 0 then return nil, "not yet" end
  end)
]]

describe("identity:", function()
  local host, gate
  after_each(H.stop_all)

  local function start(config, handler)
    host = H.start { config = config, handlers = { ["a.lua"] = handler or COUNTING } }
  end

  -- Handlers of G.* wait at the gate; G.Done then succeeds, any other fails.
  local function start_gated(config)
    gate = H.gate()
    start(config, gate.source .. [[
      require "hookward".on("G.*", function(event)
        wait()
        return event.Event == "G.Done", "it was not good"
      end)
    ]])
  end

  local function send(body, options)
    local request = H.request(body, options)
    local client = host:connect()
    client:send(request)
    return client
  end

  -- Returns once the host has read all that was sent before: connections are accepted in order.
  local function settle()
    host:notify("unsigned", { signature = false })
  end

  it("answers a repeat 200 without running the handler", function()
    start()
    for attempt = 0, 3 do
      assert.equal(200, host:notify(BODY, { id = "j", attempt = attempt }).status)
    end
    host:wait_log("duplicate event=%S+ job=j attempt=3 status=200")
    assert.equal(1, host:count(" ran "))
    assert.equal(3, host:count(" duplicate "))
  end)

  it("distinguishes two jobs with the same body by their ids", function()
    start()
    assert.equal(200, host:notify(BODY, { id = "j-1" }).status)
    assert.equal(200, host:notify(BODY, { id = "j-2" }).status)
    assert.equal(200, host:notify(BODY, { id = "J-1" }).status)
    host:wait_log_count(" ran ", 3)
    assert.equal(0, host:count(" duplicate "))
  end)

  it("runs what failed again, and says so in job.redelivered", function()
    start()
    local body = H.event("A.Failed")
    assert.equal(400, host:notify(body, { id = "j", attempt = 0 }).status)
    assert.equal(400, host:notify(body, { id = "j", attempt = 0 }).status) -- sent twice
    assert.equal(200, host:notify(body, { id = "j", attempt = 1 }).status)
    assert.equal(200, host:notify(body, { id = "j", attempt = 2 }).status)
    host:wait_log("duplicate event=%S+ job=j attempt=2")
    assert.equal(1, host:count(" ran [^\n]*redelivered=false"))
    assert.equal(2, host:count(" ran [^\n]*redelivered=true"))
  end)

  it("sets redelivered for any attempt over 0", function()
    start()
    assert.equal(200, host:notify(BODY, { id = "j", attempt = 1 }).status)
    host:wait_log("ran [^\n]*redelivered=true")
  end)

  it("runs a refused event again, for any refusal", function()
    start()
    assert.equal("invalid_json", host:notify("{", { id = "j" }).error)
    assert.equal("invalid_json", host:notify("{", { id = "j" }).error)
    assert.equal("no_handler", host:notify(H.event("B.B"), { id = "k" }).error)
    assert.equal("no_handler", host:notify(H.event("B.B"), { id = "k" }).error)
    assert.equal(0, host:count(" duplicate "))
  end)

  it("runs another body under the same id, with a warning", function()
    start()
    assert.equal(200, host:notify(H.event("A.Done", '"N":1'), { id = "j" }).status)
    assert.equal(200, host:notify(H.event("A.Done", '"N":2'), { id = "j" }).status)
    host:wait_log("warn  this job id was seen before with another body[^\n]* job=j")
    assert.equal(2, host:count(" ran "))
    assert.equal(200, host:notify(H.event("A.Done", '"N":1'), { id = "j" }).status)
    assert.equal(200, host:notify(H.event("A.Done", '"N":2'), { id = "j" }).status)
    host:wait_log_count(" duplicate ", 2)
    assert.equal(2, host:count(" ran "))
  end)

  it("names a notification without X-JobId by the first 16 hex digits of its digest", function()
    start()
    local path = host.folder .. "/body"
    H.write(path, BODY)
    local id = H.sh("openssl dgst -sha256 -r " .. H.quote(path)):sub(1, 16)
    assert.equal(200, host:notify(BODY, { id = false }).status)
    host:wait_log(" ran [^\n]*id=" .. id)
    assert.equal(200, host:notify(BODY, { id = false, attempt = 1 }).status)
    host:wait_log("duplicate event=%S+ job=" .. id .. " attempt=1")
    assert.equal(1, host:count(" ran "))
  end)

  it("is only the digest with duplicates = \"by-body\"", function()
    start 'duplicates = "by-body"'
    assert.equal(200, host:notify(BODY, { id = "j-1" }).status)
    assert.equal(200, host:notify(BODY, { id = "j-2" }).status)
    assert.equal(200, host:notify(BODY, { id = false }).status)
    host:wait_log("duplicate event=%S+ job=j%-2 ")
    host:wait_log_count(" duplicate ", 2)
    assert.equal(1, host:count(" ran "))
    assert.equal(200, host:notify(H.event("A.Done", '"N":2'), { id = "j-1" }).status)
    host:wait_log_count(" ran ", 2)
  end)

  it("records an accepted event that has no handler", function()
    start 'unhandled = "accept"'
    local body = H.event("B.B")
    assert.equal(200, host:notify(body, { id = "j" }).status)
    assert.equal(200, host:notify(body, { id = "j", attempt = 1 }).status)
    host:wait_log("unhandled event=B%.B job=j attempt=0")
    host:wait_log("duplicate event=%S+ job=j attempt=1")
  end)

  describe("a copy in flight", function()
    it("joins the one that is running, and all get its answer", function()
      start_gated()
      local body = H.event("G.Done")
      local clients = { send(body, { id = "j" }) }
      host:wait_log("begun")
      clients[2] = send(body, { id = "j", attempt = 1 })
      clients[3] = send(body, { id = "j" })
      settle()
      gate:open()
      for _, client in ipairs(clients) do assert.equal(200, client:receive().status) end
      assert.equal(1, host:count("begun"))
      assert.equal(200, host:notify(body, { id = "j" }).status)
      host:wait_log("duplicate event=%S+ job=j")
    end)

    it("joins a failure as well, with its reason", function()
      start_gated()
      local body = H.event("G.Failed")
      local first = send(body, { id = "j" })
      host:wait_log("begun")
      local second = send(body, { id = "j" })
      settle()
      gate:open()
      for _, client in ipairs { first, second } do
        local answer = client:receive()
        assert.equal("handler_refused", answer.error)
        assert.equal("it was not good", answer.message)
      end
      assert.equal(1, host:count("begun"))
    end)

    it("joins one that is still in the queue", function()
      start_gated "workers = 1"
      local busy = send(H.event("G.Done"))
      host:wait_log("begun")
      local body = H.event("G.Done", '"N":1')
      local first, second = send(body, { id = "j" }), send(body, { id = "j" })
      settle()
      gate:open(2)
      for _, client in ipairs { busy, first, second } do
        assert.equal(200, client:receive().status)
      end
      assert.equal(2, host:count("begun"))
    end)

    it("goes on and is recorded when its clients are gone", function()
      start_gated()
      local body = H.event("G.Done")
      local first = send(body, { id = "j" })
      host:wait_log("begun")
      local second = send(body, { id = "j" })
      settle()
      first:close()
      second:close()
      gate:open()
      host:wait_log("succeeded event=G%.Done job=j")
      assert.equal(200, host:notify(body, { id = "j" }).status)
      host:wait_log("duplicate event=%S+ job=j")
      assert.equal(1, host:count("begun"))
    end)

    it("does not join another id or another body", function()
      start_gated()
      local first = send(H.event("G.Done"), { id = "j-1" })
      local second = send(H.event("G.Done"), { id = "j-2" })
      local third = send(H.event("G.Done", '"N":2'), { id = "j-1" })
      host:wait_log_count("begun", 3)
      gate:open(3)
      for _, client in ipairs { first, second, third } do
        assert.equal(200, client:receive().status)
      end
    end)

    it("never runs at the same time as one signed with another key", function()
      local old_key, old_public = H.keys()
      local new_key, new_public = H.keys("other")
      gate = H.gate()
      host = H.start {
        keys = { ["old.pem"] = H.read(old_public), ["new.pem"] = H.read(new_public) },
        handlers = { ["a.lua"] = gate.source .. [[
          local failed
          require "hookward".on("*", function(event)
            wait()
            return event.Event == "G.Done", "no"
          end)
        ]] },
      }
      local function send_both(event)
        local body = H.event(event)
        local first = send(body, { id = event, key = old_key })
        host:wait_log("begun[^\n]*job=" .. event)
        local second = send(body, { id = event, key = new_key })
        settle()
        return first, second
      end

      local first, second = send_both("G.Done")
      gate:open()
      assert.equal(200, first:receive().status)
      assert.equal(200, second:receive().status) -- from the ledger
      assert.equal(1, host:count("begun"))
      host:wait_log("duplicate event=%S+ job=G%.Done [^\n]*key=new%.pem")

      first, second = send_both("G.Failed")
      assert.equal(2, host:count("begun"))
      gate:open()
      assert.equal("handler_refused", first:receive().error)
      host:wait_log_count("begun", 3) -- only now has the second one begun
      gate:open()
      assert.equal("handler_refused", second:receive().error)
    end)
  end)

  describe("a forged copy", function()
    local FORGED = H.sign("anything else")

    it("is refused when it comes first, and does not affect the original", function()
      start()
      assert.equal("invalid_signature", host:notify(BODY, { id = "j", signature = FORGED }).error)
      assert.equal(200, host:notify(BODY, { id = "j" }).status)
      host:wait_log("ran [^\n]*redelivered=false")
    end)

    it("does not learn that the original was processed", function()
      start()
      assert.equal(200, host:notify(BODY, { id = "j" }).status)
      assert.equal("invalid_signature", host:notify(BODY, { id = "j", signature = FORGED }).error)
      assert.equal(200, host:notify(BODY, { id = "j" }).status)
      assert.equal(1, host:count(" ran "))
    end)

    it("does not get the answer of the original in flight", function()
      start_gated()
      local body = H.event("G.Done")
      local original = send(body, { id = "j" })
      host:wait_log("begun")
      local forged = send(body, { id = "j", signature = FORGED })
      local copy = send(body, { id = "j" })
      settle()
      gate:open()
      assert.equal(200, original:receive().status)
      assert.equal(200, copy:receive().status)
      assert.equal("invalid_signature", forged:receive().error)
      assert.equal(1, host:count("begun"))
    end)

    it("is not joined by an original that comes while it is in the queue", function()
      start_gated "workers = 1"
      local busy = send(H.event("G.Busy"))
      host:wait_log("begun")
      local body = H.event("G.Done")
      local forged = send(body, { id = "j", signature = FORGED })
      local original = send(body, { id = "j" })
      local other = send(body, { id = "j", signature = H.sign("yet another") })
      settle()
      gate:open(2)
      assert.equal(400, busy:receive().status)
      assert.equal("invalid_signature", forged:receive().error)
      assert.equal(200, original:receive().status)
      assert.equal("invalid_signature", other:receive().error)
      assert.equal(2, host:count("begun"))
    end)
  end)

  describe("age", function()
    local function at(time)
      return ('{"Event":"A.Done","Timestamp":"%s"}'):format(time)
    end

    local function ago(seconds, zone)
      return os.date("!%Y-%m-%dT%H:%M:%S", os.time() - seconds) .. (zone or ".250Z")
    end

    it("refuses what is more than max_age in the past or in the future", function()
      start "max_age = 3600"
      for _, time in ipairs { ago(0), ago(3500), ago(-60, "+00:00"), ago(-3600, "+0100"), ago(-3540),
        ago(5 * 3600, "-0500"), ago(0, "") } do
        assert.equal(200, host:notify(at(time)).status, time)
      end
      for _, time in ipairs { ago(3700), ago(0, "+0200"), "2024-05-10T11:09:21.248Z", "2024-05-10" } do
        local answer = host:notify(at(time))
        assert.equal(400, answer.status)
        assert.equal("too_old", answer.error)
        assert.equal("the notification is older than max_age", answer.message)
      end
      for _, time in ipairs { ago(-3700), ago(0, "-02:00"), "9999-12-31T23:59:59Z" } do
        local answer = host:notify(at(time))
        assert.equal("too_new", answer.error)
        assert.equal("the notification is from more than max_age ahead", answer.message)
      end
      assert.equal(7, host:count(" ran "))
    end)

    it("says what is wrong with a Timestamp that can't be compared with max_age", function()
      start "max_age = 3600"
      for body, message in pairs {
        [at("")] = "the Timestamp is not a time such as 2024-05-10T11:09:21Z, which max_age needs",
        [at("yesterday")] = "the Timestamp is not a time such as 2024-05-10T11:09:21Z, which max_age needs",
        ['{"Event":"A.Done"}'] = "the event has no Timestamp, which max_age needs",
        ['{"Event":"A.Done","Timestamp":null}'] = "the Timestamp is not a string, which max_age needs",
        ['{"Event":"A.Done","Timestamp":1}'] = "the Timestamp is not a string, which max_age needs",
      } do
        local answer = host:notify(body)
        assert.equal(400, answer.status)
        assert.equal("malformed_timestamp", answer.error)
        assert.equal(message, answer.message)
      end
      assert.equal(0, host:count(" ran "))
    end)

    it("does not matter without max_age", function()
      start()
      assert.equal(200, host:notify(at("1999-01-01T00:00:00Z")).status)
      assert.equal(200, host:notify('{"Event":"A.Done"}').status)
    end)
  end)
end)
