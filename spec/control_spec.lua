-- The control socket: where it is, and what commands say when nothing answers there.

local H = require "spec.support.host"
local lfs = require "lfs"

local HANDLERS = { ["a.lua"] = 'require "hookward".on("A.A", function() return nil, "no" end)' }

describe("the control socket", function()
  after_each(H.stop_all)

  local function start(config)
    return H.start { handlers = HANDLERS, ledger = "hookward.db", config = config }
  end

  local function hookward(host, arguments)
    local out, all, code = H.sh(("cd %s && %s %s"):format(H.quote(host.folder), H.quote(H.binary), arguments))
    return code or 0, out or all
  end

  it("is where `control` says; a change of that takes effect at the next start", function()
    local host = start 'control = "mine.sock"'
    assert.equal("srw-------\n", H.sh("stat -c %A " .. host.folder .. "/mine.sock"))
    assert.is_nil(lfs.attributes(host.folder .. "/.hookward.sock"))
    local code, out = hookward(host, "reload")
    assert.equal(0, code, out)
    assert.equal(400, host:notify(H.event("A.A"), { id = "1" }).status)
    code, out = hookward(host, "jobs replay 1")
    assert.equal(1, code)
    assert.matches("handler_refused: no", out)
    assert.matches("failed event=A%.A job=1 [^\n]*replay=true", host:log())
    H.write(host.folder .. "/hookward.lua",
      H.read(host.folder .. "/hookward.lua"):gsub("mine%.sock", "other.sock"))
    host:wait_log("[^\n]* control")
    assert.equal(0, host:stop())
    assert.is_nil(lfs.attributes(host.folder .. "/mine.sock"))
  end)

  it("is in the unit's RuntimeDirectory", function()
    local run = H.folder()
    local host = H.start { handlers = HANDLERS, config = 'control = "systemd"',
      env = "RUNTIME_DIRECTORY=" .. run .. ":/else" }
    assert.equal("socket", lfs.attributes(run .. "/control.sock", "mode"))
    assert.is_nil(lfs.attributes(host.folder .. "/.hookward.sock"))
  end)

  it("that is missing is distinguished from a host that is not running", function()
    local host = start()
    host:notify(H.event("A.A"), { id = "1" })
    os.remove(host.folder .. "/.hookward.sock")
    local code, out = hookward(host, "reload")
    assert.equal(1, code)
    assert.matches("^a host is running with hookward%.db, but there is no control socket %.hookward%.sock:", out)
    assert.matches("set `control`", out)
    code, out = hookward(host, "jobs replay 1")
    assert.equal(1, code)
    assert.matches("not run: a host is running with hookward%.db, but there is no control socket", out)
    host:stop()
    code, out = hookward(host, "reload")
    assert.equal(1, code)
    assert.equal("no host is running with hookward.lua: start it with `hookward serve`\n", out)
  end)

  it("that can't be created causes a warning that says what to do", function()
    local host = start 'control = "nowhere/c.sock"'
    host:wait_log("warn  no control socket, so `hookward reload` [^\n]* set `control` [^\n]*nowhere/c%.sock")
    local code, out = hookward(host, "reload")
    assert.equal(1, code)
    assert.matches("^a host is running with hookward%.db, but there is no control socket nowhere/c%.sock:", out)
  end)

  it("is looked for in the folder of a broken configuration", function()
    local host = start()
    H.write(host.folder .. "/hookward.lua", "return {")
    local code, out = hookward(host, "reload")
    assert.equal(1, code)
    assert.matches("hookward%.lua:1: ", out)
    host:stop()
    code, out = hookward(host, "reload")
    assert.equal(1, code)
    assert.matches("^no host answers at %.hookward%.sock, [^\n]*: hookward%.lua:1: ", out)
  end)

  it("is looked for without keeping a host from starting at that moment", function()
    local host = start()
    os.remove(host.folder .. "/.hookward.sock")
    host:stop()
    local pipe = io.popen(("cd %s && for i in $(seq 20); do %s reload; done 2>&1"):format(
      H.quote(host.folder), H.quote(H.binary)))
    for _ = 1, 3 do
      local again = H.start { folder = host.folder }
      assert.equal(0, again:stop())
    end
    pipe:close()
  end)
end)
