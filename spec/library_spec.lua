-- The host as a library: what a Lua program gets from require "hookward", and that it leaves the
-- program's process as it is. Each program runs in a lua5.4 of its own, with the rock's files.

local H = require "spec.support.host"
local lfs = require "lfs"

local rock = os.getenv("HOOKWARD_ROCK") or lfs.currentdir() .. "/build/rock/tree"
local env = ("LUA_PATH='%s/share/lua/5.4/?.lua;%s/share/lua/5.4/?/init.lua;;' LUA_CPATH='%s/lib/lua/5.4/?.so;;'")
  :format(rock, rock, rock)

-- The specs' parent may ignore SIGPIPE, which would be inherited.
local LUA = "env --default-signal=PIPE --default-signal=XFSZ lua5.4"

local HEAD = [[
local hookward = require "hookward"
local function say(...)
  print(...)
  io.stdout:flush()
end
]]

local HANDLER = 'require "hookward".on("*", function(e) if e.Event == "A.No" then return nil, "no" end end)'

-- Starts a program in a project of its own; options as for H.start.
local function start(program, options)
  options = options or {}
  options.handlers = options.handlers or { ["a.lua"] = HANDLER }
  local app = H.folder() .. "/app.lua"
  H.write(app, HEAD .. program)
  options.binary, options.wrap, options.env = app, LUA, "export " .. env .. ";"
  return H.start(options)
end

