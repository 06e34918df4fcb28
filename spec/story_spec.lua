-- The guide's steps with real processes. The sandbox stands in for Accredit: a subscription's key
-- is saved among the keys of a running host, and a sample is sent, verified and handled. A failed
-- notification is repeated as often as Accredit would.

local cjson = require "cjson"
local socket = require "socket"
local H = require "spec.support.host"
local S = require "spec.support.sandbox"

local EVENT = S.EVENT

after_each(function()
  S.stop_all()
  H.stop_all()
end)

-- Fails the first settings.fails times, counting in the file `runs`.
local HANDLER = [[
  local hook = require "hookward"
  hook.on("BadgeExportZipFile.Created", { schema = true }, function(event, job)
    local runs = assert(io.open(hook.config.folder .. "/runs", "a+"))
    local before = select(2, runs:read("a"):gsub("\n", ""))
    runs:write(job.attempt, " ", tostring(job.redelivered), " ", tostring(job.last), "\n")
    runs:close()
    if before < hook.config.fails then return nil, "not yet" end
  end)
]]

-- A host that has another key than the sandbox's, as before a subscription.
local function start_host(fails, config)
  local folder = H.folder()
  local _, other = H.keys("story")
  local host = H.start { handlers = { ["a.lua"] = HANDLER }, keys = { ["other.pem"] = H.read(other) },
    ledger = "hookward.db",
    config = ("%ssettings = { folder = %q, fails = %d }"):format(config or "", folder, fails) }
  host.url = ("http://127.0.0.1:%d/baseWebhookNotification"):format(host.port)
  host.runs = function() return H.read(folder .. "/runs") end
  return host
end

-- Runs a command in the host's project, with the sandbox's account.
local function run(host, sandbox, command)
  local out = assert(H.sh(("cd %s && HOOKWARD_ACCREDIT_USER=sandbox HOOKWARD_ACCREDIT_PASSWORD=sandbox "
    .. "HOOKWARD_ACCREDIT_URL=%s %s %s"):format(H.quote(host.folder), sandbox.url, H.quote(H.binary),
      command)))
  return out
end

local function jobs(host)
  local out = assert(H.sh(("cd %s && %s jobs list --json"):format(H.quote(host.folder),
    H.quote(H.binary))))
  return cjson.decode(out)
end

-- Subscribes and triggers; returns the job's id.
local function subscribe_and_trigger(host, sandbox)
  run(host, sandbox, ("subscribe %s --url %s"):format(EVENT, host.url))
  host:wait_log("2 keys") -- the running host has loaded the new key
  return cjson.decode(run(host, sandbox, ("trigger %s --url %s --json"):format(EVENT, host.url))).job_id
end

