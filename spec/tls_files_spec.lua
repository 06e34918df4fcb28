-- The files of TLS: what is wrong with them is said at the start, by `check` and at a reload; a
-- renewed certificate is picked up by itself.

local certificates = require "spec.support.certificates"
local cjson = require "cjson"
local H = require "spec.support.host"
local socket = require "socket"

local DAY <const> = 24 * 3600
local HANDLERS = { ["a.lua"] = 'require "hookward".on("A.A", function() end)' }

describe("the files of TLS:", function()
  local made, folder -- the authority with what it signed; the project's folder

  setup(function()
    made = certificates.authority()
    made:sign("one")
    made:sign("two")
    made:sign("old", { from = -9 * DAY, to = -1 * DAY })
    made:sign("young", { from = 9 * DAY, to = 20 * DAY })
    made:sign("soon", { to = 9.5 * DAY })
    made:sign("middle", { ca = true })
    made:sign("leaf", { by = "middle" })
    made:sign("public", { by = "middle", more = "authorityInfoAccess=caIssuers;URI:http://ca.example/ca.der" })
    made:sign("small", { rsa = 1024 })
    assert(H.sh(("(cd %s && openssl ec -in one.key -aes128 -passout pass:x -out locked.key && "
      .. "openssl x509 -in one.pem -outform DER -out one.der && "
      .. "openssl pkcs12 -export -in one.pem -inkey one.key -passout pass: -out one.p12)"):format(made.folder)))
    made:revoke({}, 24)
  end)
  teardown(H.stop_all)

  local function put(name, ...) H.write(folder .. "/" .. name, made:text(...)) end

  -- The folder of a project with cert.pem and key.pem, without a running host.
  local function project(tls)
    folder = H.project { handlers = HANDLERS,
      config = "tls = { " .. (tls or 'cert = "cert.pem", key = "key.pem"') .. " }" }
    put("cert.pem", "one.pem")
    put("key.pem", "one.key")
    return folder
  end

  local function run(command, as)
    local _, out, code = H.sh(("cd %s && %s %s %s"):format(H.quote(folder), as or "", H.quote(H.binary), command))
    return code or 0, out
  end

  -- `check` and `serve` give the same one line.
  local function both_refuse(text, as)
    local code, out = run("check", as)
    assert.equal(1, code, out)
    local line = out:match("error: ([^\n]+)\n")
    assert.equal(text, line:sub(1, #text), line)
    code, out = run("serve", as)
    assert.equal(1, code)
    assert.equal(line .. "\n", out)
  end

  describe("at the start", function()
    -- spec/core/http/certificate_test.c tries each mistake; here: that it gets through to a person.
    it("each mistake is one line that names the file and the fix", function()
      project()
      local function with(cert, key, text)
        put("cert.pem", table.unpack(cert))
        put("key.pem", key)
        local _, out = run "check"
        local line = out:match("error: ([^\n]*)")
        assert.equal(text, line:sub(1, #text))
        assert.is_nil(line:find(folder, 1, true), line)
      end
      with({ "one.pem" }, "two.key", "key.pem: this key does not fit the certificate cert.pem;")
      with({ "one.pem" }, "locked.key", "key.pem: the key is encrypted")
      with({ "one.der" }, "one.key", "cert.pem: not a certificate in PEM")
      with({ "one.p12" }, "one.key", "cert.pem: a PKCS #12 file; convert it")
      with({ "old.pem" }, "old.key", "cert.pem: the certificate expired on 20")
      with({ "young.pem" }, "young.key", "cert.pem: the certificate is not valid before 20")
      with({ "middle.pem", "leaf.pem" }, "leaf.key", "cert.pem: the chain is in the wrong order: the certificate of "
        .. "the key is number 2")
      with({ "small.pem" }, "small.key", "key.pem: an RSA key of 1024 bits, fewer than 2048")
      put("cert.pem", "old.pem")
      put("key.pem", "old.key")
      assert.matches("until 20%d%d%-%d%d%-%d%d %(expired%)\n", (select(2, run "check")))
      os.remove(folder .. "/key.pem")
      both_refuse("key.pem: No such file or directory; put it there, or change `key` of `tls`")
    end)

    it("files of client certificates too", function()
      project 'cert = "cert.pem", key = "key.pem", client_ca = "ca.pem", crl = "crl.pem"'
      put("ca.pem", "one.pem")
      both_refuse("ca.pem: /CN=one is not a CA's certificate")
      put("ca.pem", "ca.pem")
      both_refuse("crl.pem: No such file or directory; put it there, or change `crl` of `tls`")
      put("crl.pem", "crl.pem")
      assert.equal(0, (run "check"))
    end)

    it("a key that this user may not read: which hook copies it", function()
      project()
      assert(H.sh(("chmod 755 %s && chmod 600 %s/key.pem && chmod -R a+rX %s/handlers %s/keys"):format(folder, folder,
        folder, folder)))
      both_refuse("key.pem: the user nobody may not read this TLS key; let a deploy hook copy it",
        "setpriv --reuid 65534 --regid 65534 --clear-groups")
    end)

    it("`check` and the doctor warn of a certificate of a public authority without its chain", function()
      project()
      put("cert.pem", "public.pem")
      put("key.pem", "public.key")
      local code, out = run "check"
      assert.equal(0, code)
      assert.matches("warning: cert.pem: the certificate comes without its chain, and most clients need the one of "
        .. "middle too; ", out, 1, true)
      out = select(2, run "doctor --check-time 0")
      assert.matches("cert.pem: the certificate comes without its chain, .-\n +why [^\n]*refuse.-\n +do +use the "
        .. "file with", out)
      put("cert.pem", "public.pem", "middle.pem")
      code, out = run "check"
      assert.equal(0, code)
      assert.is_nil(out:find("alone", 1, true))
      put("cert.pem", "leaf.pem")
      put("key.pem", "leaf.key")
      assert.is_nil(select(2, run "check"):find("alone", 1, true))
    end)

    it("`check` lists what there is, and warns", function()
      project '{ cert = "cert.pem", key = "key.pem" }, { cert = "soon.pem", key = "soon.key" }'
      put("soon.pem", "soon.pem")
      put("soon.key", "soon.key")
      local code, out = run "check"
      assert.equal(0, code, out)
      assert.matches("\ncertificates\n  cert%.pem +localhost, 127%.0%.0%.1 +ECDSA P%-256 +by spec CA +until ", out)
      assert.matches("warning: soon%.pem: the certificate expires in 9 days, on 20[%d-]+ [%d:]+ UTC; renew it\n", out)
      assert.matches("warning: soon%.pem: localhost is also a name of .*cert%.pem, which is listed first", out)
      code, out = run "check --json"
      assert.equal(0, code)
      local list = cjson.decode(out).certificates
      assert.equal(2, #list)
      assert.same({ "localhost", "127.0.0.1" }, list[2].names)
      assert.equal(folder .. "/soon.pem", list[2].file)
      assert.equal("spec CA", list[2].issuer)
      assert.equal("ECDSA P-256", list[2].key)
      assert.equal(9, list[2].days)
      assert.near(os.time() + 9.5 * DAY, list[2].not_after, 60)
      os.remove(folder .. "/soon.key") -- for another machine it is no error
      assert.equal(1, (run "check"))
      code, out = run "check --offline"
      assert.equal(0, code)
      assert.matches("warning: soon%.key: No such file or directory; put it there, or change `key` of `tls`\n", out)
    end)
  end)

  -- ---- a running host ----

  -- Starts the project; its certificate is called `name`.
  local function start(name, tls)
    project(tls)
    put("cert.pem", name .. ".pem")
    put("key.pem", name .. ".key")
    return H.start { folder = folder }
  end

  local function reload()
    return run "reload"
  end

  it("a host says https, and that a certificate ends soon", function()
    local host = start "soon"
    assert.matches("listening on https://127%.0%.0%.1:%d+/baseWebhookNotification\n", host:log())
    assert.matches(("\nlistening https://127.0.0.1:%d\n"):format(host.port), select(2, run "status"), 1, true)
    host:wait_log('a TLS certificate expires soon: renew it file=%S*cert%.pem names="localhost, 127%.0%.0%.1" '
      .. 'expires="[^"]+" days=9')
    assert.equal("soon", (certificates.served(host.port)))
    assert.equal(0, (reload()))
    assert.equal(1, host:count_log("expires soon")) -- once a day, not once a reload
    assert.equal(0, host:stop())
  end)

  it("a renewed certificate is picked up by itself", function()
    local host = start "one"
    assert.equal("one", (certificates.served(host.port)))
    put("cert.pem", "two.pem")
    put("key.pem", "two.key")
    host:wait_log("reloaded: version %d+ %(%x+%), 1 script, 1 key, 1 certificate\n")
    assert.equal("two", (certificates.served(host.port)))
    assert.equal(200, (certificates.deliver(host, { ca = made:path "ca.pem" })))
    assert.equal(0, host:stop())
  end)

  it("also by certbot's exchange of links", function()
    project 'cert = "live/cert.pem", key = "live/key.pem"'
    assert(H.sh(("cd %s && mkdir live archive && for f in cert key; do ln -s ../archive/$f-1.pem live/$f.pem; done")
      :format(folder)))
    for i, name in ipairs { "one", "two" } do
      put(("archive/cert-%d.pem"):format(i), name .. ".pem")
      put(("archive/key-%d.pem"):format(i), name .. ".key")
    end
    local host = H.start { folder = folder }
    assert(H.sh(("cd %s/live && for f in cert key; do ln -s ../archive/$f-2.pem new && mv -T new $f.pem; done")
      :format(folder)))
    host:wait_log("reloaded: ")
    assert.equal("two", (certificates.served(host.port)))
    assert.equal(0, host:stop())
  end)

  it("a bad one leaves the old one in place and says why", function()
    local host = start "one"
    local function bad(cert, key, text)
      put("cert.pem", cert)
      put("key.pem", key)
      local code, out = reload()
      assert.equal(1, code)
      assert.is_truthy(out:find(text, 1, true), out)
      host:wait_log("not reloaded, the old version goes on: [^\n]*" .. text:gsub("%p", "%%%0"))
      assert.equal("one", (certificates.served(host.port)))
    end
    bad("two.pem", "one.key", "key.pem: this key does not fit the certificate")
    bad("old.pem", "old.key", "cert.pem: the certificate expired on ")
    bad("one.pem", "locked.key", "key.pem: the key is encrypted")
    bad("leaf.der", "leaf.key", "cert.pem: the file is empty")
    H.write(folder .. "/handlers/a.lua", 'require "hookward".on("A.B", function() end)')
    assert.equal(1, (reload())) -- as a whole, or not at all
    put("cert.pem", "two.pem")
    put("key.pem", "two.key")
    assert.equal(0, (reload()))
    assert.equal("two", (certificates.served(host.port)))
    assert.equal(200, (certificates.deliver(host, { ca = made:path "ca.pem", event = "A.B" })))
    assert.equal(0, host:stop())
  end)

  it("a connection goes on with the certificate that it began with", function()
    local host = start "one"
    local pipe = folder .. "/pipe"
    assert(H.sh("mkfifo " .. pipe))
    local client = io.popen(("exec openssl s_client -quiet -connect 127.0.0.1:%d <%s >%s/answer 2>&1"):format(host.port,
      pipe, folder))
    local to = assert(io.open(pipe, "w"))
    to:setvbuf("no")
    H.wait_until(function() return H.read(folder .. "/answer"):find("CN = one") end, "the handshake")
    put("cert.pem", "two.pem")
    put("key.pem", "two.key")
    assert.equal(0, (reload()))
    to:write("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    H.wait_until(function() return H.read(folder .. "/answer"):find("HTTP/1.1 404", 1, true) end, "the answer")
    to:close()
    client:close()
    assert.equal(0, host:stop())
  end)

  it("clients resume their sessions after a reload", function()
    local host = start "one"
    local function session(options)
      local _, out = H.sh(("printf 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n' | "
        .. "openssl s_client -ign_eof -connect 127.0.0.1:%d %s"):format(host.port, options))
      return out
    end
    local kept = folder .. "/session"
    assert.matches("\nNew, TLSv1%.3", session("-sess_out " .. kept))
    assert.matches("\nReused, TLSv1%.3", session("-sess_in " .. kept))
    put("cert.pem", "two.pem")
    put("key.pem", "two.key")
    assert.equal(0, (reload()))
    assert.matches("\nReused, TLSv1%.3", session("-sess_in " .. kept))
    assert.equal(0, host:stop())
  end)

  it("a name that two certificates have is warned about", function()
    project '{ cert = "cert.pem", key = "key.pem" }, { cert = "b.pem", key = "b.key" }'
    put("b.pem", "two.pem")
    put("b.key", "two.key")
    local host = H.start { folder = folder }
    host:wait_log("b%.pem: localhost is also a name of %S*cert%.pem, which is listed first and serves it\n")
    assert.equal(0, host:stop())
  end)

  it("a changed `tls` takes effect at a reload, TLS itself at the next start", function()
    local host = start "one"
    put("other.pem", "two.pem")
    put("other.key", "two.key")
    local file = folder .. "/hookward.lua"
    local text = H.read(file)
    H.write(file, (text:gsub('cert = "cert.pem", key = "key.pem"', 'cert = "other.pem", key = "other.key"')))
    assert.equal(0, (reload()))
    assert.equal("two", (certificates.served(host.port)))
    put("other.pem", "one.pem") -- the new files are watched
    put("other.key", "one.key")
    H.wait_until(function() return certificates.served(host.port) == "one" end, "the renewed certificate")
    H.write(file, (text:gsub("tls = %b{}", "tls = nil")))
    local code, out = reload()
    assert.equal(0, code)
    assert.matches("these take effect at the next start: listen", out)
    assert.equal("one", (certificates.served(host.port)))
    assert.equal(0, host:stop())
  end)

  it("an edit takes effect though the certificate has expired meanwhile #long", function()
    made:sign("brief", { to = 4 })
    local host = start "brief"
    socket.sleep(5)
    H.write(folder .. "/handlers/a.lua", 'require "hookward".on("A.C", function() end)')
    assert.equal(0, (reload()))
    host:wait_log("reloaded: ")
    host:stop()
    both_refuse("cert.pem: the certificate expired on ")
  end)

  -- ---- under load ----

  local function memory_kb(pid)
    return tonumber(H.read(("/proc/%d/status"):format(pid)):match("VmRSS:%s+(%d+)"))
  end

  -- A client in a loop of its own; writes one line for each answer that was no 200.
  local function client(host, number, keep_alive, seconds)
    local body = H.event("A.A")
    local urls = ("https://localhost:%d/baseWebhookNotification "):format(host.port):rep(keep_alive and 50 or 1)
    return io.popen(("exec sh -c 'end=$(($(date +%%s) + %d)); n=0; while [ $(date +%%s) -lt $end ]; do "
      .. "n=$((n+1)); curl -sS -o /dev/null -w \"%%{http_code}\\n\" --cacert %s -H \"X-Signature: %s\" "
      .. "-H \"X-JobId: c%d-$n\" --data-binary @%s %s 2>&1; done'"):format(seconds, made:path "ca.pem",
      H.sign(body), number, folder .. "/body", (urls:gsub("(https)", "-o /dev/null %1"))))
  end

  it("are exchanged under load, twice a second, without a failed request or a leak #long", function()
    local SECONDS <const> = tonumber(os.getenv("HOOKWARD_TLS_EXCHANGE_SECONDS") or 20)
    local host = start "one"
    H.write(folder .. "/body", H.event("A.A"))
    local clients = {}
    for i = 1, 4 do clients[i] = client(host, i, i > 2, SECONDS) end
    local exchanges, kb = 0, nil
    local begun = socket.gettime()
    while socket.gettime() < begun + SECONDS do
      local name = exchanges % 2 == 0 and "two" or "one"
      assert(H.sh(("cd %s && cp %s/%s.pem new.pem && cp %s/%s.key new.key && mv new.key key.pem && mv new.pem cert.pem")
        :format(folder, made.folder, name, made.folder, name)))
      exchanges = exchanges + 1
      socket.sleep(math.max(0, begun + exchanges / 2 - socket.gettime()))
      if exchanges == 16 then kb = memory_kb(host.pid) end
    end
    local total, bad = 0, {}
    for _, pipe in ipairs(clients) do
      for line in pipe:lines() do
        total = total + 1
        if line ~= "200" then bad[#bad + 1] = line end
      end
      pipe:close()
    end
    local grown = memory_kb(host.pid) - (kb or 0)
    local reloads = host:count_log("reloaded: version")
    io.write(("\n%d exchanges, %d reloads under %d requests; %+d kB\n"):format(exchanges, reloads, total, grown))
    assert.same({}, bad)
    assert.is_true(total > 100)
    assert.is_true(reloads >= 1)
    if not os.getenv "HOOKWARD_SPEC_PATIENCE" then -- a sanitizer is slow, and holds on to freed memory
      assert.is_true(reloads >= exchanges // 2)
      assert.is_true(grown < 2048, grown .. " kB")
    end
    assert.equal(0, host:stop())
  end)
end)
