-- What Accredit gives up the host runs again by itself, over hours, restarts and kills: no time is
-- slept through, the host's clock is moved (spec/preload/clock.c).

local H = require "spec.support.host"
local sql = require "spec.support.sql"
local clocks = require "spec.support.clock"
local socket = require "socket"

local BODY = H.event("Outage.Tested")
local HOUR, DAY = 3600, 86400
local DEFAULTS = { 60, 300, 1800, 7200, 21600 }

-- Every run appends a line to a file. While there is a file "down" the handler fails.
local HANDLER = [[
  local hook = require "hookward"
  local runs = io.open("runs", "a")
  runs:setvbuf("no")
  hook.on("Outage.Tested", function(event, job)
    runs:write(("%s attempt=%d retry=%d last=%s again=%s\n"):format(job.id, job.attempt, job.retry,
      job.last, job.redelivered))
    local down = io.open("down")
    if not down then return end
    down:close()
    return nil, "the database is down"
  end)
  hook.on("Other.Tested", function() end)
]]

-- One that waits for the spec.
local function waiting(gate)
  return gate.source .. HANDLER:gsub("local down = ", "wait() %0", 1)
end

local function start(clock, options)
  options.env = clock and clock.env
  options.ledger = "hookward.db"
  options.handlers = options.handlers or { ["a.lua"] = HANDLER }
  return H.start(options)
end

local function restart(clock, host)
  return start(clock, { folder = host.folder })
end

local function fail(host) H.write(host.folder .. "/down", "") end
local function mend(host) os.remove(host.folder .. "/down") end

