-- What scripts can do to their shared Lua state, and their error messages: globals, modules, null.

local cjson = require "cjson"
local H = require "spec.support.host"

local SCHEMA = [[
  hook.schema("Held.By", { type = "object", properties = { List = { type = "array",
    items = { type = "string", enum = { "a", "b" } } }, Id = { format = "uuid" } } })
]]

describe("a script", function()
  local host
  after_each(H.stop_all)

  local function start(text, config)
    local files = type(text) == "table" and text
      or { ["a.lua"] = 'local hook = require "hookward"\n' .. text }
    host = H.start { handlers = files, config = config or "workers = 1" }
  end

  local function load_error(files)
    local failed = H.start { handlers = files, fails = true }
    assert.equal(1, failed:wait())
    return failed:log()
  end

  local function notify(event, fields)
    local answer = host:notify(H.event(event, fields))
    return { status = answer.status, message = cjson.decode(answer.body).message }
  end

  it("that forgets a local breaks no module of hookward, and causes one warning a name", function()
    local names, code = {}, {}
    for name in pairs(_G) do
      if type(name) == "string" and load(("return %s"):format(name)) and name:find "^[a-z]+$" then
        names[#names + 1] = name
      end
    end
    assert.is_true(#names > 20)
    for _, name in ipairs(names) do
      if name ~= "tostring" and name ~= "string" then code[#code + 1] = name .. " = event.V" end
    end
    start(SCHEMA .. [[
      hook.on_unload(function() hook.log.info("unloaded") end)
      hook.on("Held.By", { schema = true }, function(event)
        hook.log.info("list", { n = #event.List })
        return nil, hook.json.encode(event.List)
      end)
      hook.on("*", function(event) ]] .. table.concat(code, "\n") .. " end)")
    for _ = 1, 2 do assert.equal(200, notify("A.B", '"V":"x"').status) end
    assert.equal('["a"]', notify("Held.By", '"List":["a"]').message)
    assert.equal('List[1]: expected one of "a", "b"', notify("Held.By", '"List":["a","c"]').message)
    assert.equal("List: expected an array, found an empty object",
      notify("Held.By", '"List":{}').message)
    assert.equal(#code, host:count("a handler replaced Lua's own value of the global") +
      host:count("a handler set the global"), host:log())
    assert.equal(1, host:count("a handler replaced Lua's own value of the global 'next': it lasts "
      .. "until its VM is replaced; is a 'local' missing?"))
    host:wait_log("the global 'next'[^\n]* place=handlers/a%.lua:%d+")
    host:stop()
    host:wait_log("unloaded")
  end)

  it("may replace a global of Lua while it loads, and has globals of its own", function()
    start [[
      local old = print
      print = function(...) old("mine", ...) end
      count = 0
      function add() count = count + 1 end
      hook.on("*", function()
        add()
        print(count, _G.count, rawget(_G, "count"), rawget(_G, "next") == next)
        assert(not pcall(setmetatable, _ENV, {}) and print)
        local seen
        for name in pairs(_ENV) do seen = seen or name == "count" end
        return nil, tostring(seen)
      end)
    ]]
    assert.equal("true", notify("A.B").message)
    host:wait_log("mine\t1\t1\t1\ttrue")
    assert.equal(0, host:count("the global"))
  end)

  it("may protect its globals itself", function()
    start [[
      setmetatable(_G, {
        __newindex = function(t, name, value)
          local from = debug.getinfo(2, "S").what
          if from ~= "main" and from ~= "C" then error("undeclared " .. name, 2) end
          rawset(t, name, value)
        end,
        __index = function(_, name) error("unknown " .. name, 2) end,
      })
      declared = 1
      hook.on("A.*", function() declared = 2 Forgotten = 1 end)
      hook.on("B.*", function() return Unknown end)
    ]]
    assert.equal(400, notify("A.B").status)
    host:wait_log("a%.lua:11: undeclared Forgotten")
    assert.equal(400, notify("B.B").status)
    host:wait_log("a%.lua:12: unknown Unknown")
  end)

  it("uses modules of hookward that read no global once they are loaded", function()
    start [[hook.on("*", function()
      local names = {}
      for name in pairs(package.loaded) do names[#names + 1] = name:match "^hookward([%w._]*)" end
      return nil, hook.json.encode(names)
    end)]]
    local names = cjson.decode(notify("A.B").message)
    assert.is_true(#names >= 6)
    for _, rest in ipairs(names) do -- a reason has room for 200 bytes
      local name = "hookward" .. rest
      local path = "lua/" .. name:gsub("%.", "/") .. ".lua"
      if name == "hookward" then path = "lua/hookward/init.lua" end
      local pipe = name ~= "hookward.core" and name ~= "hookward.settings"
        and io.popen("luac5.4 -l -p " .. path)
      local in_function
      for line in pipe and pipe:lines() or function() end do
        if line:find "^%a+ <" then in_function = line:find "^function" end
        assert.is_nil(in_function and line:match '_ENV "(.*)"', path .. ": " .. line)
      end
    end
  end)

  it("gets an error that says where a module was looked for, and which package has it", function()
    local log = load_error { ["a.lua"] = '\nlocal driver = require "luasql.odbc"' }
    assert.matches("handlers/a.lua:2: module 'luasql.odbc' not found: install it with `apt%-get install "
      .. "lua%-sql%-odbc` or `luarocks %-%-lua%-version 5.4 install luasql%-odbc`; looked in handlers, "
      .. "handlers/lib, [^\n]*/usr/share/lua/5.4", log)
    log = load_error { ["a.lua"] = 'require "no.such"' }
    assert.matches("handlers/a.lua:1: module 'no.such' not found: put it into handlers/ or "
      .. "handlers/lib/, or install it for Lua 5.4 %(`luarocks %-%-lua%-version 5.4 install no`, if "
      .. "the rock has that name%); looked in handlers, handlers/lib, ", log)
  end)

  it("gets the same error from a late require, and may test for a module with pcall", function()
    start [[
      hook.on("A.*", function() require "posix" end)
      hook.on("B.*", function() return nil, tostring(pcall(require, "no.such")) end)
    ]]
    assert.equal("false", notify("B.B").message)
    assert.equal(400, notify("A.B").status)
    host:wait_log("a%.lua:2: module 'posix' not found: install it with `luarocks %-%-lua%-version 5.4 "
      .. "install luaposix`; looked in handlers, ")
  end)

  it("gets an error that names scripts that require each other in a circle", function()
    local log = load_error { ["a.lua"] = '\nlocal b = require "b"', ["lib/b.lua"] = 'local c =\nrequire "c"',
      ["lib/c.lua"] = '\n\nrequire "a"' }
    assert.matches("handlers/lib/c.lua:3: scripts require each other in a circle: handlers/a.lua:2 "
      .. "requires handlers/lib/b.lua:2 requires handlers/lib/c.lua:3 requires handlers/a.lua\n", log)
    assert.is_nil(log:find("stack overflow", 1, true))
    log = load_error { ["a.lua"] = 'require "a"' }
    assert.matches("a circle: handlers/a.lua:1 requires handlers/a.lua\n", log)
  end)

  it("gets an error that explains null", function()
    start [[
      local tries = {
        index = function(null) return null.Id end,
        method = function(null) return null:upper() end,
        set = function(null) null.Id = 1 end,
        add = function(null) return 1 + null end,
        join = function(null) return "a" .. null end,
        less = function(null) return null < 1 end,
        length = function(null) return #null end,
        call = function(null) return null() end,
        loop = function(null) for _ in pairs(null) do break end end,
        text = function(null) error(tostring(null), 0) end,
        other = function() return io.stdout.x.y end,
      }
      hook.on("*", function(event)
        assert(event.V == hook.null and event.V)
        return nil, select(2, pcall(tries[event.Try], event.V))
      end)
    ]]
    local function told(try) return notify("A.B", ('"V":null,"Try":"%s"'):format(try)).message end
    local ask = ": the JSON has null here; check for `== hook.null` first"
    assert.equal("handlers/a.lua:3: attempt to index hook.null (member 'Id')" .. ask, told "index")
    assert.equal("handlers/a.lua:4: attempt to index hook.null (member 'upper')" .. ask, told "method")
    assert.equal("handlers/a.lua:5: attempt to index hook.null (member 'Id')" .. ask, told "set")
    assert.equal("handlers/a.lua:6: attempt to perform arithmetic on hook.null" .. ask, told "add")
    assert.equal("handlers/a.lua:7: attempt to concatenate hook.null" .. ask, told "join")
    assert.equal("handlers/a.lua:8: attempt to compare hook.null" .. ask, told "less")
    assert.equal("handlers/a.lua:9: attempt to get length of hook.null" .. ask, told "length")
    assert.equal("handlers/a.lua:10: attempt to call hook.null" .. ask, told "call")
    assert.matches("table expected, got hook.null", told "loop")
    assert.equal("null", told "text")
    assert.matches("attempt to index a nil value", told "other")
  end)
end)
