-- `hookward send` and `hookward sandbox` speak to a TLS host, and say what to do when they can't.

local certificates = require "spec.support.certificates"
local cli = require "spec.support.cli"
local H = require "spec.support.host"
local sandbox = require "spec.support.sandbox"
local socket = require "socket"
local tls = require "spec.support.tls_server"

local DAY <const> = 24 * 3600

describe("over TLS", function()
  local folder, stops
  setup(function()
    local made = certificates.authority()
    made:sign "server"
    made:sign "client"
    made:sign("expired", { from = -9 * DAY, to = -1 * DAY })
    made:sign("early", { from = 9 * DAY, to = 20 * DAY })
    certificates.self_signed(made.folder, "other")
    folder, stops = made.folder, {}
  end)
  teardown(function()
    for _, stop in ipairs(stops) do stop() end
    sandbox.stop_all()
    cli.clean()
    H.stop_all()
  end)

  local function start(name, arguments)
    local port, stop = tls.start(folder, name, arguments)
    stops[#stops + 1] = stop
    return port
  end

  local function send(url, ...)
    return cli.run { "send", "A.B", "--to", url, "--key", (H.keys()), cwd = folder, ... }
  end

  -- Exactly one line of failure: what was wrong, what to do.
  local function says(text, url, ...)
    local result = send(url, ...)
    assert.equal(1, result.code)
    assert.equal(2, #cli.lines(result.out), result.out)
    assert.matches("attempt 0: " .. text, result.out, 1, true)
  end

  describe("send", function()
    it("says what to do about a certificate that it can't trust", function()
      local port = start "server"
      local url = "https://localhost:" .. port
      says("its certificate is not signed by an authority that is trusted here: name the authority's certificate with "
        .. "--ca FILE", url)
      says("its certificate is not signed by an authority", url, "--ca", "other.pem")
      says("its certificate is not for 127.0.0.2: call it by a name that the certificate has",
        "https://127.0.0.2:" .. port, "--ca", "ca.pem")
      says("none.pem: no certificates in PEM can be read from it: name the authority's certificate with --ca FILE",
        url, "--ca", "none.pem")
      says("its certificate has expired: renew it", "https://localhost:" .. start "expired", "--ca", "ca.pem")
      says("its certificate is not valid yet: check the clock", "https://localhost:" .. start "early", "--ca", "ca.pem")
    end)

    it("says that a client certificate is wanted, or another one", function()
      for _, version in ipairs { "-tls1_2", "-tls1_3" } do
        local port = start("server", "-CAfile ca.pem -Verify 1 -verify_return_error " .. version)
        local url = "https://localhost:" .. port
        says("", url, "--ca", "ca.pem")
        assert.matches("--client-cert FILE --client-key FILE", send(url, "--ca", "ca.pem").out, 1, true)
        says("the host does not accept the client certificate (", url, "--ca", "ca.pem",
          "--client-cert", "other.pem", "--client-key", "other.key")
        says("server.key: not the key of the client certificate, or encrypted, or not readable", url, "--ca", "ca.pem",
          "--client-cert", "client.pem", "--client-key", "server.key")
        says("none: no certificate in PEM can be read from it", url, "--ca", "ca.pem", "--client-cert", "none")
      end
    end)

    it("says so where plain HTTP is spoken", function()
      local host = H.start { handlers = { ["a.lua"] = "" } }
      says("it speaks plain HTTP there, not TLS: use http://", "https://127.0.0.1:" .. host.port)
      assert.equal(0, host:stop())
    end)

    it("does not confuse the client's key with the signing key", function()
      local result = send("https://localhost:1", "--client-key", "client.key")
      assert.equal(2, result.code)
      assert.matches("--client-key needs --client-cert", result.err, 1, true)
    end)
  end)

  describe("send to a host", function()
    -- A port that was free a moment ago.
    local function free_port()
      local probe = assert(socket.bind("127.0.0.1", 0))
      local _, port = probe:getsockname()
      probe:close()
      return math.tointeger(port)
    end

    it("works as `init --tls` says", function()
      local project, port = cli.folder() .. "/demo", free_port()
      local said = cli.run { "init", "--tls", project }.out
      local file = project .. "/hookward.lua"
      cli.write(file, (cli.read(file):gsub(":8443", ":" .. port)))
      local host = H.start { folder = project }
      local result = cli.program { "sh", "-c", (said:match("another terminal:\n(.+)$")) }
      assert.equal(0, result.code, result.out .. result.err)
      assert.matches(("to https://127.0.0.1:%d/baseWebhookNotification\nattempt 0: 200"):format(port),
        result.out, 1, true)
      result = cli.run { "send", "A.B", cwd = project }
      assert.matches("name the authority's certificate with --ca FILE", result.out, 1, true)
      result = cli.run { "send", "A.B", "--to", "http://127.0.0.1:" .. port, cwd = project }
      assert.matches("400 tls_required: ", result.out, 1, true)
      assert.equal(0, host:stop())
    end)

    it("shows its client certificate, as the sandbox does", function()
      local host = H.start { handlers = { ["a.lua"] = 'require "hookward".on("*", function() end)' },
        config = ('tls = { cert = "%s/server.pem", key = "%s/server.key", client_ca = "%s/ca.pem" },'):format(folder,
          folder, folder) }
      host.port = tonumber(host:log():match("https://127.0.0.1:(%d+)/"))
      local url = "https://localhost:" .. host.port
      local client = { "--ca", "ca.pem", "--client-cert", "client.pem", "--client-key", "client.key" }
      assert.matches("attempt 0: 200", send(url, table.unpack(client)).out)
      assert.matches("the host asks for a client certificate", send(url, "--ca", "ca.pem").out, 1, true)
      local account = sandbox.start(("--url %s --ca %s/ca.pem --client-cert %s/client.pem --client-key %s/client.key")
        :format(url, folder, folder, folder))
      account:sign_in():trigger(url .. "/baseWebhookNotification")
      assert.equal(200, account:wait "answered".status)
      assert.equal(0, account:stop())
      assert.equal(0, host:stop())
    end)
  end)

  describe("the sandbox", function()
    it("delivers with the same options, and gives the same advice", function()
      local port = start("server", "-CAfile ca.pem -Verify 1 -verify_return_error")
      local url = "https://localhost:" .. port
      local function first_answer(...)
        local account = sandbox.start(("--speed 10000 --url %s %s"):format(url,
          table.concat({ ... }, " ")))
        account:sign_in():trigger(url)
        local answered = account:wait "answered"
        assert.equal(0, account:stop())
        return answered.failure
      end
      local ca = ("--ca %s/ca.pem"):format(folder)
      assert.matches("name the authority's certificate with --ca FILE", first_answer(), 1, true)
      assert.matches("the host asks for a client certificate", first_answer(ca), 1, true)
    end)
  end)
end)
