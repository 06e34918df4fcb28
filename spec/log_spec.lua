-- What the log contains, and what it must not contain.

local cjson = require "cjson"
local H = require "spec.support.host"

local HANDLERS = { ["a.lua"] = [[
  local hook = require "hookward"
  hook.on("A.Done", function() end)
  hook.on("A.Refused", function() return nil, "not now" end)
  hook.on("A.Raised", function() error "boom" end)
  hook.on("A.Logs", function() hook.log.info("quiet") print "quiet" hook.log.warn("loud") end)
]] }

describe("the log", function()
  local host
  after_each(H.stop_all)

  local function start(config, options)
    options = options or {}
    options.handlers, options.config = HANDLERS, config
    host = H.start(options)
  end

  local function lines()
    local all = {}
    for line in host:log():gmatch("[^\n]+") do all[#all + 1] = line end
    return all
  end

  it("has a line for each notification, with its outcome", function()
    start()
    local body = H.event("A.Done")
    host:notify(body, { id = "j-1" })
    host:notify(body, { id = "j-1", attempt = 2 })
    host:notify(H.event("A.Refused"), { id = "j-2", attempt = 5 })
    host:notify(H.event("A.Raised"), { id = "j-3" })
    host:notify(H.event("B.B"), { id = "j-4" })
    host:notify("{", { id = "j-5" })
    host:notify(body, { id = "j-6", signature = H.sign("other") })
    host:notify(H.event("A.Refused"), { id = "j-7", attempt = 4 })
    assert.equal(0, host:stop())
    local log = host:log()
    local proof = "key=public%.pem waited_ms=%d+%.%d%d ms=%d+%.%d%d"
    for _, pattern in ipairs {
      "info  succeeded event=A%.Done job=j%-1 attempt=0 status=200 " .. proof
        .. " place=handlers/a%.lua:2 version=%x+\n",
      "info  duplicate event=%S+ job=j%-1 attempt=2 status=200 " .. proof .. "\n",
      "error failed event=A%.Refused job=j%-2 attempt=5 state=dead error=handler_refused "
        .. "reason=\"not now\" status=400 " .. proof .. " place=handlers/a%.lua:3 version=%x+\n",
      "warn  failed event=A%.Refused job=j%-7 attempt=4 error=handler_refused reason=\"not now\" "
        .. "next=\"Accredit delivers again\" status=400 " .. proof .. " place=handlers/a%.lua:3 version=%x+\n",
      "error failed event=A%.Raised job=j%-3 attempt=0 error=handler_error "
        .. "next=\"Accredit delivers again\" status=400 " .. proof
        .. " place=handlers/a%.lua:4 version=%x+\n    handlers/a%.lua:4: boom\n    stack traceback:\n",
      "warn  failed event=B%.B job=j%-4 attempt=0 error=no_handler "
        .. "next=\"Accredit delivers again\" status=400 " .. proof .. "\n",
      "warn  failed job=j%-5 attempt=0 error=invalid_json reason=\"[^\n\"]*\" "
        .. "next=\"Accredit delivers again\" status=400 " .. proof .. "\n",
      "warn  refused job=j%-6 attempt=0 error=invalid_signature status=400 waited_ms=%d+%.%d%d "
        .. "ms=%d+%.%d%d "
        .. "peer=127%.0%.0%.1:%d+\n",
    } do
      assert.matches("\n%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%d%.%d%d%dZ " .. pattern, log)
    end
    assert.equal(1, host:count_log("job=j%-2"))
  end)

  it("names the sender of a request that is not a notification", function()
    start()
    local client = host:connect()
    local address, port = client.tcp:getsockname()
    client:send("POST /other HTTP/1.1\r\nHost: h\r\n\r\n")
    assert.equal(404, client:receive().status)
    host:wait_log(("warn  refused error=not_found status=404 method=POST path=/other peer=%s:%d\n")
      :format(address, port))
    client:send("?\r\n\r\n")
    assert.equal(400, client:receive().status)
    host:wait_log("warn  refused error=malformed_request status=400 why=\"[^\n\"]+\" peer=" .. address)
    client:close()
  end)

  it("names a path that does not exist: cut, escaped, without its query", function()
    start()
    local long = ("x"):rep(1000)
    host:raw("GET /a?token=s3cr3t HTTP/1.1\r\nHost: h\r\n\r\n")
    host:wait_log("error=not_found status=404 method=GET path=/a peer=")
    host:raw("DELETE /baseWebhookNotification?token=s3cr3t HTTP/1.1\r\nHost: h\r\n\r\n")
    host:wait_log("error=method_not_allowed status=405 method=DELETE path=/baseWebhookNotification peer=")
    host:raw("POST /" .. long .. " HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n"
      .. "Content-Length: 3\r\n\r\n")
    host:wait_log("status=404 method=POST path=/" .. ("x"):rep(199) .. " peer=")
    host:raw('POST /"=%22 HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc')
    host:wait_log('method=POST path="/\\"=%%22" peer=')
    assert.is_nil(host:log():find("s3cr3t", 1, true))
  end)

  it("names an IPv4 client of an IPv6 socket by its IPv4 address", function()
    start(nil, { listen = '"[::]:0"' })
    host:notify("{}", { signature = H.sign("other") })
    host:wait_log("error=invalid_signature [^\n]* peer=127%.0%.0%.1:%d+\n")
    host:notify("{}", { signature = false })
    host:wait_log("error=missing_signature [^\n]* peer=127%.0%.0%.1:%d+\n")
  end)

  it("names the sender of a forgery who did not wait for the answer", function()
    local gate = H.gate()
    host = H.start { config = "workers = 1", handlers = { ["a.lua"] = gate.source .. [[
      require "hookward".on("A.Waits", wait)
    ]] } }
    local slow, forger = host:connect(), host:connect()
    slow:send(H.request(H.event("A.Waits")))
    host:wait_log("begun")
    local _, port = forger.tcp:getsockname()
    forger:send(H.request("{}", { signature = H.sign("other") }) .. "?\r\n\r\n")
    forger.tcp:setoption("linger", { on = true, timeout = 0 })
    forger:close() -- a reset: the connection is gone at once, the job stays
    gate:open()
    host:wait_log(("error=invalid_signature [^\n]* peer=127%%.0%%.0%%.1:%d\n"):format(port))
    slow:close()
  end)

  it("has one JSON object per line when the format is json", function()
    start 'log = { format = "json", level = "debug" }'
    host:notify(H.event("A.Done"), { id = "j-1" })
    host:notify(H.event("A.Raised"), { id = [[j "2"\]] })
    host:notify(H.event("A.\\u001b[31m\\n\\u0000é"), { id = "j-3" })
    host:notify("{}", { signature = "\xff\xfe" })
    local noise = select(2, host:raw("\0\1\2\255\r\n"))
    noise:close()
    assert.equal(0, host:stop())
    local by_job = {}
    for _, line in ipairs(lines()) do
      local said = cjson.decode(line)
      assert.matches("^%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%d%.%d%d%dZ$", said.time)
      assert.is_string(said.message)
      assert.is_truthy(({ debug = 1, info = 1, warn = 1, error = 1 })[said.level])
      if said.job then by_job[said.job] = said end
    end
    local said = by_job["j-1"]
    assert.equal("succeeded", said.message)
    assert.equal("info", said.level)
    assert.equal("A.Done", said.event)
    assert.equal(0, said.attempt)
    assert.equal(200, said.status)
    assert.equal("public.pem", said.key)
    assert.is_number(said.ms)
    assert.equal("handlers/a.lua:2", said.place)
    said = by_job[ [[j "2"\]] ]
    assert.equal("handler_error", said.error)
    assert.matches("^handlers/a%.lua:4: boom\nstack traceback:\n", said.detail)
    assert.equal("A.\27[31m\n\0é", by_job["j-3"].event)
  end)

  it("escapes bytes from a request that would end a line or control a terminal", function()
    start()
    host:notify(H.event("A.\\n2026-01-01T00:00:00.000Z info  forged\\u001b[31m"), { id = "j-1" })
    host:wait_log('event="A%.\\n2026%-01%-01T00:00:00%.000Z info  forged\\u001b%[31m" job=j%-1')
    host:raw("GET /\27[31m HTTP/1.1\r\nHost: h\r\n\r\n")
    host:notify(H.event("A.Done"), { id = 'a=b "c"' })
    host:wait_log('job="a=b \\"c\\""')
    assert.is_nil(host:log():find("\27", 1, true))
  end)

  it("counts the lines that it suppresses in a flood of refusals", function()
    start()
    local count = 300
    local client = host:connect()
    client:send(("GET / HTTP/1.1\r\nHost: h\r\n\r\n"):rep(count))
    for _ = 1, count do assert.equal(404, client:receive().status) end
    H.wait_until(function() -- in the next second a line has the count
      client:send("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
      count = count + 1
      assert.equal(404, client:receive().status)
      return host:log():find(" suppressed=%d+\n")
    end)
    client:close()
    assert.equal(0, host:stop())
    local said, suppressed = host:count_log("error=not_found"), 0
    for n in host:log():gmatch("error=not_found [^\n]* suppressed=(%d+)") do
      suppressed = suppressed + tonumber(n)
    end
    assert.is_true(said < count / 2, said)
    assert.is_true(suppressed > 0 and said + suppressed <= count, suppressed)
  end)

  it("never suppresses the line of a verified notification", function()
    start()
    local body = H.event("A.Refused")
    for i = 1, 50 do host:notify(body, { id = "j-" .. i }) end
    host:wait_log_count("failed event=A%.Refused", 50)
  end)

  it("leaves out lines below its level", function()
    start('log = { level = "warn" }', { listen = '"unix:hookward.sock"', fails = true })
    local path = host.folder .. "/hookward.sock"
    local client
    H.wait_until(function() client = H.connect_unix(path) return client end, "the Unix socket")
    for _, event in ipairs { "A.Done", "A.Logs", "A.Refused" } do
      client:send(H.request(H.event(event)))
      client:receive()
    end
    client:close()
    assert.equal(0, host:stop())
    assert.matches("^%S+ warn  loud event=A%.Logs [^\n]*\n%S+ warn  failed event=A%.Refused [^\n]*\n$",
      host:log())
  end)

  it("never contains a part of a body, a signature or a key, whatever goes wrong", function()
    start 'log = { level = "debug" }, handler_timeout = 0.3'
    local private, public = H.keys()
    local secret = '"Secret":"s3cr3t-of-the-body"'
    local forged, seen = H.sign("s3cr3t-of-the-body"), {}
    for _, event in ipairs { "A.Done", "A.Refused", "A.Raised", "B.B" } do
      local body = H.event(event, secret)
      host:notify(body)
      host:notify(body, { signature = false })
      host:notify(body, { signature = forged })
      host:notify(body, { signature = H.sign(body):sub(1, -2) })
      seen[#seen + 1] = H.sign(body)
    end
    for _, body in ipairs { '{"s3cr3t-of-the-body', "s3cr3t-of-the-body", '["s3cr3t-of-the-body"]',
      '{"Event":1,' .. secret .. "}", H.event("A.Done", secret .. ',"x":tru') } do
      host:notify(body)
      seen[#seen + 1] = H.sign(body)
    end
    local client = host:connect()
    client:send("s3cr3t-of-the-body\r\n\r\n")
    client:receive()
    client:close()
    assert.equal(0, host:stop())
    local log = host:log()
    assert.is_nil(log:find("s3cr3t", 1, true))
    for _, signature in ipairs { forged, table.unpack(seen) } do
      assert.is_nil(log:find(signature:sub(1, 12), 1, true))
    end
    for _, file in ipairs { private, public } do
      for line in H.read(file):gmatch("[^\n]+") do
        if not line:find("^%-%-%-") then assert.is_nil(log:find(line:sub(1, 30), 1, true)) end
      end
    end
  end)
end)
