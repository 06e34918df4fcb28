-- `hookward pause` and `resume`: what is paused does not run, and nothing of it is lost.

local H = require "spec.support.host"
local sql = require "spec.support.sql"
local socket = require "socket"

local A, B = H.event("Badge.Created"), H.event("Person.Created")

-- Every run appends a line to a file. While there is a file "down" the handler fails.
local HANDLERS = { ["a.lua"] = [[
  local hook = require "hookward"
  local runs = io.open("runs", "a")
  runs:setvbuf("no")
  local function run(event, job)
    runs:write(("%s %s\n"):format(job.id, job.event))
    local down = io.open("down")
    if not down then return end
    down:close()
    return nil, "down"
  end
  hook.on("Badge.Created", run)
  hook.on("Person.*", run)
]] }

local function start(options)
  options = options or {}
  options.handlers = options.handlers or HANDLERS
  options.ledger = options.ledger or "hookward.db"
  options.config = options.config or "retries = { 60 }"
  return H.start(options)
end

local function hookward(host, arguments)
  local _, all, code = H.sh(("cd %s && %s %s"):format(H.quote(host.folder), H.quote(H.binary), arguments))
  return all, code or 0
end

local function succeed(host, arguments)
  local out, code = hookward(host, arguments)
  assert.equal(0, code, out)
  return out
end

local function runs(host)
  return H.read(host.folder .. "/runs")
end

local function wait_sql(host, text, expected)
  H.wait_until(function() return sql(host, text) == expected end, text .. " = " .. expected)
end

local function code_of(answer)
  return answer.status == 200 and "200" or answer.body:match('"error":"([%a_]+)"')
end

