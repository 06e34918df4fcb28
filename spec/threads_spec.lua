-- Threads that can't be created: a host that can't start says so in one line and ends; a program
-- that has started it goes on.

local H = require "spec.support.host"
local preload = require "spec.support.preload"
local rock = require "spec.support.rock"

local HANDLERS = { ["a.lua"] = 'require "hookward".on("*", function() end)' }
local LINE = "can't start a thread: Resource temporarily unavailable (`ulimit -u`, and TasksMax of a unit, limit them)"
local ENOUGH = 16 -- more than a host of one worker has

describe("too few threads", function()
  after_each(H.stop_all)
  if not preload.is_possible() then return end

  -- Starts with one thread more each time, until it succeeds; returns how many threads it took.
  local function count_up(options, fails)
    for threads = 0, ENOUGH do
      options.env = (options.base_env or "") .. preload.env("threads", { HOOKWARD_THREADS = threads })
      options.ledger, options.config, options.handlers = "hookward.db", "workers = 1", HANDLERS
      options.fails = true
      local host = H.start(options)
      H.wait_until(function() return not host:alive() or host:log():find("listening on") end, "a start, or an end")
      local ok, started = pcall(fails, host)
      if not ok then error(("with %d threads: %s\n%s"):format(threads, started, host:log()), 0) end
      if started then return threads, host end
    end
  end

  it("end a host with an error and one line", function()
    local threads, host = count_up({}, function(host)
      -- it logs that it listens before its last threads are created
      local port = host:log():match("listening on http://[^\n]-:(%d+)/")
      if port then
        host.port = tonumber(port)
        local answered = pcall(host.notify, host, H.event("A.B"))
        if answered then return true end
      end
      assert.equal(1, host:wait())
      assert.is_nil(host.killed_by)
      local said = host:log():gsub("[^\n]* info  [^\n]*\n", "")
      assert.equal(LINE .. "\n", said)
    end)
    assert.is_true(threads >= 6)
    assert.equal(200, host:notify(H.event("A.B")).status)
    assert.equal(0, host:stop()) -- stopping must not need one thread more
  end)

  it("are an error in a program, which goes on #rock", function()
    local app = H.folder() .. "/app.lua"
    H.write(app, [[
      local host, why = require "hookward".start { config = "hookward.lua" }
      if host then print "started" host:stop() host:wait() else print(why) end
      print "went on"
    ]])
    local threads = count_up({ binary = app, wrap = "lua5.4", base_env = rock.env }, function(host)
      assert.equal(0, host:wait())
      local out = H.read(host.folder .. "/out")
      if out == "started\nwent on\n" then return true end
      assert.equal(LINE .. "\nwent on\n", out)
    end)
    assert.is_true(threads >= 6)
  end)

  it("end the sandbox too", function()
    local command = ("sh -c %s"):format(H.quote(preload.env("threads", { HOOKWARD_THREADS = 0 })
      .. (" exec %s sandbox --listen 127.0.0.1:0 --url http://127.0.0.1:1/"):format(H.binary)))
    local _, said, code = H.sh(command)
    assert.equal(1, code)
    assert.equal(1, select(2, said:gsub("thread", "")), said)
  end)
end)
