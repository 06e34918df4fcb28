-- Ack-first: accepted, durable, answered 200, and only then run; across failures, kills and restarts.

local H = require "spec.support.host"
local sql = require "spec.support.sql"
local clocks = require "spec.support.clock"
local socket = require "socket"

local BODY = H.event("Order.Created")

-- Every run appends a line to a file. While there is a file "down" the handler fails.
local function handler(options, more)
  return ([[
    local hook = require "hookward"
    local runs = io.open("runs", "a")
    runs:setvbuf("no")
    %s
    hook.on("Order.Created", %s, function(event, job)
      %s
      runs:write(("%%s attempt=%%d retry=%%d last=%%s again=%%s\n"):format(job.id, job.attempt,
        job.retry, job.last, job.redelivered))
      local down = io.open("down")
      if not down then return end
      down:close()
      return nil, "the service is down"
    end)
  ]]):format(more and more.before or "", options or '{ ack = "first" }', more and more.inside or "")
end

local function start(options)
  options = options or {}
  options.ledger = options.ledger or "hookward.db"
  if options.workers then
    options.config = ("workers = %d%s"):format(options.workers, options.config and ", " .. options.config or "")
    options.workers = nil
  end
  if not options.folder then
    options.handlers = options.handlers or { ["a.lua"] = handler() }
  end
  return H.start(options)
end

