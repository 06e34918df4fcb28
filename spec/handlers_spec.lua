-- What a handler may return, see and do; and whatever it does, the host keeps running.

local cjson = require "cjson"
local socket = require "socket"
local H = require "spec.support.host"

describe("a handler", function()
  local host
  after_each(H.stop_all)

  -- `text` is the text of one handler file, in which `hook` is defined, or a table of files.
  local function start(text, config)
    local files = type(text) == "table" and text
      or { ["a.lua"] = 'local hook = require "hookward"\n' .. text }
    host = H.start { handlers = files, config = config }
  end

  -- The log of a host that does not start with these files.
  local function start_error(files, config)
    if type(files) == "string" then
      files = { ["a.lua"] = 'local hook = require "hookward"\n' .. files }
    end
    local failed = H.start { handlers = files, config = config, fails = true }
    assert.equal(1, failed:wait())
    assert.is_nil(failed:log():find("traceback"))
    return failed:log()
  end

  local function notify(event, fields, options)
    return host:notify(H.event(event, fields), options)
  end

  -- Runs the code of one handler, which returns a text, and gives that text back.
  local function run(code, fields, config, options)
    start("hook.on('*', function(event, job) local function f() " .. code
      .. " end return nil, tostring(f()) end)", config)
    local answer = host:notify(H.event("A.B", fields), options)
    assert.equal("handler_refused", answer.error)
    return cjson.decode(answer.body).message
  end

  describe("pattern", function()
    it("is the most specific: exact, then Entity.*, then *.Event, then *", function()
      start [[
        local function on(pattern) hook.on(pattern, function() return nil, pattern end) end
        on "*" on "*.Created" on "Badge.*" on "Badge.Created"
        on "Badge.Print.*" on "*.Print.Done"
      ]]
      for event, pattern in pairs {
        ["Badge.Created"] = "Badge.Created", ["Badge.Deleted"] = "Badge.*",
        ["Person.Created"] = "*.Created", ["Person.Deleted"] = "*", ["Badge"] = "*",
        ["Badges.Deleted"] = "*", ["Badge."] = "Badge.*", [".Created"] = "*.Created",
        ["badge.Deleted"] = "*", ["Badge.Print.Done"] = "Badge.Print.*",
        ["Label.Print.Done"] = "*.Print.Done", ["Badge.X.Created"] = "Badge.*",
        ["Person.X.Created"] = "*.Created", [""] = "*", ["."] = "*",
      } do
        assert.equal(pattern, notify(event).message, event)
      end
    end)

    it("is taken literally: only the star is special", function()
      start [[
        hook.on("A-B.C%d", function() return nil, "taken" end)
        hook.on("A.B+.*", function() return nil, "prefix" end)
      ]]
      assert.equal("taken", notify("A-B.C%d").message)
      assert.equal("prefix", notify("A.B+.C").message)
      for _, event in ipairs { "A-B.C1", "A.BB.C", "AxB.C%d" } do
        assert.equal("no_handler", notify(event).error)
      end
    end)

    it("must not be registered twice; the error names both places", function()
      local log = start_error {
        ["a.lua"] = 'local hook = require "hookward"\nhook.on("A.B", function() end)',
        ["b.lua"] = '\n\nlocal hook = require "hookward"\nhook.on("A.B", function() end)',
      }
      assert.matches('"A%.B"', log)
      assert.matches("handlers/a%.lua:2", log)
      assert.matches("handlers/b%.lua:4", log)
      assert.matches("^[^\n]*\n$", log)
    end)

    it("may have one star, for the whole name or for the part before or after a dot", function()
      for _, pattern in ipairs { "A*", "A.*.B", "*A", "*.*", "**", "A.B*", "", ".*.", "*.A.*" } do
        local log = start_error(('hook.on("%s", function() end)'):format(pattern))
        assert.matches("handlers/a%.lua:2: hook%.on", log)
        assert.matches("a star may stand", log)
      end
    end)

    it("must be a string, followed by a function", function()
      assert.matches("a%.lua:2: hook%.on: the pattern must be a string",
        start_error "hook.on(1, function() end)")
      assert.matches('a%.lua:2: hook%.on%("A%.B"%): a function was expected, got nil',
        start_error 'hook.on("A.B")')
      assert.matches("a function was expected, got string", start_error 'hook.on("A.B", "f")')
    end)

    it("is registered while its file loads, not later", function()
      start [[ hook.on("A.B", function() hook.on("C.D", function() end) end) ]]
      assert.equal("handler_error", notify("A.B").error)
      host:wait_log("handlers are registered while their file loads, not later")
      assert.equal("no_handler", notify("C.D").error)
    end)
  end)

  it("succeeds by returning nothing, a true value or 200; refuses by nil, false or 400", function()
    start [[
      local forms = {
        Nothing = function() end,
        True = function() return true end,
        Text = function() return "x" end,
        Table = function() return {}, "ignored" end,
        Code = function() return 200 end,
        Float = function() return 200.0 end,
        Nil = function() return nil end,
        NilWhy = function() return nil, "why" end,
        False = function() return false end,
        FalseWhy = function() return false, "why" end,
        Bad = function() return 400 end,
        BadWhy = function() return 400, "why" end,
        NilTable = function() return nil, setmetatable({}, { __tostring = function() return "t" end }) end,
        NilNumber = function() return nil, 42 end,
        Odd = function() return 201 end,
        Zero = function() return 0 end,
        Fraction = function() return 200.5, "why" end,
        RaisingWhy = function() return nil, setmetatable({}, { __tostring = function() error "x" end }) end,
      }
      for name, fn in pairs(forms) do hook.on("R." .. name, fn) end
    ]]
    local default = "the handler refused the notification"
    for _, name in ipairs { "Nothing", "True", "Text", "Table", "Code", "Float" } do
      assert.equal(200, notify("R." .. name).status, name)
    end
    for name, message in pairs {
      Nil = default, NilWhy = "why", False = default, FalseWhy = "why", Bad = default,
      BadWhy = "why", NilTable = "t", NilNumber = "42",
    } do
      local answer = notify("R." .. name)
      assert.equal("handler_refused", answer.error, name)
      assert.equal(message, answer.message, name)
    end
    for _, name in ipairs { "Odd", "Zero", "Fraction", "RaisingWhy" } do
      local answer = notify("R." .. name)
      assert.equal("handler_error", answer.error, name)
      assert.equal("the handler failed", answer.message, name)
    end
    host:wait_log("event=R%.Odd[^\n]* detail=\"the handler returned the number 201; only 200 and 400")
    host:wait_log("the handler returned the number 200%.5")
  end)

  it("sees every field of the job", function()
    start [[
      hook.on("A.B", function(event, job)
        local copy = { type_attempt = math.type(job.attempt), type_at = math.type(job.received_at) }
        for name, value in pairs(job) do copy[name] = value end
        return nil, nil, hook.log.info("job", { json = hook.json.encode(copy) })
      end)
    ]]
    local body = '{ "Event" : "A.B" }\n'
    local before = os.time()
    host:notify(body, { id = "j 1", attempt = 5, headers = {
      "X-Twice: a", "x-twice: b", "X-EMPTY:", "Accept: */*" } })
    local job = cjson.decode(cjson.decode('"' .. host:wait_log('json="([^\n]*)"\n') .. '"'))
    local path = host.folder .. "/body"
    H.write(path, body)
    assert.equal("j 1", job.id)
    assert.equal(5, job.attempt)
    assert.equal("integer", job.type_attempt)
    assert.is_true(job.last)
    assert.equal("A.B", job.event)
    assert.equal(H.sh("openssl dgst -sha256 -r " .. H.quote(path)):sub(1, 64), job.digest)
    assert.equal("float", job.type_at)
    assert.is_true(job.received_at >= before and job.received_at < os.time() + 1)
    assert.is_true(job.redelivered)
    assert.equal(body, job.body)
    assert.equal("public.pem", job.key)
    assert.equal("a, b", job.headers["x-twice"])
    assert.equal("", job.headers["x-empty"])
    assert.equal("*/*", job.headers.accept)
    assert.equal("j 1", job.headers["x-jobid"])
    assert.equal(H.sign(body), job.headers["x-signature"])
    assert.is_nil(job.headers["X-JobId"])
  end)

  it("reads headers by name only, and never those of another job", function()
    start([[
      local kept
      hook.on("A.B", function(event, job)
        kept = kept or job
        return nil, job.headers["x-mark"]
      end)
      hook.on("C.D", function(event, job)
        local ok, why = pcall(function() return kept.headers end)
        return nil, ok and "read" or why
      end)
      hook.on("E.F", function(event, job) kept = job end)
    ]], "workers = 1")
    assert.equal("one", notify("A.B", nil, { headers = { "X-Mark: one" } }).message)
    assert.equal("two", notify("A.B", nil, { headers = { "X-Mark: two" } }).message)
    assert.equal("read", notify("C.D").message)
    notify("E.F")
    assert.matches("job.headers can be read while the job's handler runs", notify("C.D").message)
  end)

  it("sees attempt 0 when the sender names none, and last from attempt 5 on", function()
    start [[
      hook.on("*", function(event, job)
        return nil, ("%d %s %s"):format(job.attempt, job.last, job.redelivered)
      end)
    ]]
    assert.equal("0 false false", notify("A.B").message)
    assert.equal("4 false true", notify("A.B", nil, { attempt = 4 }).message)
    assert.equal("5 true true", notify("A.B", nil, { attempt = 5 }).message)
    assert.equal("7 true true", notify("A.B", nil, { attempt = "0007" }).message)
  end)

  it("gets integers exactly, and every other value as JSON defines it", function()
    start [[
      local function show(value)
        if value == hook.null then return "null" end
        if type(value) == "table" then
          local parts = {}
          for key, item in pairs(value) do parts[#parts + 1] = tostring(key) .. ":" .. show(item) end
          table.sort(parts)
          return "{" .. table.concat(parts, " ") .. "}"
        end
        return (math.type(value) or type(value)) .. " " .. tostring(value)
      end
      hook.on("*", function(event) return nil, show(event.V) end)
    ]]
    for text, shown in pairs {
      ["9007199254740993"] = "integer 9007199254740993",
      ["-9007199254740993"] = "integer -9007199254740993",
      ["9223372036854775807"] = "integer 9223372036854775807",
      ["-9223372036854775808"] = "integer -9223372036854775808",
      ["9223372036854775808"] = "float 9.2233720368548e+18",
      ["-9223372036854775809"] = "float -9.2233720368548e+18",
      ["1.0"] = "float 1.0", ["1e2"] = "float 100.0", ["-0"] = "integer 0", ["0.5"] = "float 0.5",
      ["null"] = "null", ["true"] = "boolean true", ["false"] = "boolean false",
      ['"9007199254740993"'] = "string 9007199254740993",
      ['"\\u00e9\\ud83d\\ude00\\u0000"'] = "string é😀\0",
      ["[1, 2.5, null]"] = "{1:integer 1 2:float 2.5 3:null}",
      ['{"a": {"1": 2}, "b": []}'] = "{a:{1:integer 2} b:{}}",
      ['{"a": 1, "a": 2}'] = "{a:integer 2}",
    } do
      assert.equal(shown, cjson.decode(notify("A.B", '"V":' .. text).body).message, text)
    end
  end)

  it("encodes as JSON what it has read", function()
    local value = '{"n":9007199254740993,"t":"é\\"","f":0.1,"z":null,"a":[1,2,{"x":true}]}'
    local text = run("return hook.json.encode(event.V)", '"V":' .. value)
    local back = cjson.decode(text)
    assert.matches('"n":9007199254740993[,}]', text)
    assert.matches('"f":0%.1[,}]', text)
    assert.equal('é"', back.t)
    assert.equal(cjson.null, back.z)
    assert.is_true(back.a[3].x)
  end)

  it("encodes an empty array and an empty object as they were, at any depth", function()
    local value = '{"a":[[],{},[{"b":[{"c":[]}]}]]}'
    assert.equal(value, run("return hook.json.encode(event.V)", '"V":' .. value))
    assert.equal('[[],{},{"x":[]}]',
      run "return hook.json.encode { hook.json.array {}, {}, { x = hook.json.array {} } }")
  end)

  it("gets nil and a reason for invalid JSON", function()
    assert.matches("^nil .+ at byte 1$", run [[
      local value, err = hook.json.decode("[nan]")
      return tostring(value) .. " " .. tostring(err)
    ]])
    assert.matches("^nil .*function.*at x%.y%[2%]", run [[
      local text, err = hook.json.encode { x = { y = { 1, print } } }
      return tostring(text) .. " " .. tostring(err)
    ]])
  end)

  it("logs at each level, with its fields, its event and its job", function()
    start([[
      hook.on("A.B", function()
        hook.log.debug("one", { n = 1 })
        hook.log.info("two", { text = "a b", yes = true })
        hook.log.warn("three\nlines")
        hook.log.error({ 1 }, { ["odd key"] = "\27[31mred" })
        hook.log.info(nil)
        hook.log.info("five", { b = 1.5, c = "x", a = 1e300, d = 1/0 })
      end)
    ]], 'log = { level = "debug" }')
    notify("A.B", nil, { id = "j" })
    host:wait_log("debug one event=A%.B job=j n=1\n")
    host:wait_log("info  two event=A%.B job=j [^\n]*text=\"a b\"")
    host:wait_log("info  two event=A%.B job=j [^\n]*yes=true")
    host:wait_log("warn  three\\nlines event=A%.B job=j\n")
    host:wait_log("error table: 0x%x+ event=A%.B job=j odd_key=\"\\u001b%[31mred\"\n")
    host:wait_log("info  nil event=A%.B job=j\n")
    host:wait_log("info  five event=A%.B job=j a=1e%+300 b=1.5 c=x d=null\n")
  end)

  it("logs as JSON when the format is json", function()
    start([[
      hook.on("A.B", function()
        hook.log.warn('say "x"', { n = 9007199254740993, t = "é\n", b = false, level = "mine" })
      end)
    ]], 'log = { format = "json" }')
    notify("A.B", nil, { id = "j" })
    local line = host:wait_log('({[^\n]*say[^\n]*})\n')
    assert.matches('"n":9007199254740993[,}]', line)
    local said = cjson.decode(line)
    assert.equal('say "x"', said.message)
    assert.equal("A.B", said.event)
    assert.equal("j", said.job)
    assert.equal("warn", said.level)
    assert.equal("é\n", said.fields.t)
    assert.equal("mine", said.fields.level)
    assert.is_false(said.fields.b)
  end)

  it("prints to the log", function()
    start [[ hook.on("A.B", function() print("a", nil, 1.5, true) print() io.write("") end) ]]
    notify("A.B", nil, { id = "j" })
    host:wait_log("info  a\tnil\t1%.5\ttrue event=A%.B job=j\n")
    assert.equal("", H.read(host.folder .. "/out"))
  end)

  it("gets an error from a misused log call, and from no other", function()
    start [[ hook.on("A.B", function() hook.log.debug("x", "no table") end) ]]
    assert.equal("handler_error", notify("A.B").error)
    host:wait_log("a.lua:%d+: hook%.log%.debug: the fields must be a table[^\n]* not a string")
  end)

  it("reads the configuration's settings and can't change them", function()
    local settings = [[settings = { url = "http://x", limits = { n = 3, list = { "a", "b" } } }]]
    assert.equal("http://x 3 b 2 a,b", run([[
      local c, list = hook.config, {}
      for _, item in ipairs(c.limits.list) do list[#list + 1] = item end
      return ("%s %d %s %d %s"):format(c.url, c.limits.n, c.limits.list[2], #c.limits.list,
        table.concat(list, ","))
    ]], nil, settings))
    host:stop()
    assert.equal("nil limits url", run([[
      local names = {}
      for name in pairs(hook.config) do names[#names + 1] = name end
      table.sort(names)
      return tostring(hook.config.missing) .. " " .. table.concat(names, " ")
    ]], nil, settings))
    host:stop()
    start([[
      hook.on("A.Top", function() hook.config.url = "x" end)
      hook.on("A.Deep", function() hook.config.limits.n = 4 end)
      hook.on("A.New", function() hook.config.limits.list[3] = 4 end)
      hook.on("A.Read", function() return nil, hook.config.url .. hook.config.limits.n end)
    ]], settings)
    for _, name in ipairs { "Top", "Deep", "New" } do
      assert.equal("handler_error", notify("A." .. name).error)
    end
    host:wait_log("hook%.config%.limits is read%-only: n can't be set")
    assert.equal("http://x3", notify("A.Read").message)
  end)

  describe("file", function()
    it("is loaded in name order, and finds modules in the folder and its lib/", function()
      start {
        ["b.lua"] = 'Order = (Order or "") .. "b"',
        ["a.lua"] = 'Order = (Order or "") .. "a"',
        ["c.lua"] = [[
          local hook = require "hookward"
          local mail, deep, both = require "mail", require "util.deep", require "both"
          hook.on("*", function()
            return nil, Order .. " " .. mail .. " " .. deep .. " " .. both .. " " .. require "late"
              .. " " .. require "pack"
          end)
        ]],
        ["lib/mail.lua"] = 'return "lib/" .. ...',
        ["lib/late.lua"] = 'return "late"',
        ["util/deep.lua"] = 'return (...)',
        ["both.lua"] = 'return "folder"',
        ["lib/both.lua"] = 'return "lib"',
        ["lib/pack/init.lua"] = 'return "pack"',
        [".hidden.lua"] = 'error "a hidden file is loaded"',
        ["notes.txt"] = "no Lua at all",
      }
      H.write(host.folder .. "/handlers/lib/late.lua", 'return "changed on disk"')
      assert.equal("ab lib/mail util.deep folder late pack", notify("A.B").message)
    end)

    it("that requires a missing module is refused at start, and the module is named", function()
      local log = start_error {
        ["a.lua"] = "\nlocal x = require 'no.such'",
      }
      assert.matches("a.lua:2: module 'no.such' not found: put it into handlers/ or ", log, 1, true)
      assert.matches("^[^\n]*\n$", log)
    end)

    it("that requires a broken module is refused at start, with the reason", function()
      local folder = H.folder()
      H.write(folder .. "/broken.so", "no library")
      local log = start_error {
        ["a.lua"] = ("package.cpath = %q\nrequire 'broken'"):format(folder .. "/?.so"),
      }
      assert.matches("error loading module 'broken' from file '.-': .-broken%.so: %l", log)
      assert.matches("^[^\n]*\n$", log)
    end)

    it("with a syntax error keeps the host from starting; one line names file and line", function()
      local log = start_error { ["a.lua"] = "return", ["b.lua"] = "local x = 1\nx = = 2" }
      assert.matches("^[^\n]*handlers/b%.lua:2: unexpected symbol near '='\n$", log)
      log = start_error { ["a.lua"] = "return", ["lib/x.lua"] = "goto nowhere" }
      assert.matches("handlers/lib/x%.lua:1: no visible label 'nowhere'", log)
    end)

    it("that raises while it loads is refused with file and line", function()
      assert.matches("^[^\n]*handlers/a%.lua:3: no database\n$",
        start_error "\nerror 'no database'")
      assert.matches("^[^\n]*table[^\n]*\n$", start_error "error {}")
    end)

    it("must end loading within handler_timeout", function()
      local log = start_error("\nwhile true do end", "handler_timeout = 0.1")
      assert.matches("^[^\n]*handlers/a%.lua:3: it ran longer than handler_timeout", log)
    end)

    it("must be text, not bytecode", function()
      local log = start_error { ["a.lua"] = string.dump(function() end) }
      assert.matches("a%.lua", log)
    end)

    it("must exist", function()
      assert.matches("handlers: no handler file", start_error {})
    end)
  end)

  describe("that does not end", function()
    local CLOSES = "local c <close> = setmetatable({}, { __close = function() while true do end end }) "
    local LOOPS = {
      Plain = "while true do end",
      Pcall = "while true do pcall(function() while true do end end) end",
      Nested = "local function f() pcall(f) f() end f()",
      Xpcall = "while true do xpcall(function() while true do end end, tostring) end",
      Error = "error(setmetatable({}, { __tostring = function() while true do end end }))",
      Goto = "::again:: goto again",
      Wrapped = "coroutine.wrap(function() while true do end end)()",
      WrappedPcall = "while true do pcall(coroutine.wrap(function() while true do end end)) end",
      Yields = "local f = coroutine.wrap(function() while true do coroutine.yield() end end) while true do f() end",
      Fresh = "while true do coroutine.resume(coroutine.create(function() while true do end end)) end",
      Close = "local x <close> = setmetatable({}, { __close = function() while true do end end }) error 'x'",
      Meta = "local t = setmetatable({}, { __index = function() while true do end end }) return t[1]",
      Sort = "while true do pcall(table.sort, { 3, 2, 1 }, function() while true do end end) end",
      Gsub = "while true do pcall(string.gsub, ('x'):rep(99), 'x', function() while true do end end) end",
      TailPcall = "return pcall(function() while true do end end)",
      Load = "while true do load(function() while true do end end) end",
      Message = "xpcall(error, function() while true do end end)",
      MessageOfStop = "xpcall(function() while true do end end, function() while true do end end)",
      MessageInCoroutine = "coroutine.wrap(xpcall)(error, function() while true do end end)",
      Gc = "setmetatable({}, { __gc = function() while true do end end }) collectgarbage()",
      GcAgain = "while true do setmetatable({}, { __gc = function() while true do end end }) end",
      GcByDebug = "debug.setmetatable({}, { __gc = function() while true do end end }) collectgarbage()",
      CloseAtEnd = "local c <close> = setmetatable({}, { __close = function() while true do end end })",
      CloseOfStopped = CLOSES .. "while true do end",
      CloseOfWrapped = "coroutine.wrap(function() " .. CLOSES .. "while true do end end)()",
      CloseOfSorting = "coroutine.wrap(function() " .. CLOSES
        .. "table.sort({ 3, 2, 1 }, function() while true do end end) end)()",
      CloseOfResumed = "local co = coroutine.create(function() " .. CLOSES .. "while true do end end) "
        .. "coroutine.close(co, coroutine.resume(co))",
      CloseOfWaiting = "local co = coroutine.create(function() " .. CLOSES .. "coroutine.yield() end) "
        .. "coroutine.resume(co) coroutine.close(co)",
      Warn = "warn('@on') while true do warn('x', 'y') end",
    }

    it("is stopped at handler_timeout, however it loops", function()
      local text = {}
      for name, code in pairs(LOOPS) do
        text[#text + 1] = ('hook.on("L.%s", function() %s end)'):format(name, code)
      end
      text[#text + 1] = 'hook.on("A.Done", function() end)'
      start(table.concat(text, "\n"), "handler_timeout = 0.1, workers = 2")
      for name in pairs(LOOPS) do
        -- On a slow disk the ledger may answer first; the outcome is in the log.
        local answer = notify("L." .. name)
        assert.equal(400, answer.status, name)
        host:wait_log("event=L%." .. name .. " [^\n]*error=handler_timeout")
      end
      for _ = 1, 4 do assert.equal(200, notify("A.Done").status) end
      host:wait_log("ran longer than handler_timeout %(100 ms%)\n +stack traceback:")
      assert.equal(0, host:stop())
    end)

    it("leaves metatables, finalizers and coroutines as Lua's manual describes them", function()
      start([[
        local closed = {}
        local function closing(name)
          return setmetatable({}, { __close = function() closed[#closed + 1] = name end })
        end
        local function fails(pattern, f, ...)
          local ok, why = pcall(f, ...)
          assert(not ok and tostring(why):find(pattern), why)
        end
        hook.on("A.Done", function()
          local mt = { __gc = function(t) closed[#closed + 1] = t.name; return 1, 2 end }
          local t = setmetatable({ name = "gc" }, mt)
          assert(getmetatable(t) == mt and getmetatable(setmetatable({}, nil)) == nil)
          assert(select("#", mt.__gc { name = "by hand" }) == 2 and closed[1] == "by hand")
          t = nil
          collectgarbage()
          assert(closed[2] == "gc")
          fails("nil or table expected", setmetatable, {}, 1)
          fails("table expected", setmetatable, 1, {})
          fails("protected metatable", setmetatable, setmetatable({}, { __metatable = 1 }), {})
          assert(debug.setmetatable(10, { __index = { ten = true } }) == 10 and (1).ten)
          debug.setmetatable(10, nil)
          local add = coroutine.wrap(function(a) while true do a = a + coroutine.yield(a, "more") end end)
          assert(add(1) == 1 and add(2) == 3 and select(2, add(3)) == "more")
          local once = coroutine.wrap(function() local c <close> = closing "wrapped" error "oops" end)
          fails("a.lua:%d+: .*a.lua:%d+: oops", function() once() end)
          assert(closed[3] == "wrapped")
          fails("cannot resume dead coroutine", once)
          local co = coroutine.create(function() local c <close> = closing "waiting" coroutine.yield() end)
          coroutine.resume(co)
          assert(coroutine.close(co) == true and closed[4] == "waiting")
          fails("coroutine expected", coroutine.close, 1)
          fails("cannot close a running coroutine", coroutine.close, coroutine.running())
        end)
      ]])
      local answer = notify("A.Done")
      assert.equal(200, answer.status, host:log())
    end)

    it("in C is answered on time, reported as stuck, and recorded when it ends", function()
      local gate = H.gate()
      start({ ["a.lua"] = gate.source .. [[
        local hook = require "hookward"
        hook.on("A.Slow", function(event, job)
          wait()
          if event.Fails then return nil, "late" end
        end)
        hook.on("A.Done", function() end)
      ]] }, "handler_timeout = 0.2")
      local body = H.event("A.Slow")
      local answer = host:notify(body, { id = "j" })
      assert.equal("handler_timeout", answer.error)
      host:wait_log("error a handler is stuck past handler_timeout[^\n]* job=j attempt=0")
      assert.equal(200, notify("A.Done").status)

      answer = host:notify(body, { id = "j", attempt = 1 }) -- joins, and times out as well
      assert.equal("handler_timeout", answer.error)
      assert.equal(1, host:count("begun"))
      assert.equal(1, host:count("is stuck past"))

      gate:open()
      host:wait_log("succeeded event=A%.Slow job=j attempt=0 status=400 answered=handler_timeout ")
      assert.equal(200, host:notify(body, { id = "j", attempt = 2 }).status)
      host:wait_log("duplicate event=%S+ job=j attempt=2")
      assert.equal(1, host:count("begun"))
    end)

    it("in C and then fails runs again at the next repeat", function()
      local gate = H.gate()
      start({ ["a.lua"] = gate.source .. [[
        require "hookward".on("*", function(event, job)
          if job.attempt == 0 then wait() return nil, "late" end
        end)
      ]] }, "handler_timeout = 0.2")
      local body = H.event("A.Slow")
      assert.equal("handler_timeout", host:notify(body, { id = "j" }).error)
      gate:open()
      host:wait_log("failed event=A%.Slow job=j attempt=0 error=handler_refused reason=late")
      assert.equal(200, host:notify(body, { id = "j", attempt = 1 }).status)
    end)

    it("in os.execute is answered on time", function()
      start([[ hook.on("A.Sleep", function() os.execute("sleep 1") end) ]], "handler_timeout = 0.2")
      assert.equal("handler_timeout", notify("A.Sleep", nil, { id = "j" }).error)
      host:wait_log("succeeded event=A%.Sleep job=j")
    end)
  end)

  describe("and memory", function()
    it("gets no more than vm_memory", function()
      start([[
        hook.on("M.Table", function() local t = {} while true do t[#t + 1] = {} end end)
        hook.on("M.Rep", function() return nil, #("x"):rep(1 << 40) end)
        hook.on("M.Rep2", function() return nil, #("x"):rep(1 << 31) end)
        hook.on("M.Concat", function() local s = "x" while true do s = s .. s end end)
        hook.on("M.Format", function() return nil, ("%99s"):rep(1 << 24):format(1) end)
        hook.on("M.Json", function()
          local text = ("x"):rep(1 << 20)
          return nil, hook.json.encode { text, text, text, text, text, text, text, text }
        end)
        hook.on("M.Caught", function()
          local ok, err = pcall(string.rep, "x", 1 << 30)
          return nil, tostring(err)
        end)
        hook.on("A.Done", function() end)
      ]], "vm_memory = 8 * 1024 * 1024, workers = 1")
      for _, name in ipairs { "Table", "Rep", "Rep2", "Concat", "Format", "Json" } do
        assert.equal("handler_error", notify("M." .. name).error, name)
        assert.equal(200, notify("A.Done").status, name)
      end
      host:wait_log("not enough memory %(vm_memory is 8388608 bytes%)")
      assert.matches("not enough memory", notify("M.Caught").message)
    end)

    it("gets no more memory and no more time, however often it tries", function()
      start([[
        hook.on("M.Pcall", function()
          local t = {}
          while true do pcall(function() while true do t[#t + 1] = {} end end) end
        end)
        hook.on("A.Done", function() end)
      ]], "vm_memory = 8 * 1024 * 1024, workers = 1, handler_timeout = 1")
      assert.equal(400, notify("M.Pcall").status) -- the log has the outcome
      host:wait_log("event=M%.Pcall [^\n]*error=handler_timeout")
      assert.equal(200, notify("A.Done").status)
    end)

    it("can't take a body that is too large for it", function()
      start([[ hook.on("*", function() end) ]], "vm_memory = 2 * 1024 * 1024, max_body = 4000000, workers = 1")
      local answer = notify("A.B", '"V":"' .. ("x"):rep(3000000) .. '"')
      assert.equal("handler_error", answer.error)
      assert.equal(200, notify("A.B").status)
    end)

    it("gets a fresh Lua state once it keeps more than half of it", function()
      start([[
        local kept = {}
        hook.on("A.Keep", function() kept[#kept + 1] = ("x"):rep(5 << 20) end)
        hook.on("A.Count", function() return nil, tostring(#kept) end)
        hook.on("A.Garbage", function() return #("x"):rep(7 << 20) > 0 end)
      ]], "vm_memory = 16 * 1024 * 1024, workers = 1")
      assert.equal(200, notify("A.Garbage").status)
      assert.equal(0, host:count("was replaced"))
      assert.equal(200, notify("A.Keep").status)
      assert.equal("1", notify("A.Count").message)
      assert.equal(200, notify("A.Keep").status)
      assert.equal("0", notify("A.Count").message)
      host:wait_log("warn  a Lua state stayed over half of vm_memory and was replaced")
    end)
  end)

  describe("that raises", function()
    it("answers handler_error whatever it raises, with the traceback only in the log", function()
      local raises = {
        Text = "error 'boom'",
        Level = "error('boom', 2)",
        Table = "error { code = 1 }",
        ToString = "error(setmetatable({}, { __tostring = function() return 'boom' end }))",
        RaisingToString = "error(setmetatable({}, { __tostring = function() error 'boom' end }))",
        OddToString = "error(setmetatable({}, { __tostring = function() return 1 end }))",
        SameAgain = "local t = setmetatable({}, {}) "
          .. "getmetatable(t).__tostring = function() error(t) end error(t)",
        Nil = "error()",
        Number = "error(42)",
        Function = "error(print)",
        Zero = "error '\\0boom\\0'",
        Long = "error(('boom'):rep(100000))",
        Index = "local x; return x.y",
        Call = "local x; x()",
        Compare = "return 1 < 'x'",
        Assert = "assert(false)",
        Overflow = "local function f() return 1 + f() end return f()",
        OverflowPcall = "local function f() return pcall(f) end f() error 'boom'",
        OverflowC = "local s = ('x'):rep(10) local function f() return s:gsub('x', f) end f()",
        OverflowMeta = "local t = setmetatable({}, {}) "
          .. "getmetatable(t).__index = function(_, k) return t[k] end return t.x",
        OverflowText = "local function f() "
          .. "return tostring(setmetatable({}, { __tostring = f })) end f()",
        Exit = "os.exit(0)",
        ExitClose = "os.exit(true, true)",
        Hook = "debug.sethook()",
        HookFn = "debug.sethook(function() end, '', 1)",
        Locale = "os.setlocale('C')",
        Yield = "coroutine.yield()",
        YieldDeep = "pcall(coroutine.yield) error 'boom'",
        ResumeSelf = "assert(coroutine.resume(coroutine.running()))",
        Dead = "local f = coroutine.wrap(function() end) f() f()",
        Close = "coroutine.close(coroutine.running())",
        InCoroutine = "coroutine.wrap(function() error 'boom' end)()",
        Unpack = "return table.unpack({}, 1, 1e7)",
        Pattern = "return ('x'):rep(300000):find(('x?'):rep(300000))",
        Load = "return load('\\27Lua')()",
        Json = "hook.json.decode(nil)",
      }
      local text = { "hook.on('A.Done', function() end)" }
      for name, code in pairs(raises) do
        text[#text + 1] = ('hook.on("E.%s", function() %s end)'):format(name, code)
      end
      start(table.concat(text, "\n"), "workers = 2")
      for name in pairs(raises) do
        local answer = notify("E." .. name)
        assert.equal("handler_error", answer.error, name)
        assert.equal("the handler failed", answer.message, name)
        assert.equal(200, notify("A.Done").status, name)
      end
      for _, name in ipairs { "Text", "Level", "ToString", "Index", "Exit", "InCoroutine" } do
        host:wait_log("event=E%." .. name .. " [^\n]*error=handler_error[^\n]*\n    [^\n]+\n    stack traceback:\n")
      end
      host:wait_log('%(an error that is a table: {"code":1}%)')
      host:wait_log("os%.exit would stop the whole host")
      host:wait_log("debug%.sethook would turn handler_timeout off")
      assert.equal(0, host:stop())
    end)
  end)

  it("may be absent: scripts that register none leave every event without a handler", function()
    start({ ["a.lua"] = "local x = 1" })
    assert.equal("no_handler", notify("A.B").error)
  end)

  it("must not be the same module as another file", function()
    local log = start_error({ ["a.b.lua"] = "", ["a/b.lua"] = "" })
    assert.matches("it is the same module as handlers/a", log)
  end)

  it("is warned once about each global that it sets", function()
    start({
      ["a.lua"] = [[
        local hook = require "hookward"
        AtLoad = 1
        hook.on("*", function(event)
          AtLoad = 2
          Forgotten = (Forgotten or 0) + 1
          return nil, tostring(Forgotten)
        end)
      ]] }, "workers = 1")
    for i = 1, 3 do assert.equal(tostring(i), notify("A.B").message) end
    assert.equal(1, host:count("global 'Forgotten'"))
    assert.equal(0, host:count("global 'AtLoad'"))
    host:wait_log("warn  a handler set the global 'Forgotten'[^\n]* place=handlers/a%.lua:5")
  end)

  it("may use the standard libraries and block", function()
    start [[
      hook.on("A.B", function()
        local name = os.tmpname()
        local file = assert(io.open(name, "w"))
        file:write("x")
        file:close()
        os.remove(name)
        local pipe = io.popen("echo from a pipe")
        local text = pipe:read("l")
        pipe:close()
        return nil, text .. (utf8.char(233)) .. #arg
      end)
      hook.on("A.C", function() return nil, tostring(arg) end)
    ]]
    assert.equal("handler_error", notify("A.B").error) -- `arg` is hidden from handlers
    assert.equal("nil", notify("A.C").message)
  end)

  describe("with hook.http", function()
    local server

    -- Answers one request on `client` with these bytes; returns the request.
    local function serve(bytes)
      local client = assert(server:accept())
      client:settimeout(5)
      local line, headers, length = client:receive("*l"), {}, 0
      for header in function() return client:receive("*l") end do
        if header == "" then break end
        local name, value = header:match("^([^:]+): ?(.*)$")
        headers[name:lower()] = value
        length = name:lower() == "content-length" and tonumber(value) or length
      end
      local body = length > 0 and client:receive(length) or ""
      client:send(bytes)
      client:close()
      return line, headers, body
    end

    local port
    before_each(function()
      server = assert(socket.bind("127.0.0.1", 0))
      server:settimeout(10)
      port = select(2, server:getsockname())
    end)
    after_each(function() server:close() end)

    local function ask(code)
      start("hook.on('*', function(event) local url = event.Url " .. code .. " end)")
      local request = H.request(H.event("A.B", ('"Url":"http://127.0.0.1:%d/path?q=1"'):format(port)))
      local client = host:connect()
      client:send(request)
      return client
    end

    it("gets an answer with status, headers and body", function()
      local client = ask [[
        local answer, err = hook.http.get(url, { headers = { ["X-Mine"] = "yes" } })
        if not answer then return nil, err end
        return nil, answer.status .. " " .. answer.headers["x-their"] .. " " .. answer.body
      ]]
      local line, headers = serve("HTTP/1.1 418 Tea\r\nX-Their: a\r\nContent-Length: 4\r\n\r\nbody")
      assert.equal("GET /path?q=1 HTTP/1.1", line)
      assert.equal("yes", headers["x-mine"])
      assert.equal("418 a body", client:receive().message)
    end)

    it("posts a table as JSON", function()
      local client = ask [[
        local answer = assert(hook.http.post(url, { n = 9007199254740993 }))
        return nil, answer.status
      ]]
      local line, headers, body = serve("HTTP/1.1 204 No\r\n\r\n")
      assert.equal("POST /path?q=1 HTTP/1.1", line)
      assert.equal("application/json", headers["content-type"])
      assert.equal('{"n":9007199254740993}', body)
      assert.equal("204", client:receive().message)
    end)

    it("gets nil and a reason when nothing answers", function()
      server:close()
      local client = ask [[
        local answer, err = hook.http.get(url)
        return nil, type(answer) .. " " .. type(err)
      ]]
      assert.equal("nil string", client:receive().message)
    end)

    it("gets nil and a reason when the answer takes too long", function()
      local client = ask [[
        local answer, err = hook.http.get(url, { timeout = 0.2 })
        return nil, type(answer) .. " " .. type(err)
      ]]
      assert.equal("nil string", client:receive().message)
    end)
  end)
end)
