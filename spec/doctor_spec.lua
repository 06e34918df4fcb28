-- `hookward doctor`: each fault is made for real, and is found with what, why and what to do.

local certificates = require "spec.support.certificates"
local cjson = require "cjson"
local cli = require "spec.support.cli"
local clocks = require "spec.support.clock"
local H = require "spec.support.host"
local lfs = require "lfs"
local socket = require "socket"

local DAY <const> = 24 * 3600
local OK = { ["a.lua"] = 'require "hookward".on("A.*", function(event) return event.Event == "A.Good" end)' }

-- Runs `hookward doctor` in a project's folder; `before` is shell text.
local function doctor(folder, arguments, before)
  local _, out, code = H.sh(("cd %s && %s %s doctor %s"):format(H.quote(folder), before or "", H.quote(H.binary),
    arguments or ""))
  return out, code or 0
end

-- The same as a table: findings by level and area, with what, why and fix.
local function diagnose(folder, arguments, before)
  local out, code = doctor(folder, "--json " .. (arguments or ""), before)
  local found = cjson.decode(out)
  assert.equal(found.problems == 0, found.ok)
  assert.equal(found.ok and 0 or 1, code)
  for _, one in ipairs(found.findings) do
    if one.level == "problem" or one.level == "warning" then
      assert.is_true(#one.what > 5 and #one.why > 5 and #one.fix > 5, out)
    end
  end
  function found.find(level, area, text)
    for _, one in ipairs(found.findings) do
      if one.level == level and one.area == area and one.what:find(text, 1, true) then return one end
    end
    error(("no %s of %s with %q in\n%s"):format(level, area, text, out), 2)
  end
  function found.none(level, area)
    for _, one in ipairs(found.findings) do
      assert(one.level ~= level or one.area ~= area, out)
    end
  end
  return found
end

-- The folder of a project without a running host.
local function project(options)
  options.handlers = options.handlers or OK
  options.ledger = options.ledger or "hookward.db"
  return H.project(options)
end

local function start(options)
  options = options or {}
  options.handlers = options.handlers or OK
  options.ledger = options.ledger or "hookward.db"
  return H.start(options)
end

describe("hookward doctor", function()
  after_each(function()
    H.stop_all()
    cli.clean()
  end)

  describe("beside a host that is well", function()
    it("finds no problem, looks at everything, and exits 0", function()
      local host = start()
      assert.equal(200, host:notify(H.event("A.Good")).status)
      local found = diagnose(host.folder)
      assert.equal(0, found.problems)
      assert.is_true(found.running)
      found.find("ok", "configuration", "hookward.lua: no mistake")
      found.find("ok", "keys", "keys/public.pem: PEM, 2048 bits, SHA-256 ")
      found.find("ok", "handlers", "1 route")
      found.find("ok", "files", "can read all 4")
      found.find("ok", "ledger", "hookward.db: ")
      found.find("ok", "ledger", "nothing in it failed or is dead")
      found.find("ok", "ledger", "disk: ")
      found.find("ok", "limits", "open files: 10192 wanted")
      found.find("ok", "limits", "inotify: ")
      found.find("ok", "host", ("serving, pid %d, hookward "):format(host.pid))
      found.find("ok", "front door", ("http://127.0.0.1:%d/baseWebhookNotification: an unsigned POST is refused with "
        .. "missing_signature"):format(host.port))
    end)

    it("is a text for people, without colours in a pipe, and one line in the host's log", function()
      local host = start()
      local out, code = doctor(host.folder)
      assert.equal(0, code, out)
      assert.matches("configuration\n  ok       hookward.lua: no mistake\nkeys\n", out, 1, true)
      assert.matches("\n0 problems, %d warnings?\n$", out)
      assert.is_nil(out:find("\27", 1, true))
      host:wait_log "missing_signature"
      assert.equal(3, #cli.lines(host:log()), host:log())
    end)

    it("begins with the PROXY protocol's header where that is expected", function()
      local host = start { listen = '{ "127.0.0.1:0", proxy_protocol = true }' }
      local found = diagnose(host.folder)
      assert.equal(0, found.problems)
      found.find("ok", "front door", "an unsigned POST is refused with missing_signature")
      -- And whoever calls it without the header is told of it.
      local one = diagnose(host.folder, "--url http://127.0.0.1:" .. host.port).find("problem", "front door",
        "http://127.0.0.1:" .. host.port)
      assert.matches("proxy_protocol", one.fix, 1, true)
    end)

    it("calls each listener, also a Unix socket and one with a path of its own", function()
      local folder = H.folder()
      local host = start { listen = ('{ "127.0.0.1:0", "unix:%s/s,mode=0600" }'):format(folder),
        config = 'path = "/here",' }
      local found = diagnose(host.folder)
      assert.equal(0, found.problems)
      found.find("ok", "front door", ("http://127.0.0.1:%d/here: an unsigned POST"):format(host.port))
      found.find("ok", "front door", ("unix:%s/s: an unsigned POST"):format(folder))
    end)
  end)

  describe("without a host", function()
    it("says so, and looks at everything else", function()
      local folder = project { listen = '"127.0.0.1:1"' }
      local found = diagnose(folder)
      assert.equal(1, found.problems)
      assert.is_false(found.running)
      local one = found.find("problem", "host", "no host is running with hookward.lua")
      assert.matches("hookward serve", one.fix, 1, true)
      found.find("skipped", "front door", "nobody listens there, since no host is running")
      found.find("ok", "ledger", "not there yet")
      assert.is_nil(lfs.attributes(folder .. "/hookward.db"))
    end)

    it("says when another program has the port, or another hookward", function()
      local server = assert(socket.bind("127.0.0.1", 0))
      local _, port = server:getsockname()
      local folder = project { listen = ('"127.0.0.1:%d"'):format(port) }
      local running = cli.start { "doctor", "--json", cwd = folder }
      local client = assert(server:accept())
      client:send("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
      client:close()
      server:close()
      assert.matches("another program has this port", running:wait().out, 1, true)
      local other = start()
      H.write(folder .. "/hookward.lua", ('return { listen = "127.0.0.1:%d" }'):format(other.port))
      diagnose(folder).find("warning", "front door", "another hookward answers")
    end)

    it("looks at what is left of a broken configuration", function()
      local folder = project { config = 'workers = "many",' }
      local found = diagnose(folder)
      local one = found.find("problem", "configuration", "hookward.lua: workers: expected a whole number")
      assert.equal("no host starts with it", one.why)
      found.find("ok", "keys", "keys/public.pem")
      found.find("ok", "handlers", "1 route")
      found.find("ok", "ledger", "disk: ")
      H.write(folder .. "/hookward.lua", "return {")
      found = diagnose(folder)
      found.find("problem", "configuration", "hookward.lua:1: ")
      found.find("skipped", "ledger", "the configuration does not say where")
      found.find("problem", "host", "no host answers")
      os.remove(folder .. "/hookward.lua")
      diagnose(folder).find("problem", "configuration", "hookward.lua: not found")
      assert.matches("no such folder", (doctor(folder, "-c nowhere/x.lua")), 1, true)
    end)
  end)

  describe("looks at the project", function()
    it("and finds keys that can't be used, are for development, or expire", function()
      local private, public = H.keys()
      local folder = project { keys = { ["good.pem"] = H.read(public), ["bad.pem"] = H.read(private),
        ["development.pem"] = H.read(public) } }
      assert(H.sh(("openssl req -x509 -key %s -subj /CN=x -days 3 -out %s/keys/soon.pem"):format(private, folder)))
      local found = diagnose(folder)
      local one = found.find("problem", "keys", "keys/bad.pem: this is a private key")
      assert.matches("keep it elsewhere", one.fix, 1, true)
      found.find("warning", "keys", "keys/development.pem: a key for development")
      found.find("warning", "keys", "keys/soon.pem: the certificate of this key expires in 2d")
      found.find("ok", "keys", "keys/good.pem: PEM")
      local clock = clocks.new()
      clock.set(4 * 86400)
      diagnose(folder, nil, clock.env).find("warning", "keys", "the certificate of this key expired 1d ago")
      assert(H.sh(("rm %s/keys/*"):format(folder)))
      diagnose(folder).find("problem", "keys", "keys/*: no key file")
    end)

    it("and finds handlers that don't load, or that are none", function()
      local folder = project { handlers = { ["a.lua"] = "syntax error" } }
      diagnose(folder).find("problem", "handlers", "handlers/a.lua:1: ")
      H.write(folder .. "/handlers/a.lua", "-- none")
      diagnose(folder).find("warning", "handlers", "no handler is registered")
    end)

    -- Root may read anything, so the host, or the doctor, is another user where that is possible.
    local as = "setpriv --reuid 65534 --regid 65534 --groups 4242"
    if H.sh(("%s %s --version"):format(as, H.quote(H.binary))) then
      it("as a user who may only read, too", function()
        local host = start()
        assert.equal(200, host:notify(H.event("A.Good")).status)
        H.sh(("chmod -R go+rX %s"):format(host.folder))
        local found = diagnose(host.folder, nil, as)
        assert.is_true(found.running)
        found.find("ok", "ledger", "no damage (quick_check)")
        found.find("warning", "host", "does not answer this user at its control socket")
        found.find("skipped", "front door", "`listen` has ports that only a running host knows")
      end)
    end
    if H.sh(("%s %s --version"):format(as, H.quote(H.binary))) then
      it("and finds files that the user of the host can't read", function()
        local folder = project {}
        H.sh(("chmod -R a+rX %s && chown -R 65534 %s"):format(folder, folder))
        local host = H.start { folder = folder, wrap = as }
        diagnose(folder).find("ok", "files", "the user of the running host, can read all 4")
        H.sh(("cp %s/keys/public.pem %s/keys/new.pem && chown 0:0 %s/keys/new.pem && chmod 600 %s/keys/new.pem")
          :format(folder, folder, folder, folder))
        local found = diagnose(folder)
        local one = found.find("problem", "files", "keys/new.pem can't be read by ")
        assert.matches("the user of the running host: Permission denied", one.what, 1, true)
        assert.matches("chmod 640", one.fix, 1, true)
        found.none("ok", "files")
        -- The host has a group more than its user.
        H.sh(("chgrp 4242 %s/keys/new.pem && chmod 640 %s/keys/new.pem"):format(folder, folder))
        diagnose(folder).none("problem", "files")
        assert.equal(0, host:stop())
        H.sh("chmod 600 " .. folder .. "/keys/new.pem")
        diagnose(folder).find("problem", "files", "the owner of the ledger: Permission denied")
        os.remove(folder .. "/hookward.db")
        diagnose(folder).find("problem", "files", "the owner of the ledger's folder: Permission denied")
      end)
    end
  end)

  describe("looks at the ledger", function()
    -- One with some hundred rows and no host.
    local function filled()
      local folder = project {}
      local host = H.start { folder = folder }
      assert.equal(200, host:notify(H.event("A.Good")).status)
      assert.equal(0, host:stop())
      assert(H.sh(([[sqlite3 %s/hookward.db "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n
        WHERE i < 2000) INSERT INTO notifications (job_id, digest, event, state, attempt, deliveries, runs, received_at,
        settled_at) SELECT 'j' || i, randomblob(32), event, state, attempt, deliveries, runs, received_at, settled_at
        FROM notifications, n WHERE job_id NOT LIKE 'j%%'"]]):format(folder)))
      return folder
    end

    it("and finds damage in the middle, and a file that is none", function()
      local folder = filled()
      diagnose(folder).find("ok", "ledger", "no damage (quick_check)")
      local path, pristine = folder .. "/hookward.db", folder .. "/copy.db"
      H.write(pristine, H.read(path))
      local file = assert(io.open(path, "r+b"))
      file:seek("set", lfs.attributes(path, "size") // 2 // 4096 * 4096)
      file:write(("garbage!"):rep(512))
      file:close()
      local one = diagnose(folder).find("problem", "ledger", "hookward.db is damaged: ")
      assert.matches("hookward ledger restore", one.fix, 1, true)
      diagnose(folder, "--check-time 0").find("skipped", "ledger", "the file was not checked (--check-time 0)")
      assert.is_nil(one.what:find("\n", 1, true))
      assert(H.sh(([[
        root=$(sqlite3 %s "SELECT rootpage FROM sqlite_master WHERE name = 'by_due'")
        dd if=/dev/zero of=%s bs=4096 seek=$((root - 1)) count=1 conv=notrunc 2>&1
      ]]):format(pristine, pristine)))
      os.rename(pristine, path)
      one = diagnose(folder).find("skipped", "ledger", folder .. "/hookward.db: ")
      assert.matches("database disk image is malformed", one.what, 1, true)
      H.write(path, ("no ledger "):rep(100))
      diagnose(folder).find("problem", "ledger", "file is not a database")
    end)

    it("and stops checking when the time is over", function()
      local found = diagnose(filled(), "--check-time 1ms")
      assert.equal(1, found.problems) -- no host
      if not pcall(found.find, "skipped", "ledger", "no damage was found in 0.001 s") then
        found.find("ok", "ledger", "no damage (quick_check)") -- a fast machine
      end
    end)

    it("and counts what failed and what is dead, beside a running host, without changing a byte", function()
      local host = start { config = "retries = { 3600 }," }
      assert.equal(400, host:notify(H.event("A.Bad")).status)
      local path = host.folder .. "/hookward.db"
      local before = H.read(path) .. H.read(path .. "-wal")
      local found = diagnose(host.folder)
      assert.equal(before, H.read(path) .. H.read(path .. "-wal"))
      assert.equal(0, found.problems)
      local one = found.find("warning", "ledger", "1 notification failed, the oldest was received ")
      assert.matches("hookward jobs list --state failed", one.fix, 1, true)
      host = start { config = "retries = {}," }
      assert.equal(400, host:notify(H.event("A.Bad"), { attempt = 5 }).status)
      one = diagnose(host.folder).find("warning", "ledger", "1 notification is dead")
      assert.matches("hookward jobs purge --state dead", one.fix, 1, true)
    end)

    it("and finds a disk with less than min_disk_free", function()
      local one = diagnose(project { config = 'min_disk_free = "1024GB",' }).find("problem", "ledger", "disk: ")
      assert.matches("left, less than min_disk_free (1024GB)", one.what, 1, true)
    end)

    it("and finds that a running host has lost it, or that nobody runs what waits", function()
      local host = start { config = "retries = { 1 }," }
      assert.equal(400, host:notify(H.event("A.Bad"), { attempt = 5 }).status)
      assert.equal(0, host:stop())
      local clock = clocks.new()
      clock.set(60)
      local one = diagnose(host.folder, nil, clock.env).find("warning", "ledger", "1 notification due to be run")
      assert.equal("no host is running that would run them", one.why)
      host = start()
      os.remove(host.folder .. "/hookward.db")
      assert.equal("ledger_unavailable", host:notify(H.event("A.Good")).error)
      local found = diagnose(host.folder)
      found.find("problem", "ledger", "hookward.db: is gone")
      found.find("problem", "host", "it can't write its ledger")
    end)
  end)

  describe("looks at the machine", function()
    it("and finds a low limit of files: of the running host, and of the shell without one", function()
      local host = start { wrap = "sh -c 'ulimit -n 1000; exec \"$@\"' sh" }
      local one = diagnose(host.folder).find("warning", "limits", "open files: the running host may open 1000, ")
      assert.matches("LimitNOFILE", one.fix, 1, true)
      assert.equal(0, host:stop())
      diagnose(host.folder).find("ok", "limits", "open files: 10192 wanted")
      diagnose(host.folder, nil, "ulimit -n 200;").find("problem", "limits", "open files: this shell may open 200")
    end)

    it("and takes exactly as many as are wanted", function()
      local folder = project { config = "max_connections = 100, workers = 1," } -- 100 + 8 + 128
      diagnose(folder, nil, "ulimit -n 236;").find("ok", "limits", "open files: 236 wanted, this shell may open 236")
      diagnose(folder, nil, "ulimit -n 235;").find("warning", "limits", "open files: this shell may open 235")
    end)

    local without = "unshare -Ur sh -c 'echo 0 >/proc/sys/user/max_inotify_instances; exec \"$@\"' sh"
    if H.sh(without .. " true") then
      it("and finds that no more files can be watched", function()
        local one = diagnose(project {}, nil, without).find("warning", "limits",
          "has used up fs.inotify.max_user_instances")
        assert.matches("sysctl fs.inotify.max_user_instances=", one.fix, 1, true)
      end)
    end

    it("and finds a clock that is wrong by decades, or behind the ledger", function()
      local host = start()
      assert.equal(200, host:notify(H.event("A.Good")).status)
      assert.equal(0, host:stop())
      local clock = clocks.new()
      clock.set(-30 * 365 * 86400)
      diagnose(host.folder, nil, clock.env).find("problem", "clock", "the clock says ")
      clock.set(-3600)
      diagnose(host.folder, nil, clock.env).find("problem", "clock", "but the newest notification was received ")
      diagnose(host.folder).none("problem", "clock")
    end)
  end)

  describe("looks at the host", function()
    it("and finds a failed reload and a pause", function()
      local host = start()
      assert.equal(200, host:notify(H.event("A.Good")).status)
      H.write(host.folder .. "/handlers/a.lua", "syntax error")
      host:wait_log "reload"
      H.sh(("cd %s && %s pause 'A.*'"):format(host.folder, H.binary))
      local found = diagnose(host.folder)
      local one = found.find("problem", "host", "its last reload failed ")
      assert.matches("handlers/a.lua:1", one.what, 1, true)
      one = found.find("warning", "host", "A.* is paused since ")
      assert.equal("`hookward resume 'A.*'`", one.fix)
      one = found.find("problem", "handlers", "handlers/a.lua:1: ")
      assert.matches("the running host goes on with what it had", one.why, 1, true)
    end)

    it("and finds workers that are stuck", function()
      local gate = H.gate()
      local host = start { config = 'workers = 2, handler_timeout = "30ms",',
        handlers = { ["a.lua"] = gate.source .. 'require "hookward".on("*", function() wait() end)' } }
      assert.equal("handler_timeout", host:notify(H.event("A.A")).error)
      diagnose(host.folder).find("warning", "host", "1 of 2 workers are stuck in handlers that do not return")
      assert.equal("handler_timeout", host:notify(H.event("A.A")).error)
      local one = diagnose(host.folder).find("problem", "host", "2 of 2 workers are stuck")
      assert.matches("no handler runs", one.why, 1, true)
      gate:open(2)
    end)

    it("and finds one without its control socket", function()
      local host = start()
      os.remove(host.folder .. "/.hookward.sock")
      local found = diagnose(host.folder)
      assert.is_true(found.running)
      found.find("warning", "host", "a host is running with ")
    end)

    it("and finds that it listens elsewhere since `listen` was changed", function()
      local host = start()
      local file = host.folder .. "/hookward.lua"
      H.write(file, (H.read(file):gsub("127%.0%.0%.1:0", "127.0.0.1:1")))
      local one = diagnose(host.folder).find("problem", "front door", "http://127.0.0.1:1/")
      assert.matches("`listen` was changed since its start", one.why, 1, true)
      assert.equal("restart the host", one.fix)
    end)

    it("and finds one that is stopped in its tracks #long", function()
      local host = start()
      host:signal "STOP"
      local found = diagnose(host.folder)
      host:signal "CONT"
      found.find("problem", "host", "a host runs, but did not answer in time")
    end)
  end)

  describe("beside a host with TLS", function()
    local made -- the folder of two self-signed certificates, a and b
    setup(function()
      made = os.tmpname()
      os.remove(made)
      assert(lfs.mkdir(made))
      for _, name in ipairs { "a", "b" } do
        certificates.self_signed(made, name, { alt = ("DNS:*.%s.example"):format(name) })
      end
    end)
    teardown(function() H.sh("rm -r " .. made) end)

    local TLS = 'tls = { cert = "tls/cert.pem", key = "tls/key.pem"%s },'

    -- Copies FROM/NAME.pem and NAME.key to a project.
    local function put(folder, from, name)
      assert(H.sh(("cp %s/%s.pem %s/tls/cert.pem && cp %s/%s.key %s/tls/key.pem"):format(from, name, folder, from,
        name, folder)))
    end

    -- A project whose certificate is not for its address.
    local function laid_out(more, name)
      local folder = project { config = TLS:format(more or "") }
      assert(lfs.mkdir(folder .. "/tls"))
      put(folder, made, name or "a")
      return folder
    end

    it("calls it by a name of its certificate, and trusts only that", function()
      local folder = laid_out()
      local host = H.start { folder = folder }
      local found = diagnose(folder)
      assert.equal(0, found.problems)
      found.find("ok", "certificates", "tls/cert.pem: for *.a.example, by a, ECDSA P-256, expires in 29d")
      found.find("ok", "files", "can read all 6")
      found.find("ok", "front door", "an unsigned POST is refused with missing_signature")
      -- A new certificate without its key: the host goes on with the old one.
      H.sh(("cp %s/b.pem %s/tls/cert.pem"):format(made, folder))
      host:wait_log "reload"
      found = diagnose(folder)
      found.find("problem", "certificates", "tls/key.pem: ")
      found.find("problem", "host", "its last reload failed ")
      found.find("skipped", "front door", "it can't be called without its certificate")
      -- The whole new pair, and a host that has no time to notice.
      host:signal "STOP"
      H.sh(("cp %s/b.key %s/tls/key.pem"):format(made, folder))
      host:signal "CONT"
      host:wait_log "reloaded: version"
      assert.equal(0, diagnose(folder).problems)
    end)

    it("calls it by a name of each certificate that it chooses from", function()
      local folder = laid_out()
      H.sh(("cp %s/b.pem %s/b.key %s/tls"):format(made, made, folder))
      local file = folder .. "/hookward.lua"
      H.write(file, (H.read(file):gsub('tls = (%b{})', 'tls = { %1, { cert = "tls/b.pem", key = "tls/b.key" } }')))
      local host = H.start { folder = folder }
      local found = diagnose(folder)
      assert.equal(0, found.problems)
      for _, name in ipairs { "doctor.a.example", "doctor.b.example" } do
        found.find("ok", "front door", (":%s/baseWebhookNotification (as %s): an unsigned POST"):format(
          host:log():match("https://127%.0%.0%.1:(%d+)/"), name))
      end
    end)

    it("finds that the host shows another certificate than the one in the file", function()
      local folder = laid_out()
      local host = H.start { folder = folder }
      local other = laid_out(nil, "b")
      H.write(other .. "/hookward.lua", (H.read(other .. "/hookward.lua"):gsub("127%.0%.0%.1:0",
        host:log():match("https://(127%.0%.0%.1:%d+)/"))))
      local one = diagnose(other).find("problem", "front door", "the host shows another certificate than tls/cert.pem")
      assert.matches("hookward reload", one.fix, 1, true)
    end)

    it("takes a wanted client certificate for a good sign, and shows one", function()
      local folder = laid_out(', client_ca = "tls/cert.pem"')
      H.start { folder = folder }
      local found = diagnose(folder)
      assert.equal(0, found.problems)
      found.find("ok", "front door", "asks for a client certificate, as it should")
      diagnose(folder, "--client-cert tls/cert.pem --client-key tls/key.pem").find("ok", "front door",
        "an unsigned POST is refused with missing_signature")
    end)

    it("finds a certificate for development, one that expires, and a key that the host can't read", function()
      local folder = laid_out()
      local authority = certificates.authority()
      authority:sign("soon", { to = 9 * DAY })
      authority:sign("expired", { from = -9 * DAY, to = -1 * DAY })
      put(folder, authority.folder, "soon")
      diagnose(folder).find("warning", "certificates", "tls/cert.pem: the certificate expires in ")
      put(folder, authority.folder, "expired")
      diagnose(folder).find("problem", "certificates", "tls/cert.pem: the certificate expired on 20")
      local trial = cli.folder() .. "/demo"
      cli.run { "init", "--tls", trial }
      diagnose(trial).find("warning", "certificates", "tls/cert.pem: a certificate for development")
      -- Another user has the ledger, as that of a service has.
      H.sh(("cd %s && touch hookward.db && chown 65534 hookward.db && chmod -R go+rX . && chmod 600 tls/key.pem")
        :format(trial))
      if lfs.attributes(trial .. "/hookward.db", "uid") ~= lfs.attributes(trial, "uid") then -- by root
        local one = diagnose(trial).find("problem", "files", "tls/key.pem can't be read by ")
        assert.matches(' -m 640 "$RENEWED_LINEAGE/privkey.pem" ' .. trial .. "/tls/key.pem", one.fix, 1, true)
      end
    end)
  end)

  describe("knocks at the front door", function()
    -- Gives one answer on a port of its own, as a proxy would.
    local function in_front(folder, answer)
      local server = assert(socket.bind("127.0.0.1", 0))
      server:settimeout(20)
      local _, port = server:getsockname()
      local url = ("http://127.0.0.1:%d"):format(port)
      local running = cli.start { "doctor", "--json", "--check-time", "0", "--url", url, cwd = folder }
      local client = assert(server:accept())
      client:settimeout(20)
      repeat until client:receive("*l") == ""
      client:receive(2)
      client:send(answer)
      client:close()
      server:close()
      local result = running:wait()
      for _, one in ipairs(cjson.decode(result.out).findings) do
        if one.area == "front door" and one.what:find(url, 1, true) then return one end
      end
      error(result.out)
    end

    local function page(status, body, headers)
      return ("HTTP/1.1 %s\r\nContent-Length: %d\r\n%s\r\n%s"):format(status, #body, headers or "", body)
    end

    local cases = {
      { "an HTML page of a proxy", page("404 Not Found", "<html><title>404 Not Found</title></html>",
        "Server: nginx\r\n"), '404 by nginx, which says "404 Not Found"', "the proxy does not pass it on", "path" },
      { "a proxy that can't reach the host", page("502 Bad Gateway", "<h1>Bad</h1>"), "502 by something",
        "the proxy can't reach the host", "proxy_pass" },
      { "a redirect", page("301 Moved", "", "Location: https://x.example/\r\n"), "301, a redirect to https://x.",
        "a sender does not follow it", "subscription" },
      { "something that accepts everything", page("200 OK", "hello"), '200 by something, which says "hello"',
        "accepts an unsigned request", "the proxy" },
      { "a proxy that asks for a password", page("401 Unauthorized", ""), "401 by something", "asks for a password",
        "exempt" },
      { "a host that refuses this address", page("403 Forbidden", '{"error":"not_allowed","message":"no"}'),
        "403 not_allowed: no", "not in `allow`", "trusted_proxies" },
      { "a host that speaks TLS", page("400 Bad", '{"error":"tls_required","message":"TLS"}'), "400 tls_required: TLS",
        "speaks TLS", "https://" },
      { "nginx that speaks TLS", page("400 Bad Request",
        "<html><title>400 The plain HTTP request was sent to HTTPS port</title></html>"), "400 by something",
        "it speaks TLS there", "https://" },
      { "one that hangs up", "", "Empty reply from server", "PROXY protocol", "proxy_protocol" },
    }
    it("and recognises whoever else answers there", function()
      local folder = project { listen = '"127.0.0.1:1"' }
      for _, case in ipairs(cases) do
        local one = in_front(folder, case[2])
        assert.equal("problem", one.level, case[1])
        assert.matches(case[3], one.what, 1, true)
        assert.matches(case[4], one.why, 1, true)
        assert.matches(case[5], one.fix, 1, true)
      end
    end)

    it("and recognises a host behind another path, nobody, and an unknown name", function()
      local host = start()
      local function url(text) return diagnose(host.folder, "--check-time 0 --url " .. text) end
      local one = url(("http://127.0.0.1:%d/hooks"):format(host.port)).find("problem", "front door", "404 not_found: ")
      assert.matches("another path than its `path`", one.why, 1, true)
      one = url("http://127.0.0.1:1").find("problem", "front door",
        "http://127.0.0.1:1/baseWebhookNotification: nobody")
      assert.matches("firewall", one.fix, 1, true)
      one = url("http://nowhere.invalid").find("problem", "front door", "nowhere.invalid")
      assert.matches("DNS", one.fix, 1, true)
      assert.equal(0, url(("http://127.0.0.1:%d"):format(host.port)).problems)
    end)

    it("and takes only what is a URL, a time, and a pair of files", function()
      local function misuse(arguments, text)
        local out, code = doctor(".", arguments)
        assert.equal(2, code)
        assert.matches(text, out, 1, true)
      end
      misuse("--url hooks.example.com", "--url takes the address that senders use")
      misuse("--check-time long", "--check-time takes a time of at most a day")
      misuse("--client-key k", "--client-key needs --client-cert")
    end)
  end)
end)
