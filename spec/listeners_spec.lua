-- Where the host listens: IPv4 and IPv6 addresses, Unix sockets, sockets that systemd made.

local lfs = require "lfs"
local socket = require "socket"
local H = require "spec.support.host"
local handover = require "spec.support.handover"

local BODY = H.event("A.Done")
local HANDLERS = { ["a.lua"] = [[
  require "hookward".on("*", function() end)
]] }

-- A command that opens a socket at fd 3 (`make` is Perl that makes it as $s) and then becomes the
-- host. `count` is the number of sockets handed over, by default 1.
local function activated(make, pid, count)
  return "perl -MIO::Socket::INET -MIO::Socket::UNIX -MPOSIX -e " .. H.quote(([[
    $^F = 10; my $s; %s or die $!; POSIX::dup2(fileno($s), 3) if fileno($s) != 3;
    $ENV{LISTEN_FDS} = %d; $ENV{LISTEN_PID} = %s; exec @ARGV or die]]):format(make, count or 1, pid or "$$"))
end

describe("the host", function()
  local host
  after_each(function()
    H.stop_all()
    handover.close_all()
  end)

  local function start(options)
    options.handlers = options.handlers or HANDLERS
    host = H.start(options)
    return host
  end

  local function start_error(options)
    options.fails = true
    start(options)
    assert.equal(1, host:wait())
    assert.matches("^[^\n]+\n$", host:log()) -- one line
    return host:log()
  end

  local function exchange(client)
    client:send(H.request(BODY, { close = true }))
    local answer = client:receive()
    client:close()
    return answer.status
  end

  local function has_ipv6()
    local probe = socket.tcp6()
    local ok = probe:bind("::1", 0)
    probe:close()
    return ok
  end

  it("listens on an IPv6 address", function()
    if not has_ipv6() then return pending("no IPv6 here") end
    start { listen = '"[::1]:0"' }
    host:wait_log("listening on http://%[::1%]:%d+/baseWebhookNotification\n")
    assert.equal(200, exchange(host:connect("::1")))
    assert.is_false(pcall(host.connect, host, "127.0.0.1"))
  end)

  it("listens on a name", function()
    start { listen = '"localhost:0"' }
    local ok, client = pcall(host.connect, host)
    if not ok then client = host:connect("::1") end
    assert.equal(200, exchange(client))
  end)

  it("listens on a Unix socket, which it removes when it stops", function()
    start { listen = '"unix:hookward.sock"' }
    local path = host.folder .. "/hookward.sock"
    host:wait_log("listening on unix:[^\n]*/hookward%.sock\n")
    local client = assert(H.connect_unix(path))
    for _ = 1, 3 do
      client:send(H.request(BODY))
      assert.equal(200, client:receive().status)
    end
    client:send("?\r\n\r\n")
    assert.equal(400, client:receive().status)
    client:close()
    host:wait_log("refused error=malformed_request [^\n]*peer=unix\n")
    assert.equal(0, host:stop())
    assert.is_nil(lfs.attributes(path))
  end)

  it("listens on a Unix socket whose last owner was killed", function()
    start { listen = '"unix:hookward.sock"' }
    host:kill()
    assert.equal("socket", lfs.attributes(host.folder .. "/hookward.sock", "mode"))
    start { folder = host.folder }
    assert.equal(200, exchange(assert(H.connect_unix(host.folder .. "/hookward.sock"))))
  end)

  it("does not listen on a Unix socket that another process serves, nor disturb it", function()
    local first = start { listen = '"unix:hookward.sock"' }
    local path = first.folder .. "/hookward.sock"
    local log = start_error { listen = ('"unix:%s"'):format(path) }
    assert.matches(path, log, 1, true)
    assert.matches("address already in use", log)
    assert.equal(200, exchange(assert(H.connect_unix(path))))
  end)

  it("does not listen in place of a file that is not a socket", function()
    local path = H.folder() .. "/precious"
    H.write(path, "text")
    assert.matches("address already in use", start_error { listen = ('"unix:%s"'):format(path) })
    assert.equal("text", H.read(path))
  end)

  it("does not listen on a Unix socket whose owner accepts nothing, nor wait for it", function()
    local path = H.folder() .. "/deaf.sock"
    local deaf, first = require "socket.unix".stream(), require "socket.unix".stream()
    assert(deaf:bind(path))
    assert(deaf:listen(0))
    assert(first:connect(path)) -- the queue is full
    assert.matches("address already in use", start_error { listen = ('"unix:%s"'):format(path) })
    assert.equal("socket", lfs.attributes(path, "mode"))
    first:close()
    deaf:close()
  end)

  it("does not listen on a Unix socket with too long a path or in a missing folder", function()
    assert.matches("107 bytes", start_error {
      listen = ('"unix:/tmp/%s"'):format(("x"):rep(108)) })
    assert.matches("no such file or directory", start_error { listen = '"unix:no/folder/sock"' })
  end)

  it("listens on a Unix socket with a mode and a group", function()
    local function facts(path)
      return (H.sh("stat -c '%a %g' " .. H.quote(path)):gsub("%s+$", ""))
    end
    for options, expected in pairs { [",mode=0666"] = "666 0", [",mode=600"] = "600 0",
      [",mode=0640,group=daemon"] = "640 1", [",group=1,mode=660"] = "660 1",
      [",group=daemon"] = "660 1" } do
      start { listen = ('"unix:a,b=c/../h.sock%s"'):format(options), env = "mkdir a,b=c; umask 077;" }
      local path = host.folder .. "/h.sock"
      assert.equal(expected, facts(path))
      host:wait_log("listening on unix:[^\n]*/h%.sock\n")
      assert.equal(200, exchange(assert(H.connect_unix(path))))
      assert.equal(0, host:stop())
      assert.is_nil(lfs.attributes(path))
    end
  end)

  it("does not listen on a Unix socket for a missing group, and leaves no socket", function()
    local log = start_error { listen = '"unix:h.sock,group=no-such-group"' }
    assert.matches('there is no group "no-such-group"', log, 1, true)
    assert.is_nil(lfs.attributes(host.folder .. "/h.sock"))
  end)

  it("listens on both families of a port, in either order, and on both with [::] alone", function()
    if not has_ipv6() then return pending("no IPv6 here") end
    start { listen = '"[::]:0"' }
    local port = tonumber(host:wait_log("listening on http://%[::%]:(%d+)/"))
    for _, address in ipairs { "127.0.0.1", "::1" } do
      assert.equal(200, exchange(host:connect(address, port)))
    end
    host:stop() -- so that the port is free
    for _, list in ipairs { '{ "0.0.0.0:%d", "[::]:%d" }', '{ "[::]:%d", "0.0.0.0:%d" }',
      '{ "[::]:%d", "127.0.0.1:%d" }' } do
      start { listen = list:format(port, port) }
      for _, address in ipairs { "127.0.0.1", "::1" } do
        assert.equal(200, exchange(host:connect(address, port)))
      end
      assert.equal(0, host:stop())
    end
  end)

  it("listens on several at once", function()
    start { listen = '{ "127.0.0.1:0", "unix:a.sock", "unix:b.sock", "127.0.0.2:0" }' }
    for _, address in ipairs { "127.0.0.1", "127.0.0.2" } do
      local port = host:wait_log("listening on http://" .. address:gsub("%.", "%%.") .. ":(%d+)/")
      assert.equal(200, exchange(host:connect(address, tonumber(port))))
    end
    for _, name in ipairs { "a", "b" } do
      assert.equal(200, exchange(assert(H.connect_unix(host.folder .. "/" .. name .. ".sock"))))
    end
    assert.equal(0, host:stop())
  end)

  it("listens nowhere when one of several addresses can't be had", function()
    local first = start {}
    local log = start_error { listen = ('{ "unix:a.sock", "127.0.0.1:%d" }'):format(first.port) }
    assert.matches(('"127%%.0%%.0%%.1:%d": address already in use'):format(first.port), log)
    assert.is_nil(lfs.attributes(host.folder .. "/a.sock"))
    assert.equal(200, first:notify(BODY).status)
  end)

  it("listens on a socket that systemd hands over with clients already waiting", function()
    local made = H.folder() .. "/port"
    local wrap = activated(([[
      $s = IO::Socket::INET->new(Listen => 5, LocalAddr => "127.0.0.1", LocalPort => 0);
      my $c = IO::Socket::INET->new(PeerAddr => "127.0.0.1", PeerPort => $s->sockport);
      open(my $f, ">", "%s"); print $f $s->sockport; close $f]]):format(made))
    start { listen = '"systemd"', wrap = wrap }
    assert.equal(tonumber(H.read(made)), host.port)
    assert.equal(200, exchange(host:connect()))
    assert.equal(0, host:stop())
  end)

  it("listens on a Unix socket from systemd, which it does not remove", function()
    local path = H.folder() .. "/activated.sock"
    start { listen = '"systemd"',
      wrap = activated(('$s = IO::Socket::UNIX->new(Listen => 5, Local => "%s")'):format(path)) }
    assert.equal(200, exchange(assert(H.connect_unix(path))))
    assert.equal(0, host:stop())
    assert.equal("socket", lfs.attributes(path, "mode"))
  end)

  it("listens on at most 64 sockets from systemd", function()
    assert.matches("systemd.*more than 64 listeners", start_error { listen = '"systemd"',
      wrap = activated([[$s = IO::Socket::INET->new(Listen => 5, LocalAddr => "127.0.0.1");
        POSIX::dup2(fileno($s), $_) for 4 .. 67; 1]], nil, 65) })
  end)

  it("takes sockets from systemd by their names, each for its listener", function()
    local path = H.folder() .. "/named.sock"
    local given = handover.new({ "127.0.0.1:0", "unix:" .. path, "127.0.0.1:0", "127.0.0.1:0" },
      { "web", "local", "web", "other.socket" })
    start { listen = '{ "systemd:local", { "systemd:web" } }', wrap = given:wrap() }
    for _, port in ipairs { given.ports[1], given.ports[3] } do
      host:wait_log(("listening on http://127.0.0.1:%d/"):format(port))
      assert.equal(200, exchange(host:connect(nil, port)))
    end
    assert.equal(200, exchange(assert(H.connect_unix(path))))
    host:wait_log('warn [^\n]*no listener takes[^\n]*add systemd:other%.socket to `listen` %(fd 6%)\n')
    host:wait_log("listening on unix:" .. path .. "\n")
    assert.is_nil(host:log():find("listening on http://127.0.0.1:" .. given.ports[4], 1, true))
    assert.equal(0, host:stop())
    assert.equal("socket", lfs.attributes(path, "mode"))
  end)

  it("warns of the sockets that it was given, however many it was promised", function()
    local given = handover.new()
    start { wrap = given:wrap() .. " env LISTEN_FDS=999999" }
    assert.equal(200, exchange(host:connect()))
    assert.equal(1, host:count_log("no listener takes"))
  end)

  it("takes with \"systemd\" what no other listener names", function()
    local given = handover.new({ "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0" }, { "a", "b", "c" })
    start { listen = '{ "systemd", "systemd:b" }', wrap = given:wrap() }
    for _, port in ipairs(given.ports) do assert.equal(200, exchange(host:connect(nil, port))) end
    assert.equal(3, host:count_log("listening on"))
    assert.equal(0, host:count_log("no listener takes"))
    assert.equal(0, host:stop())
  end)

  it("names sockets without a name unknown", function()
    local given = handover.new { "127.0.0.1:0", "127.0.0.1:0" }
    start { listen = '{ "systemd:unknown" }', wrap = given:wrap() }
    for _, port in ipairs(given.ports) do assert.equal(200, exchange(host:connect(nil, port))) end
  end)

  it("does not listen under a name that was not handed over, and says which were", function()
    local given = handover.new({ "127.0.0.1:0", "127.0.0.1:0" }, { "web", "other" })
    assert.equal('listen = "systemd:https": no socket of that name was handed over; '
      .. 'there are "systemd:web", "systemd:other"\n',
      start_error { listen = '{ "systemd:web", "systemd:https" }', wrap = given:wrap() })
  end)

  it("does not take a socket that does not listen, or is no stream socket", function()
    for make, why in pairs {
      ['$s = IO::Socket::INET->new(Proto => "udp", LocalAddr => "127.0.0.1")'] = "not a stream.*ListenStream=",
      ['$s = IO::Socket->new; $s->socket(2, 1, 0)'] = "does not listen[^\n]*Accept=no",
    } do
      assert.matches("systemd: fd 3 %(unknown%)[^\n]*" .. why, start_error { listen = '"systemd"',
        wrap = activated(make) })
    end
  end)

  it("does not listen on what was handed to another process, or is not a socket", function()
    assert.matches("systemd.*no socket was handed over", start_error { listen = '"systemd"' })
    assert.matches("systemd.*no socket was handed over", start_error { listen = '"systemd"',
      wrap = activated("$s = IO::Socket::INET->new(Listen => 5, LocalAddr => '127.0.0.1')", "1") })
    assert.matches("systemd: fd 3", start_error { listen = '"systemd"',
      wrap = activated('open($s, "<", "/dev/null")') })
  end)

  it("does not listen on a malformed address", function()
    for _, address in ipairs { "nowhere", "127.0.0.1", ":", "127.0.0.1:http:", "127.0.0.1:99999",
      "no.such.host.invalid:80", "[::1:80" } do
      assert.matches(address, start_error { listen = ("%q"):format(address) }, 1, true)
    end
  end)
end)