describe("hookward pause", function()
  after_each(H.stop_all)

  it("keeps an event from running until it is resumed, and others run meanwhile", function()
    local host = start()
    assert.equal("paused Badge.*\n", succeed(host, "pause 'Badge.*'"))
    assert.equal("Badge.* was paused already\n", succeed(host, "pause 'Badge.*'"))
    assert.equal("paused", code_of(host:notify(A, { id = "1" })))
    assert.equal("200", code_of(host:notify(B, { id = "2" })))
    assert.equal("2 Person.Created\n", runs(host))
    assert.equal("2", sql(host, "SELECT group_concat(job_id) FROM notifications"))
    assert.equal("resumed Badge.*\n", succeed(host, "resume 'Badge.*'"))
    assert.equal("200", code_of(host:notify(A, { id = "1", attempt = 1 })))
    host:wait_log("succeeded event=Badge.Created job=1 attempt=1") -- the log is written after the answers
    local log = host:log()
    assert.matches("paused Badge%.%*: nothing of it runs until `hookward resume`", log)
    assert.matches("\n[^\n]*info  paused event=Badge%.Created job=1 attempt=0 error=paused "
      .. 'next="Accredit delivers again" status=400', log)
    assert.matches("resumed Badge%.%*", log)
  end)

  it("survives a restart, and is said at the start", function()
    local host = start()
    succeed(host, "pause '*.Created'")
    host:kill()
    host = H.start { folder = host.folder }
    host:wait_log("paused since %d+%-%d+%-%d+T[%d:]+Z: %*%.Created;")
    assert.equal("paused", code_of(host:notify(A, { id = "1" })))
    assert.matches("^%*%.Created  since [^\n]+ %(%d+s ago%)\n$", succeed(host, "pause"))
    assert.matches('^%[{[^\n]*"pattern":"%*%.Created"[^\n]*}%]\n$', succeed(host, "pause --json"))
    assert.matches("%*%.Created is paused", succeed(host, "check"))
    succeed(host, "resume --all")
    assert.equal("200", code_of(host:notify(A, { id = "1" })))
    assert.equal("nothing is paused\n", succeed(host, "pause"))
  end)

  it("works without a host, for the next one", function()
    local host = start()
    host:stop()
    assert.equal("paused Badge.Created\n", succeed(host, "pause Badge.Created"))
    assert.matches("^Badge%.Created  since ", succeed(host, "pause"))
    host = H.start { folder = host.folder }
    assert.equal("paused", code_of(host:notify(A, { id = "1" })))
    host:stop()
    assert.equal("resumed Badge.Created\n", succeed(host, "resume Badge.Created"))
    host = H.start { folder = host.folder }
    assert.equal("200", code_of(host:notify(A, { id = "1" })))
  end)

  it("works on a ledger in memory until the host ends", function()
    local host = start { ledger = "memory:", config = "" }
    succeed(host, "pause Badge.Created")
    assert.equal("paused", code_of(host:notify(A, { id = "1" })))
    assert.matches("^Badge%.Created ", succeed(host, "pause"))
    succeed(host, "resume Badge.Created")
    assert.equal("200", code_of(host:notify(A, { id = "1" })))
    host:stop()
    local out, code = hookward(host, "pause Badge.Created")
    assert.equal(1, code)
    assert.matches("^no host is running", out)
  end)

  it("takes over what its sender gives up meanwhile, and runs it once it is resumed", function()
    local host = start()
    succeed(host, "pause '*'")
    assert.equal("paused", code_of(host:notify(A, { id = "1", attempt = 5 })))
    host:wait_log('job=1 [^\n]*next="this host runs it once it is resumed"')
    wait_sql(host, "SELECT state, parked, next_run_at IS NULL, error FROM notifications", "2 1 1 paused")
    assert.matches("next run +once its event is resumed", succeed(host, "jobs show 1"))
    assert.matches("waiting +1 for a run by the host", succeed(host, "jobs stats"))
    host:kill()
    host = H.start { folder = host.folder } -- it stays so
    socket.sleep(2.3) -- two looks at what is due
    assert.equal("", runs(host))
    succeed(host, "resume '*'")
    wait_sql(host, "SELECT state, parked, next_run_at IS NULL FROM notifications", "1 0 1")
    assert.equal("1 Badge.Created\n", runs(host))
  end)

  it("keeps a dead one with its body when the host has no retries", function()
    local host = start { config = "retries = {}" }
    succeed(host, "pause '*'")
    assert.equal("paused", code_of(host:notify(A, { id = "1", attempt = 5 })))
    wait_sql(host, "SELECT state, error, body IS NOT NULL FROM notifications", "4 paused 1")
    assert.equal(0, select(2, hookward(host, "jobs replay 1")))
    assert.equal("1 Badge.Created\n", runs(host))
  end)

  it("sets aside what is due, however much it is, and what is behind it runs", function()
    local host = start()
    H.write(host.folder .. "/down", "")
    host:notify(A, { id = "1", attempt = 5 })
    host:notify(B, { id = "2", attempt = 5 })
    host:stop()
    os.remove(host.folder .. "/down")
    os.remove(host.folder .. "/runs")
    -- 5000 of the paused event are due longer than the other.
    sql(host, "WITH RECURSIVE n(i) AS (SELECT 3 UNION ALL SELECT i + 1 FROM n WHERE i < 5002)"
      .. " INSERT INTO notifications (job_id, digest, event, state, attempt, deliveries, runs,"
      .. " received_at, settled_at, next_run_at, key, body, retries)"
      .. " SELECT i, CAST(printf('%032d', i) AS BLOB), event, 2, 5, 1, 1,"
      .. " received_at, 1000 + i, 1000 + i, key, body, 1 FROM n, notifications WHERE job_id = '1'")
    sql(host, "UPDATE notifications SET state = 2, retries = 1, settled_at = 9999, next_run_at = 9999"
      .. " WHERE job_id IN ('1', '2')")
    succeed(host, "pause Badge.Created")
    host = H.start { folder = host.folder }
    wait_sql(host, "SELECT state FROM notifications WHERE job_id = '2'", "1")
    wait_sql(host, "SELECT count(*) FROM notifications WHERE parked AND next_run_at IS NULL", "5001")
    assert.equal("2 Person.Created\n", runs(host))
    local status = succeed(host, "status")
    assert.matches("backlog   5001 to run %(0 due now, 5001 set aside by a pause%), 0 running\n", status)
    succeed(host, "resume Badge.Created")
    wait_sql(host, "SELECT count(*) FROM notifications WHERE state = 1 AND NOT parked", "5002")
    local second = tonumber(runs(host):match("\n(%d+) Badge.Created")) -- of seven at once
    assert.is_true(second < 10, "the oldest first, not " .. second)
    assert.equal(5002, select(2, runs(host):gsub("\n", "")))
  end)

  describe("of an ack-first handler", function()
    local FIRST = { ["a.lua"] = [[
      local hook = require "hookward"
      local runs = io.open("runs", "a")
      runs:setvbuf("no")
      local function run(event, job) runs:write(("%s %s\n"):format(job.id, event.Of or "-")) end
      hook.on("Badge.Created", { ack = "first" }, run)
      hook.on("Person.Created", { ack = "first", key = function(event) return event.Of end }, run)
      hook.on("Person.Moved", { ack = "first", concurrency = 2 }, run)
    ]] }

    it("accepts it, and runs it once it is resumed, also after a kill", function()
      local host = start { handlers = FIRST }
      succeed(host, "pause '*'")
      for i = 1, 20 do
        local event = H.event(i % 2 == 0 and "Badge.Created" or "Person.Moved")
        assert.equal(200, host:notify(event, { id = "job" .. i }).status)
      end
      wait_sql(host, "SELECT count(*) FROM notifications WHERE state = 5 AND parked", "20")
      host:kill()
      host = H.start { folder = host.folder }
      assert.equal(200, host:notify(A, { id = "job2", attempt = 1 }).status) -- a copy
      socket.sleep(1.5)
      assert.equal("", runs(host))
      assert.matches("backlog   20 to run %(0 due now, 20 set aside", succeed(host, "status"))
      succeed(host, "resume --all")
      wait_sql(host, "SELECT count(*) FROM notifications WHERE state = 1 AND NOT parked", "20")
      assert.equal(20, select(2, runs(host):gsub("\n", "")))
    end)

    it("keeps the order of a lane", function()
      local host = start { handlers = FIRST }
      local expected = {}
      succeed(host, "pause Person.Created")
      for i = 1, 12 do
        if i == 8 then succeed(host, "resume --all") end
        local of = i % 2 == 0 and "even" or "odd"
        assert.equal(200, host:notify(H.event("Person.Created", ('"Of":"%s"'):format(of)), { id = "job" .. i }).status)
        expected[of] = (expected[of] or "") .. ("job%d %s\n"):format(i, of)
      end
      wait_sql(host, "SELECT count(*) FROM notifications WHERE state = 1", "12")
      local ran = { odd = "", even = "" }
      for line, of in runs(host):gmatch("(%S+ (%a+)\n)") do ran[of] = ran[of] .. line end
      assert.same(expected, ran)
    end)
  end)

  it("leaves a replay to whoever asks for it", function()
    local host = start()
    H.write(host.folder .. "/down", "")
    host:notify(A, { id = "1" })
    os.remove(host.folder .. "/down")
    succeed(host, "pause '*'")
    succeed(host, "jobs replay 1")
    assert.equal("1", sql(host, "SELECT state FROM notifications"))
  end)

  it("never lets retention remove what is set aside", function()
    local host = start { config = "retries = { 60 }, retention = '1s'" }
    succeed(host, "pause '*'")
    host:notify(A, { id = "1", attempt = 5 })
    wait_sql(host, "SELECT parked FROM notifications", "1")
    sql(host, "UPDATE notifications SET received_at = 1000, settled_at = 1000")
    socket.sleep(2.3)
    assert.equal("1", sql(host, "SELECT count(*) FROM notifications"))
  end)

  it("refuses what is no pattern, and a resume of what is not paused", function()
    local host = start()
    local out, code = hookward(host, "pause 'A*'")
    assert.equal(2, code)
    assert.matches("'A%*' is not an event", out)
    succeed(host, "pause 'Badge.*'")
    out, code = hookward(host, "resume Badge.Created")
    assert.equal(1, code)
    assert.equal("Badge.Created is not paused; Badge.* is\n", out)
    out, code = hookward(host, "resume")
    assert.equal(2, code)
    assert.matches("name what to resume, or %-%-all", out)
  end)
end)