-- Runs a program that ends by itself; returns exit code, lines of output, host.
local function run(program, options)
  options = options or {}
  options.fails = true
  local host = start(program, options)
  local code = host:wait()
  local lines = {}
  for line in H.read(host.folder .. "/out"):gmatch("[^\n]+") do lines[#lines + 1] = line end
  return code, lines, host
end

-- The same for a program that must exit with 0.
local function lines_of(program, options)
  local code, lines, host = run(program, options)
  assert.equal(0, code, host:log())
  return lines, host
end

local EVENT = H.event("A.Done")

describe("a host in a program #rock", function()
  after_each(H.stop_all)

  it("counts what it has done", function()
    local host = start([[
      local host = assert(hookward.start { config = "hookward.lua", signals = true })
      host:wait()
      local stats = host:stats()
      for name, value in pairs(stats.errors) do stats["errors." .. name] = value end
      stats.errors = nil
      for name, value in pairs(stats) do say(name .. "=" .. tostring(value)) end
    ]], { ledger = "hookward.db" })
    assert.equal(200, host:notify(EVENT, { id = "1" }).status)
    assert.equal(200, host:notify(EVENT, { id = "2" }).status)
    assert.equal(200, host:notify(EVENT, { id = "1" }).status)
    assert.equal("handler_refused", host:notify(H.event("A.No"), { id = "3" }).error)
    assert.equal("invalid_json", host:notify("{").error)
    for _ = 1, 3 do host:notify(EVENT .. " ", { signature = H.sign(EVENT) }) end
    assert.equal(404, host:notify(EVENT, { path = "/other" }).status)
    H.write(host.folder .. "/handlers/a.lua", "\n" .. HANDLER)
    host:wait_log("reloaded: version 2")
    H.write(host.folder .. "/handlers/a.lua", "oh")
    host:wait_log("not reloaded")
    assert.equal(0, host:stop())
    local stats = {}
    for name, value in H.read(host.folder .. "/out"):gmatch("([%w_.]+)=([^\n]+)") do
      stats[name] = tonumber(value) or value
    end
    local expected = { state = "stopped", received = 8, succeeded = 2, duplicates = 1, joined = 0, unhandled = 0,
      ["errors.handler_refused"] = 1, ["errors.invalid_json"] = 1, ["errors.invalid_signature"] = 3,
      ["errors.not_found"] = 1, ["errors.handler_error"] = 0, in_flight = 0, connections = 0, accepted = 9,
      release = 2, reloads = 1, reloads_failed = 1, replayed = 0, replaced = 0, replays_failed = 0, stuck = 0,
      unreplaced = 0 }
    for name, value in pairs(expected) do assert.equal(value, stats[name], name) end
    assert.matches("^%x+$", tostring(stats.version))
    assert.matches("handlers/a.lua:1", stats.reload_error)
  end)

  it("is stopped, queried and reloaded by its methods", function()
    local lines = lines_of [[
      local host = assert(hookward.start { config = "hookward.lua", ledger = "other.db" })
      say(host:addresses()[1]:match("^127%.0%.0%.1:%d+$") ~= nil, #host:addresses())
      say(host:wait(0))
      say(host:reload())
      say(host:stats().state)
      say(host:stop())
      say(host:stop())
      say(host:wait())
      say(host:reload())
      say(host:stats().state)
      local again <close> = assert(hookward.start { config = "hookward.lua", ledger = "other.db" })
      local file <close> = assert(io.open("handlers/a.lua", "w"))
      file:write("error('broken')")
      file:flush()
      say(again:reload())
    ]]
    assert.same({ "true\t1", "nil\tit is still running", lines[3], "running", "true", "true", "true",
      "nil\tthe host has stopped", "stopped", lines[10] }, lines)
    assert.matches("^nothing has changed: version 1", lines[3])
    assert.matches("^nil\thandlers/a.lua:1: broken$", lines[10])
  end)

  it("has the methods and counts that _meta.lua names", function()
    local _, _, _, _, meta = dofile("lua/hookward/_meta.lua")
    local fields = {}
    for field in H.read("lua/hookward/_meta.lua"):match("%-%-%-@class hookward.Stats(.-)\n\n")
      :gmatch("%-%-%-@field ([%w_]+) ") do fields[#fields + 1] = field end
    table.sort(fields)
    local lines = lines_of [[
      local host <close> = assert(hookward.start "hookward.lua")
      local names = {}
      for name in pairs(host:stats()) do names[#names + 1] = name end
      table.sort(names)
      say(table.concat(names, " "))
      for name in pairs(getmetatable(host)) do
        if name:find("^%l") then say(name) end
      end
    ]]
    assert.equal(table.concat(fields, " "), (table.remove(lines, 1)))
    local methods = {}
    for name in pairs(meta) do methods[#methods + 1] = name end
    table.sort(methods)
    table.sort(lines)
    assert.same(methods, lines)
  end)

  it("stops when it is closed, and when it is collected", function()
    local lines = lines_of [[
      local socket = require "socket"
      local function is_open(address)
        return socket.connect("127.0.0.1", tonumber(address:match(":(%d+)$"))) ~= nil
      end
      local address
      do
        local host <close> = assert(hookward.start "hookward.lua")
        address = host:addresses()[1]
        say(is_open(address))
      end
      say(is_open(address))
      local host = assert(hookward.start "hookward.lua")
      address = host:addresses()[1]
      host = nil
      collectgarbage()
      say(is_open(address))
      keep = assert(hookward.start "hookward.lua") -- closing the state stops it
    ]]
    assert.same({ "true", "false", "false" }, lines)
  end)

  it("does not change the process: signals, limits, umask, stdout", function()
    local lines = lines_of [[
      local function look()
        local status = assert(io.open("/proc/self/status")):read("a")
        local limits = assert(io.open("/proc/self/limits")):read("a")
        local seen = { status:match("Umask:%s*%d+"), limits:match("Max open files[^\n]*") }
        for _, name in ipairs { "SigBlk", "SigIgn", "SigCgt" } do
          local set = tonumber(status:match(name .. ":%s*(%x+)"), 16)
          seen[#seen + 1] = name .. (" %x"):format(set & 0x7fffffff) -- 32, 33: the C library's
        end
        return table.concat(seen, ", ")
      end
      local before = look()
      local host = assert(hookward.start "hookward.lua")
      say(look() == before or look())
      host:stop()
      say(look() == before or before)
    ]]
    assert.same({ "true", "true" }, lines)
  end)

  it("makes its control socket for its own user only, whatever the umask", function()
    local host = start([[ hookward.serve "hookward.lua" ]], {})
    local loose = H.start { env = "umask 0;", handlers = { ["a.lua"] = HANDLER } }
    for _, folder in ipairs { host.folder, loose.folder } do
      assert.equal("srw-------\n", H.sh("stat -c %A " .. folder .. "/.hookward.sock"))
    end
    assert.equal(0, loose:stop())
    assert.is_nil(lfs.attributes(loose.folder .. "/.hookward.sock"))
  end)

  it("survives clients that are gone, and leaves SIGTERM to the program", function()
    local gate = H.gate()
    local host = start([[ hookward.serve "hookward.lua" ]], { handlers = { ["a.lua"] = gate.source .. [[
      require "hookward".on("*", function() wait() end) ]] } })
    for _ = 1, 5 do
      local client = host:connect()
      client:send(H.request(EVENT))
      host:wait_log("begun")
      client:half_close() -- writing after this would raise SIGPIPE
      client.tcp:setoption("linger", { on = true, timeout = 0 })
      client:close()
      gate:open()
    end
    gate:open()
    assert.equal(200, host:notify(EVENT).status)
    host:signal("TERM")
    host:wait()
    assert.equal(15, host.killed_by)
  end)

  it("survives the end of the reader of its log", function()
    local folder = start([[ hookward.serve "hookward.lua" ]], {}).folder
    local program = H.folder() .. "/app.lua"
    H.write(program, HEAD .. [[
      local host <close> = assert(hookward.start { config = "hookward.lua" })
      for _ = 1, 20 do host:reload() end
      say(host:stop())
    ]])
    assert(H.sh(("cd %s && %s %s %s 2>&1 >result | true"):format(folder, env, LUA, program)))
    H.wait_until(function() return H.read(folder .. "/result") == "true\n" end, "the program to go on")
  end)

  it("drains when the program gets a Ctrl-C", function()
    local host = start [[ hookward.serve "hookward.lua" ]]
    host:signal("INT")
    assert.equal(1, host:wait())
    assert.matches("stopping: finishing what was begun.-info  stopped", host:log())
    assert.matches("interrupted!", host:log())
  end)

  it("stops although a handler never returns, and the program goes on", function()
    local gate = H.gate()
    local host = start([[
      local host = assert(hookward.start { config = "hookward.lua", drain_timeout = 0.1 })
      while not io.open("go") do require "socket".sleep(0.005) end
      say(host:stop())
      say(host:stats().state)
      local again = assert(hookward.start { config = "hookward.lua" })
      say(again:stop())
    ]], { handlers = { ["a.lua"] = gate.source .. [[
      require "hookward".on("*", function() wait() end) ]] } })
    host:connect():send(H.request(EVENT))
    host:wait_log("begun")
    H.write(host.folder .. "/go", "\n")
    assert.equal(0, host:wait())
    assert.equal("nil\ta handler never returned; its thread is left behind\nstopped\ntrue\n",
      H.read(host.folder .. "/out"))
  end)
end)

describe("several hosts in a program #rock", function()
  after_each(H.stop_all)

  it("answer side by side, each with its own handlers", function()
    local lines = lines_of [[
      local socket = require "socket"
      local one <close> = assert(hookward.start { config = "hookward.lua", ledger = "one.db" })
      local two <close> = assert(hookward.start { config = "hookward.lua", ledger = "two.db", path = "/two" })
      local function ask(host, path)
        local tcp = assert(socket.connect("127.0.0.1", tonumber(host:addresses()[1]:match("%d+$"))))
        tcp:send("GET " .. path .. " HTTP/1.0\r\n\r\n")
        return tcp:receive("*l")
      end
      say(ask(one, "/two"):match(" (%d+) "), ask(two, "/two"):match(" (%d+) "))
      say(one:stats().accepted, two:stats().accepted)
    ]]
    assert.equal("404\t405", lines[1])
    assert.equal(2, #lines)
  end)

  it("do not share a ledger; one that tries does no harm to the other", function()
    local lines = lines_of([[
      local one <close> = assert(hookward.start { config = "hookward.lua", ledger = "one.db" })
      say(hookward.start { config = "hookward.lua", ledger = "one.db" })
      say(hookward.start { config = "hookward.lua", ledger = "./one.db" })
    ]])
    local refusal = "nil\tone.db: another host of this process is serving with this ledger"
    assert.same({ refusal, refusal }, lines)
  end)

  it("share one log, whose settings must be the same", function()
    local lines = lines_of [[
      local one = assert(hookward.start { config = "hookward.lua" })
      say(hookward.start { config = "hookward.lua", log = { level = "debug" } })
      one:stop()
      local two <close> = assert(hookward.start { config = "hookward.lua", log = { level = "debug" } })
    ]]
    assert.same({ 'nil\tlog: a process has one log, and another host in this one has level = "info", '
      .. 'format = "text"' }, lines)
  end)
end)

describe("a program's configuration #rock", function()
  after_each(H.stop_all)

  it("is checked as hookward.lua is, with the same messages", function()
    local lines = lines_of [[
      say(hookward.start { wrokers = 1, listen = "8080" })
      say(hookward.start { config = "hookward.lua", workers = 0 })
      say(hookward.start "nope.lua")
      say(hookward.serve { handlers = "nowhere", keys = "nothing/*" })
      local settings = setmetatable({}, {})
      say(hookward.start { config = "hookward.lua", settings = settings })
    ]]
    assert.same({
      "nil\thookward.start: wrokers: unknown key; did you mean workers?",
      'hookward.start: listen: "8080" names no host; write "127.0.0.1:8080"',
      "nil\thookward.start: workers: expected a whole number from 1 to 1024, for example 8; found 0",
      "nil\tnope.lua: not found; make a project with `hookward init DIR`, or name a configuration with -c FILE",
      lines[5], lines[6],
      "nil\thookward.start: settings: is a table with a metatable; settings hold plain data",
    }, lines)
    assert.matches("^nil\tnowhere: no such folder; .- set `handlers` in hookward.serve", lines[5])
    assert.matches("^nothing/%*: no key file", lines[6])
  end)

  it("that is neither a table nor a file name is an error at the caller's line", function()
    local lines = lines_of [[
      local function try(fn, ...)
        local function call(...)
          local host = fn(...) -- no tail call, so that the message has this line
          return host
        end
        say((select(2, pcall(call, ...)):gsub("^.*/", "")))
      end
      try(hookward.start)
      try(hookward.serve, 5)
      try(hookward.start, { config = 5 })
      try(hookward.start, { signals = 1 })
      hookward.on("A.B", function() end)
      try(hookward.start, {})
    ]]
    local at = "app.lua:8: "
    assert.same({
      at .. 'hookward.start: expected a table such as { listen = "127.0.0.1:8080" }, or the name of a '
        .. "configuration; found nothing",
      at .. 'hookward.serve: expected a table such as { listen = "127.0.0.1:8080" }, or the name of a '
        .. "configuration; found a number",
      at .. "hookward.start: config is the name of a file",
      at .. "hookward.start: signals is true or false",
      lines[5],
    }, lines)
    assert.matches("app.lua:17, in the program itself; handlers are files", lines[5])
  end)

  it("keeps its paths when the program changes its folder, in a reload too", function()
    local lines = lines_of [[
      local host <close> = assert(hookward.start { listen = "127.0.0.1:0", ledger = "memory:" })
      local file <close> = assert(hookward.start { config = "./hookward.lua", path = "/x" })
      require "lfs".chdir("/")
      say((host:reload()))
      say((file:reload()))
    ]]
    assert.equal(2, #lines)
    for _, line in ipairs(lines) do assert.matches("^nothing has changed: version 1", line) end
  end)

  it("finds modules where the program finds them", function()
    local folder = H.folder()
    H.write(folder .. "/extra.lua", 'return "from the program\'s path"')
    local host = start(([[
      package.path = %q .. "/?.lua;" .. package.path
      hookward.serve { config = "hookward.lua", signals = true }
    ]]):format(folder), { handlers = { ["a.lua"] = [[
      local extra = require "extra"
      require "hookward".on("*", function() return nil, extra end) ]] } })
    assert.equal("from the program's path", host:notify(EVENT).message)
    assert.equal(0, host:stop())
  end)
end)

describe("a project's hookward.lua #rock", function()
  after_each(H.stop_all)

  it("is not loaded as the module \"hookward\" by handlers, whatever package.path is", function()
    local host = start [[
      package.path = "./?.lua;" .. package.path
      hookward.serve { config = "hookward.lua", signals = true }
    ]]
    assert.equal(200, host:notify(EVENT).status)
    H.write(host.folder .. "/handlers/a.lua", "\n" .. HANDLER)
    host:wait_log("reloaded: version 2")
    assert.equal(200, host:notify(EVENT).status)
    assert.equal(0, host:stop())
  end)
end)

describe("within a handler #rock", function()
  after_each(H.stop_all)

  it("no host can be started", function()
    local host = H.start { handlers = { ["a.lua"] = [[
      local hook = require "hookward"
      hook.on("A.Start", function() hook.start { config = "hookward.lua" } end)
    ]] } }
    assert.equal("handler_error", host:notify(H.event("A.Start")).error)
    host:wait_log("hook.on was called at .-, in the program itself")
  end)
end)
