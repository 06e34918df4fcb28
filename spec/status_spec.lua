-- `hookward status`: what it shows, and when it says that something is not well.

local H = require "spec.support.host"
local cjson = require "cjson"

local A = H.event("Badge.Created")
local HANDLERS = { ["a.lua"] = [[
  require "hookward".on("Badge.Created", function(event, job)
    if job.id == "bad" then return nil, "no" end
  end)
]] }

local function start(options)
  options = options or {}
  options.handlers = options.handlers or HANDLERS
  options.ledger = options.ledger or "hookward.db"
  options.config = options.config or "retries = { 3600 }"
  return H.start(options)
end

-- Returns all that it prints, and its exit code.
local function status(host, arguments)
  local _, all, code = H.sh(("cd %s && %s status %s"):format(H.quote(host.folder), H.quote(H.binary),
    arguments or ""))
  return all, code or 0
end

local function json(host)
  local out, code = status(host, "--json")
  return cjson.decode(out), code
end

describe("hookward status", function()
  after_each(H.stop_all)

  it("shows a host that is well, and exits 0", function()
    local host = start()
    assert.equal(200, host:notify(A, { id = "1" }).status)
    assert.equal(400, host:notify(A, { id = "bad" }).status)
    local out, code = status(host)
    assert.equal(0, code, out)
    assert.matches("^state     serving, pid %d+, for %d+s\nversions  hookward %d+%.%d+%.%d+, handlers "
      .. "%x+ %(no%. 1 since the start%)\nlistening http://127.0.0.1:%d+\nworkers   8\n"
      .. "counts    received 2, succeeded 1[^\n]*\n"
      .. "errors    handler_refused 1\nbacklog   0 to run %(0 due now, 0 set aside by a pause%), "
      .. "0 running\nrows      succeeded 1, failed 1\nledger    hookward%.db, %d[%d.]* KB, well\n$", out)
    local found
    found, code = json(host)
    assert.equal(0, code)
    assert.is_true(found.ok)
    assert.same({}, found.problems)
    assert.equal("serving", found.state)
    assert.is_true(found.ready)
    assert.equal(2, found.counts.received)
    assert.same({ "http://127.0.0.1:" .. host.port }, found.addresses)
    assert.same({ handler_refused = 1 }, found.errors)
    assert.same({ waiting = 0, due = 0, parked = 0, running = 0 }, found.backlog)
    assert.same({ succeeded = 1, failed = 1, unhandled = 0, dead = 0, queued = 0, running = 0 },
      found.rows)
    assert.same({}, found.pauses)
    assert.is_nil(found.reload)
    assert.equal("sqlite", found.ledger.type)
    assert.equal(host.folder .. "/hookward.db", found.ledger.path:gsub("^/private", ""))
    assert.equal("well", found.ledger.health)
    assert.is_true(found.ledger.size > 1000)
  end)

  it("says where the admin page is", function()
    local host = start { config = 'admin = "127.0.0.1:0"', ledger = "memory:", handlers = { ["a.lua"] = "" } }
    local url = host:wait_log("the admin page is at (%S+)")
    assert.matches(("\nadmin     %s (`hookward dash` logs in)\n"):format(url), status(host), 1, true)
    assert.equal(url, json(host).admin)
  end)

  it("shows workers that are stuck now, and exits 1 when all are", function()
    local gate = H.gate()
    local host = start { config = 'workers = 2, handler_timeout = "30ms"', ledger = "memory:",
      handlers = { ["a.lua"] = gate.source .. 'require "hookward".on("*", function() wait() end)' } }
    assert.equal("handler_timeout", host:notify(A).error)
    local out, code = status(host)
    assert.matches("workers   2, 1 of them stuck in handlers\n", out, 1, true)
    assert.equal(0, code)
    assert.equal("handler_timeout", host:notify(A).error)
    out, code = status(host)
    assert.matches("error: no handler runs, since 2 workers are stuck in one that does not return", out, 1, true)
    assert.equal(1, code)
    gate:open(2)
    H.wait_until(function() return json(host).workers_stuck == 0 end, "both to be back")
    assert.equal(0, (select(2, status(host))))
    assert.equal(0, host:stop())
  end)

  it("has the counts of each event, and the routes of the live scripts", function()
    local host = start { handlers = { ["a.lua"] = HANDLERS["a.lua"] .. [[
      require "hookward".on("Person.*", { ack = "first", concurrency = 2, schema = false,
        key = function(event) return event.Id end }, function() end)
      require "hookward".on("*.Deleted", { schema = {} }, function() error "no" end)
    ]] } }
    for i = 1, 3 do host:notify(A, { id = "good" .. i }) end
    host:notify(A, { id = "bad" })
    host:notify(H.event("Badge.Deleted"), { id = "gone" })
    host:notify(H.event("Nobody.Knows"), { id = "unknown" })
    local found = json(host)
    assert.is_true(found.ready)
    assert.is_nil(found.why_not_ready)
    for _, event in ipairs(found.events) do
      assert.is_true(math.abs((event.last_error_at or 0) - os.time()) < 60)
      event.last_error_at = nil
    end
    assert.same({
      { event = "Badge.Created", succeeded = 3, failed = 1, last_error = "handler_refused" },
      { event = "Badge.Deleted", failed = 1, last_error = "handler_error" },
      { event = "Nobody.Knows", failed = 1, last_error = "no_handler" },
    }, found.events)
    assert.same({
      { pattern = "Badge.Created", place = "handlers/a.lua:1", ack_first = false },
      { pattern = "Person.*", place = "handlers/a.lua:5", ack_first = true, concurrency = 2,
        in_order = true },
      { pattern = "*.Deleted", place = "handlers/a.lua:6", schema = "its own", ack_first = false },
    }, found.routes)
    H.write(host.folder .. "/handlers/a.lua", 'require "hookward".on("*", function() end)')
    host:wait_log("reloaded")
    assert.same({ { pattern = "*", place = "handlers/a.lua:1", ack_first = false } }, json(host).routes)
  end)

  it("counts what was answered before it ran", function()
    local host = H.start { ledger = "hookward.db", handlers = { ["a.lua"] =
      'require "hookward".on("A.A", { ack = "first" }, function() end)' } }
    assert.equal(200, host:notify(H.event("A.A")).status)
    local _, out = H.sh(("cd %s && %s status"):format(H.quote(host.folder), H.quote(H.binary)))
    assert.match("counts    received 1, acked first 1", out, 1, true)
  end)

  it("counts what waits for the host's own retry, says when it came, and when the next is due", function()
    local host = start()
    host:notify(A, { id = "bad", attempt = 5 })
    local found, code = json(host)
    assert.equal(0, code)
    assert.equal(1, found.backlog.waiting)
    assert.equal(0, found.backlog.due)
    local now = os.time()
    assert.is_true(math.abs(found.backlog.oldest_waiting - now) < 60)
    assert.is_true(math.abs(found.backlog.next_due - now - 3600) < 600)
    assert.matches("backlog   1 to run [^\n]*\n +the oldest was received [%dT:Z-]+ %(%d+s ago%)\n +the next "
      .. "is due [%dT:Z-]+ %(in %d+[mh]%)\n", (status(host)))
  end)

  it("counts the rows of pools and of lanes, those that run apart", function()
    local host = start()
    H.sh(("cd %s && %s pause Other.Event"):format(H.quote(host.folder), H.quote(H.binary)))
    local values = {}
    -- id, state, next_run_at, lane, pool, parked
    for i, v in ipairs { "5, 10, NULL, 'p', 0", "5, 99999999999999, NULL, 'p', 0",
      "6, 99999999999999, 'l', NULL, 0", "5, NULL, 'l', NULL, 0", "5, NULL, 'l', NULL, 0",
      "5, NULL, 'm', NULL, 1", "5, NULL, 'm', NULL, 0", "6, 99999999999999, NULL, 'p', 0" } do
      values[i] = ("('n%d', x'00', 'Other.Event', 0, 1, 0, %d, 1, %s)"):format(i, 1000 * i, v)
    end
    assert(H.sh(("sqlite3 -cmd '.timeout 5000' %s/hookward.db %s"):format(H.quote(host.folder),
      H.quote("INSERT INTO notifications (job_id, digest, event, attempt, deliveries, runs, received_at,"
        .. " settled_at, state, next_run_at, lane, pool, parked) VALUES "
        .. table.concat(values, ", ")))))
    local backlog = json(host).backlog
    assert.equal(6, backlog.waiting)
    assert.equal(2, backlog.running)
    assert.equal(1, backlog.due)
    assert.equal(1, backlog.parked)
    assert.equal(1, backlog.oldest_waiting)
    assert.equal(0.01, backlog.next_due)
  end)

  it("shows pauses, which are no failure", function()
    local host = start()
    H.sh(("cd %s && %s pause '*'"):format(H.quote(host.folder), H.quote(H.binary)))
    local out, code = status(host)
    assert.equal(0, code)
    assert.matches("paused    %* since [%dT:Z-]+ %(%d+s ago%)\n", out)
    assert.equal("*", json(host).pauses[1].pattern)
  end)

  it("says when the last reload failed, and exits 1", function()
    local host = start()
    H.write(host.folder .. "/handlers/a.lua", "nonsense")
    host:wait_log("a%.lua:1")
    local out, code = status(host)
    assert.equal(1, code)
    assert.matches("reload    failed [%dT:Z-]+ ", out)
    assert.matches("error: the last reload failed, so version %x+ goes on: [^\n]*a%.lua:1", out)
    local found = json(host)
    assert.is_false(found.ok)
    assert.is_false(found.reload.ok)
    H.write(host.folder .. "/handlers/a.lua", HANDLERS["a.lua"] .. "local changed = 1\n")
    H.wait_until(function()
      out, code = status(host)
      return code == 0
    end, "the reload")
    assert.matches("no%. 2 since the start", out)
    assert.matches("reload    succeeded ", out)
  end)

  it("says when the ledger can't be written, and exits 1", function()
    local host = start()
    os.rename(host.folder .. "/hookward.db", host.folder .. "/away.db")
    assert.equal(400, host:notify(A, { id = "1" }).status)
    local out, code = status(host)
    assert.equal(1, code)
    assert.matches("ledger    hookward%.db, failed", out)
    assert.matches("error: the ledger can't be written, so no handler runs; the log says why", out)
    local found = json(host)
    assert.is_false(found.ready)
    assert.equal("the ledger can't record", found.why_not_ready)
  end)

  it("without a host shows what the ledger holds, and exits 1", function()
    local host = start()
    host:notify(A, { id = "bad", attempt = 5 })
    H.sh(("cd %s && %s pause '*'"):format(H.quote(host.folder), H.quote(H.binary)))
    host:stop()
    local out, code = status(host)
    assert.equal(1, code)
    assert.matches("^state     absent\nbacklog   1 to run ", out)
    assert.matches("paused    %* since ", out)
    assert.matches("error: no host is running with hookward%.lua: start it", out)
    local found
    found, code = json(host)
    assert.equal(1, code)
    assert.equal("absent", found.state)
    assert.equal(1, #found.problems)
  end)

  it("knows a host whose socket is gone, as while it stops, from the lock on its ledger", function()
    local host = start()
    os.remove(host.folder .. "/.hookward.sock")
    local out, code = status(host)
    assert.equal(1, code)
    assert.matches("^state     unreachable\nbacklog   0 to run", out)
    assert.matches("error: a host is running with hookward%.db, [^\n]*it is stopping, or its log says why", out)
    assert.equal("unreachable", json(host).state)
  end)

  it("knows a ledger in memory", function()
    local host = start { ledger = "memory:", config = "" }
    local out, code = status(host)
    assert.equal(0, code, out)
    assert.matches("ledger    in memory\n$", out)
    assert.is_nil(json(host).backlog)
  end)
end)
