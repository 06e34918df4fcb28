-- The client's address behind load balancers: the PROXY protocol, and X-Forwarded-For.

local certificates = require "spec.support.certificates"
local H = require "spec.support.host"
local cli = require "spec.support.cli"
local socket = require "socket"

local BODY = H.event("A.Remote")
local HANDLERS = { ["a.lua"] = [[
  local hook = require "hookward"
  hook.on("A.Remote", function(_, job) return nil, "remote=" .. tostring(job.remote) end)
]] }

-- The v2 header of a TCP connection, or with another command and family.
local function bytes_of(addresses, command, family, tlvs)
  local rest = addresses .. (tlvs or "")
  return "\r\n\r\n\0\r\nQUIT\n" .. string.char(command or 0x21, family or 0x11) .. (">I2"):pack(#rest) .. rest
end
local V4 = "\203\0\113\7\192\0\2\1\18\103\1\187" -- 203.0.113.7:4711
local V6 = ("\32\1\13\184\0\0\0\0\0\0\0\0\0\0\0\7"):rep(2) .. "\18\103\1\187" -- 2001:db8::7

describe("a listener with proxy_protocol", function()
  local host

  local function start(config)
    host = H.start { listen = '{ "unix:h.sock", ' .. H.WITH_PROXY .. " }", config = config,
      handlers = HANDLERS }
  end

  -- What job.remote was for a request after these bytes.
  local function remote_after(bytes)
    local client = host:connect_as()
    client:send(bytes .. H.request(BODY))
    local answer = client:receive()
    client:close()
    return answer and answer.message:match("remote=(.*)$")
  end

  describe("", function()
    setup(function() start() end)
    teardown(function() H.stop_all() end)

    it("takes the client's address from a line of text", function()
      assert.equal("203.0.113.7", remote_after "PROXY TCP4 203.0.113.7 192.0.2.1 4711 443\r\n")
      assert.equal("2001:db8::7", remote_after "PROXY TCP6 2001:db8::7 ::1 4711 443\r\n")
    end)

    it("takes it from the binary header, and skips what follows the addresses", function()
      assert.equal("203.0.113.7", remote_after(bytes_of(V4)))
      assert.equal("2001:db8::7", remote_after(bytes_of(V6, 0x21, 0x21)))
      assert.equal("203.0.113.7", remote_after(bytes_of(V4, 0x21, 0x11, "\4\0\4POST")))
      assert.equal("203.0.113.7", remote_after(bytes_of(V4, 0x21, 0x11, "\4\7\209" .. ("x"):rep(2001))))
    end)

    it("keeps the socket's address for LOCAL and UNKNOWN", function()
      assert.equal("127.0.0.1", remote_after "PROXY UNKNOWN\r\n")
      assert.equal("127.0.0.1", remote_after(bytes_of("", 0x20, 0)))
      assert.equal("127.0.0.1", remote_after(bytes_of(V4, 0x20)))
    end)

    it("takes a header that comes byte by byte", function()
      for _, header in ipairs { "PROXY TCP4 203.0.113.7 192.0.2.1 4711 443\r\n", bytes_of(V4) } do
        local client = host:connect_as()
        local all = header .. H.request(BODY)
        for i = 1, #header + 5 do
          client:send(all:sub(i, i))
          if i % 8 == 0 then socket.sleep(0.002) end
        end
        client:send(all:sub(#header + 6))
        assert.matches("remote=203.0.113.7", client:receive().message)
        client:send(H.request(BODY)) -- the same connection: no second header
        assert.matches("remote=203.0.113.7", client:receive().message)
        client:close()
      end
    end)

    it("closes a connection without a proper header, counts it, and logs it once", function()
      local bad = { H.request(BODY), "\22\3\1\0\5hello", "PROXY TCP4 203.0.113.7 192.0.2.1 4711\r\n",
        "PROXY UNKNOWN\n" .. H.request(BODY), bytes_of(V4, 0x22), bytes_of("", 0x21, 0x11),
        "PROXY UNKNOWN " .. ("x"):rep(92) .. "\r\n", bytes_of(V4, 0x21, 0x11, ("x"):rep(2021)) }
      for _, bytes in ipairs(bad) do
        local client = host:connect_as():send(bytes)
        assert.is_true(client:is_closed())
        client:close()
      end
      host:wait_log("a connection without a proper header of the PROXY protocol was closed[^\n]*"
        .. "count=1 why=\"it is not a PROXY protocol header\" peer=127%.0%.0%.1")
      assert.equal(1, host:count("without a proper header"))
    end)

    it("takes the longest line and the longest header", function()
      assert.equal("127.0.0.1", remote_after("PROXY UNKNOWN " .. ("x"):rep(91) .. "\r\n"))
      assert.equal("203.0.113.7", remote_after(bytes_of(V4, 0x21, 0x11, ("x"):rep(2020))))
    end)

    it("expects none on its other listeners", function()
      local plain = host:connect():send(H.proxy_line("203.0.113.7") .. H.request(BODY))
      assert.equal("malformed_request", plain:receive().error)
      plain:close()
      local client = assert(H.connect_unix(host.folder .. "/h.sock")):send(H.request(BODY))
      assert.matches("remote=unix", client:receive().message)
      client:close()
    end)
  end)

  it("waits for the header no longer than header_timeout", function()
    finally(function() H.stop_all() end)
    start "header_timeout = '300ms'"
    local silent, slow = host:connect_as(), host:connect_as():send("PROXY TCP4 203.0.")
    local begun = socket.gettime()
    assert.is_true(silent:is_closed())
    assert.is_true(slow:is_closed())
    assert.is_true(socket.gettime() - begun < 5)
    host:wait_log('without a proper header[^\n]*why="it took longer than header_timeout"')
  end)

  it("takes the header before TLS begins", function()
    local folder = H.folder()
    certificates.self_signed(folder, "c")
    host = H.start { handlers = HANDLERS, listen = ('{ "127.0.0.1:0", { "127.0.0.2:0", proxy_protocol '
      .. '= true, tls = { cert = "%s/c.pem", key = "%s/c.key" } } }'):format(folder, folder) }
    finally(function() H.stop_all() end)
    H.write(folder .. "/body", BODY)
    local server = assert(socket.bind("127.0.0.1", 0))
    local _, port = server:getsockname()
    local curl = io.popen(("cd %s && curl -sS --cacert c.pem --connect-to ::127.0.0.1:%d "
      .. "-H 'X-JobId: 1' -H 'X-Signature: %s' --data-binary @body https://localhost%s 2>&1"):format(
        folder, port, H.sign(BODY), "/baseWebhookNotification"))
    -- The load balancer: it sends the header and the client's first bytes in one piece.
    local client, up = assert(server:accept()), host:connect_as().tcp
    local header = H.proxy_line("203.0.113.7")
    client:settimeout(0)
    up:settimeout(0)
    repeat
      local ready = socket.select({ client, up }, nil, 20)
      local over = #ready == 0
      for _, from in ipairs(ready) do
        local bytes, why, part = from:receive(65536)
        over = over or why == "closed"
        bytes = bytes or part
        if from == client and #bytes > 0 then bytes, header = header .. bytes, "" end
        ;(from == client and up or client):send(bytes)
      end
    until over
    client:close()
    up:close()
    server:close()
    assert.matches("remote=203.0.113.7", curl:read("a"))
    curl:close()
  end)

  it("makes the address in its header decide whose X-Forwarded-For counts", function()
    finally(function() H.stop_all() end)
    -- The socket's address is 127.0.0.1, whose header always counts.
    start "trusted_proxies = { '203.0.113.7' }"
    local function remote(peer, forwarded)
      local client = host:connect_as(peer):send(H.request(BODY,
        { headers = { "X-Forwarded-For: " .. forwarded } }))
      local answer = client:receive()
      client:close()
      return answer.message:match("remote=(.*)$")
    end
    assert.equal("198.51.100.1", remote("203.0.113.7", "192.0.2.1, 198.51.100.1"))
    assert.equal("203.0.113.8", remote("203.0.113.8", "192.0.2.1, 198.51.100.1"))
  end)
end)

describe("X-Forwarded-For", function()
  after_each(function() H.stop_all() end)

  local function start(trusted)
    return H.start { listen = '{ "unix:h.sock", "127.0.0.1:0" }', handlers = HANDLERS,
      config = trusted and ("trusted_proxies = %s"):format(trusted) }
  end

  local function remote_on(client, lines)
    local headers = {}
    for i, line in ipairs(lines) do headers[i] = "X-Forwarded-For: " .. line end
    local answer = client:send(H.request(BODY, { headers = headers })):receive()
    client:close()
    return answer.message:match("remote=(.*)$")
  end

  it("means nothing from a peer that is not trusted", function()
    local host = start()
    assert.equal("127.0.0.1", remote_on(host:connect(), { "203.0.113.7" }))
    assert.equal("unix", remote_on(H.connect_unix(host.folder .. "/h.sock"), { "203.0.113.7" }))
    H.stop_all()
    host = start "'10.0.0.0/8'"
    assert.equal("127.0.0.1", remote_on(host:connect(), { "203.0.113.7, 10.0.0.1" }))
    assert.equal("unix", remote_on(H.connect_unix(host.folder .. "/h.sock"), { "203.0.113.7" }))
  end)

  it("names the client when the peer is trusted: the last address that is no proxy's", function()
    local host = start "{ '127.0.0.1', '10.0.0.0/8', 'unix' }"
    local function remote(...) return remote_on(host:connect(), { ... }) end
    assert.equal("203.0.113.7", remote("203.0.113.7"))
    assert.equal("203.0.113.7", remote("198.51.100.66, 203.0.113.7, 10.1.2.3"))
    assert.equal("203.0.113.7", remote("198.51.100.66", "203.0.113.7", "10.1.2.3"))
    assert.equal("203.0.113.7", remote("203.0.113.7:4711"))
    assert.equal("2001:db8::7", remote("[2001:db8::7]:4711, 10.1.2.3:80"))
    assert.equal("10.1.2.3", remote("unknown, 10.1.2.3"))
    assert.equal("127.0.0.1", remote("unknown"))
    assert.equal("127.0.0.1", remote())
    assert.equal("203.0.113.7", remote_on(H.connect_unix(host.folder .. "/h.sock"), { "203.0.113.7" }))
  end)

  it("is not known any more when the host runs a notification again from its ledger", function()
    local host = H.start { handlers = HANDLERS, ledger = "hookward.db",
      config = "trusted_proxies = '127.0.0.1'" }
    host:notify(BODY, { id = "again", headers = { "X-Forwarded-For: 203.0.113.7" } })
    host:wait_log('failed[^\n]*job=again[^\n]*reason="?remote=203%.0%.113%.7')
    local result = cli.run { "jobs", "replay", "again", cwd = host.folder }
    assert.equal(1, result.code)
    host:wait_log('job=again[^\n]*reason="?remote=nil')
    cli.clean()
  end)

  it("holds for its request alone, and is what the log names as peer", function()
    local host = start "'127.0.0.1'"
    local client = host:connect()
    client:send(H.request(BODY, { headers = { "X-Forwarded-For: 203.0.113.7" } }))
    assert.matches("remote=203.0.113.7", client:receive().message)
    client:send(H.request(BODY))
    assert.matches("remote=127.0.0.1", client:receive().message)
    client:send(H.request(BODY, { signature = "AAAA", headers = { "X-Forwarded-For: 203.0.113.7:99" } }))
    assert.equal("malformed_signature", client:receive().error)
    host:wait_log("refused[^\n]*error=malformed_signature[^\n]*peer=203%.0%.113%.7:99")
    client:send("GET /x HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 203.0.113.8\r\n\r\n")
    assert.equal(404, client:receive().status)
    host:wait_log("refused error=not_found[^\n]*peer=203%.0%.113%.8\n")
    client:send("not HTTP\r\n\r\n")
    assert.equal(400, client:receive().status)
    host:wait_log("error=malformed_request[^\n]*peer=127%.0%.0%.1:%d+")
    client:close()
  end)
end)
