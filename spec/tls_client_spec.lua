-- Client certificates: who may deliver, what a handler and the log are told of it.

local certificates = require "spec.support.certificates"
local H = require "spec.support.host"

local DAY <const> = 24 * 3600
local HANDLERS = { ["a.lua"] = [[
  local hook = require "hookward"
  hook.on("A.A", function(event, job) hook.log.info("client is " .. tostring(job.client)) end)]] }

describe("client certificates:", function()
  local made, stranger

  setup(function()
    made, stranger = certificates.authority(), certificates.authority()
    made:sign("server")
    made:sign("good", { alt = "DNS:other.example,DNS:sender.example" })
    made:sign("plain", { alt = "email:x@example.com" })
    made:sign("late", { alt = "DNS:sender.example", from = -9 * DAY, to = -1 * DAY })
    made:sign("lost", { alt = "DNS:sender.example" })
    made:sign("wrong", { alt = "DNS:somebody.example" })
    stranger:sign("good", { alt = "DNS:sender.example" })
    made:revoke { "lost" }
  end)
  teardown(H.stop_all)

  local function start(more)
    return H.start { handlers = HANDLERS, config = ("tls = { cert = %q, key = %q, client_ca = %q, %s }"):format(
      made:path "server.pem", made:path "server.key", made:path "ca.pem", more or "") }
  end

  local function deliver(host, cert, more)
    return certificates.deliver(host, { ca = made:path "ca.pem", cert = cert, more = more })
  end

  -- `alert`: its number (RFC 8446, 6). The reason is in the host's log, once.
  local function is_refused(host, cert, version, alert, reason)
    local before = host:count_log("TLS handshake failed")
    local arguments = cert and ("-cert %s.pem -key %s.key"):format(cert, cert) or ""
    local _, out = H.sh(("printf 'GET / HTTP/1.1\r\nHost: a\r\n\r\n' | openssl s_client -ign_eof -connect "
      .. "127.0.0.1:%d -%s %s"):format(host.port, version, arguments))
    assert.is_truthy(out:find(("SSL alert number %d\n"):format(alert), 1, true), out)
    assert.not_matches("HTTP/1.1", out, 1, true)
    host:wait_log_count("TLS handshake failed", before + 1)
    local line
    for text in host:log():gmatch("[^\n]*TLS handshake failed[^\n]*") do line = text end
    assert.is_truthy(line:find(reason, 1, true), line)
    assert.matches(" peer=127%.0%.0%.1:%d+", line)
  end

  describe("with client_ca, client_names and crl", function()
    local host
    setup(function()
      host = start(('client_names = { "sender.example" }, crl = %q'):format(made:path "crl.pem"))
    end)
    teardown(function() assert.equal(0, host:stop()) end)

    it("a good one delivers, and handler and log are told who it is", function()
      for _, version in ipairs { "1.2", "1.3" } do
        local before = host:count_log("client is sender%.example")
        assert.equal(200, (deliver(host, made:path "good", "--tls-max " .. version)))
        host:wait_log_count("client is sender%.example", before + 1)
        host:wait_log_count("succeeded event=A%.A[^\n]* client=sender%.example", before + 1)
      end
    end)

    it("a request that is refused names its client too", function()
      assert.equal(405, (deliver(host, made:path "good", "-X PUT")))
      host:wait_log("refused error=method_not_allowed [^\n]* client=sender%.example")
      assert.equal(400, (deliver(host, made:path "good", "-H 'X-Signature: AAAA'")))
      host:wait_log("refused error=m[^\n]* client=sender%.example")
    end)

    it("without one the handshake fails", function()
      is_refused(host, nil, "tls1_2", 40, "certificate")
      is_refused(host, nil, "tls1_3", 116, "certificate")
    end)

    it("one of another authority, an expired one, a revoked one and one with another name are refused", function()
      local before = host:count_log("TLS handshake failed")
      for _, version in ipairs { "tls1_2", "tls1_3" } do
        is_refused(host, stranger:path "good", version, 48, "client certificate: unable to get local issuer")
        is_refused(host, made:path "late", version, 45, "client certificate: certificate has expired")
        is_refused(host, made:path "lost", version, 44, "client certificate: certificate revoked")
        is_refused(host, made:path "wrong", version, 42, '\\"somebody.example\\" is not in client_names')
      end
      assert.equal(200, (deliver(host, made:path "good")))
      assert.equal(before + 8, host:count_log("TLS handshake failed")) -- one line each
      assert.equal(0, (deliver(host, made:path "wrong")))
    end)

    it("no session is resumed, so a revoked one is refused at once", function()
      local kept = host.folder .. "/session"
      local command = "printf 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n' | openssl s_client -ign_eof "
        .. "-connect 127.0.0.1:%d -cert %s -key %s %s %s"
      for _, version in ipairs { "-tls1_2", "-tls1_3" } do
        for _, option in ipairs { "-sess_out ", "-sess_in " } do
          H.sh("touch " .. kept)
          local _, out = H.sh(command:format(host.port, made:path "good.pem", made:path "good.key", version,
            option .. kept))
          assert.matches("HTTP/1.1 404", out, 1, true)
          assert.matches("\nNew, TLS", out)
          assert.not_matches("\nReused", out)
          if option == "-sess_out " and H.read(kept) == "" then break end -- it got no session at all
        end
        os.remove(kept)
      end
    end)
  end)

  it("without client_names each certificate of the authority is accepted", function()
    local host = start()
    assert.equal(200, (deliver(host, made:path "wrong")))
    host:wait_log("client is somebody%.example")
    assert.equal(200, (deliver(host, made:path "plain")))
    host:wait_log("client is x@example%.com")
    assert.equal(200, (deliver(host, made:path "lost"))) -- no crl, no revocation
    assert.equal(0, host:stop())
  end)

  it("without client_ca there is no client", function()
    local host = H.start { handlers = HANDLERS, config = ("tls = { cert = %q, key = %q }"):format(
      made:path "server.pem", made:path "server.key") }
    assert.equal(200, (deliver(host, made:path "good"))) -- it is not asked for
    host:wait_log("client is nil")
    host:wait_log("succeeded event=A%.A")
    assert.not_matches(" client=", host:log(), 1, true)
    assert.equal(0, host:stop())
  end)

  it("changed client_names and a new list take effect at a reload", function()
    local host = start 'client_names = { "sender.example" }'
    local file = host.folder .. "/hookward.lua"
    assert.equal(0, (deliver(host, made:path "wrong")))
    H.write(file, (H.read(file):gsub('"sender.example"', '"somebody.example"')))
    host:wait_log("reloaded: ")
    assert.equal(200, (deliver(host, made:path "wrong")))
    assert.equal(0, (deliver(host, made:path "good")))
    H.write(host.folder .. "/crl.pem", H.read(made:path "crl.pem"))
    H.write(file, (H.read(file):gsub("client_names = %b{}", 'crl = "crl.pem"')))
    host:wait_log_count("reloaded: ", 2)
    assert.equal(200, (deliver(host, made:path "wrong")))
    assert.equal(0, (deliver(host, made:path "lost")))
    made:sign("next", { alt = "DNS:next.example" })
    assert.equal(200, (deliver(host, made:path "next")))
    made:revoke { "next" }
    H.write(host.folder .. "/crl.pem", H.read(made:path "crl.pem"))
    host:wait_log_count("reloaded: ", 3)
    assert.equal(0, (deliver(host, made:path "next")))
    assert.equal(0, host:stop())
  end)
end)