describe("the story", function()
  it("goes from the list of events to a handled notification, without a restart", function()
    local sandbox, host = S.start("--speed 100"), start_host(0)
    assert.match(EVENT, run(host, sandbox, "events"), 1, true)
    local id = subscribe_and_trigger(host, sandbox)
    assert.match("RSAKeyValue", H.read(host.folder .. "/keys/" .. EVENT .. ".xml"), 1, true)
    assert.are.equal(200, sandbox:wait("answered").status)
    host:wait_log("succeeded event=" .. EVENT .. " job=" .. id)
    assert.are.equal("0 false false\n", host.runs())
    local list = jobs(host)
    assert.are.equal(1, #list)
    assert.are.equal("succeeded", list[1].state)
    assert.are.equal(id, list[1].id)
  end)

  it("delivers a third time what failed twice, and then no more", function()
    local sandbox, host = S.start("--speed 1000"), start_host(2)
    subscribe_and_trigger(host, sandbox)
    assert.are.equal(200, sandbox:wait("answered", 3).status)
    assert.are.equal("0 false false\n1 true false\n2 true false\n", host.runs())
    local list = jobs(host)
    assert.are.equal("succeeded", list[1].state)
    assert.are.equal(2, list[1].attempt)
    assert.are.equal(3, list[1].deliveries)
  end)

  it("goes on by itself when all six deliveries failed", function()
    local sandbox, host = S.start("--speed 1000"), start_host(6, "retries = { 1 }, ")
    local id = subscribe_and_trigger(host, sandbox)
    assert.are.equal(400, sandbox:wait("answered", 6).status)
    host:wait_log("succeeded event=" .. EVENT .. " job=" .. id .. " attempt=5 retry=1 ")
    assert.match("^0 false false\n1 .*\n5 true false\n5 true true\n$", host.runs())
    assert.are.equal("succeeded", jobs(host)[1].state)
  end)

  it("ends with a dead letter when the retries failed as well", function()
    local sandbox, host = S.start("--speed 1000"), start_host(7, "retries = { 1 }, ")
    local id = subscribe_and_trigger(host, sandbox)
    assert.are.equal(400, sandbox:wait("answered", 6).status)
    host:wait_log("job=" .. id .. " attempt=5 state=dead ")
    assert.match("^0 false false\n1 .*\n5 true false\n5 true true\n$", host.runs())
    local list = jobs(host)
    assert.are.equal("dead", list[1].state)
    assert.are.equal("handler_refused", list[1].error)
    assert.are.equal(7, list[1].runs)
    -- By now the handler succeeds.
    assert.match("processed", assert(H.sh(("cd %s && %s jobs replay %s"):format(H.quote(host.folder),
      H.quote(H.binary), id))))
    assert.are.equal("succeeded", jobs(host)[1].state)
  end)
end)

describe("`make run`", function()
  local dev, pipe, group

  before_each(function() dev = H.folder() end)

  after_each(function()
    if pipe then
      os.execute(("kill -KILL -%d 2>/dev/null"):format(group))
      pipe:close()
      pipe = nil
    end
  end)

  local function free_address()
    local probe = assert(socket.bind("127.0.0.1", 0))
    local _, port = probe:getsockname()
    probe:close()
    return "127.0.0.1:" .. port
  end

  -- In a process group of its own, as in a terminal, so that it can get a Ctrl-C.
  local function start(listen)
    os.remove(dev .. "/out") -- of an earlier run
    pipe = io.popen(("HOOKWARD=%s DEV=%s LISTEN=%s SANDBOX=%s setsid sh -c "
      .. "'echo $$; exec sh examples/run.sh >%s/out 2>&1'"):format(H.quote(H.binary), dev, listen,
        free_address(), dev))
    group = math.tointeger(pipe:read("n"))
  end

  local function out() return H.read(dev .. "/out") end

  -- Waits for the end and returns the exit code; no process may be left.
  local function finish()
    local _, _, code = pipe:close()
    pipe = nil
    assert.is_nil(os.execute(("kill -0 -%d 2>/dev/null"):format(group)), "a process is left\n" .. out())
    return code
  end

  it("shows every step, ends both at Ctrl-C, and can be run again", function()
    local listen = free_address()
    for _ = 1, 2 do
      start(listen)
      local ok, err = pcall(H.wait_until, function()
        return out():find("Ctrl-C ends both", 1, true)
      end, "the sample to be handled")
      assert(ok, tostring(err) .. "\n" .. out())
      assert.match("keys/BadgeExportZipFile%.Created%.xml: its Signature Key", out())
      assert.match("a badge export is ready event=" .. EVENT, out(), 1, true)
      assert.match("succeeded event=BadgeExportZipFile%.Created job=%d+ attempt=0 status=200 "
        .. "key=BadgeExportZipFile%.Created%.xml", out())
      local link = out():match("hookward dash\27?%[?0?m?\n(http://%S+)\n")
      local jar = dev .. "/cookies"
      H.sh(("curl -s -c %s %s"):format(jar, H.quote(assert(link, out()))))
      local _, session = H.sh(("curl -s -b %s %s/api/session"):format(jar, link:match("^http://[^/]+")))
      assert.match('"role":"write"', session, 1, true)
      os.execute(("kill -INT -%d"):format(group))
      assert.are.equal(0, finish(), out())
    end
  end)

  it("says so when the address is taken, and leaves nothing running", function()
    local taken = assert(socket.bind("127.0.0.1", 0))
    local _, port = taken:getsockname()
    start("127.0.0.1:" .. port)
    assert.are.equal(1, finish())
    taken:close()
    assert.match("[Aa]ddress already in use", out())
  end)
end)