local function runs(host)
  local lines = {}
  for line in H.read(host.folder .. "/runs"):gmatch("[^\n]+") do lines[#lines + 1] = line end
  return lines
end

local function jobs(host, arguments)
  return (select(2, H.sh(("cd %s && %s jobs %s"):format(H.quote(host.folder), H.quote(H.binary),
    arguments))))
end

-- "state retries lost error", of the row of a job.
local STATES = { [1] = "succeeded", [2] = "failed", [4] = "dead", [6] = "running" }
local function row(host, id)
  local state, rest = sql(host, ("SELECT state, retries, lost, coalesce(error, '-')"
    .. " FROM notifications WHERE job_id = '%s'"):format(id)):match("^(%d+) (.*)$")
  return state and STATES[tonumber(state)] .. " " .. rest
end

local function wait_row(host, id, expected)
  local ok, err = pcall(H.wait_until, function() return row(host, id) == expected end, expected)
  if not ok then error(("%s, not %s\n%s"):format(row(host, id), err, host:log()), 2) end
end

-- In seconds, as it was recorded.
local function delay(host, id)
  return tonumber(sql(host, ("SELECT (next_run_at - settled_at) / 1000.0 FROM notifications"
    .. " WHERE job_id = '%s'"):format(id)))
end

-- The sender's last attempt, which fails.
local function give_up(host, id, body)
  local answer = host:notify(body or BODY, { id = id, attempt = 5 })
  assert.equal(400, answer.status)
  return answer
end

-- Two looks at what is due, of which the second began after now.
local function look_twice(host)
  local count = host:count("a mark in the log")
  socket.sleep(2.3) -- a look that finds nothing leaves no trace to wait for
  return count
end

describe("the host's own retries", function()
  after_each(H.stop_all)

  -- The sender's six deliveries over a quarter of an hour, all of which fail.
  local function use_up(host, clock)
    for attempt = 0, 5 do
      if attempt > 0 then clock.pass(180) end
      assert.equal("handler_refused", host:notify(BODY, { id = "job", attempt = attempt }).error)
    end
  end

  local function outage(between)
    local clock = clocks.new()
    local host = start(clock, {})
    fail(host)
    use_up(host, clock)
    for retry = 1, 4 do
      wait_row(host, "job", ("failed %d 0 handler_refused"):format(retry))
      local planned, usual = delay(host, "job"), DEFAULTS[retry]
      assert.is_true(planned >= usual * 0.9 and planned <= usual * 1.1, planned .. " of " .. usual)
      host = between(host, clock, retry) or host
      if retry == 4 then mend(host) end
      clock.pass(planned)
    end
    wait_row(host, "job", "succeeded 4 0 -")
    assert.equal(200, host:notify(BODY, { id = "job", attempt = 5 }).status)
    return host, runs(host)
  end

  it("deliver after an outage of an hour what its sender gave up, once", function()
    local host, lines = outage(function() end)
    assert.equal(6 + 4, #lines)
    assert.equal("job attempt=5 retry=0 last=false again=true", lines[6])
    assert.equal("job attempt=5 retry=1 last=false again=true", lines[7])
    assert.equal("job attempt=5 retry=4 last=false again=true", lines[10])
    host:wait_log('next="Accredit delivers again"')
    host:wait_log('next="again in %d+ min by this host"')
    host:wait_log("retry=4")
    assert.equal("10", sql(host, "SELECT runs FROM notifications"))
    assert.equal("1", sql(host, "SELECT body IS NULL FROM notifications"))
    local shown, history = jobs(host, "show job"), {}
    for attempt, retry, outcome in shown:gmatch("Z +(%d) +([%d-]) [^\n]* ms  %x+  ([^\n]+)") do
      history[#history + 1] = ("%s %s %s"):format(attempt, retry, outcome)
    end
    local refused = "handler_refused: the database is down"
    assert.same({ "0 - " .. refused, "1 - " .. refused, "2 - " .. refused, "3 - " .. refused,
      "4 - " .. refused, "5 - " .. refused, "5 1 " .. refused, "5 2 " .. refused,
      "5 3 " .. refused, "5 4 succeeded" }, history, shown)
    local hours = tonumber(sql(host, "SELECT (max(began_at) - min(began_at)) / 3600000.0 FROM runs"))
    assert.is_true(hours > 2.5 and hours < 3.5, hours) -- 15, 1, 5, 30 and 120 minutes
  end)

  it("leave no history of what succeeds at its first run, the sender's last delivery too", function()
    local host = start(nil, {})
    for attempt = 0, 5, 5 do
      assert.equal(200, host:notify(BODY, { id = "job" .. attempt, attempt = attempt }).status)
    end
    assert.equal("2 0", sql(host, "SELECT (SELECT count(*) FROM notifications),"
      .. " (SELECT count(*) FROM runs)"))
  end)

  it("go on after a restart", function()
    local _, lines = outage(function(host, clock, retry)
      if retry % 2 == 1 then return end
      assert.equal(0, host:stop())
      return restart(clock, host)
    end)
    assert.equal(6 + 4, #lines)
  end)

  it("go on after a kill between two", function()
    local _, lines = outage(function(host, clock)
      host:kill()
      return restart(clock, host)
    end)
    assert.equal(6 + 4, #lines)
  end)

  it("go on after a kill in the middle of a run, the sender's last one too", function()
    local clock, gate = clocks.new(), H.gate()
    local host = start(clock, { handlers = { ["a.lua"] = waiting(gate) }, config = "retries = { 100 }" })
    host:connect():send(H.request(BODY, { id = "job", attempt = 5 }))
    host:wait_log("begun")
    wait_row(host, "job", "running 0 0 -")
    host:kill()
    host = restart(clock, host)
    host:wait_log("1 notification was under way when the last host ended; it is run again")
    host:wait_log("begun")
    wait_row(host, "job", "running 0 1 -")
    fail(host)
    gate:open()
    wait_row(host, "job", "failed 1 0 handler_refused")
    clock.pass(110)
    host:wait_log_count("begun", 2)
    host:kill()
    mend(host)
    host = restart(clock, host)
    host:wait_log("begun")
    gate:open()
    wait_row(host, "job", "succeeded 1 0 -")
    assert.same({ "job attempt=5 retry=0 last=false again=true",
      "job attempt=5 retry=0 last=false again=true", "job attempt=5 retry=1 last=true again=true",
      "job attempt=5 retry=1 last=true again=true" }, runs(host))
    assert.equal("4", sql(host, "SELECT runs FROM notifications"))
    assert.equal("0 host_lost,0 handler_refused,1 host_lost,1 -", sql(host,
      "SELECT group_concat(retry || ' ' || coalesce(error, '-')) FROM runs"))
  end)

  it("have the headers of the delivery that failed, but for secrets", function()
    local clock = clocks.new()
    local host = start(clock, { config = "retries = { 100, 100 }", handlers = { ["a.lua"] =
      HANDLER:gsub("local down = ", [[
        local all = {}
        for name, value in pairs(job.headers) do all[#all + 1] = name .. "=" .. value end
        table.sort(all)
        runs:write(table.concat(all, ";"), "\n") %0]], 1) } })
    fail(host)
    host:notify(BODY, { id = "job", attempt = 5, headers = { "X-Two: \"b\"", "Cookie: a=b",
      "Authorization: Basic eA==", "x-two: \195\164", "X-Latin: \228" } })
    clock.pass(110)
    wait_row(host, "job", "failed 2 0 handler_refused")
    host:kill()
    host = restart(clock, host)
    clock.pass(110)
    wait_row(host, "job", "dead 2 0 handler_refused")
    jobs(host, "replay job")
    wait_row(host, "job", "failed 1 0 handler_refused")
    mend(host)
    clock.pass(110)
    wait_row(host, "job", "succeeded 1 0 -")
    local lines = runs(host)
    assert.equal(2 * 5, #lines)
    local first = lines[2]:gsub("authorization=[^;]*;", ""):gsub("cookie=[^;]*;", "")
      :gsub("x%-latin=[^;]*;", "")
    assert.match("authorization=Basic eA==;", lines[2], 1, true)
    assert.match('x-two="b", \195\164', first, 1, true)
    assert.match("x-jobattempt=5;", first, 1, true)
    for i = 4, 10, 2 do assert.equal(first, lines[i]) end
    assert.equal("1", sql(host, "SELECT headers IS NULL AND body IS NULL FROM notifications"))
  end)

  it("leave what failed each time dead, until a replay, which starts them anew", function()
    local clock = clocks.new()
    local host = start(clock, { config = "retries = { 10, 20 }" })
    fail(host)
    give_up(host, "job")
    for retry = 1, 2 do
      wait_row(host, "job", ("failed %d 0 handler_refused"):format(retry))
      clock.pass(22)
    end
    wait_row(host, "job", "dead 2 0 handler_refused")
    assert.equal("job attempt=5 retry=2 last=true again=true", runs(host)[3])
    assert.equal("1", sql(host, "SELECT next_run_at IS NULL AND body = CAST('" .. BODY .. "' AS BLOB)"
      .. " AND reason = 'the database is down' FROM notifications"))
    host:wait_log("retry=2")
    host:wait_log("state=dead")
    clock.pass(30 * DAY)
    look_twice(host)
    assert.equal(3, #runs(host))
    jobs(host, "replay job")
    wait_row(host, "job", "failed 1 0 handler_refused")
    assert.match("^job attempt=5 retry=0 last=false", runs(host)[4])
    mend(host)
    clock.pass(11)
    wait_row(host, "job", "succeeded 1 0 -")
  end)

  it("run an earlier attempt's replay again when the host is killed in it", function()
    local clock, gate = clocks.new(), H.gate()
    local host = start(clock, { handlers = { ["a.lua"] = waiting(gate):gsub("local down",
      "if io.open('never') then return hook.never('no') end %0", 1) }, config = "retries = { 100 }" })
    H.write(host.folder .. "/never", "")
    gate:open()
    assert.equal("given_up", host:notify(BODY, { id = "job" }).error)
    os.remove(host.folder .. "/never")
    fail(host)
    local replay = io.popen(("cd %s && exec %s jobs replay job 2>&1"):format(H.quote(host.folder),
      H.quote(H.binary)))
    host:wait_log_count("begun", 2)
    host:kill()
    replay:close()
    host = restart(clock, host)
    gate:open()
    wait_row(host, "job", "failed 1 0 handler_refused") -- by this host, not by its sender
  end)

  it("wait as long as hook.retry_after says", function()
    local clock = clocks.new()
    local host = start(clock, { config = "retries = { 100, 100 }", handlers = { ["a.lua"] = HANDLER:gsub(
      "return nil,", "hook.retry_after(job.retry == 0 and '2h' or 1) %0") } })
    fail(host)
    give_up(host, "job")
    wait_row(host, "job", "failed 1 0 handler_refused")
    assert.equal(2 * HOUR, delay(host, "job"))
    clock.pass(2 * HOUR)
    wait_row(host, "job", "failed 2 0 handler_refused")
    assert.equal(1, delay(host, "job"))
  end)

  it("never begin a fourth time what took three hosts down", function()
    local clock, gate = clocks.new(), H.gate()
    local host = start(clock, { handlers = { ["a.lua"] = waiting(gate) } })
    host:connect():send(H.request(BODY, { id = "job", attempt = 5 }))
    for _ = 1, 3 do
      host:wait_log("begun")
      host:kill()
      host = restart(clock, host)
    end
    assert.equal("dead 0 3 host_lost", row(host, "job"))
    host:wait_log("1 notification was under way at the end of the last three hosts")
    look_twice(host)
    assert.equal(3, #runs(host))
    local shown = jobs(host, "show job")
    assert.match("the host ended three times in a row while it ran", shown)
    gate:open()
    jobs(host, "replay job")
    wait_row(host, "job", "succeeded 0 0 -")
  end)

  it("are none with retries = {}", function()
    local clock = clocks.new()
    local host = start(clock, { config = "retries = {}" })
    fail(host)
    give_up(host, "job")
    assert.equal("dead 0 0 handler_refused", row(host, "job"))
    assert.match("last=true", runs(host)[1])
    host:wait_log("state=dead")
  end)

  it("follow a reload", function()
    local clock = clocks.new()
    local host = start(clock, { config = "retries = { 10, 10, 10 }" })
    local config = H.read(host.folder .. "/hookward.lua")
    local function reload(retries)
      local reloads = host:count_log("reloaded")
      H.write(host.folder .. "/hookward.lua", (config:gsub("{ 10, 10, 10 }", retries)))
      host:signal("HUP")
      host:wait_log_count("reloaded", reloads + 1)
    end
    fail(host)
    give_up(host, "one")
    reload("{ 500, 500 }")
    give_up(host, "two")
    assert.is_true(delay(host, "two") >= 450)
    clock.pass(11)
    wait_row(host, "one", "failed 2 0 handler_refused")
    assert.is_true(delay(host, "one") >= 450)
    reload("{}")
    give_up(host, "three")
    assert.equal("dead 0 0 handler_refused", row(host, "three"))
    clock.pass(550)
    wait_row(host, "one", "dead 2 0 handler_refused")
    wait_row(host, "two", "dead 1 0 handler_refused")
  end)

  describe("when the clock is set", function()
    local function pending(config)
      local clock = clocks.new()
      local host = start(clock, { config = config or "retries = { 100 }" })
      fail(host)
      give_up(host, "job")
      mend(host)
      return host, clock
    end

    it("back while the host runs, wait no longer than their delay #long", function()
      local host, clock = pending()
      clock.set(-5 * HOUR)
      look_twice(host)
      assert.equal(1, #runs(host))
      clock.pass(110)
      wait_row(host, "job", "succeeded 1 0 -")
    end)

    it("back while the host is away, wait no longer than their delay", function()
      local host, clock = pending()
      fail(host)
      give_up(host, "younger")
      mend(host)
      clock.pass(10)
      host:stop()
      clock.set(-5 * HOUR)
      host = restart(clock, host)
      assert.is_true(delay(host, "job") <= 110)
      clock.pass(110)
      wait_row(host, "job", "succeeded 1 0 -")
    end)

    it("back while the host runs, wait no longer after its next start", function()
      local host, clock = pending()
      clock.set(-5 * HOUR)
      look_twice(host)
      fail(host)
      give_up(host, "later")
      mend(host)
      host:stop()
      host = restart(clock, host)
      clock.pass(110)
      wait_row(host, "job", "succeeded 1 0 -")
      wait_row(host, "later", "succeeded 1 0 -")
    end)

    it("forward, run with a worker less than there are, beside what arrives #long", function()
      local clock, gate = clocks.new(), H.gate()
      local host = start(clock, { handlers = { ["a.lua"] = HANDLER:gsub("return nil,",
        "if job.retry > 0 then wait() return end %0", 1):gsub("^", gate.source:gsub("%%", "%%%%"), 1) },
        config = "workers = 3, retries = { 1000 }" })
      fail(host)
      for i = 1, 8 do give_up(host, "job-" .. i) end
      clock.set(2 * HOUR)
      host:wait_log_count("begun", 2)
      for _ = 1, 20 do assert.equal(200, host:notify(H.event("Other.Tested")).status) end
      look_twice(host)
      assert.equal(2, host:count_log("begun"))
      gate:open(8)
      H.wait_until(function()
        return sql(host, "SELECT count(*) FROM notifications WHERE state = 1 AND retries = 1") == "8"
      end, "all to succeed")
      assert.equal(16, #runs(host))
    end)
  end)

  it("leave a row that was purged, and keep one that is purged while it runs from running again #long", function()
    local clock, gate = clocks.new(), H.gate()
    local host = start(clock, { handlers = { ["a.lua"] = waiting(gate) }, config = "retries = { 100 }" })
    gate:open(2)
    fail(host)
    give_up(host, "gone")
    give_up(host, "running")
    mend(host)
    assert.equal("1 notification removed\n", jobs(host, "purge --id gone --yes"))
    clock.pass(110)
    host:wait_log_count("begun", 3)
    wait_row(host, "running", "running 1 0 -")
    jobs(host, "purge --id running --yes")
    gate:open()
    wait_row(host, "running", "succeeded 1 0 -") -- what came of it is recorded anew
    look_twice(host)
    assert.equal(3, #runs(host))
  end)

  it("run a body once that came under two ids, with duplicates = \"by-body\"", function()
    local clock = clocks.new()
    local host = start(clock, { config = "retries = { 100, 100 }" })
    fail(host)
    give_up(host, "one")
    give_up(host, "two")
    host:stop()
    H.write(host.folder .. "/hookward.lua", (H.read(host.folder .. "/hookward.lua"):gsub("retries =",
      'duplicates = "by-body", %0')))
    host = restart(clock, host)
    clock.pass(110)
    wait_row(host, "one", "failed 2 0 handler_refused")
    wait_row(host, "two", "failed 2 0 handler_refused")
    assert.equal(4, #runs(host))
    mend(host)
    clock.pass(110)
    wait_row(host, "one", "succeeded 2 0 -")
    wait_row(host, "two", "succeeded 2 0 -")
    assert.equal(5, #runs(host))
    assert.equal(200, host:notify(BODY, { id = "three", attempt = 5 }).status)
    assert.equal(5, #runs(host))
  end)

  it("are waited for by a copy with another signature, which then finds the record", function()
    local clock, gate = clocks.new(), H.gate()
    local private, public = H.keys("second")
    local _, first = H.keys()
    local host = start(clock, { handlers = { ["a.lua"] = waiting(gate) }, config = "retries = { 100 }",
      keys = { ["first.pem"] = H.read(first), ["second.pem"] = H.read(public) } })
    gate:open()
    fail(host)
    give_up(host, "job")
    mend(host)
    clock.pass(110)
    host:wait_log_count("begun", 2)
    local same, other = host:connect(), host:connect()
    same:send(H.request(BODY, { id = "job", attempt = 5 }))
    other:send(H.request(BODY, { id = "job", attempt = 5, key = private }))
    assert.equal(200, host:notify(H.event("Other.Tested")).status)
    assert.is_true(same:is_silent() and other:is_silent())
    gate:open()
    assert.equal(200, same:receive().status)
    assert.equal(200, other:receive().status)
    assert.equal(2, #runs(host))
  end)

  it("have nothing to do when a delivery was faster #long", function()
    local clock, gate = clocks.new(), H.gate()
    local host = start(clock, { handlers = { ["a.lua"] = HANDLER, ["b.lua"] = gate.source
      .. 'require("hookward").on("Slow.Tested", wait)' }, config = "workers = 1, retries = { 100 }" })
    fail(host)
    give_up(host, "job")
    mend(host)
    host:connect():send(H.request(H.event("Slow.Tested")))
    host:wait_log("begun")
    clock.pass(110)
    socket.sleep(2.3) -- by now it was found, and waits for the worker
    local late = host:connect()
    late:send(H.request(BODY, { id = "job", attempt = 5 }))
    socket.sleep(0.1)
    gate:open()
    assert.equal(200, late:receive().status)
    look_twice(host)
    assert.equal(2, #runs(host))
    assert.equal("succeeded 1 0 -", row(host, "job"))
    assert.equal(0, host:count_log("retry=1"))
  end)

  it("leave what is due to the next host when this one stops", function()
    local clock, gate = clocks.new(), H.gate()
    local host = start(clock, { handlers = { ["a.lua"] = waiting(gate) },
      config = "workers = 2, retries = { 100 }" })
    gate:open(2)
    fail(host)
    give_up(host, "one")
    give_up(host, "two")
    mend(host)
    clock.pass(110)
    host:wait_log_count("begun", 3)
    host:signal("TERM")
    host:wait_log("stopping")
    gate:open()
    assert.equal(0, host:wait())
    assert.equal(3, #runs(host))
    host = restart(clock, host)
    gate:open()
    H.wait_until(function()
      return sql(host, "SELECT group_concat(state) FROM notifications") == "1,1"
    end, "both to succeed")
    assert.equal(4, #runs(host))
  end)

  -- Holds the ledger's lock until the function that it returns is called.
  local function lock(host)
    local done = H.folder() .. "/done"
    assert(H.sh("mkfifo " .. H.quote(done)))
    local pipe = io.popen(("sqlite3 %s/hookward.db 'BEGIN IMMEDIATE' '.shell echo locked' '.shell cat %s' "
      .. "'ROLLBACK'"):format(H.quote(host.folder), done))
    pipe:setvbuf("no")
    assert.equal("locked", pipe:read("l"))
    return function()
      H.write(done, "")
      pipe:close()
    end
  end

  it("run nothing whose start can't be recorded #long", function()
    local clock = clocks.new()
    local host = start(clock, { config = "retries = { 100 }" })
    fail(host)
    give_up(host, "due")
    mend(host)
    local unlock = lock(host)
    clock.pass(110)
    assert.equal("ledger_unavailable", host:notify(BODY, { id = "new", attempt = 5 }).error)
    look_twice(host)
    assert.equal(1, #runs(host))
    assert.is_true(host:count_log("retry=") <= 2, host:log()) -- it is not told at each look
    unlock()
    wait_row(host, "due", "succeeded 1 0 -")
    H.wait_until(function() return host:notify(BODY, { id = "new", attempt = 5 }).status == 200 end)
    assert.equal(3, #runs(host))
  end)

  it("wait for a handler that is gone", function()
    local clock = clocks.new()
    local host = start(clock, { config = "retries = { 100, 100 }" })
    fail(host)
    give_up(host, "job")
    mend(host)
    H.write(host.folder .. "/handlers/a.lua", "")
    host:signal("HUP")
    host:wait_log("reloaded")
    clock.pass(110)
    wait_row(host, "job", "failed 2 0 no_handler")
    H.write(host.folder .. "/handlers/a.lua", HANDLER)
    host:signal("HUP")
    host:wait_log_count("reloaded", 2)
    clock.pass(110)
    wait_row(host, "job", "succeeded 2 0 -")
  end)

  -- If the ledger first looked at the clock after it was moved, it trusts it an hour later.
  local function wait_gone(host, clock, id)
    for _ = 1, 10 do
      socket.sleep(1.1)
      if not row(host, id) then return end
      clock.pass(1.5 * HOUR)
    end
    error(id .. " is still there\n" .. host:log(), 2)
  end

  it("stay in the ledger past retention, and so does what is dead, but for dead_retention #long", function()
    local clock = clocks.new()
    local host = start(clock, { config = "retries = { '30d' }, retention = '1d'" })
    fail(host)
    give_up(host, "pending")
    mend(host)
    assert.equal(200, host:notify(BODY, { id = "done" }).status)
    sql(host, "INSERT INTO notifications (job_id, digest, event, state, attempt, deliveries, runs,"
      .. " received_at, settled_at) SELECT 'dead', x'00', event, 4, 5, 1, 1, received_at, settled_at"
      .. " FROM notifications WHERE job_id = 'done'")
    clock.pass(2 * DAY)
    wait_gone(host, clock, "done")
    assert.equal("failed 1 0 handler_refused", row(host, "pending"))
    assert.equal("dead 0 0 -", row(host, "dead"))
    host:stop()
    H.write(host.folder .. "/hookward.lua", (H.read(host.folder .. "/hookward.lua"):gsub("retention =",
      "dead_retention = '2d', %0")))
    host = restart(clock, host)
    assert.equal(200, host:notify(BODY, { id = "new" }).status)
    clock.pass(DAY)
    wait_gone(host, clock, "dead")
    assert.equal("failed 1 0 handler_refused", row(host, "pending"))
  end)
end)

describe("hook.never", function()
  after_each(H.stop_all)

  it("gives up at once: later deliveries are answered from the record, until a replay", function()
    local host = start(nil, { handlers = { ["a.lua"] = HANDLER:gsub("return nil,", "return hook.never", 1)
      :gsub('never "(.-)"', 'never("%1")') } })
    fail(host)
    local function refused(attempt)
      local answer = host:notify(BODY, { id = "job", attempt = attempt })
      assert.equal(400, answer.status)
      assert.equal("given_up", answer.error)
      assert.equal("the database is down", answer.message)
    end
    refused(0)
    assert.equal("dead 0 0 given_up", row(host, "job"))
    refused(1)
    host:stop()
    mend(host)
    host = restart(nil, host)
    refused(2)
    refused(5)
    assert.equal(1, #runs(host))
    assert.equal("4 1", sql(host, "SELECT deliveries, runs FROM notifications"))
    jobs(host, "replay job")
    wait_row(host, "job", "succeeded 0 0 -")
    assert.equal(200, host:notify(BODY, { id = "job", attempt = 5 }).status)
    assert.equal(2, #runs(host))
  end)
end)

describe("a ledger of the version before", function()
  after_each(H.stop_all)

  it("is brought up to this one, with what it holds", function()
    local host = start(nil, {})
    fail(host)
    host:notify(BODY, { id = "failed", attempt = 3 })
    mend(host)
    host:notify(BODY, { id = "done" })
    host:stop()
    for drop in sql(host, "SELECT 'DROP ' || type || ' ' || name FROM sqlite_schema"
      .. " WHERE type IN ('trigger', 'index') AND sql NOT NULL AND name <> 'by_identity'"
      .. " UNION ALL SELECT 'DROP TABLE ' || name FROM sqlite_schema WHERE type = 'table'"
      .. " AND name <> 'notifications'"):gmatch("[^\n]+") do
      sql(host, drop)
    end
    for name in ("retries lost accepted parked lane pool headers"):gmatch "%S+" do
      sql(host, ("ALTER TABLE notifications DROP COLUMN %s"):format(name))
    end
    sql(host, "PRAGMA user_version = 1")
    assert.match("of an older version; `hookward serve` updates it", jobs(host, "list"))
    host = restart(nil, host)
    assert.equal("3", sql(host, "PRAGMA user_version"))
    assert.equal("2 1", sql(host, "SELECT rows, failed FROM totals"))
    assert.equal("failed 0 0 handler_refused", row(host, "failed"))
    assert.equal("succeeded 0 0 -", row(host, "done"))
    assert.equal(200, host:notify(BODY, { id = "done", attempt = 1 }).status)
    fail(host)
    give_up(host, "failed")
    assert.equal("failed 1 0 handler_refused", row(host, "failed"))
  end)
end)
