-- Commands that a handler runs: Lua reports how they end, and a Ctrl-C does not reach them.

local H = require "spec.support.host"

describe("a command that a handler runs", function()
  after_each(H.stop_all)

  it("is reported as Lua reports it", function()
    local host = H.start { config = "workers = 1", handlers = { ["a.lua"] = [[
      local function same(expected, ...)
        local got = { ... }
        for i = 1, math.max(#expected, select("#", ...)) do
          assert(expected[i] == got[i], ("%d: %s"):format(i, tostring(got[i])))
        end
      end
      local hook = require "hookward"
      hook.on("A.Done", function()
        same({ true }, os.execute())
        same({ true, "exit", 0 }, os.execute("true"))
        same({ nil, "exit", 3 }, os.execute("exit 3"))
        same({ nil, "signal", 15 }, os.execute("kill $$"))
        local pipe = assert(io.popen("echo out; cat; exit 4 2>&1 </dev/null", "r"))
        assert(io.type(pipe) == "file" and pipe:read("l") == "out")
        same({ nil, "exit", 4 }, pipe:close())
        assert(io.type(pipe) == "closed file")
        pipe = io.popen("cat > " .. os.getenv("PWD") .. "/written", "w")
        assert(pipe:write("text") == pipe)
        same({ true, "exit", 0 }, pipe:close())
        assert(not pcall(io.popen, "true", "rw"))
        do local left <close> = io.popen("exec cat /dev/zero") left:read(10) end
        local lines = {}
        for line in io.popen("printf 'a\\nb\\n'"):lines() do lines[#lines + 1] = line end
        assert(table.concat(lines, ",") == "a,b")
      end)
    ]] } }
    local answer = host:notify(H.event("A.Done"))
    assert.equal(200, answer.status, host:log())
    assert.equal("text", H.read(host.folder .. "/written"))
  end)

  -- A real terminal: `script` provides one, and what is written to `script` is typed there.
  describe("when Ctrl-C is pressed", function()
    local folder, keyboard, screen

    local function type_at_terminal(text)
      keyboard:write(text)
      keyboard:flush()
    end

    local function go_on()
      assert(H.sh(("timeout 10 sh -c 'echo go > %s/held'"):format(folder)))
    end

    local function log() return H.read(folder .. "/terminal") end

    local function wait_log(pattern)
      return H.wait_until(function() return log():match(pattern) end, pattern)
    end

    local function start(run)
      local project = H.start { handlers = { ["a.lua"] = ([[
        local hook = require "hookward"
        hook.on("A.Done", function() %s end)]]):format(run) } }
      project:stop()
      folder = project.folder
      H.sh(("mkfifo %s/keys-typed %s/held"):format(folder, folder))
      screen = io.popen(([[cd %s && script -qec 'exec %s serve 2>terminal' /dev/null < keys-typed
        echo $? > code]]):format(folder, H.binary))
      keyboard = io.open(folder .. "/keys-typed", "w")
      local port = wait_log("listening on http://[^\n]-:(%d+)/")
      local client = project:connect(nil, port)
      client:send(H.request(H.event("A.Done")))
      return client
    end

    local function code()
      screen:read("a")
      keyboard:close()
      screen:close()
      return tonumber(H.read(folder .. "/code"))
    end

    for name, run in pairs {
      ["os.execute"] = "assert(os.execute('echo > begun; read line < held'))",
      ["io.popen"] = "local p = io.popen('echo > begun; read line < held; echo done') "
        .. "assert(p:read('l') == 'done') p:close()",
    } do
      it("is finished, and the host drains: " .. name, function()
        local client = start(run)
        H.wait_until(function() return H.read(folder .. "/begun") ~= "" end, "the command")
        type_at_terminal("\3")
        wait_log("stopping: finishing what was begun; a second Ctrl%-C %(SIGINT%) ends at once")
        go_on()
        assert.equal(200, client:receive().status)
        assert.equal(0, code())
      end)
    end

    it("a second time, the host ends at once", function()
      start("os.execute('echo > begun; read line < held')")
      H.wait_until(function() return H.read(folder .. "/begun") ~= "" end, "the command")
      type_at_terminal("\3")
      wait_log("a second Ctrl%-C")
      type_at_terminal("\3")
      assert.equal(130, code())
      go_on() -- the command is still running: let it end
    end)
  end)
end)
