-- `hookward check` says in advance what would keep `serve` from starting.

local cjson = require "cjson"
local H = require "spec.support.host"
local socket = require "socket"

local HANDLERS = { ["a.lua"] = 'require "hookward".on("A.A", function() end)' }

describe("hookward check", function()
  after_each(H.stop_all)

  -- The folder of a project without a running host.
  local function project(options)
    options.handlers = options.handlers or HANDLERS
    options.ledger = options.ledger or "hookward.db"
    return H.project(options)
  end

  local function run(folder, command, as)
    local _, out, code = H.sh(("cd %s && %s %s %s"):format(H.quote(folder), as or "", H.quote(H.binary), command))
    return code or 0, out
  end

  -- `check` and `serve` give the same reason, and `check` leaves nothing behind.
  local function both_refuse(folder, pattern, as)
    local before = H.sh("ls -A " .. folder)
    local code, out = run(folder, "check", as)
    assert.equal(1, code, out)
    local line = out:match("error: ([^\n]+)\n")
    assert.matches(pattern, line)
    assert.equal(before, H.sh("ls -A " .. folder))
    code, out = run(folder, "serve", as)
    assert.equal(1, code)
    assert.equal(line .. "\n", out)
  end

  it("exits 1 for a file that is not a ledger, another program's, or a folder", function()
    local folder = project {}
    H.write(folder .. "/hookward.db", ("no ledger "):rep(100))
    both_refuse(folder, "^hookward%.db: file is not a database; set `ledger`")
    os.remove(folder .. "/hookward.db")
    local db = require("luasql.sqlite3").sqlite3():connect(folder .. "/hookward.db")
    db:execute("CREATE TABLE t (x)")
    db:close()
    both_refuse(folder, "^hookward%.db: this database is not a hookward ledger; set `ledger`")
    os.remove(folder .. "/hookward.db")
    assert(require("lfs").mkdir(folder .. "/hookward.db"))
    both_refuse(folder, "^hookward%.db: Is a directory")
    both_refuse(project { ledger = "nowhere/hookward.db" }, "^nowhere/hookward%.db: its folder is not there; make it")
  end)

  it("exits 1 for a ledger that another host is using", function()
    local other = H.start { handlers = HANDLERS, ledger = "hookward.db" }
    both_refuse(project { ledger = other.folder .. "/hookward.db" },
      "another hookward is serving with this ledger; stop it, or set `ledger`")
    assert.equal(200, other:notify(H.event("A.A")).status)
  end)

  it("exits 1 for an address that is taken, repeated, not this machine's, or can't be resolved", function()
    local server = assert(socket.bind("127.0.0.1", 0))
    local _, port = server:getsockname()
    local address = ('"127.0.0.1:%d"'):format(port)
    both_refuse(project { listen = address }, "address already in use; `ss %-ltnp` shows who listens there")
    server:close()
    local folder = project { listen = ("{ %s, \"localhost:%d\" }"):format(address, port) }
    both_refuse(folder, "address already in use")
    both_refuse(project { listen = '"192.0.2.1:80"' }, "address not available; this machine has no such address")
    both_refuse(project { listen = '"nowhere.invalid:80"' }, "; write an address such as 127%.0%.0%.1:8080")
    both_refuse(project { listen = '"unix:nowhere/s"' }, "no such file or directory; make its folder with `mkdir %-p`")
    folder = project { listen = '"unix:s"' }
    H.write(folder .. "/s", "")
    both_refuse(folder, "address already in use; another host listens there, or a file has this name")
  end)

  it("tries the admin listener's address and certificate too", function()
    local server = assert(socket.bind("127.0.0.1", 0))
    local _, port = server:getsockname()
    both_refuse(project { config = ('admin = "127.0.0.1:%d"'):format(port) },
      "^admin: listen = \"127%.0%.0%.1:%d+\": address already in use")
    server:close()
    both_refuse(project { config = 'admin = { listen = "127.0.0.1:0", tls = { cert = "c.pem", key = "k.pem" } }' },
      "^c%.pem: No such file or directory; put it there, or change `cert` of `tls`")
  end)

  it("exits 1 for systemd without its sockets", function()
    both_refuse(project { listen = '"systemd"' }, "no socket was handed over: [^\n]*%.socket unit")
  end)

  -- Root may write anywhere, so another user is tried where possible.
  local as = "setpriv --reuid 65534 --regid 65534 --clear-groups"
  local may = H.sh(("%s %s --version"):format(as, H.quote(H.binary))) ~= nil
  if not may then print("check: no other user can be tried here") end

  if may then
    it("exits 1 for a ledger, or a folder, that can't be written", function()
      local folder = project {}
      H.sh(("chmod 755 %s %s/handlers %s/keys"):format(folder, folder, folder))
      local code, out = run(folder, "check", as)
      assert.equal(1, code)
      assert.matches("hookward.db: its folder can't be written: Permission denied; give it to the user", out, 1, true)
      assert.equal(1, (run(folder, "serve", as)))
      H.sh(("chmod 777 %s && touch %s/hookward.db && chmod 600 %s/hookward.db"):format(folder, folder, folder))
      both_refuse(folder, "hookward%.db: Permission denied; the user that runs the host must be able to write it", as)
    end)
  end

  it("does not disturb a host that runs with this configuration, and says that it runs", function()
    local host = H.start { handlers = HANDLERS, ledger = "hookward.db", listen = '"127.0.0.1:0"' }
    H.write(host.folder .. "/hookward.lua", (H.read(host.folder .. "/hookward.lua")
      :gsub("127%.0%.0%.1:0", "127.0.0.1:" .. host.port))) -- the host itself has taken this port
    host:wait_log("take effect at the next start: listen")
    local log = host:log()
    local code, out = run(host.folder, "check")
    assert.equal(0, code, out)
    assert.matches("note: a host is running with this configuration; its ledger and its addresses were not tried",
      out, 1, true)
    local _, json = run(host.folder, "check --json")
    assert.is_true(cjson.decode(json).running)
    assert.equal(log, host:log())
    assert.equal(200, host:notify(H.event("A.A")).status)
    assert.equal(0, host:stop())
    _, json = run(host.folder, "check --json")
    assert.is_false(cjson.decode(json).running)
  end)

  -- Stands in for a host that has lost workers: a real one takes seconds of CPU time to lose one.
  local STAND_IN = [[
    local server = require "socket.unix"()
    assert(server:bind(arg[1]))
    assert(server:listen(1))
    print("listening")
    io.stdout:flush()
    local client = server:accept()
    repeat until client:receive("*l") == ""
    client:send(("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s"):format(#arg[2], arg[2]))
    client:close()
  ]]

  it("counts the workers that a host has lost; it is an error if they were not replaced", function()
    local folder = project {}
    local function check_with(state)
      H.write(folder .. "/stand-in.lua", STAND_IN)
      os.remove(folder .. "/.hookward.sock")
      local server = io.popen(("lua5.4 %s/stand-in.lua %s/.hookward.sock '%s'"):format(folder, folder, state))
      assert.equal("listening", server:read("l"))
      local code, out = run(folder, "check")
      server:close()
      return code, out
    end
    local code, out = check_with '{"replaced":2,"unreplaced":0}'
    assert.equal(0, code, out)
    assert.matches("warning: the running host has replaced 2 of its workers", out, 1, true)
    code, out = check_with '{"replaced":8,"unreplaced":1}'
    assert.equal(1, code, out)
    assert.matches("error: the running host has lost 1 worker to handlers", out, 1, true)
  end)

  it("tries neither ledger nor addresses with --offline", function()
    local folder = project { listen = '{ "systemd", "nowhere.invalid:80" }', ledger = "/nowhere/h.db" }
    local code, out = run(folder, "check --offline")
    assert.equal(0, code, out)
  end)

  it("warns of allow, trusted_proxies and proxy_protocol where they can't mean what they say", function()
    local folder = project { ledger = "memory:" }
    local function warnings(listen, rest)
      H.write(folder .. "/hookward.lua", ("return { listen = %s, ledger = 'memory:', %s }"):format(listen,
        rest))
      local _, out = run(folder, "check --offline --json")
      local found = {}
      for _, line in ipairs(cjson.decode(out).warnings) do
        if not line:find("memory:", 1, true) then found[#found + 1] = line:match("^%a[%w_]+") end
      end
      return table.concat(found, " ")
    end
    local LOCAL, ALL = "{ '127.0.0.1:0', '[::1]:0', 'unix:s' }", "'0.0.0.0:0'"
    local PROXIED = "{ { '0.0.0.0:0', proxy_protocol = true } }"
    assert.equal("allow", warnings(LOCAL, "allow = '10.0.0.0/8'"))
    assert.equal("", warnings(LOCAL, "allow = '10.0.0.0/8', trusted_proxies = '127.0.0.1'"))
    assert.equal("", warnings(LOCAL, "trusted_proxies = '0.0.0.0/0'"))
    assert.equal("", warnings(LOCAL, "trusted_proxies = { 'unix', '::1' }"))
    assert.equal("trusted_proxies", warnings(LOCAL, "trusted_proxies = { '10.0.0.0/8', 'fd00::/8' }"))
    assert.equal("trusted_proxies", warnings("'unix:s'", "trusted_proxies = '127.0.0.1'"))
    assert.equal("", warnings("{ { '127.0.0.1:0', proxy_protocol = true } }",
      "allow = '10.0.0.0/8', trusted_proxies = '10.0.0.1'"))
    assert.equal("", warnings(ALL, "allow = '10.0.0.0/8', trusted_proxies = '10.0.0.0/8'"))
    assert.equal("trusted_proxies", warnings(ALL, "trusted_proxies = { '10.0.0.0/8', 'unix' }"))
    assert.equal("", warnings("'systemd'", "allow = '10.0.0.0/8', trusted_proxies = 'unix'"))
    assert.equal("proxy_protocol", warnings(PROXIED, "allow = {}"))
    assert.equal("", warnings(PROXIED, "trusted_proxies = '10.0.0.1'"))
  end)

  it("warns of a `mask` that no event can match", function()
    local folder = project { ledger = "memory:" }
    H.write(folder .. "/hookward.lua", "return { listen = '127.0.0.1:0', ledger = 'memory:', "
      .. "mask = { 'Person', 'Badge.Made', 'Order.*', '*.Hidden', '*' } }")
    local _, out = run(folder, "check --offline")
    assert.matches('warning: mask: "Person" masks no event, since events are named Entity.Event; "Person.*" masks '
      .. "all of Person\n", out, 1, true)
    assert.equal(1, select(2, out:gsub("masks no event", "")))
  end)

  it("warns of a `tls` that no listener has", function()
    local folder = project { ledger = "memory:" }
    local function warned(listen)
      H.write(folder .. "/hookward.lua", ("return { listen = %s, ledger = 'memory:', tls = { cert = 'c.pem', "
        .. "key = 'k.pem' } }"):format(listen))
      local _, out = run(folder, "check --offline")
      return out:find("warning: tls has no effect: every listener is a Unix socket", 1, true) ~= nil
    end
    assert.is_true(warned "'unix:s'")
    assert.is_true(warned "{ 'unix:s', { '127.0.0.1:0', tls = false } }")
    assert.is_false(warned "{ 'unix:s', '127.0.0.1:0' }")
    assert.is_false(warned "'systemd'")
  end)

  it("says of a network how it is to be written", function()
    local folder = project { ledger = "memory:" }
    H.write(folder .. "/hookward.lua", [[return { ledger = "memory:", allow = "203.0.113.5/24",
      trusted_proxies = { "unix", "::ffff:10.0.0.1" }, max_failures_per_address = 0 }]])
    local code, out = run(folder, "check --offline")
    assert.equal(1, code)
    local function has(text) assert.is_truthy(out:find("error: hookward.lua: " .. text, 1, true), out) end
    has('allow: "203.0.113.5/24" has bits set after its prefix; write "203.0.113.0/24" for the block, '
      .. 'or "203.0.113.5" for the address\n')
    has 'trusted_proxies: "::ffff:10.0.0.1" is an IPv4 address; write "10.0.0.1"\n'
    has "max_failures_per_address: expected a whole number from 1 to 1000000"
    H.write(folder .. "/hookward.lua", 'return { ledger = "memory:", allow = "unix", trusted_proxies = 10 }')
    out = select(2, run(folder, "check --offline"))
    has 'allow: "unix": clients of Unix sockets are always allowed; leave it out\n'
    has "trusted_proxies: expected an address, a network such as 203.0.113.0/24, or a list"
  end)

  it("says in one line when the host retries by itself", function()
    for config, line in pairs {
      [""] = "after 1m, 5m, 30m, 2h, 6h; then dead, kept until purged",
      ['retries = { 90, "1d" }, dead_retention = "60d"'] = "after 90s, 1d; then dead, kept for 60d",
      ['retries = { 1 }, dead_retention = "1d"'] = "after 1s; then dead, kept for 30d", -- as retention
      ["retries = {}"] = "none",
      ["retries = {1,1,1,1,1,1,1,1}"] = "after 1s, 1s, 1s, 1s, 1s, 1s, 1s, 1s; then dead, kept until purged",
      ["retries = {1,1,1,1,1,1,1,1,1}"] = "after 1s, 1s, 1s, 1s, 1s, 1s, 1s, ... (9 in all); then dead, "
        .. "kept until purged",
    } do
      local code, out = run(project { config = config }, "check --offline")
      assert.equal(0, code, out)
      assert.matches("\nretries by this host: " .. line .. "\n", out, 1, true)
    end
    local folder = project { ledger = "memory:", config = 'retries = { 60, "90s" }' }
    local _, out = run(folder, "check --offline")
    assert.matches("\nretries by this host: none\n", out, 1, true)
    assert.matches('warning: retries: without effect, since ledger = "memory:" keeps no bodies', out, 1, true)
    local _, json = run(project { config = 'retries = { 60, "1500ms" }' }, "check --offline --json")
    assert.same({ 60, 1.5 }, cjson.decode(json).retries)
  end)

  it("says that dead notifications stay until they are purged, and how", function()
    local host = H.start { ledger = "hookward.db", config = "retries = {}",
      handlers = { ["a.lua"] = 'require "hookward".on("A.A", function() return nil, "no" end)' } }
    local function warning() return (select(2, run(host.folder, "check")):match("warning: (the ledger [^\n]+)")) end
    host:notify(H.event("A.A"), { attempt = 4 })
    assert.is_nil(warning())
    host:notify(H.event("A.A"), { attempt = 5 })
    assert.equal("the ledger keeps 1 dead notification, with bodies that may hold personal data, until you "
      .. "replay or remove them: `hookward jobs purge --state dead`", warning())
    assert.equal(0, host:stop())
    local before = H.sh("ls -A " .. host.folder)
    assert.is_truthy(warning())
    assert.equal(before, H.sh("ls -A " .. host.folder))
    assert.equal(0, (run(host.folder, "jobs purge --state dead --yes")))
    assert.is_nil(warning())
  end)

  it("accepts a ledger that exists, one that does not yet, and a left-over socket", function()
    local folder = project { listen = '{ "127.0.0.1:0", "unix:s" }' }
    assert.equal(0, (run(folder, "check")))
    local host = H.start { folder = folder }
    host:notify(H.event("A.A"))
    host:kill()
    local code, out = run(folder, "check")
    assert.equal(0, code, out)
    assert.equal(0, H.start({ folder = folder }):stop())
  end)
end)

describe("hookward serve", function()
  after_each(H.stop_all)

  it("warns of the development key on an address that others can reach", function()
    local _, public = H.keys()
    local keys = { ["development.pem"] = H.read(public) }
    local host = H.start { handlers = HANDLERS, keys = keys, listen = '"0.0.0.0:0"' }
    host:wait_log("warn  development%.pem is a key for development, and others can reach 0%.0%.0%.0:%d+:")
    host = H.start { handlers = HANDLERS, keys = keys, listen = '{ "127.0.0.1:0", "[::1]:0" }' }
    assert.equal(0, host:stop())
    assert.is_nil(host:log():find("warn", 1, true))
    host = H.start { handlers = HANDLERS, listen = '"0.0.0.0:0"' }
    assert.equal(0, host:stop())
    assert.is_nil(host:log():find("warn", 1, true))
  end)
end)
