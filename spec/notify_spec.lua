-- What the host tells the service manager (sd_notify), and what its children see of that.

local H = require "spec.support.host"
local cli = require "spec.support.cli"
local manager = require "spec.support.manager"
local preload = require "spec.support.preload"
local socket = require "socket"

local BODY = H.event("A.Done")
local HANDLERS = { ["a.lua"] = [[
  local hook = require "hookward"
  hook.on("A.*", function() end)
  hook.on("B.Fails", function() return nil, "no" end)
]] }

local function touch(path) H.write(path, "") end

describe("the host", function()
  local host, m
  after_each(function()
    H.stop_all()
    manager.stop_all()
  end)

  local function start(options)
    m = manager.new { watchdog = options.watchdog }
    options.env = (options.env or "") .. " " .. m.env
    options.handlers = options.handlers or HANDLERS
    host = H.start(options)
    return host
  end

  it("says when it listens, how it is, and when it stops", function()
    start { config = "drain_timeout = 7" }
    local ready, message = m:wait("READY=1")
    assert.equal(1, ready)
    assert.equal("2 handlers, 1 key; 0 notifications processed, 0 waiting, 0 failed; ledger ok",
      message.STATUS)
    assert.equal(200, host:notify(BODY).status)
    assert.equal(400, host:notify(H.event("B.Fails")).status)
    assert.equal(400, host:notify(BODY, { signature = "AAAA" }).status)
    m:wait("STATUS=2 handlers, 1 key; 1 notification processed, 0 waiting, 1 failed, 1 refused; "
      .. "ledger ok")
    assert.equal(0, host:stop())
    local _, stopping = m:wait("STOPPING=1")
    assert.equal("stopping: finishing 0 notifications", stopping.STATUS)
    assert.equal("17000000", stopping.EXTEND_TIMEOUT_USEC)
    assert.equal(#m.all, (m:wait("STOPPING=1")))
    for _, each in ipairs(m.all) do assert.is_nil(each.WATCHDOG) end -- nobody asked for that
  end)

  it("says what it finishes when it stops", function()
    local gate = H.gate()
    start { handlers = { ["a.lua"] = gate.source .. [[
      require "hookward".on("*", function() wait() end)]] } }
    local client = host:connect()
    client:send(H.request(BODY))
    host:wait_log("begun")
    host:signal("TERM")
    local _, stopping = m:wait("STOPPING=1")
    assert.equal("stopping: finishing 1 notification", stopping.STATUS)
    gate:open()
    assert.equal(200, client:receive().status)
    assert.equal(0, host:wait())
  end)

  -- The time that RELOADING=1 gives is that of /proc/uptime, in microseconds.
  local function uptime() return tonumber(H.read("/proc/uptime"):match("^[%d.]+")) * 1e6 end

  -- Another reload may come between: the host looks once more at files that were written just before
  -- it read them.
  local function check_reload(after, status)
    local began, reloading = m:wait("RELOADING=1", after)
    local at = began
    repeat
      local ready
      at, ready = m:wait("READY=1", at)
    until ready.STATUS:find(status)
    assert.is_true(math.abs(uptime() - tonumber(reloading.MONOTONIC_USEC)) < 60e6)
    return at, reloading
  end

  it("says when it reloads, by signal, by command and by edit, also if that fails", function()
    start {}
    local at = m:wait("READY=1")
    local before = uptime()
    host:signal("HUP")
    local reloading
    at, reloading = check_reload(at, "^2 handlers")
    assert.is_true(tonumber(reloading.MONOTONIC_USEC) >= before - 20000) -- uptime has 10 ms steps

    assert.equal(0, cli.run { "reload", cwd = host.folder }.code)
    at = check_reload(at, "^2 handlers")

    H.write(host.folder .. "/handlers/b.lua", 'require "hookward".on("C.*", function() end)')
    at = check_reload(at, "^3 handlers")

    H.write(host.folder .. "/handlers/b.lua", "syntax error")
    local failed = "^the last reload failed, the previous version stays in use %(see the log%); 3 handlers, "
      .. "1 key; 0 notifications processed, 0 waiting, 0 failed; ledger ok$"
    at = check_reload(at, failed)
    host:signal("HUP")
    at = check_reload(at, failed)

    os.remove(host.folder .. "/handlers/b.lua")
    check_reload(at, "^2 handlers")
    assert.equal(0, host:stop())
  end)

  it("is not ready before the reload that was asked for last is over", function()
    start { config = "workers = 1" }
    m:wait("READY=1")
    host:signal("HUP") -- from here on it has seen all that was written before it started
    host:wait_log("nothing has changed")
    m:wait("READY=1", (m:wait("RELOADING=1")))
    local at = #m.all
    H.write(host.folder .. "/handlers/b.lua", [[
      local until_time = os.clock() + 0.5
      while os.clock() < until_time do end]])
    at = m:wait("RELOADING=1", at)
    host:signal("HUP") -- while the edit is being tried
    local second = m:wait("RELOADING=1", at)
    assert.equal(at + 1, second)
    host:wait_log_count("nothing has changed", 2)
    assert.equal(second + 1, (m:wait("READY=1", second)))
    assert.equal(0, host:stop())
    for i = second + 2, m:wait("STOPPING=1") do
      assert.is_nil(m.all[i].RELOADING or m.all[i].READY)
    end
  end)

  it("hides the variables of the protocol from handlers and from what these run", function()
    start { watchdog = 30, env = "LISTEN_FDS=1 LISTEN_PID=1 LISTEN_FDNAMES=x",
      handlers = { ["a.lua"] = [[
        local at_load = os.getenv "NOTIFY_SOCKET"
        require "hookward".on("*", function()
          local pipe = io.popen "env; echo done"
          local text = pipe:read "a"
          pipe:close()
          assert(text:find "PATH=" and text:find "done")
          assert(not text:find "NOTIFY_" and not text:find "WATCHDOG_" and not text:find "LISTEN_", text)
          assert(not at_load and not os.getenv "NOTIFY_SOCKET" and not os.getenv "WATCHDOG_USEC")
        end)]] } }
    assert.equal(200, host:notify(BODY).status)
    assert.equal(0, host:stop())
  end)

  it("runs as ever when nobody reads what it says, and when the socket can't be used", function()
    m = manager.new()
    host = H.start { handlers = HANDLERS, env = m.env }
    for _ = 1, 30 do -- more than the socket's queue takes
      host:signal("HUP")
      assert.equal(200, host:notify(BODY).status)
    end
    host:wait_log("nothing has changed")
    assert.equal(0, host:stop())
    for _, address in ipairs { "vsock:2:1", "/" .. ("x"):rep(108), "/no/such/socket" } do
      host = H.start { handlers = HANDLERS, env = "NOTIFY_SOCKET=" .. address }
      assert.equal(200, host:notify(BODY).status)
      assert.equal(address == "/no/such/socket" and 0 or 1, host:count_log("NOTIFY_SOCKET"))
      assert.equal(0, host:stop())
    end
  end)

  -- ---- the watchdog ----

  it("pings while all workers are stuck, and says so", function()
    local gate = H.gate()
    start { watchdog = 0.4, config = 'workers = 2, handler_timeout = "50ms"',
      handlers = { ["a.lua"] = gate.source .. [[
        require "hookward".on("*", function() wait() end)]] } }
    for _ = 1, 2 do assert.equal("handler_timeout", host:notify(BODY).error) end
    m:wait("STATUS=2 of 2 workers are stuck in handlers; 1 handler, .*")
    m:wait_for_pings(5)
    gate:open(2)
    m:wait("STATUS=1 handler, .*", (m:wait("STATUS=2 of 2 .*")))
    assert.equal(0, host:stop())
  end)

  it("pings while the ledger can't be written, and says so", function()
    start { watchdog = 0.4, ledger = "hookward.db" }
    assert.equal(200, host:notify(BODY).status)
    local path = host.folder .. "/hookward.db"
    os.rename(path, path .. ".away")
    assert.equal("ledger_unavailable", host:notify(BODY).error)
    local at = m:wait("STATUS=the ledger can't be written, answering 400 %(see the log%); 2 handlers.*")
    m:wait_for_pings(5)
    os.rename(path .. ".away", path)
    m:wait("STATUS=2 handlers, .*; ledger ok", at) -- before there is anything to record
    assert.equal(200, host:notify(BODY).status)
    assert.equal(0, host:stop())
  end)

  it("pings for its own process alone", function()
    start { watchdog = 0.1, env = "WATCHDOG_PID=1" }
    m:wait("READY=1")
    socket.sleep(0.3)
    m:read()
    for _, message in ipairs(m.all) do assert.is_nil(message.WATCHDOG) end
  end)

  local function start_to_hang(watchdog)
    local folder = H.folder()
    start { watchdog = watchdog or 0.4, ledger = "hookward.db",
      env = preload.env("hang", { HOOKWARD_HANG = folder }) }
    assert.equal(200, host:notify(BODY).status)
    m:wait_for_pings(2)
    return folder
  end

  it("ends its pings when the ledger's thread hangs for longer than the interval", function()
    if not preload.is_possible() then return pending("not with a sanitizer") end
    local folder = start_to_hang()
    touch(folder .. "/sync")
    local client = host:connect()
    client:send(H.request(BODY))
    m:wait_for_silence(1)
    host:wait_log("has not answered for [%d.]+ s[^\n]*the watchdog is no longer pinged")
    os.remove(folder .. "/sync")
    assert.equal(200, client:receive().status)
    m:wait_for_pings(2)
    host:wait_log("the ledger's thread answers again")
    assert.equal(0, host:stop())
  end)

  it("does not log that the ledger's thread is slower than a watchdog of a few milliseconds", function()
    if not preload.is_possible() then return pending("not with a sanitizer") end
    local folder = start_to_hang(0.002)
    for _ = 1, 3 do
      touch(folder .. "/sync")
      local client = host:connect()
      client:send(H.request(BODY))
      m:wait_for_silence(0.05)
      os.remove(folder .. "/sync")
      assert.equal(200, client:receive().status)
      client:close()
      m:wait_for_pings(2)
    end
    assert.is_nil(host:log():find("the ledger's thread", 1, true))
    assert.equal(0, host:stop())
  end)

  it("goes on with its pings through a commit that takes as long as the interval", function()
    if not preload.is_possible() then return pending("not with a sanitizer") end
    local folder = start_to_hang()
    touch(folder .. "/sync")
    local client = host:connect()
    client:send(H.request(BODY))
    m:wait_for_pings(2) -- half an interval each
    os.remove(folder .. "/sync")
    assert.equal(200, client:receive().status)
    m:wait_for_pings(4)
    assert.is_nil(host:log():find("the watchdog is no longer pinged"))
    assert.equal(0, host:stop())
  end)

  it("ends its pings when the leader does not turn", function()
    if not preload.is_possible() then return pending("not with a sanitizer") end
    local folder = start_to_hang()
    touch(folder .. "/accept")
    local client = host:connect()
    m:wait_for_silence(1)
    os.remove(folder .. "/accept")
    m:wait_for_pings(2)
    client:close()
    assert.equal(0, host:stop())
  end)
end)
