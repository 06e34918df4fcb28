-- `hookward tail` and `hookward dash`: deliveries in the terminal, and the way to the page.

local H = require "spec.support.host"
local json = require "cjson"
local socket = require "socket"

local HANDLERS = { ["a.lua"] = [[
  local hook = require "hookward"
  hook.on("Good.Made", function() end)
  hook.on("Bad.Made", function() return nil, "the printer\n\27[31mis off" end)
]] }

local following = {}

-- Starts `hookward tail` in a host's folder; returns once it follows.
local function tail(host, arguments, wrap)
  local self = { out_path = host.folder .. "/tail.out", err_path = host.folder .. "/tail.err" }
  local command = ("cd %s && echo $$ && exec %s %s tail %s >tail.out 2>tail.err"):format(
    H.quote(host.folder), wrap or "", H.quote(H.binary), arguments or "")
  self.pipe = io.popen(command, "r")
  self.pid = math.tointeger(tonumber(self.pipe:read("l")))
  following[self] = true
  function self.out() return H.read(self.out_path) end
  function self.err() return H.read(self.err_path) end
  function self.wait_out(pattern)
    H.wait_until(function() return self.out():find(pattern) end, pattern .. " in\n" .. self.out() .. self.err())
    return self.out()
  end
  function self.wait()
    local _, how, code = self.pipe:close()
    following[self] = nil
    return how, code
  end
  function self.interrupt()
    os.execute("kill -INT " .. self.pid)
    return self.wait()
  end
  -- It says nothing until something comes; so something does, until it shows that.
  H.wait_until(function()
    host:notify("no json", { id = "probe" })
    return self.out():find("probe", 1, true) or self.err() ~= "" and not self.err():find "following"
  end, "tail to follow")
  return self
end