local function runs(host)
  local lines = {}
  for line in (H.read(host.folder .. "/runs") or ""):gmatch("[^\n]+") do lines[#lines + 1] = line end
  return lines
end

local STATES = { [1] = "succeeded", [2] = "failed", [4] = "dead", [5] = "queued", [6] = "running" }

-- "state accepted deliveries runs retries error", of the row of a job.
local function row(host, id)
  local state, rest = sql(host, ("SELECT state, accepted, deliveries, runs, retries,"
    .. " coalesce(error, '-') FROM notifications WHERE job_id = '%s'"):format(id)):match("^(%d+) (.*)$")
  return state and STATES[tonumber(state)] .. " " .. rest
end

local function wait_row(host, id, expected)
  local ok, err = pcall(H.wait_until, function() return row(host, id) == expected end, expected)
  if not ok then error(("%s, not %s\n%s"):format(row(host, id), err, host:log()), 2) end
end


local function fail(host) H.write(host.folder .. "/down", "") end
local function mend(host) os.remove(host.folder .. "/down") end

local function count(host, state)
  return tonumber(sql(host, ("SELECT count(*) FROM notifications WHERE state = %d"):format(state)))
end

local function wait_all(host, total)
  H.wait_until(function() return count(host, 1) == total end, total .. " succeeded")
end

-- The ids of the runs, in their order.
local function order(host)
  local ids = {}
  for _, line in ipairs(runs(host)) do ids[#ids + 1] = line:match("^%S+") end
  return table.concat(ids, " ")
end

local function gated(options, gate)
  return { ["a.lua"] = handler(options, { before = gate.source, inside = "wait()" }) }
end

describe("an ack-first handler", function()
  after_each(H.stop_all)

  it("runs after the 200, once", function()
    local gate = H.gate()
    local host = start { handlers = gated(nil, gate) }
    assert.equal(200, host:notify(BODY, { id = "one" }).status)
    assert.equal("running 1 1 1 0 -", row(host, "one"))
    gate:open()
    wait_row(host, "one", "succeeded 1 1 1 0 -")
    assert.same({ "one attempt=0 retry=0 last=false again=false" }, runs(host))
    host:wait_log("accepted event=Order%.Created job=one attempt=0 status=200")
    assert.is_nil(host:wait_log("succeeded event=[^\n]*"):match("status="))
    assert.equal("1 1 0", sql(host, "SELECT body IS NULL, headers IS NULL,"
      .. " (SELECT count(*) FROM runs) FROM notifications"))
  end)

  it("has job.headers at each of its runs, but for secrets once it runs from the ledger", function()
    local source = handler(nil, { inside = [[
      runs:write(("%s %s\n"):format(job.headers["x-source"], job.headers.cookie))
      if job.retry < 2 then return nil, "not yet" end]] })
    local host = start { config = "retries = { 1, 1 }", handlers = { ["a.lua"] = source } }
    host:notify(BODY, { id = "one", headers = { "X-Source: here", "Cookie: a=b" } })
    wait_row(host, "one", "succeeded 1 1 3 2 -")
    assert.same({ "here a=b", "here nil", "here nil" }, { table.unpack(runs(host), 1, 3) })
    assert.equal("handler_refused handler_refused -", sql(host, "SELECT group_concat("
      .. "coalesce(error, '-'), ' ') FROM runs"))
  end)

  it("is what `ack` in hookward.lua makes of each, but for one that says otherwise", function()
    local gate = H.gate()
    local host = start { config = 'ack = "first"', handlers = { ["a.lua"] = gate.source .. [[
      local hook = require "hookward"
      hook.on("A.First", function() wait() end)
      hook.on("A.Last", { ack = "last" }, function() return nil, "no" end)
    ]] } }
    assert.equal(200, host:notify(H.event("A.First"), { id = "first" }).status)
    assert.equal("handler_refused", host:notify(H.event("A.Last"), { id = "last" }).error)
    gate:open()
    wait_row(host, "first", "succeeded 1 1 1 0 -")
  end)

  it("answers copies at once, whatever becomes of it", function()
    local gate = H.gate()
    local host = start { handlers = gated(nil, gate), config = "retries = {}" }
    fail(host)
    host:notify(BODY, { id = "one" })
    assert.equal(200, host:notify(BODY, { id = "one" }).status)
    assert.equal(200, host:notify(BODY, { id = "one", attempt = 1 }).status)
    assert.equal("running 1 3 1 0 -", row(host, "one"))
    gate:open()
    wait_row(host, "one", "dead 1 3 1 0 handler_refused")
    assert.equal(200, host:notify(BODY, { id = "one", attempt = 2 }).status)
    wait_row(host, "one", "dead 1 4 1 0 handler_refused")
    assert.equal(1, #runs(host))
    host:wait_log("duplicate event=%S+ job=one attempt=2 status=200")
  end)

  it("knows its copies by their body", function()
    local gate = H.gate()
    local host = start { handlers = gated(nil, gate), workers = 2, config = 'duplicates = "by-body"' }
    assert.equal(200, host:notify(BODY, { id = "one" }).status)
    assert.equal(200, host:notify(BODY, { id = "two" }).status)
    H.wait_until(function() return row(host, "one") == "running 1 2 1 0 -" end, "a copy while it runs")
    gate:open()
    wait_row(host, "one", "succeeded 1 2 1 0 -")
    assert.equal(200, host:notify(BODY, { id = "three" }).status)
    wait_row(host, "one", "succeeded 1 3 1 0 -")
    assert.equal("1", sql(host, "SELECT count(*) FROM notifications"))
    assert.equal("0", sql(host, "SELECT value FROM counters"))
    assert.equal(1, #runs(host))
  end)

  it("is run again by the host, not by its sender", function()
    local clock = clocks.new()
    local host = start { env = clock.env, config = "retries = { 60, 3600 }" }
    fail(host)
    assert.equal(200, host:notify(BODY, { id = "one" }).status)
    wait_row(host, "one", "failed 1 1 1 1 handler_refused")
    assert.equal(200, host:notify(BODY, { id = "one", attempt = 5 }).status)
    assert.equal(1, #runs(host))
    clock.pass(66)
    wait_row(host, "one", "failed 1 2 2 2 handler_refused")
    mend(host)
    clock.pass(3960)
    wait_row(host, "one", "succeeded 1 2 3 2 -")
    assert.same({ "one attempt=0 retry=0 last=false again=false",
      "one attempt=5 retry=1 last=false again=true", "one attempt=5 retry=2 last=true again=true" },
      runs(host))
  end)

  it("is dead after its last retry, with its body", function()
    local clock = clocks.new()
    local host = start { env = clock.env, config = "retries = { 60 }" }
    fail(host)
    host:notify(BODY, { id = "one" })
    wait_row(host, "one", "failed 1 1 1 1 handler_refused")
    clock.pass(66)
    wait_row(host, "one", "dead 1 1 2 1 handler_refused")
    assert.equal("0", sql(host, "SELECT body IS NULL FROM notifications"))
  end)

  it("accepts nothing that it can't hand to a handler", function()
    local host = start { handlers = { ["a.lua"] = [[
      require "hookward".on("Order.Created", { ack = "first", schema = { required = { "Id" } } },
        function() end)
    ]] } }
    for code, body in pairs { no_handler = H.event("Order.Paid"), schema_violation = BODY,
      invalid_json = "{", missing_event = "{}" } do
      assert.equal(code, host:notify(body, { id = code }).error)
      assert.equal("0", sql(host, "SELECT count(*) FROM notifications WHERE accepted = 1"))
    end
  end)

  it("waits a minute for scripts when its handler is gone, and counts no retry", function()
    local clock, gate = clocks.new(), H.gate()
    local host = start { env = clock.env, handlers = gated(nil, gate), workers = 2 }
    host:notify(BODY, { id = "one" })
    host:notify(BODY, { id = "two" }) -- one worker is for what arrives
    assert.equal("queued 1 1 0 0 -", row(host, "two"))
    H.write(host.folder .. "/handlers/a.lua", 'require "hookward".on("Other.Event", function() end)')
    host:wait_log("reloaded: version 2")
    gate:open()
    wait_row(host, "two", "queued 1 1 0 0 no_handler")
    host:wait_log('next="again in 60 s by this host"')
    H.write(host.folder .. "/handlers/a.lua", handler())
    host:wait_log("reloaded: version 3")
    clock.pass(60)
    wait_row(host, "two", "succeeded 1 1 1 0 -")
  end)

  it("gives up at once what says hook.never", function()
    local host = start { handlers = { ["a.lua"] = [[
      local hook = require "hookward"
      hook.on("Order.Created", { ack = "first" }, function() return hook.never("deleted") end)
    ]] } }
    assert.equal(200, host:notify(BODY, { id = "one" }).status)
    wait_row(host, "one", "dead 1 1 1 0 given_up")
    assert.equal(200, host:notify(BODY, { id = "one" }).status)
  end)

  it("leaves one worker to what arrives, and runs its backlog from the ledger, oldest first", function()
    local gate = H.gate()
    local host = start { workers = 2, handlers = { ["a.lua"] = handler(nil,
      { before = gate.source, inside = "wait()" }) .. '\nhook.on("Other.Event", function() end)' } }
    local ids = {}
    for i = 1, 20 do
      ids[i] = ("job%02d"):format(i)
      assert.equal(200, host:notify(BODY, { id = ids[i] }).status)
    end
    assert.equal(1, count(host, 6))
    assert.equal(19, count(host, 5))
    assert.equal(200, host:notify(H.event("Other.Event"), { id = "other" }).status)
    gate:open(20)
    wait_all(host, 21)
    assert.equal(table.concat(ids, " "), order(host))
    for _, line in ipairs(runs(host)) do assert.match("retry=0 last=false again=false", line) end
  end)

  it("shares a single worker with what arrives", function()
    local gate = H.gate()
    local host = start { workers = 1, handlers = gated(nil, gate) }
    for i = 1, 3 do assert.equal(200, host:notify(BODY, { id = "job" .. i }).status) gate:open() end
    wait_all(host, 3)
  end)

  it("runs after a kill what was accepted, with job.redelivered for what had begun", function()
    local gate = H.gate()
    local host = start { workers = 3, handlers = gated(nil, gate) }
    for i = 1, 5 do host:notify(BODY, { id = "job" .. i }) end
    H.wait_until(function() return count(host, 6) == 2 end, "two begun")
    host:kill()
    host = start { folder = host.folder, workers = 3 }
    gate:open(5)
    wait_all(host, 5)
    local lines = runs(host)
    table.sort(lines)
    assert.same({ "job1 attempt=0 retry=0 last=false again=true",
      "job2 attempt=0 retry=0 last=false again=true", "job3 attempt=0 retry=0 last=false again=false",
      "job4 attempt=0 retry=0 last=false again=false", "job5 attempt=0 retry=0 last=false again=false" },
      lines)
    host:wait_log("2 notifications were under way when the last host ended")
  end)

  it("answers copies of what runs from the ledger, forgeries too", function()
    local gate = H.gate()
    local host = start { handlers = gated(nil, gate) }
    host:notify(BODY, { id = "one" })
    host:kill()
    host = start { folder = host.folder }
    H.wait_until(function() return host:count("begun") == 1 end, "it runs")
    local answer = host:notify(BODY, { id = "one", attempt = 1 })
    assert.equal(200, answer.status)
    assert.equal("invalid_signature", host:notify(BODY, { id = "one", signature = ("A"):rep(342) .. "==" }).error)
    gate:open()
    wait_row(host, "one", "succeeded 1 2 2 0 -")
  end)

  it("runs at the next start what a stop left queued", function()
    local gate = H.gate()
    local host = start { workers = 2, handlers = gated(nil, gate) }
    for i = 1, 4 do host:notify(BODY, { id = "job" .. i }) end
    gate:open(4)
    host:stop()
    assert.equal("0", sql(host, "SELECT count(*) FROM notifications WHERE state = 6"))
    host = start { folder = host.folder }
    wait_all(host, 4)
    assert.equal(4, #runs(host))
  end)

  it("is run by `jobs replay`, which waits for the outcome", function()
    local host = start { config = "retries = {}" }
    fail(host)
    host:notify(BODY, { id = "one" })
    wait_row(host, "one", "dead 1 1 1 0 handler_refused")
    mend(host)
    assert(H.sh(("cd %s && %s jobs replay one"):format(H.quote(host.folder), H.quote(H.binary))))
    assert.equal("succeeded 1 1 2 0 -", row(host, "one"))
  end)

  it("is refused over max_backlog, and let in again when there is room", function()
    local gate = H.gate()
    local host = start { workers = 2, config = "max_backlog = 3", handlers = gated(nil, gate) }
    for i = 1, 3 do assert.equal(200, host:notify(BODY, { id = "job" .. i }).status) end
    local answer = host:notify(BODY, { id = "job4" })
    assert.equal("overloaded", answer.error)
    assert.match("too much that is still to run", answer.body, 1, true)
    assert.equal("0", sql(host, "SELECT count(*) FROM notifications WHERE job_id = 'job4'"))
    assert.equal("3", sql(host, "SELECT value FROM counters"))
    host:kill()
    host = start { folder = host.folder, workers = 2, config = "max_backlog = 3" }
    assert.equal("overloaded", host:notify(BODY, { id = "job4", attempt = 1 }).error)
    gate:open()
    H.wait_until(function() return count(host, 1) == 1 end, "one done")
    assert.equal(200, host:notify(BODY, { id = "job4", attempt = 2 }).status)
    gate:open(4)
    wait_all(host, 4)
    assert.equal("0", sql(host, "SELECT value FROM counters"))
  end)

  it("counts as backlog what waits for its retry, not what is dead, replayed or purged", function()
    local host = start { config = "retries = { 3600 }" }
    local function backlog() return sql(host, "SELECT value FROM counters") end
    fail(host)
    host:notify(BODY, { id = "one" })
    host:notify(BODY, { id = "two" })
    wait_row(host, "one", "failed 1 1 1 1 handler_refused")
    wait_row(host, "two", "failed 1 1 1 1 handler_refused")
    assert.equal("2", backlog())
    mend(host)
    local function jobs(arguments)
      assert(H.sh(("cd %s && %s jobs %s"):format(H.quote(host.folder), H.quote(H.binary), arguments)))
    end
    jobs "replay one"
    assert.equal("1", backlog())
    jobs "purge --state failed --yes"
    assert.equal("0", backlog())
    host:notify(BODY, { id = "three" })
    wait_row(host, "three", "succeeded 1 1 1 0 -")
    assert.equal("0", backlog())
  end)

  it("is refused while the disk has less than min_disk_free", function()
    local host = start { config = 'min_disk_free = "1024GB"' }
    host:wait_log("the disk has less than min_disk_free left")
    assert.match("too little room on its disk", host:notify(BODY, { id = "one" }).body, 1, true)
    assert.same({}, runs(host))
  end)

  it("needs a ledger on disk", function()
    local ok, why = pcall(start, { ledger = "memory:" })
    assert.is_false(ok)
    assert.match('handlers/a.lua:%d+: hook.on%("Order.Created"%): ack = "first" needs a ledger on disk',
      tostring(why))
  end)
end)

describe("the option", function()
  after_each(H.stop_all)

  local function refused(options)
    local ok, why = pcall(start, { handlers = { ["a.lua"] = handler(options) } })
    assert.is_false(ok)
    return tostring(why)
  end

  it("ack must be first or last", function()
    assert.match('ack: "first" or "last" was expected, not "never"', refused '{ ack = "never" }', 1, true)
    assert.match("ack: \"first\" or \"last\" was expected, not a boolean", refused "{ ack = true }", 1, true)
  end)

  it("key and concurrency need ack-first, and values that make sense", function()
    assert.match('key needs ack = "first"', refused "{ key = function() end }", 1, true)
    assert.match('concurrency needs ack = "first"', refused "{ concurrency = 2 }", 1, true)
    assert.match("key: a function of the event was expected", refused '{ ack = "first", key = "Id" }', 1, true)
    for _, value in ipairs { "0", "1025", "1.5", '"2"' } do
      assert.match("concurrency: a whole number from 1 to 1024 was expected, not ",
        refused(('{ ack = "first", concurrency = %s }'):format(value)), 1, true)
    end
    assert.match("did you mean concurrency?", refused '{ ack = "first", concurency = 2 }', 1, true)
  end)
end)

describe("the lanes of `key`", function()
  after_each(H.stop_all)

  local KEY = '{ ack = "first", key = function(event) return event.Customer end }'
  local function of(customer) return H.event("Order.Created", ('"Customer":%s'):format(customer)) end

  it("run one after another, in order of arrival, beside each other", function()
    local gate = H.gate()
    local host = start { handlers = gated(KEY, gate) }
    for i = 1, 4 do
      assert.equal(200, host:notify(of '"a"', { id = "a" .. i }).status)
      assert.equal(200, host:notify(of "7", { id = "b" .. i }).status)
    end
    H.wait_until(function() return host:count("begun") == 2 end, "the heads of two lanes")
    assert.equal(2, count(host, 6))
    gate:open(8)
    wait_all(host, 8)
    local ids = order(host)
    assert.equal("a1 a2 a3 a4", (ids:gsub("b%d ?", ""):gsub(" $", "")))
    assert.equal("b1 b2 b3 b4", (ids:gsub("a%d ?", ""):gsub(" $", "")))
  end)

  it("hold while their first waits for its retry, and go on when it is dead", function()
    local clock = clocks.new()
    local host = start { env = clock.env, config = "retries = { 60 }", handlers = { ["a.lua"] = handler(KEY) } }
    fail(host)
    host:notify(of '"a"', { id = "one" })
    wait_row(host, "one", "failed 1 1 1 1 handler_refused")
    mend(host)
    host:notify(of '"a"', { id = "two" })
    host:notify(of '"b"', { id = "other" })
    wait_row(host, "other", "succeeded 1 1 1 0 -")
    assert.equal("queued 1 1 0 0 -", row(host, "two"))
    fail(host)
    clock.pass(66)
    wait_row(host, "one", "dead 1 1 2 1 handler_refused")
    wait_row(host, "two", "failed 1 1 1 1 handler_refused")
    mend(host)
    clock.pass(66)
    wait_row(host, "two", "succeeded 1 1 2 1 -")
  end)

  it("keep their order over a kill", function()
    local gate = H.gate()
    local host = start { handlers = gated(KEY, gate) }
    for i = 1, 5 do host:notify(of '"a"', { id = "a" .. i }) end
    H.wait_until(function() return host:count("begun") == 1 end, "the first has begun")
    host:kill()
    host = start { folder = host.folder }
    gate:open(10)
    wait_all(host, 5)
    assert.equal("a1 a2 a3 a4 a5", order(host))
  end)

  it("go on when their first is purged", function()
    local clock = clocks.new()
    local host = start { env = clock.env, handlers = { ["a.lua"] = handler(KEY) } }
    fail(host)
    host:notify(of '"a"', { id = "one" })
    wait_row(host, "one", "failed 1 1 1 1 handler_refused")
    mend(host)
    host:notify(of '"a"', { id = "two" })
    assert(H.sh(("cd %s && %s jobs purge --state failed --yes"):format(H.quote(host.folder), H.quote(H.binary))))
    wait_row(host, "two", "succeeded 1 1 1 0 -")
  end)

  it("are none for nil and false", function()
    local gate = H.gate()
    local host = start { handlers = gated(KEY, gate) }
    for i, customer in ipairs { "null", "false", "null" } do
      -- null is hook.null, which is no key
      local answer = host:notify(of(customer), { id = "n" .. i })
      assert.equal(customer == "null" and 400 or 200, answer.status)
    end
    assert.equal(200, host:notify(BODY, { id = "none1" }).status)
    assert.equal(200, host:notify(BODY, { id = "none2" }).status)
    H.wait_until(function() return host:count("begun") == 3 end, "all begin")
    gate:open(3)
  end)

  it("are refused for a key that is none, with 400 handler_error", function()
    local host = start { handlers = { ["a.lua"] = handler(
      '{ ack = "first", key = function(event) if event.Customer == "loop" then while true do end end '
      .. 'if event.Customer == "boom" then error("boom") end return event.Customer end }') } }
    assert.equal(200, host:notify(of(('"%s"'):format(("k"):rep(256))), { id = "longest" }).status)
    for id, customer in pairs { long = ('"%s"'):format(("k"):rep(257)), fraction = "1.5", bool = "true",
      table = "[]", boom = '"boom"', loop = '"loop"' } do
      assert.equal("handler_error", host:notify(of(customer), { id = id }).error, id)
      assert.equal("failed 0 1 0 0 handler_error", row(host, id))
    end
    host:wait_log("it ran longer than a key may take %(100 ms%)")
    host:wait_log("key: it returned a text of 257 bytes; at most 256 are allowed")
  end)
end)

describe("`concurrency`", function()
  after_each(H.stop_all)

  it("bounds how many runs of a handler are under way, also after a restart", function()
    local gate = H.gate()
    local handlers = { ["a.lua"] = handler('{ ack = "first", concurrency = 2 }',
      { before = gate.source, inside = "wait()" }) .. [[
      hook.on("Other.Event", { ack = "first" }, function() end)
    ]] }
    local host = start { handlers = handlers }
    for i = 1, 6 do assert.equal(200, host:notify(BODY, { id = "job" .. i }).status) end
    assert.equal(200, host:notify(H.event("Other.Event"), { id = "other" }).status)
    wait_row(host, "other", "succeeded 1 1 1 0 -")
    H.wait_until(function() return host:count("begun") == 2 end, "two begin")
    assert.equal(2, count(host, 6))
    gate:open()
    H.wait_until(function() return host:count("begun") == 3 end, "a third begins")
    assert.equal(2, count(host, 6))
    host:kill()
    host = start { folder = host.folder }
    H.wait_until(function() return host:count("begun") >= 1 end, "one begins")
    socket.sleep(0.3)
    assert.is_true(count(host, 6) <= 2)
    gate:open(8)
    wait_all(host, 7)
  end)

  local function reload(host, version, options, gate)
    H.write(host.folder .. "/handlers/a.lua", gated(options, gate)["a.lua"])
    host:wait_log("reloaded: version " .. version)
  end

  it("is known after a restart as soon as the first run begins", function()
    local gate = H.gate()
    local handlers = gated('{ ack = "first", concurrency = 3 }', gate)
    local host = start { workers = 6, handlers = handlers }
    for i = 1, 5 do host:notify(BODY, { id = "job" .. i }) end
    host:kill()
    host = start { folder = host.folder }
    H.wait_until(function() return host:count("begun") == 3 end, "three begin")
    gate:open(6)
    wait_all(host, 5)
  end)

  it("may come with a reload, while there is a backlog", function()
    local gate = H.gate()
    local host = start { workers = 2, handlers = gated('{ ack = "first" }', gate) }
    for i = 1, 3 do host:notify(BODY, { id = "job" .. i }) end
    reload(host, 2, '{ ack = "first", concurrency = 1 }', gate)
    gate:open(3)
    wait_all(host, 3)
    assert.equal(200, host:notify(BODY, { id = "job4" }).status)
    gate:open()
    wait_all(host, 4)
  end)

  it("holds behind one that breaks a schema", function()
    local gate = H.gate()
    local host = start { workers = 4, handlers = gated('{ ack = "first", concurrency = 1 }', gate) }
    host:notify(BODY, { id = "first" })
    host:notify(BODY, { id = "bad" })
    local good = H.event("Order.Created", '"Good":true')
    for i = 1, 3 do host:notify(good, { id = "good" .. i }) end
    reload(host, 2, '{ ack = "first", concurrency = 1, schema = { required = { "Good" } } }', gate)
    gate:open()
    wait_row(host, "bad", "failed 1 1 0 1 schema_violation")
    H.wait_until(function() return host:count("begun") == 2 end, "the next begins")
    socket.sleep(0.3)
    assert.equal(1, count(host, 6))
    gate:open(3)
    wait_all(host, 4)
  end)
end)
