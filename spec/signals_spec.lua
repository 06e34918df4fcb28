-- What signals do to `hookward serve`, and what it does for orphans as process 1.

local H = require "spec.support.host"
local handover = require "spec.support.handover"
local manager = require "spec.support.manager"

local HANDLERS = { ["a.lua"] = [[
  local hook = require "hookward"
  hook.on("A.A", function() end)
  hook.on("A.Orphan", function()
    os.execute("sh -c 'sleep 0 & sleep 0 & exit 0'")
  end)
]] }

describe("hookward serve", function()
  local m
  after_each(function()
    H.stop_all()
    manager.stop_all()
    handover.close_all()
  end)

  it("ignores SIGUSR1, SIGUSR2 and SIGPIPE", function()
    local host = H.start { handlers = HANDLERS }
    for _, name in ipairs { "USR1", "USR2", "PIPE" } do
      host:signal(name)
      assert.equal(200, host:notify(H.event("A.A")).status)
    end
    assert.equal(0, host:stop())
  end)

  it("ends at once at SIGQUIT, for a debugger", function()
    local host = H.start { handlers = HANDLERS, wrap = "sh -c 'ulimit -c 0; exec \"$@\"' sh" }
    host:signal("QUIT")
    host:wait()
    assert.equal(3, host.killed_by)
  end)

  -- Only where a new PID namespace is allowed.
  local may = H.sh("unshare --pid --fork true") ~= nil
  if not may then print("signals: no PID namespace here, process 1 is not tried") end

  local function children(pid)
    return H.read(("/proc/%d/task/%d/children"):format(pid, pid))
  end

  -- `first` is the process that is number 1 in the namespace.
  local function start_as_first(options)
    options = options or {}
    options.handlers, options.wrap = HANDLERS, options.wrap or "unshare --pid --fork"
    local host = H.start(options)
    host.first = tonumber(children(host.pid):match("%d+"))
    return host
  end

  local function zombies(pid)
    local count = 0
    for child in children(pid):gmatch("%d+") do
      local status = H.read(("/proc/%s/stat"):format(child))
      if status:match("^%d+ %b() (%a)") == "Z" then count = count + 1 end
      count = count + zombies(child)
    end
    return count
  end

  if may then
    it("as process 1 reaps the orphans of its handlers", function()
      local host = start_as_first()
      for _ = 1, 3 do assert.equal(200, host:notify(H.event("A.Orphan")).status) end
      H.wait_until(function()
        return #children(host.first):gsub("%d+", "x"):gsub(" ", "") == 1 and zombies(host.first) == 0
      end, "the orphans to be gone")
      os.execute("kill -TERM " .. host.first)
      assert.equal(0, host:wait())
      assert.matches("stopped\n$", host:log())
    end)

    it("as process 1 passes on what the host tells the service manager", function()
      m = manager.new { watchdog = 0.2 }
      local given = handover.new()
      local host = start_as_first { env = m.env .. " WATCHDOG_PID=1", listen = '"systemd"',
        wrap = "unshare --pid --fork " .. given:wrap() }
      assert.equal(given.port, host.port)
      m:wait("READY=1")
      m:wait_for_pings(3)
      assert.equal(200, host:notify(H.event("A.A")).status)
      os.execute("kill -STOP " .. host.first) -- so that the messages come from there
      m:wait_for_silence(0.5)
      os.execute("kill -CONT " .. host.first)
      m:wait_for_pings(3)
      os.execute("kill -TERM " .. host.first)
      assert.equal(0, host:wait())
      m:wait("STOPPING=1")
    end)

    it("as process 1 passes signals on, and ends as the host does", function()
      local host = start_as_first()
      os.execute("kill -HUP " .. host.first)
      host:wait_log("nothing has changed")
      os.execute("kill -USR1 " .. host.first)
      assert.equal(200, host:notify(H.event("A.A")).status)
      os.execute("kill -KILL " .. children(host.first))
      assert.equal(137, host:wait() or 128 + host.killed_by)
    end)
  end
end)
