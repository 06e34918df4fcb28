-- Accepting connections: without free descriptors, at max_connections, and from a greedy address.

local H = require "spec.support.host"
local cli = require "spec.support.cli"

local BODY = H.event("A.Done")

-- A handler that opens files until no descriptor is left; `where` is Lua that gets each `file`.
local function hoarder(where)
  return { ["a.lua"] = ([[
    Kept = {}
    require "hookward".on("A.Hoard", function()
      repeat
        local file = io.open("/dev/null")
        %s
      until not file
    end)
    require "hookward".on("A.Done", function() end)
    require "hookward".on("A.Free", function()
      for _, file in ipairs(Kept) do file:close() end
      Kept = {}
    end)
  ]]):format(where) }
end

describe("the acceptor", function()
  local host
  after_each(function() H.stop_all() cli.clean() end)

  local function start(options)
    host = H.start(options)
    return host
  end

  local function use(client, body)
    client:send(H.request(body or BODY))
    return client:receive()
  end

  describe("without a descriptor for a connection", function()
    -- The handlers stop the garbage collector, so that files stay open.
    local LIMITS = { env = "ulimit -n 100;", config = "workers = 1" }

    local function hoard(where)
      local handlers = hoarder(where)
      handlers["a.lua"] = "collectgarbage 'stop'\n" .. handlers["a.lua"]
      LIMITS.handlers = handlers
      start(LIMITS)
      local inside = host:connect()
      assert.equal(200, use(inside, H.event("A.Hoard")).status)
      return inside
    end

    it("logs it once, uses no CPU time, and drains when it is told to", function()
      local inside = hoard "Kept[#Kept + 1] = file"
      inside:send("POST /baseWebhookNotification HTTP/1.1\r\n") -- not idle, has a descriptor
      local waiting = {}
      for i = 1, 20 do
        waiting[i] = host:connect()
        waiting[i]:send("POST /baseWebhookNotification HTTP/1.1\r\n") -- not idle either
      end
      host:wait_log("no file is left for a new connection")
      local function ticks()
        local user, system = H.read(("/proc/%d/stat"):format(host.pid))
          :match("^%d+ %b() %a" .. (" %-?%d+"):rep(10) .. " (%d+) (%d+)")
        return user + system
      end
      local before = ticks()
      host:wait_log("closed at once") -- after a while
      assert.is_true(ticks() - before < 100) -- hundredths of a second; a busy loop would take 200
      assert.is_true(host:count_log("\n") < 12)
      assert.equal(1, host:count_log("closed at once"))
      host:signal "TERM"
      host:wait_log("stopping")
      inside:close()
      for _, client in ipairs(waiting) do client:close() end
      assert.equal(0, host:wait())
    end)

    it("closes an idle connection to accept it", function()
      local inside = hoard "Kept[#Kept + 1] = file"
      local other = host:connect()
      assert.equal(200, use(other).status)
      assert.is_true(inside:is_closed())
      assert.equal(200, use(host:connect(), H.event("A.Free")).status)
      assert.equal(200, use(host:connect()).status)
    end)

    it("has the scripts collect garbage, and then accepts waiting connections", function()
      local inside = hoard ""
      inside:send("POST /baseWebhookNotification HTTP/1.1\r\n")
      for _ = 1, 3 do assert.equal(200, use(host:connect()).status) end
      inside:close()
    end)

    it("still reads commands, and says why it can't answer them", function()
      local inside = hoard "Kept[#Kept + 1] = file"
      inside:send("POST /baseWebhookNotification HTTP/1.1\r\n")
      local knocking = host:connect()
      host:wait_log("no file is left for a new connection")
      local result = cli.run { "reload", cwd = host.folder }
      assert.matches("Too many open files", result.err .. result.out)
      knocking:close()
      inside:close()
    end)
  end)

  describe("at max_connections", function()
    local HANDLERS = { ["a.lua"] = "require 'hookward'.on('*', function() end)" }

    local function full(config, handlers)
      return start { config = config, handlers = handlers or HANDLERS }
    end

    it("closes the connection that was idle longest for a new one", function()
      full "max_connections = 2"
      local first, second = host:connect(), host:connect()
      use(first)
      use(second)
      use(first)
      local third = host:connect()
      assert.equal(200, use(third).status)
      assert.is_true(second:is_closed())
      assert.equal(200, use(first).status)
      assert.equal(200, use(third).status)
      host:wait_log("max_connections reached: the connections idle longest were closed[^\n]*count=1 max=2")
    end)

    it("counts a connection that has sent nothing as idle", function()
      full "max_connections = 2"
      local silent = host:connect()
      local speaking = host:connect()
      use(speaking)
      assert.equal(200, use(host:connect()).status)
      assert.is_true(silent:is_closed())
      assert.equal(200, use(speaking).status)
    end)

    it("lets a new connection wait while none is idle", function()
      local gate = H.gate()
      full("max_connections = 2, workers = 2", { ["a.lua"] = gate.source .. [[
        require "hookward".on("*", function() wait() end)
      ]] })
      local first, second = host:connect(), host:connect()
      first:send(H.request(BODY))
      second:send(H.request(H.event("A.Second")))
      host:wait_log_count("begun", 2)
      local third = host:connect()
      third:send(H.request(H.event("A.Third")))
      host:wait_log("none can be closed: new ones wait")
      assert.is_true(third:is_silent())
      gate:open(3)
      for _, client in ipairs { first, second, third } do
        assert.equal(200, client:receive().status)
      end
    end)

    it("closes connections with incomplete requests when none is idle", function()
      full "max_connections = 2"
      local begun, half = host:connect():send("POST "), host:connect()
      half:send(H.request(BODY):sub(1, -2))
      local more = {}
      for i = 1, 2 do more[i] = host:connect():send("POST ") end -- neither is idle
      assert.is_true(begun:is_closed() and half:is_closed())
      for _, client in ipairs(more) do client:close() end
    end)

    it("logs it once, with a count", function()
      full "max_connections = 10"
      local clients = {}
      for i = 1, 300 do
        clients[i] = host:connect()
        assert.equal(200, use(clients[i]).status)
      end
      assert.equal(1, host:count_log("idle longest"))
      assert.equal(0, host:stop())
      local told = 0
      for count in host:log():gmatch("idle longest were closed for new ones count=(%d+)") do
        told = told + tonumber(count)
      end
      assert.equal(290, told)
      for _, client in ipairs(clients) do client:close() end
    end)

    it("still has room for the control socket", function()
      local gate = H.gate()
      full("max_connections = 1, max_queue = 1, workers = 1", { ["a.lua"] = gate.source .. [[
        require "hookward".on("*", function() wait() end)
      ]] })
      local busy = host:connect()
      busy:send(H.request(BODY))
      host:wait_log("begun")
      assert.equal(0, cli.run({ "reload", cwd = host.folder }).code)
      gate:open(1)
      assert.equal(200, busy:receive().status)
    end)
  end)

  describe("with a greedy address", function()
    it("accepts max_connections_per_address, and closes more", function()
      start { listen = '{ "unix:h.sock", ' .. H.WITH_PROXY .. " }",
        config = "max_connections_per_address = 2",
        handlers = { ["a.lua"] = "require 'hookward'.on('*', function() end)" } }
      local first, second = host:connect_as "203.0.113.7", host:connect_as "203.0.113.7"
      assert.equal(200, use(first).status)
      assert.equal(200, use(second).status)
      assert.is_true(host:connect_as("203.0.113.7"):is_closed())
      assert.equal(200, use(host:connect_as "203.0.113.8").status)
      host:wait_log("an address reached max_connections_per_address[^\n]*count=1 max=2 "
        .. "peer=203%.0%.113%.7:4711")
      second:close()
      H.wait_until(function() return use(host:connect_as "203.0.113.7") end)
    end)

    it("exempts loopback, Unix sockets and trusted proxies", function()
      start { listen = '{ "unix:h.sock", ' .. H.WITH_PROXY .. " }",
        config = "max_connections_per_address = 2, trusted_proxies = '198.51.100.0/24'",
        handlers = { ["a.lua"] = "require 'hookward'.on('*', function() end)" } }
      local clients = {}
      for _ = 1, 3 do
        clients[#clients + 1] = host:connect()
        clients[#clients + 1] = assert(H.connect_unix(host.folder .. "/h.sock"))
        clients[#clients + 1] = host:connect_as "198.51.100.1"
        clients[#clients + 1] = host:connect_as "127.0.0.1"
      end
      for _, client in ipairs(clients) do assert.equal(200, use(client).status) end
      for _, client in ipairs(clients) do client:close() end
    end)

    it("accepts a quarter of max_connections by default, and 16 at least", function()
      for max, expected in pairs { [100] = 25, [20] = 16, [3] = 3 } do
        start { config = ("max_connections = %d"):format(max), listen = "{ " .. H.WITH_PROXY .. " }",
          handlers = { ["a.lua"] = "require 'hookward'.on('*', function() end)" } }
        local clients, open = {}, 0
        for i = 1, expected + (max > expected and 1 or 0) do
          clients[i] = host:connect_as "203.0.113.7"
        end
        for _, client in ipairs(clients) do
          if use(client) then open = open + 1 end
        end
        assert.equal(expected, open)
        for _, client in ipairs(clients) do client:close() end
        host:stop()
      end
    end)
  end)

  describe("with incomplete requests", function()
    local HANDLERS = { ["a.lua"] = "require 'hookward'.on('*', function() end)" }

    local function head(length)
      return ("POST /baseWebhookNotification HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n")
        :format(length)
    end

    -- Waits until the host has read all that was sent before.
    local function settle() assert.equal(200, host:notify(BODY).status) end

    it("counts only complete requests against max_queue", function()
      start { config = "max_queue = 1", handlers = HANDLERS }
      local clients = {}
      for i = 1, 10 do clients[i] = host:connect():send(head(1)) end
      settle()
      for _, client in ipairs(clients) do client:send("x") end
      for _, client in ipairs(clients) do
        assert.equal("missing_signature", client:receive().error)
        client:close()
      end
    end)

    it("finishes a request that had begun before the drain", function()
      start { handlers = HANDLERS }
      local request = H.request(BODY)
      local client = host:connect():send(request:sub(1, -2))
      settle()
      host:signal "TERM"
      host:wait_log("stopping")
      client:send(request:sub(-1))
      assert.equal(200, client:receive().status)
      assert.equal(0, host:wait())
    end)

    it("refuses the oldest over max_unfinished", function()
      start { config = "max_unfinished = 3", handlers = HANDLERS }
      local clients = {}
      clients[1] = host:connect():send("POST ") -- no head yet
      settle()
      for i = 2, 5 do
        clients[i] = host:connect():send(head(1))
        settle()
      end
      for i = 1, 2 do
        local answer = clients[i]:receive()
        assert.equal("overloaded", answer.error)
        assert.equal("close", answer.headers.connection)
      end
      host:wait_log("refused error=overloaded [^\n]*why=[^\n]*max_unfinished")
      for i = 3, 5 do
        clients[i]:send("x")
        assert.equal("missing_signature", clients[i]:receive().error)
      end
      for _, client in ipairs(clients) do client:close() end
    end)

    it("gives one address no more than its share of max_unfinished", function()
      start { config = "max_unfinished = 100", listen = "{ " .. H.WITH_PROXY .. " }",
        handlers = HANDLERS }
      local function begin(address) return host:connect_as(address):send(head(1)) end
      local clients = {}
      for i = 1, 25 do clients[i] = begin "203.0.113.7" end
      settle()
      assert.equal("overloaded", begin("203.0.113.7"):receive().error)
      clients[26] = begin "203.0.113.8"
      for i = 27, 60 do clients[i] = host:connect():send(head(1)) end -- loopback
      settle()
      for _, client in ipairs(clients) do
        client:send("x")
        assert.equal("missing_signature", client:receive().error)
        client:close()
      end
    end)

    it("refuses the largest over max_memory_bodies, and serves the others", function()
      start { config = "max_memory_bodies = '2MB', max_body = '700KB'", handlers = HANDLERS }
      local large, clients = ("x"):rep(600000), {}
      for i = 1, 8 do
        local part = i == 2 and 599999 or 300000 + i
        clients[i] = host:connect():send(head(600000) .. large:sub(1, part))
        settle()
      end
      local refused = clients[2]:receive()
      assert.equal("overloaded", refused.error)
      assert.matches("max_memory_bodies", refused.message)
      local whole = H.event("A.Done", '"Text":"' .. ("y"):rep(20000) .. '"')
      assert.equal(200, host:notify(whole).status)
      for _, client in ipairs(clients) do client:close() end
      H.wait_until(function() -- all of the memory is free again
        return host:notify(H.event("A.Done", '"Text":"' .. ("z"):rep(700000) .. '"')).status == 200
      end)
    end)

    it("frees the memory of bodies", function()
      if os.getenv "HOOKWARD_SPEC_PATIENCE" then return end -- a sanitizer holds on to freed memory
      start { config = "max_connections_per_address = 10000", handlers = HANDLERS }
      local function resident()
        return tonumber(H.read(("/proc/%d/status"):format(host.pid)):match("VmRSS:%s*(%d+) kB")) // 1024
      end
      settle()
      local before, clients, bytes = resident(), {}, ("x"):rep(1000000)
      for i = 1, 150 do clients[i] = host:connect():send(head(1000001) .. bytes) end
      H.wait_until(function() return resident() - before > 130 end, "the bodies to be read")
      for _, client in ipairs(clients) do client:close() end
      H.wait_until(function() return resident() - before < 20 end, "the memory to be given back")
    end)
  end)
end)
