-- The admin listener as C serves it: health, readiness, metrics, who may ask, and that whatever
-- happens there disturbs no notification. What the page does: admin_spec.lua.

local lfs = require "lfs"
local socket = require "socket"
local certificates = require "spec.support.certificates"
local H = require "spec.support.host"

local BODY = H.event("A.Done")
local HANDLER = { ["a.lua"] = "require 'hookward'.on('*', function() end)" }
local TOKEN, READ_TOKEN = ("w"):rep(16), ("r"):rep(16)

describe("the admin listener", function()
  local host, gate
  after_each(H.stop_all)

  local function start(admin, options)
    gate = H.gate()
    options = options or {}
    options.config = ("admin = %s, %s"):format(admin, options.config or "")
    options.handlers = { ["a.lua"] = gate.source .. [[
      local hook = require "hookward"
      hook.on("A.Done", function() end)
      hook.on("G.Wait", function() wait() end)
    ]] }
    host = H.start(options)
    host.admin_port = tonumber(host:wait_log("the admin page is at ([^\n]+)\n"):match(":(%d+)$"))
    return host
  end

  local function get(path, lines, method, from)
    local tcp = from and socket.tcp4()
    if tcp then assert(tcp:bind(from, 0)) end
    local client = host:connect("127.0.0.1", host.admin_port, nil, tcp)
    client:send(("%s %s HTTP/1.1\r\nConnection: close\r\n%s\r\n"):format(method or "GET", path,
      lines or "Host: 127.0.0.1\r\n"))
    local answer = client:receive()
    client:close()
    return answer
  end

  describe("for health", function()
    it("answers while every worker is blocked", function()
      start('"127.0.0.1:0"', { config = "workers = 2" })
      local first, second = host:connect(), host:connect()
      first:send(H.request(H.event("G.Wait")))
      second:send(H.request(H.event("G.Wait", '"n":2')))
      host:wait_log_count("begun", 2)
      local answer = get "/healthz"
      assert.equal(200, answer.status)
      assert.equal('{"status":"ok"}\n', answer.body)
      assert.equal("application/json", answer.headers["content-type"])
      assert.equal(200, get("/readyz").status)
      assert.matches("hookward_build_info", get("/metrics").body)
      gate:open(2)
      assert.equal(200, first:receive().status)
      assert.equal(200, second:receive().status)
    end)

    it("says that it drains", function()
      start('"127.0.0.1:0"')
      local client = host:connect()
      client:send(H.request(H.event("G.Wait")))
      host:wait_log("begun")
      assert.equal(200, get("/readyz").status)
      host:signal("TERM")
      host:wait_log("stopping")
      local answer = get "/readyz"
      assert.equal(503, answer.status)
      assert.equal('{"status":"not ready","reason":"draining"}\n', answer.body)
      assert.equal(200, get("/healthz").status)
      gate:open(1)
      assert.equal(200, client:receive().status)
      assert.equal(0, host:wait())
    end)

    it("says that the ledger can't record", function()
      start('"127.0.0.1:0"', { ledger = "hookward.db" })
      assert.equal(200, host:notify(BODY).status)
      for _, name in ipairs { "hookward.db", "hookward.db-wal", "hookward.db-shm" } do
        os.rename(host.folder .. "/" .. name, host.folder .. "/away-" .. name)
      end
      assert.equal("ledger_unavailable", host:notify(BODY).error)
      local answer = get "/readyz"
      assert.equal(503, answer.status)
      assert.equal('{"status":"not ready","reason":"the ledger can\'t record"}\n', answer.body)
      assert.equal(200, get("/healthz").status)
    end)

    it("takes GET and HEAD alone", function()
      start('"127.0.0.1:0"')
      local head = get("/healthz", nil, "HEAD")
      assert.equal(200, head.status)
      assert.equal("", head.body or "")
      for _, path in ipairs { "/healthz", "/readyz", "/metrics" } do
        assert.equal(405, get(path, nil, "DELETE").status)
      end
    end)
  end)

  it("is not among the notifications' listeners, nor the other way round", function()
    start('"127.0.0.1:0"')
    for _, path in ipairs { "/healthz", "/metrics", "/", "/api/session" } do
      assert.equal(404, host:raw("GET " .. path .. " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").status)
    end
    local client = host:connect("127.0.0.1", host.admin_port)
    client:send(H.request(BODY, { close = true }))
    assert.not_equal(200, client:receive().status)
    client:close()
    assert.equal(0, host:count("succeeded"))
  end)

  describe("looks at the Host header:", function()
    local function status(name, path)
      return get(path or "/metrics", name and ("Host: %s\r\n"):format(name) or "Host:\r\n").status
    end

    it("on this machine, addresses and localhost", function()
      start('"127.0.0.1:0"')
      for _, name in ipairs { "127.0.0.1", "127.0.0.1:9464", "localhost", "LOCALHOST:80", "[::1]:9464", "10.1.2.3" } do
        assert.equal(200, status(name), name)
      end
      for _, name in ipairs { "evil.example", "localhost.evil.example:9464", "127.0.0.1.evil.example", "1.2.3" } do
        assert.equal(403, status(name), name)
        assert.equal(403, status(name, "/api/session"), name)
        assert.equal(200, status(name, "/healthz"), name)
      end
      assert.equal("wrong_host", get("/metrics", "Host: evil.example\r\n").error)
    end)

    it("names of the configuration too", function()
      start('{ listen = "127.0.0.1:0", hosts = { "Hooks.example.com" } }')
      assert.equal(200, status "hooks.example.com")
      assert.equal(200, status "HOOKS.example.com:9464")
      assert.equal(403, status "evil.example")
    end)

    it("for other machines any name, since there is a token", function()
      start(('{ listen = "0.0.0.0:0", token = %q }'):format(TOKEN))
      assert.equal(401, status "evil.example")
    end)
  end)

  it("on loopback asks for a token what a proxy passes on", function()
    start(('{ listen = "127.0.0.1:0", read_token = %q }'):format(READ_TOKEN))
    assert.equal(200, get("/metrics").status)
    for _, field in ipairs { "X-Forwarded-Proto: https", "X-Forwarded-For: 192.0.2.1", "Forwarded: for=192.0.2.1" } do
      local head = "Host: 127.0.0.1\r\n" .. field .. "\r\n"
      assert.equal(401, get("/metrics", head).status, field)
      assert.equal(200, get("/metrics", head .. ("Authorization: Bearer %s\r\n"):format(READ_TOKEN)).status)
      assert.equal(200, get("/healthz", head).status)
    end
  end)

  describe("that others can reach", function()
    local function metrics(token, from)
      local lines = "Host: 127.0.0.1\r\n" .. (token and ("Authorization: %s\r\n"):format(token) or "")
      return get("/metrics", lines, nil, from)
    end

    before_each(function()
      start(('{ listen = "0.0.0.0:0", token = %q, read_token = %q }'):format(TOKEN, READ_TOKEN))
    end)

    it("shows its metrics for a token", function()
      assert.equal(401, metrics().status)
      assert.equal("Bearer", metrics().headers["www-authenticate"])
      assert.equal(200, metrics("Bearer " .. READ_TOKEN).status)
      assert.equal(200, metrics("bearer " .. TOKEN).status)
      for _, wrong in ipairs { "Bearer", "Bearer ", "Bearer " .. READ_TOKEN .. "x", "Bearer " .. READ_TOKEN:sub(2),
        "Basic " .. READ_TOKEN, READ_TOKEN } do
        assert.equal(401, metrics(wrong).status, wrong)
      end
      assert.equal(200, get("/healthz").status)
      assert.equal(200, get("/readyz").status)
    end)

    it("compares 10 wrong tokens of an address in a second, and not one more", function()
      local statuses, other
      H.wait_until(function() -- all of them within one second
        statuses = {}
        for i = 1, 11 do statuses[i] = metrics("Bearer wrong").status end
        other = metrics("Bearer " .. TOKEN, "127.0.0.2").status
        return statuses[11] == 429 and metrics("Bearer " .. TOKEN).status == 429
      end, "11 guesses within a second")
      assert.equal(401, statuses[10])
      assert.equal(200, other)
      H.wait_until(function() return metrics("Bearer " .. TOKEN).status == 200 end, "the next second")
    end)
  end)

  it("takes no long body, of which strangers could send many, unless for a developer's test", function()
    local function post(length)
      local client = host:connect("127.0.0.1", host.admin_port)
      client:send(("POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: application/json\r\n"
        .. "Content-Length: %d\r\n\r\n%s"):format(length, ("x"):rep(length)))
      local answer = client:receive()
      client:close()
      return answer.error
    end
    start('"127.0.0.1:0"', { config = 'max_body = "1MB"' })
    assert.equal("form_too_long", post(256 * 1024))
    assert.equal("body_too_large", post(256 * 1024 + 1))
    host:stop()
    start('"127.0.0.1:0"', { config = 'max_body = "1MB"', args = "--dev" })
    assert.equal("form_too_long", post(2 * 1024 * 1024))
  end)

  it("must have a token where others can reach it", function()
    host = H.start { fails = true, config = 'admin = "0.0.0.0:0"' }
    assert.equal(1, host:wait())
    assert.matches("admin: 0.0.0.0:0 can be reached from other machines, so it needs a token", host:log(), 1, true)
  end)

  it("may be a Unix socket, which takes any Host", function()
    start '"unix:admin.sock"'
    host:wait_log("the admin page is at unix:/[^\n]*/admin%.sock\n")
    local client = H.connect_unix(host.folder .. "/admin.sock")
    client:send("GET /metrics HTTP/1.1\r\nHost: any.example\r\nConnection: close\r\n\r\n")
    assert.equal(200, client:receive().status)
    client:close()
    assert.equal(0, host:stop())
    assert.is_nil(lfs.attributes(host.folder .. "/admin.sock"))
  end)

  it("takes there the names of `hosts` alone, if there are any", function()
    start '{ listen = "unix:admin.sock", hosts = { "hooks.example.com" } }'
    for name, status in pairs { ["hooks.example.com"] = 200, localhost = 200, ["evil.example"] = 403 } do
      local client = H.connect_unix(host.folder .. "/admin.sock")
      client:send(("GET /metrics HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n"):format(name))
      assert.equal(status, client:receive().status, name)
      client:close()
    end
  end)

  it("may speak TLS", function()
    local folder = H.folder()
    certificates.self_signed(folder, "localhost", { alt = "DNS:localhost,IP:127.0.0.1" })
    start(('{ listen = "127.0.0.1:0", tls = { cert = "%s/localhost.pem", key = "%s/localhost.key" } }'):format(
      folder, folder))
    host:wait_log("the admin page is at https://127%.0%.0%.1:")
    local _, out = H.sh(("curl -s --cacert %s/localhost.pem https://127.0.0.1:%d/healthz"):format(folder,
      host.admin_port))
    assert.equal('{"status":"ok"}\n', out)
    local answer = get "/healthz"
    assert.equal("tls_required", answer.error)
  end)

  it("fails to start where its port is taken, but moves with --dev", function()
    local taken = assert(socket.bind("127.0.0.1", 0))
    local _, port = taken:getsockname()
    host = H.start { fails = true, config = ('admin = "127.0.0.1:%d"'):format(port),
      handlers = HANDLER }
    assert.equal(1, host:wait())
    assert.matches(("127.0.0.1:%d"):format(port), host:log(), 1, true)
    taken:close()
    host = H.start { args = "--dev", handlers = HANDLER }
    local other = H.start { args = "--dev", handlers = HANDLER }
    local first = host:wait_log("admin page[^\n]-127%.0%.0%.1:(%d+)")
    assert.not_equal(first, other:wait_log("admin page[^\n]-127%.0%.0%.1:(%d+)"))
  end)

  it("is off by default, and where it is false also with --dev", function()
    host = H.start { handlers = HANDLER }
    assert.equal(0, host:stop())
    assert.is_nil(host:log():find("admin page", 1, true))
    host = H.start { handlers = HANDLER, config = "admin = false", args = "--dev" }
    assert.equal(0, host:stop())
    assert.is_nil(host:log():find("admin page", 1, true))
  end)

  it("says that a change of it needs a restart", function()
    start '"127.0.0.1:0"'
    local text = io.open(host.folder .. "/hookward.lua"):read("a")
    H.write(host.folder .. "/hookward.lua", (text:gsub('admin = "127%.0%.0%.1:0"', 'admin = "127.0.0.1:1"')))
    host:wait_log("these take effect at the next start: admin\n")
  end)

  it("holds 100 connections; a further one takes an idle one's place, and no notification's", function()
    start('"127.0.0.1:0"', { config = "max_connections = 20" })
    local held = {}
    for i = 1, 100 do held[i] = host:connect("127.0.0.1", host.admin_port) end
    H.wait_until(function() return get("/healthz").status == 200 end, "room for one more")
    assert.equal(200, host:notify(BODY).status)
    local closed = 0
    for _, client in ipairs(held) do
      client.tcp:settimeout(0)
      local _, why = client.tcp:receive(1)
      if why == "closed" then closed = closed + 1 end
      client:close()
    end
    assert.is_true(closed >= 1 and closed < 10, closed)
  end)

  it("closes a client that is slow on purpose, and goes on meanwhile #long", function()
    start('"127.0.0.1:0"', { config = "header_timeout = 0.5" })
    local slow = {}
    for i = 1, 50 do
      slow[i] = host:connect("127.0.0.1", host.admin_port)
      slow[i]:send("GET /metrics HTTP/1.1\r\nHost: loc")
    end
    assert.equal(200, get("/healthz").status)
    assert.equal(200, host:notify(BODY).status)
    for _, client in ipairs(slow) do
      assert.equal(408, client:receive().status)
      client:close()
    end
  end)
end)
