-- Who may send (`allow`), and those whose requests keep failing (`max_failures_per_address`).

local H = require "spec.support.host"
local cli = require "spec.support.cli"
local json = require "cjson"

local BODY = H.event("A.Done")
local HANDLERS = { ["a.lua"] = [[
  local hook = require "hookward"
  hook.on("A.Done", function(_, job)
    hook.log.info("ran " .. job.id .. " of " .. tostring(job.remote))
  end)
]] }

describe("strangers", function()
  local host
  after_each(function() H.stop_all() cli.clean() end)

  local function start(config, handlers)
    host = H.start { listen = '{ "unix:h.sock", ' .. H.WITH_PROXY .. " }",
      config = "trusted_proxies = { '127.0.0.1', 'unix' }, " .. config,
      handlers = handlers or HANDLERS }
  end

  local function status()
    local client = assert(H.connect_unix(host.folder .. "/.hookward.sock"))
    local answer = client:send("GET /state HTTP/1.1\r\nHost: h\r\n\r\n"):receive()
    client:close()
    return json.decode(answer.body)
  end

  -- A request as a trusted proxy passes it on for this address; nil: the proxy's own.
  local function request(address, options)
    options = options or {}
    options.headers = options.headers or {}
    if address then table.insert(options.headers, "X-Forwarded-For: " .. address) end
    return H.request(options.body or BODY, options)
  end

  local function send(address, options)
    local client = host:connect():send(request(address, options))
    local answer, err = client:receive()
    client:close()
    return answer or error(err)
  end

  local function edit(from, to)
    local path = host.folder .. "/hookward.lua"
    local text, count = H.read(path):gsub(from, to)
    assert.equal(1, count)
    H.write(path, text)
    local result = cli.run { "reload", cwd = host.folder }
    assert.equal(0, result.code, result.err)
  end

  describe("with `allow`", function()
    it("are answered 403; those of its networks are served", function()
      start "allow = { '203.0.113.0/24', '2001:db8::/32', '198.51.100.7' }"
      for _, address in ipairs { "203.0.113.0", "203.0.113.255", "2001:db8::7", "198.51.100.7",
        "::ffff:203.0.113.9" } do
        assert.equal(200, send(address).status, address)
      end
      for _, address in ipairs { "203.0.112.255", "203.0.114.0", "2001:db9::", "198.51.100.8",
        "::203.0.113.9", "10.0.0.1" } do
        local answer = send(address)
        assert.equal("403 not_allowed", answer.status .. " " .. answer.error, address)
        assert.equal("close", answer.headers.connection)
      end
      host:wait_log("refused error=not_allowed status=403[^\n]*peer=203%.0%.112%.255\n")
      assert.equal(6, status().errors.not_allowed)
    end)

    it("are judged by the PROXY protocol's address as well", function()
      start "allow = '203.0.113.0/24'"
      local function code(address)
        local client = host:connect_as(address):send(H.request(BODY))
        local answer = client:receive()
        client:close()
        return answer.status
      end
      assert.equal(200, code "203.0.113.7")
      assert.equal(403, code "198.51.100.7")
      assert.equal(403, code "127.0.0.9") -- so it was named; the socket's own would do
    end)

    it("are local clients all the same, unless a proxy has named another one", function()
      start "allow = '203.0.113.0/24'"
      assert.equal(200, send().status)
      local client = assert(H.connect_unix(host.folder .. "/h.sock"))
      assert.equal(200, client:send(H.request(BODY)):receive().status)
      assert.equal(403, client:send(request "198.51.100.7"):receive().status)
      client:close()
      assert.equal(403, send("127.0.0.9").status)
      assert.equal(0, cli.run({ "reload", cwd = host.folder }).code) -- by the control socket
    end)

    it("are refused before anything else is checked, and their body is not read", function()
      start "allow = '203.0.113.0/24', path = '/hook'"
      local function head(lines)
        local client = host:connect():send("POST /wrong HTTP/1.1\r\nHost: h\r\n"
          .. "X-Forwarded-For: 198.51.100.7\r\nContent-Length: 100000\r\n" .. lines .. "\r\n")
        local answer = client:receive()
        assert.is_true(client:is_closed())
        client:close()
        return answer.status
      end
      assert.equal(403, head "")
      assert.equal(403, head "Expect: 100-continue\r\n")
      assert.equal(404, send("203.0.113.7").status)
    end)

    it("change with a reload", function()
      start "allow = '203.0.113.0/24'"
      assert.equal(403, send("198.51.100.7").status)
      edit("203%.0%.113%.0/24", "198.51.100.0/24")
      host:wait_log("reloaded: version 1") -- it is news, although no script has changed
      assert.equal(200, send("198.51.100.7").status)
      assert.equal(403, send("203.0.113.7").status)
      edit("'198.51.100.0/24'", "{}")
      assert.equal(200, send("203.0.113.7").status)
      edit("'127.0.0.1', ", "")
      assert.matches("of 127.0.0.1", (function()
        send("203.0.113.7", { id = "untrusted" })
        return host:wait_log("(ran untrusted of %S+)")
      end)())
    end)

    it("can't claim an allowed address", function()
      start "allow = '203.0.113.0/24'"
      assert.equal(403, send("203.0.113.7, 198.51.100.7").status)
      assert.equal(200, send("198.51.100.7, 203.0.113.7").status)
    end)
  end)

  describe("with max_failures_per_address", function()
    local GATE = [[
      local hook = require "hookward"
      hook.on("A.Block", function() wait() end)
      hook.on("A.Done", function(_, job) hook.log.info("ran " .. job.id) end)
    ]]

    local function fail(address, count)
      for i = 1, count do
        local answer = send(address, { signature = i % 2 == 0 and "AAAA" or false })
        assert.matches("_signature$", answer.error)
      end
    end

    -- Sends these requests while the only worker is busy. Returns the ids in the order of their runs.
    local function order(gate, requests)
      local blocking = host:connect():send(H.request(H.event("A.Block")))
      host:wait_log("begun")
      local clients, ran = {}, {}
      for i, one in ipairs(requests) do
        clients[i] = host:connect():send(request(one[1], { id = one[2] }))
        -- one after another, as they came: the next only when this one was read
        H.wait_until(function() return status().counts.in_flight == i + 1 end)
      end
      gate:open(1)
      assert.equal(200, blocking:receive().status)
      for _, client in ipairs(clients) do
        assert.equal(200, client:receive().status)
        client:close()
      end
      blocking:close()
      host:wait_log_count("ran ", #requests)
      for id in host:log():gmatch("ran (%S+)") do ran[#ran + 1] = id end
      return table.concat(ran, " ")
    end

    it("are verified last once they are over it, and not before", function()
      local gate = H.gate()
      start("workers = 1, max_failures_per_address = 3", { ["a.lua"] = gate.source .. GATE })
      fail("203.0.113.66", 3)
      fail("203.0.113.67", 4)
      assert.equal("at-limit good over another", order(gate, { { "203.0.113.67", "over" },
        { "203.0.113.66", "at-limit" }, { "203.0.113.1", "good" }, { "203.0.113.67", "another" } }))
      assert.equal(2, status().counts.verified_last)
      host:wait_log("an address is over max_failures_per_address[^\n]*count=1 max=3 "
        .. "peer=203%.0%.113%.67\n")
    end)

    it("are one for all of an IPv6 /64", function()
      local gate = H.gate()
      start("workers = 1, max_failures_per_address = 1", { ["a.lua"] = gate.source .. GATE })
      fail("2001:db8:1:2::1", 1)
      fail("2001:db8:1:2::2", 1)
      assert.equal("good over", order(gate, { { "2001:db8:1:2::3", "over" },
        { "2001:db8:1:3::3", "good" } }))
    end)

    it("do not hold up another address that sends the same notification", function()
      local gate = H.gate()
      start("workers = 1, max_failures_per_address = 1", { ["a.lua"] = gate.source .. GATE })
      fail("203.0.113.66", 2)
      local blocking = host:connect():send(H.request(H.event("A.Block")))
      host:wait_log("begun")
      local function begin(count, ...)
        local client = host:connect():send(request(...))
        H.wait_until(function() return status().counts.in_flight == count end)
        return client
      end
      local last = begin(2, "203.0.113.66", { body = H.event("A.Block", '"N":2') })
      local forged = begin(3, "203.0.113.66", { id = "twin", signature = H.sign("another body") })
      local good = begin(4, "203.0.113.1", { id = "twin" }) -- waits for the forged one
      gate:open(1)
      assert.equal(200, blocking:receive().status)
      assert.equal("invalid_signature", forged:receive().error) -- while the last one still waits
      gate:open(1)
      assert.equal(200, good:receive().status)
      assert.equal(200, last:receive().status)
      for _, client in ipairs { blocking, last, forged, good } do client:close() end
    end)

    it("wait for a worker no longer than queue_timeout, as everybody", function()
      local gate = H.gate()
      start("workers = 1, max_failures_per_address = 1, queue_timeout = '200ms'",
        { ["a.lua"] = gate.source .. GATE })
      fail("203.0.113.66", 2)
      local blocking = host:connect():send(H.request(H.event("A.Block")))
      host:wait_log("begun")
      assert.equal("queue_timeout", send("203.0.113.66").error)
      assert.equal("queue_timeout", send("203.0.113.1").error)
      gate:open(1)
      assert.equal(200, blocking:receive().status)
      blocking:close()
    end)

    it("are counted once a reload turns it on, and forgotten when it is turned off #long", function()
      local gate = H.gate()
      start("workers = 1 ", { ["a.lua"] = gate.source .. GATE })
      fail("203.0.113.66", 5)
      send("203.0.113.66")
      assert.equal(0, status().counts.verified_last)
      edit("workers = 1 ", "workers = 1, max_failures_per_address = 1")
      fail("203.0.113.66", 2)
      send("203.0.113.66")
      assert.equal(1, status().counts.verified_last)
      edit("max_failures_per_address = 1", "max_failures_per_address = nil")
      send("203.0.113.66")
      edit("max_failures_per_address = nil", "max_failures_per_address = 1")
      send("203.0.113.66")
      assert.equal(1, status().counts.verified_last)
    end)
  end)
end)
