-- HTTP/1.1 as a client sees it: connections, framing, interim answers, limits.

local H = require "spec.support.host"

local HANDLERS = { ["a.lua"] = [[
  local hook = require "hookward"
  hook.on("A.Done", function(event) return event.Status or true end)
  hook.on("A.Refused", function() return nil, "no" end)
]] }

local BODY = H.event("A.Done")
local PATH = "/baseWebhookNotification"

local function chunks(...)
  local parts = {}
  for _, text in ipairs { ... } do parts[#parts + 1] = ("%x\r\n%s\r\n"):format(#text, text) end
  return table.concat(parts)
end

local function chunked(body, headers)
  headers = headers or {}
  headers[#headers + 1] = "Transfer-Encoding: chunked"
  return H.request(body, { chunked = true, headers = headers })
end

-- A signed request with a header of exactly `size` bytes and `lines` header lines.
local function sized(size, lines, body)
  local request = H.request(body or BODY)
  local head, rest = request:match("^(.-\r\n)(\r\n.*)$")
  local _, count = head:gsub("\r\n", "")
  for _ = count, (lines or count) - 1 do head = head .. "P: p\r\n" end
  local missing = size and size - #head - 2
  if missing then head = head .. "X: " .. ("x"):rep(missing - 5) .. "\r\n" end
  return head .. rest
end

describe("over HTTP the host", function()
  local host
  after_each(H.stop_all)

  local function start(config, options)
    options = options or {}
    options.handlers = options.handlers or HANDLERS
    options.config = config
    host = H.start(options)
  end

  local function statuses(client, count)
    local got = {}
    for i = 1, count do
      local answer, err = client:receive()
      got[i] = answer and answer.status or err
    end
    return got
  end

  it("keeps an HTTP/1.1 connection for any number of requests", function()
    start()
    local client = host:connect()
    for _ = 1, 50 do
      client:send(H.request(BODY))
      local answer = client:receive()
      assert.equal(200, answer.status)
      assert.is_nil(answer.headers.connection)
    end
    client:close()
  end)

  it("closes after Connection: close, in any case and list", function()
    start()
    for _, value in ipairs { "close", "Close", "keep-alive, close", "x , CLOSE," } do
      local client = host:connect()
      client:send(H.request(BODY, { headers = { "Connection: " .. value } }))
      local answer = client:receive()
      assert.equal(200, answer.status)
      assert.equal("close", answer.headers.connection)
      assert.is_true(client:is_closed())
    end
  end)

  it("closes an HTTP/1.0 connection unless it is asked to keep it", function()
    start()
    local old = H.request(BODY):gsub("HTTP/1.1", "HTTP/1.0"):gsub("Host: h\r\n", "")
    local client = host:connect()
    client:send(old)
    local answer = client:receive()
    assert.equal("HTTP/1.1 200 OK", answer.line)
    assert.equal("close", answer.headers.connection)
    assert.is_true(client:is_closed())

    client = host:connect()
    for _ = 1, 3 do
      client:send((old:gsub("\r\n", "\r\nConnection: Keep-Alive\r\n", 1)))
      answer = client:receive()
      assert.equal(200, answer.status)
      assert.equal("keep-alive", answer.headers.connection)
    end
    client:send(old)
    assert.equal("close", client:receive().headers.connection)
    assert.is_true(client:is_closed())
  end)

  it("answers pipelined requests in order, refused ones too", function()
    start()
    local client = host:connect()
    client:send(H.request(BODY) .. H.request("nothing") .. H.request(BODY, { path = "/other" })
      .. H.request(H.event("A.Refused")) .. "HEAD / HTTP/1.1\r\nHost: h\r\nConnection: x\r\n\r\n")
    assert.same({ 200, 400, 404, 400 }, statuses(client, 4))
    client.head = true
    assert.equal(404, client:receive().status)
    client.head = false
    client:send(H.request(BODY) .. H.request(BODY, { signature = false })
      .. H.request(BODY, { close = true }))
    assert.same({ 200, 400, 200, "closed" }, statuses(client, 4))
  end)

  it("answers in order even if a later request is done sooner", function()
    local gate = H.gate()
    start(nil, { handlers = { ["a.lua"] = gate.source .. [[
      local hook = require "hookward"
      hook.on("A.Slow", function() wait() end)
      hook.on("A.Refused", function() return false end)
    ]] } })
    local client = host:connect()
    client:send(H.request(H.event("A.Slow")) .. H.request(H.event("A.Refused")))
    host:wait_log("begun")
    assert.is_true(client:is_silent())
    gate:open()
    assert.same({ 200, 400 }, statuses(client, 2))
    client:close()
  end)

  it("answers hundreds of pipelined requests", function()
    start()
    local client = host:connect()
    client:send(H.request(BODY, { id = "many" }):rep(300) .. H.request("no", { close = true }))
    for _ = 1, 300 do assert.equal(200, client:receive().status) end
    assert.same({ 400, "closed" }, statuses(client, 2))
  end)

  it("processes nothing after a message that it can't frame", function()
    start()
    for _, bad in ipairs {
      "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1, 1\r\n\r\nx",
      "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nxx0\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\n\r\n",
    } do
      local client = host:connect()
      client:send(H.request(BODY, { id = "before" }) .. bad .. H.request(BODY, { id = "behind" }))
      assert.same({ 200, 400, "closed" }, statuses(client, 3))
    end
    assert.equal(0, host:count("job=behind"))
  end)

  it("processes nothing after a request with Connection: close", function()
    start()
    local client = host:connect()
    client:send(H.request(BODY, { close = true }) .. H.request(BODY, { id = "behind" }))
    assert.same({ 200, "closed" }, statuses(client, 2))
    assert.equal(0, host:count("job=behind"))
  end)

  it("reads chunked bodies with extensions and trailers", function()
    start()
    local client = host:connect()
    local head = chunked(BODY)
    local a, b = BODY:sub(1, 10), BODY:sub(11)
    for _, body in ipairs {
      chunks(BODY) .. "0\r\n\r\n",
      chunks(a, b) .. "000\r\n\r\n",
      chunks(BODY:sub(1, 1), BODY:sub(2)) .. "0;last\r\nX-Checksum: 1\r\nX-Other: 2\r\n\r\n",
      ('A;name=value;q="quoted"\r\n%s\r\n%X ; x\r\n%s\r\n0\r\n\r\n'):format(a, #b, b),
      ("%016x;%s\r\n%s\r\n0\r\n\r\n"):format(#BODY, ("e"):rep(256 - 17), BODY),
    } do
      client:send(head .. body)
      assert.equal(200, client:receive().status)
    end
    client:close()
  end)

  it("does not read a trailer as a header", function()
    start()
    local client = host:connect()
    client:send(H.request(BODY, { chunked = true, signature = false,
      headers = { "Transfer-Encoding: chunked", "Trailer: X-Signature" } })
      .. chunks(BODY) .. "0\r\nX-Signature: " .. H.sign(BODY) .. "\r\nContent-Length: 9\r\n\r\n")
    assert.equal("missing_signature", client:receive().error)
    client:close()
  end)

  it("refuses a chunk-size line of more than 256 bytes", function()
    start()
    local answer, client = host:raw(chunked(BODY)
      .. ("%016x;%s\r\n"):format(#BODY, ("e"):rep(257 - 17)))
    assert.equal("malformed_request", answer.error)
    assert.is_true(client:is_closed())
  end)

  it("refuses trailers that make the header too large", function()
    start "max_header = 1024"
    local answer, client = host:raw(chunked(BODY) .. chunks(BODY) .. "0\r\nX: "
      .. ("x"):rep(1000) .. "\r\n\r\n")
    assert.equal(431, answer.status)
    assert.is_true(client:is_closed())
  end)

  it("sends 100 Continue before the body comes", function()
    start()
    local client = host:connect()
    for _, request in ipairs {
      H.request(BODY, { headers = { "Expect: 100-continue" } }),
      chunked(BODY, { "expect: 100-Continue" }) .. chunks(BODY) .. "0\r\n\r\n",
    } do
      local head, body = request:match("^(.-\r\n\r\n)(.*)$")
      client:send(head)
      assert.equal("HTTP/1.1 100 Continue", client:receive().line)
      assert.is_true(client:is_silent())
      client:send(body)
      assert.equal(200, client:receive().status)
    end
    client:close()
  end)

  it("sends no interim answer when none was asked for or no body follows", function()
    start()
    local client = host:connect()
    client:send(("POST %s HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n\r\n"):format(PATH))
    assert.equal(400, client:receive().status) -- not signed
    local old = H.request(BODY, { headers = { "Expect: 100-continue", "Connection: keep-alive" } })
      :gsub("HTTP/1.1", "HTTP/1.0")
    client:send((old:match("^.-\r\n\r\n")))
    host:notify(BODY)
    assert.is_true(client:is_silent())
    client:send((old:match("\r\n\r\n(.*)$")))
    assert.equal(200, client:receive().status)
    client:close()
  end)

  it("sends the final status instead of 100 Continue for a head that it refuses", function()
    start "max_body = 1024"
    for request, status in pairs {
      [H.request(BODY, { path = "/other" })] = 404,
      [H.request(BODY):gsub("^POST", "PUT")] = 405,
      [H.request(("x"):rep(1025), { signature = "x" })] = 413,
    } do
      local client = host:connect()
      client:send((request:gsub("\r\n", "\r\nExpect: 100-continue\r\n", 1):match("^.-\r\n\r\n")))
      local answer = client:receive()
      assert.equal(status, answer.status)
      assert.equal("close", answer.headers.connection)
      assert.is_true(client:is_closed())
    end
  end)

  it("accepts header names in any case and values with white space around them", function()
    start()
    local client = host:connect()
    client:send(("POST %s HTTP/1.1\r\nhOST:h\r\nx-SIGNATURE: \t%s \t\r\nX-JOBID:case\r\n"
      .. "x-jobattempt:2\r\nCONTENT-length:%d\r\n\r\n%s"):format(PATH, H.sign(BODY), #BODY, BODY))
    assert.equal(200, client:receive().status)
    host:wait_log("job=case attempt=2 status=200")
    client:close()
  end)

  it("reads a request that comes one byte at a time", function()
    start()
    local client = host:connect()
    local bytes = H.request(BODY) .. chunked(BODY) .. chunks(BODY:sub(1, 7), BODY:sub(8))
      .. "0\r\nT: t\r\n\r\n" .. H.request("x", { close = true })
    for i = 1, #bytes do client:send(bytes:sub(i, i)) end
    assert.same({ 200, 200, 400, "closed" }, statuses(client, 4))
  end)

  it("skips one empty line before a request", function()
    start()
    local client = host:connect()
    client:send("\r\n" .. H.request(BODY) .. "\r\n" .. H.request(BODY) .. "\r\n\r\n" .. H.request(BODY))
    assert.same({ 200, 200, 400, "closed" }, statuses(client, 4))
  end)

  it("answers a client that has closed its half of the connection", function()
    local gate = H.gate()
    start(nil, { handlers = { ["a.lua"] = gate.source .. [[
      require "hookward".on("*", function(event) if event.Event == "A.Slow" then wait() end end)
    ]] } })
    local client = host:connect()
    client:send(H.request(H.event("A.Slow")) .. H.request(H.event("A.Quick"))
      .. H.request("no"))
    client:half_close()
    host:wait_log("begun")
    gate:open()
    assert.same({ 200, 200, 400, "closed" }, statuses(client, 4))
  end)

  it("closes without an answer when the client has closed within a request", function()
    start()
    for _, part in ipairs { "", "POST", H.request(BODY):sub(1, -2) } do
      local client = host:connect()
      client:send(part)
      client:half_close()
      assert.is_true(client:is_closed())
    end
  end)

  it("accepts a target in absolute form", function()
    start()
    for target, status in pairs {
      ["http://hooks.example" .. PATH] = 200,
      ["HTTPS://hooks.example:8443" .. PATH .. "?q=1"] = 200,
      ["http://[::1]:80" .. PATH] = 200,
      ["http://hooks.example"] = 404,
      ["http://hooks.example/other"] = 404,
      ["http://user@hooks.example" .. PATH] = 400,
      ["ftp://hooks.example" .. PATH] = 400,
      ["*"] = 400,
    } do
      assert.equal(status, host:notify(BODY, { path = target }).status, target)
    end
  end)

  it("accepts a header of max_header bytes and not one more", function()
    start "max_header = 1200"
    assert.equal(200, host:raw(sized(1200)).status)
    assert.equal(431, host:raw(sized(1201)).status)
    assert.equal(200, host:raw(chunked(BODY) .. chunks(BODY) .. "0\r\n\r\n").status)
  end)

  it("accepts any number of header lines within max_header", function()
    start(nil, { handlers = { ["a.lua"] = [[
      require "hookward".on("*", function(_, job)
        local _, count = job.headers.p:gsub("p", "")
        return nil, ("%d lines of P, and X has %d bytes"):format(count, #job.headers.x)
      end)
    ]] } })
    local request = sized(16384, 2000) -- X comes last
    assert.equal(("%d lines of P, and X has %d bytes"):format(select(2, request:gsub("\r\nP: p", "")),
      #request:match("X: (x+)")), host:raw(request).message)
    assert.equal(431, host:raw(sized(16385, 2000)).status)
  end)

  it("ignores an empty Expect", function()
    start()
    assert.equal(200, host:notify(BODY, { headers = { "Expect:" } }).status)
    assert.equal(417, host:notify(BODY, { headers = { "Expect: more" } }).status)
  end)

  it("refuses a chunk extension whose quote is not closed", function()
    start()
    assert.equal(200, host:raw(chunked(BODY) .. ('%x;a="b;c"\r\n%s\r\n0\r\n\r\n'):format(#BODY, BODY)).status)
    local answer, client = host:raw(chunked(BODY) .. ('%x;a="b\r\n%s\r\n0\r\n\r\n'):format(#BODY, BODY))
    assert.equal("malformed_request", answer.error)
    assert.is_true(client:is_closed())
  end)

  it("answers 405 to a method with the target *, and keeps the connection", function()
    start()
    local client = host:connect()
    for _, method in ipairs { "M-SEARCH", "OPTIONS" } do
      client:send(method .. " * HTTP/1.1\r\nHost: h\r\n\r\n")
      local answer = client:receive()
      assert.equal(405, answer.status)
      assert.equal("POST", answer.headers.allow)
    end
    client:send(H.request(BODY))
    assert.equal(200, client:receive().status)
    client:close()
  end)

  it("accepts a body of max_body bytes and not one more", function()
    local full = BODY .. (" "):rep(2000 - #BODY)
    start "max_body = 2000"
    assert.equal(200, host:notify(full).status)
    assert.equal(413, host:notify(full .. " ").status)
    local head = chunked(full)
    assert.equal(200, host:raw(head .. chunks(full:sub(1, 999), full:sub(1000)) .. "0\r\n\r\n").status)
    assert.equal(413, host:raw(head .. chunks(full:sub(1, 999), full:sub(1000), "x")).status)
  end)

  it("reads a large body that comes in many pieces, and the requests pipelined after it", function()
    start()
    local large = H.event("A.Done", '"Text":"' .. ("x"):rep(1000000) .. '"')
    local client = host:connect()
    client:send(H.request(large) .. H.request(BODY) .. H.request(large) .. H.request(BODY))
    assert.same({ 200, 200, 200, 200 }, statuses(client, 4))
    client:close()
  end)

  it("lets a client that is still sending a refused body read why", function()
    start()
    local client = host:connect()
    client:send(("POST %s HTTP/1.1\r\nHost: h\r\nContent-Length: 3000000\r\n\r\n"):format(PATH))
    assert.is_truthy(client:send(("x"):rep(60000)))
    assert.equal(413, client:receive().status)
    assert.equal("closed", select(2, client.tcp:receive(1))) -- and not "connection reset"
  end)

  it("stops reading from a client that keeps sending, which can still read why", function()
    start()
    local client = host:connect()
    client:send(("POST %s HTTP/1.1\r\nHost: h\r\nContent-Length: 999999999\r\n\r\n"):format(PATH))
    client.tcp:settimeout(0)
    local piece, sent = ("x"):rep(65536), 0
    for _ = 1, 2 do -- as much as the sockets hold, and again after the host had time to read on
      local err
      repeat
        _, err = client.tcp:send(piece)
        sent = sent + #piece
      until err or sent > 64 * 1024 * 1024
      assert.equal("timeout", err) -- the host reads no more, and the connection is not reset
      assert.equal(200, host:notify(BODY).status)
    end
    client.tcp:settimeout(10)
    assert.equal(413, client:receive().status)
    client:close()
  end)

  it("closes an idle connection without an answer", function()
    start "idle_timeout = 0.3"
    local request = H.request(BODY)
    local fresh, used = host:connect(), host:connect()
    used:send(request)
    assert.equal(200, used:receive().status)
    assert.is_true(fresh:is_closed())
    assert.is_true(used:is_closed())
  end)

  it("gives a connection without a first byte only header_timeout", function()
    start "idle_timeout = 3600, header_timeout = 0.3"
    local fresh, used = host:connect(), host:connect()
    used:send(H.request(BODY))
    assert.equal(200, used:receive().status)
    assert.is_true(fresh:is_closed())
    used:send(H.request(BODY))
    assert.equal(200, used:receive().status)
  end)

  it("applies a shorter idle_timeout to existing connections too", function()
    start "idle_timeout = 3600"
    local before = host:connect()
    before:send(H.request(BODY))
    assert.equal(200, before:receive().status)
    H.write(host.folder .. "/hookward.lua",
      'return { listen = "127.0.0.1:0", ledger = "memory:", idle_timeout = 0.3 }')
    host:wait_log("reloaded")
    local after = host:connect()
    assert.is_true(before:is_closed())
    assert.is_true(after:is_closed())
  end)

  it("does not count the time of a handler as idle", function()
    local gate = H.gate()
    local request = H.request(BODY)
    start("idle_timeout = 0.3", { handlers = { ["a.lua"] = gate.source .. [[
      require "hookward".on("*", function() wait() end)
    ]] } })
    local busy, idle = host:connect(), host:connect()
    busy:send(request)
    host:wait_log("begun")
    assert.is_true(idle:is_closed()) -- so idle_timeout has passed
    gate:open()
    assert.equal(200, busy:receive().status)
  end)

  it("waits for a client that does not read its answers, and serves the others", function()
    start()
    local count = 30000 -- their answers are more than the sockets can hold
    local client = host:connect(nil, nil, 65536)
    client:send(("GET / HTTP/1.1\r\nHost: h\r\n\r\n"):rep(count))
    for _ = 1, 20 do assert.equal(200, host:notify(BODY).status) end
    for _ = 1, count do
      local answer = client:receive()
      if answer.status ~= 404 then error(answer.line) end
    end
    client:close()
  end)

  it("keeps running after clients that vanish at any point", function()
    start()
    for _ = 1, 30 do
      for _, part in ipairs { "", "P", H.request(BODY), H.request(BODY):sub(1, -2),
        H.request(BODY):rep(3) } do
        local client = host:connect()
        client.tcp:setoption("linger", { on = true, timeout = 0 }) -- close() sends a reset
        client:send(part)
        client:close()
      end
    end
    assert.equal(200, host:notify(BODY).status)
    assert.equal(0, host:stop())
  end)
end)
