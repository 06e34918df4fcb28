-- The LuaRocks rock is the same host as the binary: it has the same files and behaves the same end
-- to end, both as the installed command and as a module in a Lua program.

local H = require "spec.support.host"

local rock = os.getenv("HOOKWARD_ROCK") or require "lfs".currentdir() .. "/build/rock/tree"

local function sh(format, ...)
  return assert(H.sh(format:format(...)))
end

describe("the rockspecs", function()
  after_each(H.stop_all)

  it("list what is in core/ and lua/ (`make rockspec` writes them)", function()
    local folder = H.folder()
    sh("lua5.4 rockspec/generate.lua %s", folder)
    local names = 0
    for name in require "lfs".dir("rockspec") do
      if name:find("%.rockspec$") then
        names = names + 1
        assert.equal(H.read(folder .. "/" .. name), H.read("rockspec/" .. name), name)
      end
    end
    assert.equal(2, names)
  end)

  it("list what the Makefile builds the binary from", function()
    local rockspec = {}
    load(H.read("rockspec/hookward-scm-1.rockspec"), "rockspec", "t", rockspec)()
    local listed = {}
    for _, source in ipairs(rockspec.build.modules["hookward.core"].sources) do
      listed[#listed + 1] = source
    end
    for _, path in pairs(rockspec.build.modules) do
      if type(path) == "string" then listed[#listed + 1] = path end
    end
    for _, path in pairs(rockspec.build.install.lua) do listed[#listed + 1] = path end
    table.sort(listed)
    local built = {}
    for path in sh("make -s --eval 'x:;@echo $(SOURCES) $(LUA) $(EXAMPLES)' x"):gmatch("%S+") do
      built[#built + 1] = path
    end
    table.sort(built)
    assert.same(built, listed)
  end)

  it("pass `luarocks lint`", function()
    for name in require "lfs".dir("rockspec") do
      if name:find("%.rockspec$") then sh("luarocks --lua-version 5.4 lint rockspec/%s", name) end
    end
  end)
end)

describe("the rock #rock", function()
  after_each(H.stop_all)

  it("exports only the symbol that Lua looks for", function()
    local symbols = sh("nm -D --defined-only %s/lib/lua/5.4/hookward/core.so", rock)
    assert.matches("^%x+ T luaopen_hookward_core\n$", symbols)
  end)

  it("can be packed by `luarocks pack`, and the package works", function()
    local folder = H.folder()
    local luarocks = "LUAROCKS_CONFIG=$OLDPWD/rockspec/debian.lua luarocks --lua-version 5.4"
    sh("cd %s && %s --tree %s pack hookward && %s --tree %s/other install *.rock", folder, luarocks,
      rock, luarocks, folder)
    assert.matches("^hookward %d", sh("%s/other/bin/hookward --version", folder))
  end)
end)

describe("the rock's command #rock", function()
  after_each(H.stop_all)

  it("names itself as the user can type it", function()
    local folder = H.folder()
    local command = rock .. "/bin/hookward"
    local said = sh("cd %s && PATH=/usr/bin:/bin %s init a", folder, command)
    assert.matches("&& " .. command .. " serve\n", said, 1, true)
    said = sh("cd %s && PATH=%s/bin:$PATH hookward init b", folder, rock)
    assert.matches("&& hookward serve\n", said, 1, true)
  end)
end)

local APP = [[
local hookward = require "hookward"
assert(arg[1] == "serve")
local ok, why = hookward.serve { config = "hookward.lua", signals = true }
if not ok then
  io.stderr:write(why, "\n")
  os.exit(1, true)
end
]]

local function app()
  local path = H.folder() .. "/app.lua"
  H.write(path, APP)
  return path
end

local ways = {
  { "the binary", tag = "", function(options)
    return H.start(options)
  end },
  { "the rock's command", tag = " #rock", function(options)
    options.binary = rock .. "/bin/hookward"
    return H.start(options)
  end },
  { "a Lua program with the rock's module", tag = " #rock", function(options)
    options.binary, options.wrap = app(), "lua5.4"
    options.env = ("export LUA_PATH='%s/share/lua/5.4/?.lua;%s/share/lua/5.4/?/init.lua;;' "
      .. "LUA_CPATH='%s/lib/lua/5.4/?.so;;';"):format(rock, rock, rock)
    return H.start(options)
  end },
}

for _, way in ipairs(ways) do
  local name, start = way[1], way[2]
  describe("end to end, " .. name .. way.tag, function()
    after_each(H.stop_all)
    local EVENT = H.event("A.Done")

    local function host_with(handler, config)
      return start { ledger = "hookward.db", config = config,
        handlers = { ["a.lua"] = 'local hook = require "hookward"\n' .. handler } }
    end

    it("answers 200 once a signed notification is handled, and refuses a forged one", function()
      local host = host_with('hook.on("A.Done", function(e, job) hook.log.info("ran", { k = job.key }) end)')
      assert.equal(200, host:notify(EVENT, { id = "1" }).status)
      assert.equal("invalid_signature", host:notify(EVENT .. " ", { signature = H.sign(EVENT) }).error)
      host:wait_log("ran .-k=public.pem")
      assert.equal(0, host:stop())
    end)

    it("answers a repeat from the ledger, after a crash too", function()
      local host = host_with('hook.on("A.Done", function() hook.log.info("ran") end)')
      assert.equal(200, host:notify(EVENT, { id = "1" }).status)
      assert.equal(200, host:notify(EVENT, { id = "1", attempt = 1 }).status)
      assert.equal(1, host:count("ran event"))
      host:kill()
      host = start { folder = host.folder }
      assert.equal(200, host:notify(EVENT, { id = "1", attempt = 2 }).status)
      assert.equal(0, host:count("ran event"))
    end)

    it("reloads after an edit, at SIGHUP and on `hookward reload`", function()
      local host = host_with('hook.on("A.Done", function() return nil, "one" end)')
      local function edit(word)
        H.write(host.folder .. "/handlers/a.lua",
          ('require "hookward".on("A.Done", function() return nil, %q end)'):format(word))
      end
      edit("two")
      host:wait_log("reloaded: version 2")
      assert.equal("two", host:notify(EVENT).message)
      host:signal("HUP")
      host:wait_log("nothing has changed: version 2")
      edit("three")
      assert.matches("version 3", sh("cd %s && %s reload", host.folder, H.binary))
      assert.equal("three", host:notify(EVENT).message)
    end)

    it("drains at SIGTERM", function()
      local gate = H.gate()
      local host = host_with(gate.source .. 'hook.on("A.Done", function() wait() end)')
      local client = host:connect()
      client:send(H.request(EVENT))
      host:wait_log("begun")
      host:signal("TERM")
      host:wait_log("stopping: finishing what was begun")
      gate:open()
      assert.equal(200, client:receive().status)
      assert.equal(0, host:wait())
      assert.matches("stopped\n$", host:log())
    end)

    it("ends at a second SIGINT, and exits with 1 when a request is cut off", function()
      local gate = H.gate()
      local handler = gate.source .. 'hook.on("A.Done", function() wait() end)'
      local host = host_with(handler)
      host:connect():send(H.request(EVENT))
      host:wait_log("begun")
      host:signal("INT")
      host:wait_log("stopping: finishing what was begun")
      host:signal("INT")
      assert.equal(130, host:wait())
      host = host_with(handler, "drain_timeout = 0.1")
      host:connect():send(H.request(EVENT))
      host:wait_log("begun")
      host:signal("TERM")
      assert.equal(1, host:wait())
    end)

    it("says in one line what is wrong, and exits with 1", function()
      local host = start { fails = true, config = "workres = 1" }
      assert.equal(1, host:wait())
      assert.equal("hookward.lua: workres: unknown key; did you mean workers?\n", host:log())
    end)
  end)
end
