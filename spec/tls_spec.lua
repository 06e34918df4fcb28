-- TLS at the real host, with openssl s_client and curl as clients: versions, ciphers, names,
-- requests in every form, and what strangers do. Certificates that are exchanged: tls_files_spec.lua; those of clients:
-- tls_client_spec.lua.

local lfs = require "lfs"
local socket = require "socket"
local certificates = require "spec.support.certificates"
local H = require "spec.support.host"

local BODY = H.event("A.Done")
local HANDLERS = function(gate)
  return { ["a.lua"] = gate.source .. [[
    local hook = require "hookward"
    hook.on("A.Done", function() end)
    hook.on("G.Wait", function() wait() end)
  ]] }
end

-- ---- certificates, made once ----

local certs

local function pair(name)
  return ("{ cert = %q, key = %q }"):format(certs .. "/" .. name .. ".pem", certs .. "/" .. name .. ".key")
end

-- Both certificates, as one file for clients.
local function ca() return certs .. "/all.pem" end

setup(function()
  certs = os.tmpname()
  os.remove(certs)
  assert(lfs.mkdir(certs))
  certificates.self_signed(certs, "localhost", { alt = "DNS:localhost,IP:127.0.0.2" })
  certificates.self_signed(certs, "rsa.example", { alt = "DNS:rsa.example", rsa = 2048 })
  assert(H.sh(("cat %s/*.pem > %s"):format(certs, ca())))
end)

teardown(function() H.sh("rm -r " .. certs) end)

-- ---- the host and its clients ----

local host, gate

local function start(config, options)
  gate = H.gate()
  options = options or {}
  options.listen = ('{ "127.0.0.1:0", { "127.0.0.2:0", tls = { %s, %s } } }'):format(
    pair "localhost", pair "rsa.example")
  options.config, options.handlers = config, HANDLERS(gate)
  host = H.start(options)
  host.tls_port = tonumber(host:log():match("listening on https://[^\n]-:(%d+)/"))
end

local function counts()
  local _, out = H.sh(("cd %s && %s status --json"):format(H.quote(host.folder), H.quote(H.binary)))
  return setmetatable({}, { __index = function(_, name)
    return tonumber(out:match(('"%s":(%%d+)'):format(name)))
  end })
end

-- Runs s_client with `bytes` as what it sends; returns all that it says, and the bytes that came.
local function s_client(options, bytes)
  local path = os.tmpname()
  H.write(path, bytes or "")
  local _, out = H.sh(("timeout 60 openssl s_client -connect 127.0.0.2:%d -CAfile %s %s <%s")
    :format(host.tls_port, ca(), options, path))
  os.remove(path)
  return out
end