describe("hookward tail", function()
  after_each(function()
    for one in pairs(following) do
      os.execute(("kill -KILL %d 2>/dev/null"):format(one.pid))
      one.wait()
    end
    H.stop_all()
  end)

  local function without_probes(out) return (out:gsub("[^\n]*probe[^\n]*\n", "")) end

  it("prints a line for each delivery, in columns, and ends on Ctrl-C with exit 0", function()
    local host = H.start { handlers = HANDLERS, ledger = "hookward.db" }
    local one = tail(host)
    host:notify(H.event("Good.Made"), { id = "good-1" })
    host:notify(H.event("Bad.Made"), { id = "bad-1", attempt = 5 })
    host:notify(H.event("Good.Made"), { id = "good-1" })
    local lines = {}
    for line in without_probes(one.wait_out "duplicate"):gmatch("[^\n]+") do lines[#lines + 1] = line end
    assert.matches("^%d%d:%d%d:%d%d  succeeded  Good%.Made         good%-1   +%d+ ms$", lines[1])
    assert.matches("^%d%d:%d%d:%d%d  failed     Bad%.Made          bad%-1    +%d+ ms  attempt 5: "
      .. "handler_refused: the printer\\n\\x1b%[31mis off$", lines[2])
    assert.matches("^%d%d:%d%d:%d%d  duplicate  Good%.Made         good%-1   +%d+ ms$", lines[3])
    assert.equal(3, #lines)
    local how, code = one.interrupt()
    assert.same({ "exit", 0 }, { how, code })
    assert.equal("", one.err())
  end)

  it("shows only what is asked for", function()
    local host = H.start { handlers = HANDLERS }
    local failed = tail(host, "--failed")
    host:notify(H.event("Good.Made"), { id = "good-1" })
    host:notify(H.event("Bad.Made"), { id = "bad-1" })
    local out = without_probes(failed.wait_out "bad%-1")
    assert.is_nil(out:find("good-1", 1, true))
    failed.interrupt()
  end)

  it("prints JSON, with the event that is asked for alone", function()
    local host = H.start { handlers = HANDLERS, ledger = "hookward.db" }
    local command = ("cd %s && timeout -s INT 3 %s tail --json --event 'Bad.*' >only"):format(
      H.quote(host.folder), H.quote(H.binary))
    local only = io.popen(command)
    H.wait_until(function()
      host:notify(H.event("Good.Made"), { id = "good-1" })
      host:notify(H.event("Bad.Made"), { id = "bad-1" })
      return H.read(host.folder .. "/only") ~= ""
    end)
    only:close()
    local record = json.decode(H.read(host.folder .. "/only"):match("^[^\n]+"))
    assert.near(socket.gettime(), record.at, 20)
    assert.same({ "bad-1", "Bad.Made", "failed", "handler_refused", "the printer\n\27[31mis off", false },
      { record.id, record.event, record.state, record.error, record.reason, record.duplicate })
    assert.is_nil(H.read(host.folder .. "/only"):find("Good", 1, true))
  end)

  it("names the same outcomes in JSON as in lines", function()
    local soon = [[require "hookward".on("Soon.Made", { ack = "first" }, function() end)]]
    local host = H.start { handlers = { ["a.lua"] = HANDLERS["a.lua"], ["soon.lua"] = soon },
      ledger = "hookward.db" }
    local one = tail(host, "--json")
    host:notify(H.event("Soon.Made"), { id = "soon-1" })
    host:wait_log("succeeded event=Soon.Made")
    host:notify(H.event("Good.Made"), { id = "good-1" })
    host:notify(H.event("Good.Made"), { id = "good-1" })
    local found = {}
    for line in without_probes(one.wait_out '"duplicate":true'):gmatch("[^\n]+") do
      local record = json.decode(line)
      found[#found + 1] = record.outcome .. " " .. record.state
    end
    one.interrupt()
    assert.same({ "accepted running", "succeeded succeeded", "succeeded succeeded", "duplicate succeeded" }, found)
  end)

  it("waits for a host that is restarted, says so, and goes on", function()
    local host = H.start { handlers = HANDLERS, ledger = "hookward.db" }
    local one = tail(host)
    host:stop()
    H.wait_until(function() return one.err():find("stopped; waiting", 1, true) end)
    local again = H.start { folder = host.folder }
    H.wait_until(function() return one.err():find("the host has started again", 1, true) end)
    again:notify(H.event("Good.Made"), { id = "later" })
    one.wait_out "later"
    assert.matches("waiting until it starts again\nthe host has started again\ndeliveries may be missing here\n$",
      one.err())
    assert.same({ "exit", 0 }, { one.interrupt() })
  end)

  it("says how much it left out", function()
    local host = H.start { handlers = HANDLERS }
    local one = tail(host)
    os.execute("kill -STOP " .. one.pid)
    local client = host:connect()
    local bytes = H.request(H.event("Good.Made"), { id = "good-1" })
    for _ = 1, 4400, 8 do
      client:send(bytes:rep(8))
      for _ = 1, 8 do client:receive() end
    end
    os.execute("kill -CONT " .. one.pid)
    H.wait_until(function() return one.err():find("%d+ left out here: they came too fast") end)
    one.interrupt()
  end)

  it("says when no host is running", function()
    local folder = H.project { handlers = HANDLERS }
    local _, out, code = H.sh(("cd %s && %s tail"):format(H.quote(folder), H.quote(H.binary)))
    assert.equal(1, code)
    assert.equal("no host is running with hookward.lua: start it with `hookward serve`\n", out)
  end)

  it("has colours and fits its lines on a terminal", function()
    local host = H.start { handlers = HANDLERS }
    local path = host.folder .. "/terminal"
    assert(H.sh("mkfifo " .. H.quote(host.folder .. "/in")))
    local inner = ("stty cols 70; %s tail & read x; kill -INT $!; wait $!"):format(H.quote(H.binary))
    local terminal = io.popen(("cd %s && TERM=xterm script -qfec %s terminal <in >/dev/null"):format(
      H.quote(host.folder), H.quote(inner)))
    local input = assert(io.open(host.folder .. "/in", "w"))
    H.wait_until(function()
      host:notify(H.event("Bad.Made"), { id = "bad-1" })
      return H.read(path):find("handler_[^\r\n]*\r?\n")
    end)
    input:write("\n")
    input:close()
    terminal:close()
    local out = H.read(path)
    assert.matches("following; Ctrl%-C ends it", out)
    assert.matches("\27%[31mfailed   \27%[0m  Bad%.Made", out)
    local line = out:match("[^\r\n]*handler_[^\r\n]*"):gsub("\27%[[%d;]*m", "")
    assert.is_true(utf8.len(line) <= 70, line)
  end)
end)

describe("hookward dash", function()
  after_each(H.stop_all)

  local function dash(host, arguments)
    local _, out, code = H.sh(("cd %s && %s dash %s"):format(H.quote(host.folder), H.quote(H.binary),
      arguments or ""))
    return out, code or 0
  end

  local function log_in(host, link)
    local path = link:match("^http://127%.0%.0%.1:%d+(/login%?code=%S+)$")
    local client = host:connect(nil, math.tointeger(tonumber(link:match(":(%d+)/"))))
    client:send(("GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"):format(path))
    local answer = client:receive()
    client:close()
    return answer
  end

  it("prints a link that logs in once", function()
    local host = H.start { handlers = HANDLERS, config = 'admin = "127.0.0.1:0"' }
    local out, code = dash(host)
    assert.equal(0, code, out)
    local link = out:match("^(%S+)\n$")
    local answer = log_in(host, link)
    assert.equal(303, answer.status)
    assert.matches("^hookward_session=", answer.headers["set-cookie"])
    assert.is_nil(log_in(host, link).headers["set-cookie"])
    local told = json.decode((dash(host, "--json")))
    assert.equal(300, told.seconds)
    assert.equal(told.url, told.link:match("^(http://127%.0%.0%.1:%d+)/login"))
    assert.equal(303, log_in(host, told.link).status)
  end)

  it("says how to turn the page on, and when no host is running", function()
    local host = H.start { handlers = HANDLERS }
    local out, code = dash(host)
    assert.equal(1, code)
    assert.equal('the running host has no admin page: add admin = "127.0.0.1:9464" to hookward.lua '
      .. "and restart the host, or use `hookward serve --dev`\n", out)
    host:stop()
    out, code = dash(host)
    assert.equal(1, code)
    assert.matches("^no host is running", out)
  end)

  it("says how to reach a page at a Unix socket", function()
    local host = H.start { handlers = HANDLERS, config = 'admin = "unix:admin.sock"' }
    local out, code = dash(host)
    assert.equal(0, code)
    assert.matches("ssh %-N %-L 9464:" .. host.folder:gsub("%p", "%%%0") .. "/admin%.sock HOST", out)
    assert.matches("\nhttp://127%.0%.0%.1:9464/login%?code=%S+\n$", out)
  end)
end)
