-- GET /feed of the control socket: what becomes of deliveries, for those who follow it.

local H = require "spec.support.host"
local json = require "cjson"
local socket = require "socket"

local HANDLERS = { ["a.lua"] = [[
  local hook = require "hookward"
  hook.on("Good.Made", function() end)
  hook.on("Bad.Made", function() return nil, "not \"today\"" end)
  hook.on("Broken.Made", function(event) return event.Missing.Name end)
  hook.on("Soon.Made", { ack = "first" }, function() end)
]] }

describe("the feed", function()
  local host

  setup(function()
    host = H.start { handlers = HANDLERS, ledger = "hookward.db", config = "handler_timeout = 0.2" }
  end)
  teardown(H.stop_all)

  local function open(of)
    return assert(H.connect_unix((of or host).folder .. "/.hookward.sock"))
  end

  local function ask(client, after)
    client:send(("GET /feed HTTP/1.1\r\nHost: h\r\n%s\r\n"):format(
      after and ("X-Hookward-After: %d\r\n"):format(after) or ""))
    return client
  end

  local function receive(client)
    local answer = assert(client:receive())
    return answer.status == 200 and json.decode(answer.body), answer
  end

  local function last(of)
    local client = open(of)
    local told = receive(ask(client))
    client:close()
    return math.tointeger(told.last)
  end

  it("tells at once what the last number is, without waiting", function()
    local client = open()
    local told = receive(ask(client))
    assert.is_true(told.last > 0)
    assert.same({}, told.records)
    assert.equal(told.last, receive(ask(client)).last)
    client:close()
  end)

  it("answers a client that waits as soon as a delivery has its outcome, past handler_timeout", function()
    local client = ask(open(), last())
    socket.sleep(1.5) -- handler_timeout and the grace for an answer are over
    assert.is_true(client:is_silent())
    host:notify(H.event("Good.Made"), { id = "good-1", attempt = 2 })
    local told = receive(client)
    assert.equal(1, #told.records)
    local record = told.records[1]
    assert.equal(told.last, record.n)
    assert.equal(0, told.skipped)
    assert.near(socket.gettime(), record.at, 5)
    assert.is_true(record.ms >= 0)
    record.n, record.at, record.ms = nil, nil, nil
    assert.same({ row = 1, id = "good-1", event = "Good.Made", state = "succeeded", attempt = 2,
      duplicate = false }, record)
    client:close()
  end)

  -- The records of what `act` brings, once there are `count`.
  local function records_of(count, act)
    local after, records, client = last(), {}, open()
    act()
    while #records < count do
      local told = receive(ask(client, after))
      after = math.tointeger(told.last)
      for _, record in ipairs(told.records) do records[#records + 1] = record end
    end
    client:close()
    return records
  end

  it("has failures with their reason, duplicates, ack-first ones twice, and replays", function()
    local records = records_of(5, function()
      host:notify(H.event("Bad.Made"), { id = "bad-1" })
      host:notify(H.event("Good.Made"), { id = "good-1" })
      host:notify(H.event("Soon.Made"), { id = "soon-1" })
      H.wait_until(function() return host:log():find("succeeded event=Soon.Made", 1, true) end)
      H.sh(("cd %s && %s jobs replay bad-1"):format(host.folder, H.binary))
    end)
    local shown = {}
    for i, r in ipairs(records) do
      shown[i] = { r.id, r.state, r.error, r.reason, r.duplicate, r.replay, r.row }
    end
    assert.same({
      { "bad-1", "failed", "handler_refused", 'not "today"', false, nil, 2 },
      { "good-1", "succeeded", nil, nil, true, nil, 1 },
      { "soon-1", records[3].state, nil, nil, false, nil, 3 },
      { "soon-1", "succeeded", nil, nil, false, nil, 3 },
      { "bad-1", "failed", "handler_refused", 'not "today"', false, true, 2 },
    }, shown)
    assert.equal("running", records[3].state) -- a worker was free
  end)

  it("has the first line of a traceback where there is no reason", function()
    local record = records_of(1, function()
      host:notify(H.event("Broken.Made"), { id = "broken-1" })
    end)[1]
    assert.equal("handler_error", record.error)
    assert.match("^handlers/a%.lua:4: attempt to index a nil value[^\n]*$", record.reason)
  end)

  it("has what was refused of authentic senders, and nothing of strangers", function()
    local records = records_of(2, function()
      host:notify("no json", { id = "text" })
      host:notify("{}", { id = "forged", signature = H.sign("something else") })
      host:notify(H.event("Nobody.Made"), { id = "nobody" })
    end)
    assert.same({ "text", "invalid_json" }, { records[1].id, records[1].error })
    assert.is_nil(records[1].event)
    assert.same({ "nobody", "no_handler" }, { records[2].id, records[2].error })
  end)

  it("gives at most 200 records at once, and the rest on asking again", function()
    local after = last()
    for _ = 1, 201 do host:notify(H.event("Good.Made"), { id = "good-1" }) end
    local client = open()
    local told = receive(ask(client, after))
    assert.equal(200, #told.records)
    assert.equal(told.records[200].n, told.last)
    told = receive(ask(client, math.tointeger(told.last)))
    assert.equal(1, #told.records)
    client:close()
  end)

  -- Delivers a duplicate so many times over one connection.
  local function deliver(to, times)
    local client = to:connect()
    local bytes = H.request(H.event("Good.Made"), { id = "good-1" })
    for _ = 1, times, 8 do
      client:send(bytes:rep(8))
      for _ = 1, 8 do assert.equal(200, client:receive().status) end
    end
    client:close()
  end

  it("keeps 4096 records, and says how many a slow client has missed", function()
    local quick = H.start { handlers = { ["a.lua"] = 'require "hookward".on("Good.Made", print)' } }
    for _, missed in ipairs { 0, 8 } do
      local after = last(quick)
      deliver(quick, 4096 + missed)
      local client = open(quick)
      local told = receive(ask(client, after))
      assert.equal(missed, told.skipped)
      assert.equal(after + missed + 1, math.tointeger(told.records[1].n))
      client:close()
    end
  end)

  it("answers at most every 100 ms", function()
    local client, after = open(), last()
    local began, answers = socket.gettime(), 0
    while socket.gettime() < began + 1 do
      host:notify(H.event("Good.Made"), { id = "good-1" })
      after = math.tointeger(receive(ask(client, after)).last)
      answers = answers + 1
    end
    assert.is_true(answers <= 12, answers .. " answers in a second")
    client:close()
  end)

  it("says that there is a gap when the number is not one of this feed's", function()
    local client = open()
    for _, number in ipairs { 1, last() + 100 } do
      local told, answer = receive(ask(client, number))
      assert.is_true(told.gap, answer.body)
    end
    assert.is_nil(receive(ask(client)).gap)
    client:close()
  end)

  it("lets 100 clients wait and refuses one more; those that leave make room", function()
    local clients, after = {}, last()
    for i = 1, 100 do clients[i] = ask(open(), after) end
    H.wait_until(function()
      local more = ask(open(), after)
      socket.sleep(0.02)
      if more:is_silent() then clients[#clients + 1] = more return false end
      local _, answer = receive(more)
      more:close()
      assert.equal("overloaded", answer.error)
      return true
    end)
    assert.equal(100, #clients)
    host:notify(H.event("Good.Made"), { id = "good-1" })
    for _, client in ipairs(clients) do
      assert.equal(1, #receive(client).records)
      client:close()
    end
    ask(open(), last()):close()
    host:notify(H.event("Good.Made"), { id = "good-1" })
    assert.is_true(last() > after)
  end)

  it("keeps nobody who follows from stopping the host", function()
    local other = H.start { handlers = HANDLERS, ledger = "hookward.db" }
    local client = ask(open(other), last(other))
    local began = socket.gettime()
    assert.equal(0, other:stop())
    assert.is_true(socket.gettime() - began < 3)
    assert.same({}, receive(client).records)
    client:close()
  end)
end)