-- The answers to requests of which the last one closes: their statuses, and all their bytes.
local function answers(bytes, options)
  local out = s_client("-quiet " .. (options or ""), bytes)
  local statuses = {}
  for status in out:gmatch("HTTP/1%.1 (%d%d%d)") do statuses[#statuses + 1] = tonumber(status) end
  return statuses, out
end

-- A signed notification by curl; returns what -w prints.
local function curl(options, body, fields)
  local path = os.tmpname()
  H.write(path, body or BODY)
  local _, out = H.sh(("curl -sS -o /dev/null -w '%s' --cacert %s %s --resolve localhost:%d:127.0.0.2 -H 'X-JobId: %s' "
    .. "-H 'X-Signature: %s' -H 'Expect:' --data-binary @%s https://localhost:%d/baseWebhookNotification")
    :format(fields or "%{http_code}", ca(), options, host.tls_port, path:match("[^/]+$"), H.sign(body or BODY), path,
      host.tls_port))
  os.remove(path)
  return out
end

-- A client that goes on until the spec closes it: what is written to it is sent.
local function open_client()
  local out, pid = os.tmpname(), os.tmpname()
  local pipe = io.popen(("echo $$ >%s; exec openssl s_client -connect 127.0.0.2:%d -CAfile %s -quiet >%s 2>&1")
    :format(pid, host.tls_port, ca(), out), "w")
  pipe:setvbuf("no")
  return {
    send = function(_, bytes) pipe:write(bytes) end,
    wait = function(_, pattern)
      H.wait_until(function() return H.read(out):find(pattern) end, pattern)
    end,
    -- Ends it without a close_notify.
    kill = function() H.sh("kill -KILL " .. H.read(pid)) end,
    -- Waits until the connection has ended; returns what came.
    ended = function()
      pipe:close()
      local text = H.read(out)
      os.remove(out)
      os.remove(pid)
      return text
    end,
  }
end

describe("over TLS the host", function()
  after_each(H.stop_all)

  it("answers signed notifications with TLS 1.3 and 1.2, keep-alive, chunked and large", function()
    start()
    assert.equal("200", curl "--tlsv1.3")
    assert.equal("200", curl "--tls-max 1.2")
    assert.equal("200", curl "-H 'Transfer-Encoding: chunked'")
    local large = H.event("A.Done", '"Text":"' .. ("x"):rep(900 * 1000) .. '"')
    assert.equal("200", curl("--tlsv1.3", large))
    assert.equal("200", curl("--tls-max 1.2", large))
    assert.equal("413", curl("--tlsv1.3", H.event("A.Done", '"Text":"' .. ("x"):rep(1100 * 1000) .. '"')))
    local refused = curl("--tlsv1.3", H.event("A.Gone"))
    assert.equal("400", refused)
    assert.equal(7, counts().handshakes)
    assert.equal(0, counts().handshakes_failed)
    -- one connection, many requests
    local path = H.folder() .. "/body"
    H.write(path, BODY)
    local command = {}
    for i = 1, 20 do
      command[i] = ("-o /dev/null -w '%%{http_code}/%%{num_connects} ' --cacert %s "
        .. "--resolve localhost:%d:127.0.0.2 -H 'X-JobId: many-%d' -H 'X-Signature: %s' "
        .. "--data-binary @%s https://localhost:%d/baseWebhookNotification")
        :format(ca(), host.tls_port, i, H.sign(BODY), path, host.tls_port)
    end
    local _, out = H.sh("curl -sS " .. table.concat(command, " --next -sS "))
    assert.equal("200/1 " .. ("200/0 "):rep(19), out)
    assert.equal(8, counts().handshakes)
  end)

  it("answers pipelined requests, and says that it closes", function()
    start()
    local requests = {}
    for i = 1, 60 do requests[i] = H.request(BODY, { close = i == 60 }) end
    local statuses, out = answers(table.concat(requests))
    assert.equal(60, #statuses)
    for _, status in ipairs(statuses) do assert.equal(200, status) end
    assert.is_nil(out:find("unexpected eof", 1, true)) -- it sent close_notify
    assert.equal(60, counts().succeeded)
  end)

  it("speaks no older version, no other cipher and no other key exchange", function()
    start()
    local function refused(options, alert, why)
      local out = s_client(options)
      assert.matches(alert, out, 1, true)
      assert.is_truthy(out:find("Cipher is (NONE)", 1, true), out)
      host:wait_log("TLS handshake failed why=\"" .. why .. "\" peer=127%.0%.0%.1:%d+\n")
    end
    refused("-tls1 -cipher DEFAULT@SECLEVEL=0", "alert protocol version", "unsupported protocol")
    refused("-tls1_1 -cipher DEFAULT@SECLEVEL=0", "alert protocol version", "unsupported protocol")
    for _, cipher in ipairs { "ECDHE-ECDSA-AES128-SHA256", "ECDHE-ECDSA-AES256-SHA", "AES128-GCM-SHA256",
      "AES256-SHA256", "ECDHE-ECDSA-AES256-CCM", "DHE-RSA-AES128-GCM-SHA256" } do
      refused("-tls1_2 -servername rsa.example -cipher " .. cipher, "alert handshake failure",
        "no shared cipher")
    end
    assert.equal(8, counts().handshakes_failed)
    assert.equal(0, counts().handshakes)
    for _, cipher in ipairs { "ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-CHACHA20-POLY1305" } do
      assert.matches("Cipher is " .. cipher, s_client("-tls1_2 -servername rsa.example -cipher " .. cipher),
        1, true)
    end
  end)

  it("serves the certificate of the name that is asked for, and http/1.1", function()
    start()
    local function subject(options) return s_client(options):match("subject=CN = (%S+)") end
    assert.equal("localhost", subject "")
    assert.equal("localhost", subject "-servername localhost")
    assert.equal("rsa.example", subject "-servername rsa.example")
    assert.equal("localhost", subject "-servername other.example")
    assert.matches("ALPN protocol: http/1.1", s_client "-alpn h2,http/1.1", 1, true)
    assert.matches("alert no application protocol", s_client "-alpn h2", 1, true)
  end)

  it("resumes a session", function()
    start()
    local session = H.folder() .. "/session"
    for _, version in ipairs { "-tls1_2", "-tls1_3" } do
      assert.same({ 200 }, answers(H.request(BODY, { close = true }),
        version .. " -sess_out " .. session))
      local out = s_client(("%s -ign_eof -sess_in %s"):format(version, session),
        H.request(BODY, { close = true }))
      assert.matches("Reused, TLSv1", out, 1, true)
      assert.matches("HTTP/1.1 200 OK", out, 1, true)
    end
    assert.equal(2, counts().handshakes_resumed)
    assert.equal(4, counts().handshakes)
  end)

  it("answers plain HTTP in plain, and closes", function()
    start()
    for _, request in ipairs { H.request(BODY), "GET / HTTP/1.1\r\nHost: h\r\n\r\n",
      "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n" } do
      local client = host:connect("127.0.0.2", host.tls_port)
      client:send(request)
      local answer = client:receive()
      assert.equal(400, answer.status)
      assert.equal("tls_required", answer.error)
      assert.equal("close", answer.headers.connection)
      assert.is_true(client:is_closed())
      client:close()
    end
    host:wait_log("refused error=tls_required status=400 peer=127%.0%.0%.1:%d+\n")
    assert.equal(3, counts().tls_required)
    assert.equal(0, counts().handshakes_failed)
  end)

  it("closes at garbage, with one line that says why", function()
    start()
    for i, bytes in ipairs { "SSH-2.0-OpenSSH_9.2\r\n", ("\0"):rep(100), "\22\3\1\255\255" .. ("x"):rep(100),
      "\22\3\1\0\5\1\255\255\255\3" } do
      local client = host:connect("127.0.0.2", host.tls_port)
      client:send(bytes)
      if i == 4 then client:half_close() end -- the beginning of a message that never comes
      client.tcp:receive("*a")
      client:close()
    end
    host:wait_log_count("TLS handshake failed", 4)
    assert.equal(4, host:count("TLS handshake failed why=[^\n]+ peer=127%.0%.0%.1:%d+\n"))
    assert.is_nil(host:log():find("error:%x%x%x%x%x%x%x%x:"))
    assert.equal(4, counts().handshakes_failed)
  end)

  it("counts a handshake as unfinished until it fails, and not while the connection lingers", function()
    start "max_unfinished = 1"
    local failed = host:connect("127.0.0.2", host.tls_port)
    failed:send("\22\3\1\2")
    socket.sleep(0.2) -- it has begun
    failed:send(("x"):rep(200000))
    host:wait_log("TLS handshake failed")
    local begun = host:connect("127.0.0.2", host.tls_port)
    begun:send("\22\3\1\2")
    begun:half_close()
    host:wait_log_count("TLS handshake failed", 2)
    assert.is_nil(host:log():find("overloaded", 1, true))
    failed:close()
    begun:close()
  end)

  it("gives a handshake header_timeout, however it dribbles", function()
    start "header_timeout = 1"
    local silent = host:connect("127.0.0.2", host.tls_port)
    local hangs = host:connect("127.0.0.2", host.tls_port)
    local dribbles = host:connect("127.0.0.2", host.tls_port)
    local began = socket.gettime()
    hangs:send("\22\3\1\2\0\1\0\1")
    for byte in ("\22\3\1\2\0\1\0\1\252\3\3abc"):gmatch "." do
      dribbles:send(byte)
      socket.sleep(0.05)
    end
    assert.is_true(silent:is_closed() and hangs:is_closed() and dribbles:is_closed())
    assert.is_true(socket.gettime() - began < 5)
    host:wait_log_count("TLS handshake failed why=\"it took longer than header_timeout\"", 2)
    assert.equal("200", curl "--tlsv1.3")
  end)

  it("handles what was sent before its client went away without close_notify", function()
    start()
    local client = open_client()
    client:send(H.request(H.event("G.Wait"), { id = "gone" }))
    host:wait_log("begun")
    client:kill()
    client:ended()
    gate:open()
    host:wait_log("succeeded event=G.Wait job=gone")
    assert.equal("200", curl "--tlsv1.3")
  end)

  it("finishes what was begun in a drain, and ends what is idle with close_notify", function()
    start()
    local idle, busy = open_client(), open_client()
    idle:send(H.request(BODY))
    idle:wait("200 OK")
    busy:send(H.request(H.event("G.Wait")))
    host:wait_log("begun")
    host:signal("TERM")
    local text = idle.ended()
    assert.is_nil(text:find("unexpected eof", 1, true), text)
    gate:open()
    text = busy.ended()
    assert.matches("200 OK", text, 1, true)
    assert.matches("Connection: close", text, 1, true)
    assert.is_nil(text:find("unexpected eof", 1, true), text)
    assert.equal(0, host:wait())
  end)
end)

-- ---- Wycheproof ----

local cjson = require "cjson"
local mime = require "mime"

local function unhex(hex)
  return (hex:gsub("%x%x", function(digits) return string.char(tonumber(digits, 16)) end))
end

-- The tests of a file, each as a request; the last one closes.
local function requests_of(groups)
  local requests, results = {}, {}
  for _, group in ipairs(groups) do
    for _, test in ipairs(group.tests) do
      requests[#requests + 1] = H.request(unhex(test.msg), { signature = mime.b64(unhex(test.sig)), id = false })
      results[#results + 1] = test.result
    end
  end
  requests[#requests] = requests[#requests]:gsub("\r\n", "\r\nConnection: close\r\n", 1)
  return requests, results
end

-- The errors of the answers, in their order.
local function verdicts(text)
  local errors = {}
  for name in text:gmatch('"error":"([^"]+)"') do errors[#errors + 1] = name end
  return errors
end

describe("Wycheproof's vectors", function()
  after_each(H.stop_all)

  for _, bits in ipairs { 2048, 3072, 4096 } do
    it("of " .. bits .. " bits get the same verdicts over TLS as in plain", function()
      local file = cjson.decode(H.read(("spec/vectors/rsa_signature_%d_sha256_test.json"):format(bits)))
      local keys = {}
      for i, group in ipairs(file.testGroups) do keys[i .. ".pem"] = group.publicKeyPem end
      start("", { keys = keys })
      local requests, results = requests_of(file.testGroups)
      local bytes = table.concat(requests)
      local client = host:connect()
      client:send(bytes)
      local plain = verdicts(client.tcp:receive("*a"))
      local _, over_tls = answers(bytes)
      local tls = verdicts(over_tls)
      assert.equal(#results, #tls)
      assert.same(plain, tls)
      for i, result in ipairs(results) do
        local verified = not (tls[i]:find("signature", 1, true))
        assert.equal(result == "valid", verified, ("%d: %s, %s"):format(i, result, tls[i]))
      end
    end)
  end
end)
