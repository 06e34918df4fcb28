-- hookward serve --dev: a host for a developer's terminal.

local lfs = require "lfs"
local H = require "spec.support.host"

local HANDLERS = [[
local hook = require "hookward"
hook.on("Good.*", function(event) hook.log.debug("looking", { n = event.N }) end)
hook.on("Bad.*", function() return nil, "not yet" end)
hook.on("Boom.*", function() error("boom") end)
]]

local BODY = H.event("Boom.A", '"N":9007199254740993,"List":[1,{}],"Text":"\\u001b é"')

after_each(H.stop_all)

describe("hookward serve --dev", function()
  it("shows a failed notification with its indented body and the traceback", function()
    local host = H.start { handlers = { ["a.lua"] = HANDLERS }, args = "--dev" }
    host:notify(BODY, { id = "b-1" })
    local shown = host:wait_log("failed event=Boom.A job=b%-1(.-\n    })\n")
    assert.match("\n    handlers/a.lua:4: boom\n    stack traceback:\n", shown, 1, true)
    assert.match([[
    {
      "Event": "Boom.A",
      "Timestamp": "2024-05-10T11:09:21.248Z",
      "N": 9007199254740993,
      "List": [
        1,
        {}
      ],
      "Text": "\u001b é"
    }]], shown, 1, true)
    host:notify(H.event("Bad.A"), { id = "b-2" })
    assert.match('"Event": "Bad.A"', host:wait_log("job=b%-2 (.-\n    })\n"), 1, true)
  end)

  it("has the admin page, and prints a link that logs in once", function()
    local host = H.start { handlers = { ["a.lua"] = HANDLERS }, args = "--dev" }
    local link = host:wait_log("to log in to the admin page, open "
      .. "(http://127%.0%.0%.1:%d+/login%?code=[%x-]+) %(works once")
    local function follow()
      local _, out = H.sh(("curl -s -o /dev/null -w '%%{http_code} %%{redirect_url}' -c %s/jar %s"):format(host.folder,
        H.quote(link)))
      return out
    end
    assert.match("^303 http://127%.0%.0%.1:%d+/$", follow())
    assert.no.match("^303 http://127%.0%.0%.1:%d+/$", follow())
  end)

  it("logs at level debug, has one worker, and reloads", function()
    local host = H.start { handlers = { ["a.lua"] = HANDLERS }, args = "--dev" }
    assert.match(" 1 worker, ", host:log(), 1, true)
    host:notify(H.event("Good.A", '"N":7'))
    host:wait_log("debug looking event=Good.A job=%S+ n=7\n")
    assert.equal(0, host:count('"Event"')) -- it succeeded
    H.write(host.folder .. "/handlers/a.lua", HANDLERS:gsub("looking", "seeing"))
    H.wait_until(function()
      host:notify(H.event("Good.A"))
      return host:log():find("debug seeing", 1, true)
    end, "the edit to be live")
  end)

  it("cuts a long body, and escapes its control characters", function()
    local host = H.start { handlers = { ["a.lua"] = HANDLERS }, args = "--dev" }
    host:notify(H.event("Boom.A", ('"Text":"%s"'):format(("x"):rep(5000))), { id = "long" })
    local shown = host:wait_log("job=long (.-…\n)")
    assert.is_true(#shown < 6000)
    host:notify('{"Event":"Boom.A","\27[2J\n":', { id = "broken" })
    host:wait_log('job=broken [^\n]*error=invalid_json[^\n]*\n    {"Event":"Boom.A","%?%[2J\n')
    assert.is_nil(host:log():find("\27", 1, true))
  end)

  it("is overridden by other flags", function()
    local host = H.start { handlers = { ["a.lua"] = HANDLERS },
      args = "--dev --workers 3 --log-level info --log-format json" }
    assert.match(" 3 workers, ", host:log(), 1, true)
    host:notify(H.event("Good.A"))
    host:notify(BODY, { id = "b-1" })
    assert.is_truthy(host:wait_log('"message":"failed"[^\n]*"job":"b%-1"[^\n]*"body":"{'))
    assert.equal(0, host:count('"debug"'))
  end)

  it("is the only mode that logs bodies", function()
    local host = H.start { handlers = { ["a.lua"] = HANDLERS }, args = "--log-level debug" }
    host:notify(BODY, { id = "b-1" })
    host:wait_log("failed event=Boom.A")
    assert.equal(0, host:count("9007199254740993"))
  end)

  it("uses colours on a terminal, unless NO_COLOR is set", function()
    local host = H.start { handlers = { ["a.lua"] = HANDLERS } } -- for its folder
    host:stop()
    for _, case in ipairs { { "", true }, { "NO_COLOR=1 ", false } } do
      local path = host.folder
      assert(H.sh(("cd %s && rm -f in ended tty && mkfifo in"):format(H.quote(path))))
      local inner = ("%s%s serve --dev & read x; kill -TERM $!; wait $!"):format(case[1], H.quote(H.binary))
      os.execute(("cd %s && { TERM=xterm script -qfec %s tty <in >/dev/null; touch ended; } &"):format(
        H.quote(path), H.quote(inner)))
      local input = assert(io.open(path .. "/in", "w"))
      H.wait_until(function() return H.read(path .. "/tty"):find("listening on", 1, true) end, "the host to listen")
      input:write("\n")
      input:close()
      H.wait_until(function() return lfs.attributes(path .. "/ended") end, "the terminal to end")
      assert.equal(case[2], H.read(path .. "/tty"):find("\27[32minfo ", 1, true) ~= nil)
    end
  end)
end)
