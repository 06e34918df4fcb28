-- hookward.testing, used from a spec; spec/testing_spec.lua runs this with `hookward test`.

local core = require "hookward.core"
local json = core.json
local cli = require "spec.support.cli"
local testing = require "hookward.testing"

local apps = {}

-- Loads one file of handlers.
local function load_set(source, options)
  local folder = cli.folder { ["handlers/a.lua"] = 'local hook = require "hookward"\n' .. source }
  local app = testing.load(folder .. "/handlers", options)
  apps[#apps + 1] = app
  return app, folder
end

local function raises(part, fn, ...)
  local ok, why = pcall(fn, ...)
  assert.is_false(ok)
  why = tostring(why)
  assert.is_truthy(why:find(part, 1, true), ("%q is not in:\n%s"):format(part, why))
  return why
end

after_each(function()
  for _, app in ipairs(apps) do app:unload() end
  apps = {}
  cli.clean()
end)

describe("deliver", function()
  it("signs a notification, which the handler then gets", function()
    local app = load_set [[
      hook.on("Person.Updated", function(event, job)
        hook.log.info("seen", { event = hook.json.encode(event), key = job.key, id = job.id,
          attempt = job.attempt, header = job.headers["x-extra"], redelivered = job.redelivered })
      end)]]
    app:clock("2024-05-10T11:09:21.248Z")
    local result = app:deliver("Person.Updated", { PersonId = 9007199254740993 },
      { id = "job-7", attempt = 2, headers = { ["X-Extra"] = "yes" } })
    result:expect(200)
    assert.equal('{"status":"processed"}', result.body)
    assert.equal("Person.Updated", result.event)
    assert.is_true(result.ran)
    assert.is_false(result.duplicate)
    local seen = result:logged("seen").fields
    assert.same({ Event = "Person.Updated", Timestamp = "2024-05-10T11:09:21.248Z",
      PersonId = 9007199254740993 }, json.decode(seen.event))
    assert.equal("job-7", seen.id)
    assert.equal(2, seen.attempt)
    assert.equal("yes", seen.header)
    assert.equal("testing.pem", seen.key)
    assert.is_true(seen.redelivered)
  end)

  it("comes from the address that the spec names; a run of the host's own from none", function()
    local app = load_set [[
      hook.on("A.B", function(_, job) return nil, "remote=" .. tostring(job.remote) end)]]
    local function remote(options) return app:deliver("A.B", {}, options).reason end
    assert.equal("remote=127.0.0.1", remote())
    assert.equal("remote=203.0.113.7", remote { remote = "203.0.113.7" })
    assert.equal("remote=2001:db8::7", remote { remote = "2001:DB8::7" })
    assert.equal("remote=unix", remote { remote = "unix" })
    local first = app:deliver("A.B", {}, { remote = "203.0.113.7" })
    assert.equal("remote=203.0.113.7", app:redeliver(first, { attempt = 5 }).reason)
    assert.equal("remote=nil", app:advance("2m")[1].reason)
    for _, wrong in ipairs { "localhost", "203.0.113.7:80", "10.0.0.0/8", "", 7 } do
      raises("app:post: remote must be an address", app.deliver, app, "A.B", {}, { remote = wrong })
    end
  end)

  it("returns the outcome of the handler as the sender and the log see it", function()
    local app = load_set [[
      hook.on("A.Nil", function() return nil, "not today" end)
      hook.on("A.Status", function() return 400 end)
      hook.on("A.Number", function() return 404 end)
      hook.on("A.Error", function() error("broken") end)
      hook.on("A.Fine", function() return true end)]]
    local refused = app:deliver("A.Nil"):expect(400, "handler_refused")
    assert.equal("not today", refused.reason)
    assert.equal("not today", refused.message)
    app:deliver("A.Status"):expect(400, "handler_refused")
    assert.match("404", app:deliver("A.Number"):expect(400, "handler_error").detail)
    local failed = app:deliver("A.Error"):expect(400, "handler_error")
    assert.match("a.lua:5: broken\nstack traceback:", failed.detail)
    assert.equal("the handler failed", failed.message)
    assert.match("a.lua:5$", failed.place)
    app:deliver("A.Fine"):expect(200)
  end)

  it("follows the patterns of the host, and `unhandled`", function()
    local source = [[
      for _, pattern in ipairs { "A.B", "A.*", "*.B" } do
        hook.on(pattern, function() hook.log.info(pattern) end)
      end]]
    local app = load_set(source)
    for event, pattern in pairs { ["A.B"] = "A.B", ["A.C"] = "A.*", ["C.B"] = "*.B" } do
      assert.equal(pattern, app:deliver(event).logs[1].message)
    end
    app:deliver("C.C"):expect(400, "no_handler")
    assert.same({ "A.B", "A.*", "*.B" }, { app:routes()[1].pattern, app:routes()[2].pattern,
      app:routes()[3].pattern })
    local accepting = load_set(source, { unhandled = "accept" })
    assert.is_true(accepting:deliver("C.C"):expect(200).unhandled)
  end)

  it("applies the schemas that a handler asked for", function()
    local app = load_set [[
      hook.on("BadgeExportZipFile.Created", { schema = true }, function() end)]]
    app:deliver("BadgeExportZipFile.Created", { BadgeExportZipFileId = "7" })
      :expect(400, "schema_violation")
    app:deliver("BadgeExportZipFile.Created",
      { BadgeExportZipFileId = "6f9619ff-8b86-d011-b42d-00cf4fc964ff" }):expect(200)
  end)

  it("answers a repeat from the ledger, and runs again what failed", function()
    local app = load_set [[
      local tries = 0
      hook.on("A.B", function(_, job)
        tries = tries + 1
        hook.log.info("try", { n = tries, attempt = job.attempt })
        return tries > 1
      end)]]
    local first = app:deliver("A.B"):expect(400)
    local second = app:redeliver(first):expect(200)
    assert.same({ n = 2, attempt = 1 }, second:logged("try").fields)
    local third = app:redeliver(second):expect(200)
    assert.is_true(third.duplicate)
    assert.is_false(third.ran)
    assert.same({}, third.logs)
    assert.equal(2, #app.logs)
  end)

  it("treats duplicates as `duplicates` says", function()
    local source = [[hook.on("*", function() end)]]
    local by_job = load_set(source)
    local by_body = load_set(source, { duplicates = "by-body" })
    for _, app in ipairs { by_job, by_body } do app:clock(0) end
    by_job:deliver("A.B", {}, { id = "1" })
    assert.is_false(by_job:deliver("A.B", {}, { id = "2" }).duplicate)
    by_body:deliver("A.B", {}, { id = "1" })
    assert.is_true(by_body:deliver("A.B", {}, { id = "2" }).duplicate)
  end)

  it("ends a handler at handler_timeout and at vm_memory, and goes on", function()
    local app = load_set([[
      hook.on("A.Loop", function() while true do end end)
      hook.on("A.Memory", function() return #("x"):rep(1 << 24) > 0 end)
      hook.on("A.Fine", function() end)]], { handler_timeout = "20ms", vm_memory = "4MB" })
    assert.match("handler_timeout %(20 ms%)", app:deliver("A.Loop"):expect(400, "handler_timeout").detail)
    assert.match("not enough memory", app:deliver("A.Memory"):expect(400, "handler_error").detail)
    app:deliver("A.Fine"):expect(200)
  end)

  it("records what is logged and printed, with level and fields", function()
    local app = load_set [[
      hook.log.info("loading")
      hook.on("A.B", function(event)
        hook.log.debug('quoted "\\" \n', { text = "\0é", number = 1.5, whole = 3, yes = true, event = "mine" })
        print("a", 1, nil)
        made = 1
      end)]]
    assert.same({ { level = "info", message = "loading", fields = {} } }, app.logs)
    local logs = app:deliver("A.B").logs
    assert.same({ level = "debug", message = 'quoted "\\" \n',
      fields = { text = "\0é", number = 1.5, whole = 3, yes = true, event = "mine" } }, logs[1])
    assert.same({ level = "info", message = "a\t1\tnil", fields = {} }, logs[2])
    assert.match("set the global 'made'", logs[3].message)
    assert.equal(3, #logs)
    assert.equal(4, #app.logs)
  end)

  it("gives handlers the settings, and modules of their folder", function()
    local folder = cli.folder { ["handlers/a.lua"] = [[
      local hook, double = require "hookward", require "double"
      hook.on("*", function() hook.log.info(double(hook.config.name)) end)]],
      ["handlers/lib/double.lua"] = "return function(text) return text .. text end" }
    local app = testing.load(folder .. "/handlers", { settings = { name = "ab" } })
    apps[1] = app
    assert.equal("abab", app:deliver("A.B").logs[1].message)
  end)

  it("keeps several sets apart", function()
    local source = [[count = 0
      hook.on("*", function() count = count + 1 hook.log.info(count) end)]]
    local one, other = load_set(source), load_set(source)
    one:deliver("A.B")
    one:deliver("A.B")
    other:deliver("A.B")
    assert.equal("2", one.logs[2].message)
    assert.equal("1", other.logs[1].message)
  end)
end)

describe("post", function()
  local app
  before_each(function() app = load_set [[hook.on("*", function() end)]] end)

  it("refuses what is not signed", function()
    local body = '{"Event":"A.B"}'
    app:post { body = body }:expect(200)
    app:post { body = body, signature = app:sign(body) }:expect(200)
    app:post { body = body, signature = app:sign(body .. " ") }:expect(400, "invalid_signature")
    app:post { body = body, signature = "forged" }:expect(400, "malformed_signature")
    app:post { body = body, signature = false }:expect(400, "missing_signature")
  end)

  it("applies the host's own rules for refusal", function()
    app:post { body = "{" }:expect(400, "invalid_json")
    app:post { body = "[]" }:expect(400, "missing_event")
    app:post { body = '{"Event":"A.B"}', id = "" }:expect(400, "malformed_job_id")
    app:post { body = '{"Event":"A.B"}', attempt = -1 }:expect(400, "malformed_job_attempt")
    app:post { body = '{"Event":"A.B"}', headers = { ["Content-Length"] = "x" } }
      :expect(400, "malformed_request")
    app:post { body = '{"Event":"A.B"}', headers = { ["Transfer-Encoding"] = "gzip" } }
      :expect(400, "malformed_request")
    app:post { body = '{"Event":"A.B"}', headers = { ["Content-Length"] = false,
      ["Transfer-Encoding"] = "gzip" } }:expect(501, "unsupported_transfer_coding")
  end)

  it("applies the limits of a request, at the limit and one over", function()
    local small = load_set([[hook.on("*", function() end)]], { max_body = 1024, max_header = 1024 })
    local function body(size)
      local text = '{"Event":"A.B","X":""}'
      return (text:gsub('""}', '"' .. ("x"):rep(size - #text) .. '"}'))
    end
    small:post { body = body(1024) }:expect(200)
    small:post { body = body(1025) }:expect(413, "body_too_large")
    small:post { body = body(100), headers = { A = ("x"):rep(1024) } }:expect(431, "header_too_large")
  end)

  it("gives an id to a request without one", function()
    local result = app:post { body = '{"Event":"A.B"}', id = false }
    result:expect(200)
    assert.equal(result.digest:sub(1, 16), result.id)
    assert.equal(core.crypto.sha256 '{"Event":"A.B"}', result.digest)
  end)

  it("accepts the keys of the configuration too", function()
    local folder = cli.folder()
    local private, public = core.crypto.keygen(2048)
    cli.write(folder .. "/accredit.pem", public)
    app = load_set([[hook.on("*", function(_, job) hook.log.info(job.key) end)]],
      { keys = folder .. "/*.pem" })
    local body = '{"Event":"A.B"}'
    local result = app:post { body = body, signature = core.crypto.sign(private, body) }
    assert.equal("accredit.pem", result:expect(200).logs[1].message)
    assert.equal("testing.pem", app:post { body = body .. " " }.logs[1].message)
  end)
end)

describe("the clock", function()
  local source = [[
    local loaded = os.time()
    hook.on("*", function(_, job)
      hook.log.info("now", { received = job.received_at, time = os.time(), date = os.date("!%FT%T"),
        then_ = os.time { year = 2000, month = 1, day = 1, hour = 12 }, day = os.date("!%F", 0) })
    end)]]

  it("is the real one at first", function()
    local before = os.time()
    local app = load_set(source)
    local now = app:deliver("A.B").logs[1].fields
    assert.is_true(now.time >= before and now.received >= before and app:clock() >= before)
    assert.is_true(now.time <= os.time() and now.received <= os.time() + 1)
  end)

  it("stands still once it is set, and can be advanced", function()
    local app = load_set(source)
    assert.equal(1715339361.25, app:clock("2024-05-10T11:09:21.25Z"))
    local now = app:deliver("A.B").logs[1].fields
    assert.equal(1715339361.25, now.received)
    assert.equal(1715339361, now.time)
    assert.equal("2024-05-10T11:09:21", now.date)
    assert.equal("1970-01-01", now.day)
    assert.equal(os.time { year = 2000, month = 1, day = 1, hour = 12 }, now.then_)
    assert.same({}, app:advance("2h"))
    assert.equal(1715339361.25 + 7200, app:clock())
    assert.same({}, app:advance(-1))
    assert.equal(1715339361.25 + 7199, app:clock())
    assert.equal(1715339361 + 7199, app:deliver("A.B").logs[1].fields.time)
    assert.equal(60, app:deliver("A.B", {}, { at = 60 }).logs[1].fields.time)
    assert.equal(1715339361 + 7199, app:deliver("A.B").logs[1].fields.time)
  end)

  it("can be set before the set loads", function()
    local app = load_set([[local loaded = os.time()
      hook.on("*", function() hook.log.info(loaded) end)]], { clock = "2024-05-10T11:09:21.5Z" })
    assert.equal("1715339361", app:deliver("A.B").logs[1].message)
    assert.equal(1715339361.5, app:clock())
    raises("testing.load: clock: expected seconds since 1970", load_set, "", { clock = "noon" })
  end)

  it("is used for max_age, at the limit and over it", function()
    local app = load_set(source, { max_age = "1h" })
    app:clock("2024-05-10T12:00:00Z")
    local fields = { Timestamp = "2024-05-10T11:00:00Z" }
    app:deliver("A.B", fields):expect(200)
    app:advance(0.001)
    app:deliver("A.B", fields):expect(400, "too_old")
    app:clock("2024-05-10T10:00:00Z")
    app:deliver("A.B", fields):expect(200)
    app:advance(-0.001)
    app:deliver("A.B", fields):expect(400, "too_new")
  end)
end)

describe("the host's own retries", function()
  local MINUTE, HOUR = 60, 3600
  local START = 1715339361.25
  -- Fails until the retry that the event names, and says what it sees of each run.
  local source = [[
    hook.on("A.*", function(event, job)
      hook.log.info("run", { retry = job.retry, last = job.last, attempt = job.attempt, id = job.id,
        received = job.received_at, time = os.time(), again = job.redelivered, body = job.body,
        source = job.headers["x-source"], secret = job.headers.cookie })
      if event.After then hook.retry_after(event.After) end
      if event.Never == job.retry then return hook.never "the badge is gone" end
      if event.Good ~= job.retry then return nil, "not yet" end
    end)]]

  local function load_at_start(options)
    local app = load_set(source, options)
    app:clock(START)
    return app
  end

  -- What a member is in each of the results.
  local function each(results, name)
    local values = {}
    for i, result in ipairs(results) do
      values[i] = name == "run" and result:logged("run").fields or result[name]
    end
    return values
  end

  local function runs(results, name)
    local values = {}
    for i, fields in ipairs(each(results, "run")) do values[i] = fields[name] end
    return values
  end

  it("begin where the sender gives up, and end when one succeeds", function()
    local app = load_at_start()
    local headers = { ["X-Source"] = "spec", Cookie = "a=b" }
    local first = app:deliver("A.B", { Good = 3 }, { id = "7", headers = headers }):expect(400)
    assert.equal("a=b", first:logged("run").fields.secret)
    assert.equal("failed", first.state)
    assert.is_nil(first.next_run_at)
    app:clock(START + 10)
    local fifth = app:redeliver(first, { attempt = 5 }):expect(400)
    assert.equal("failed", fifth.state)
    assert.equal(START + 10 + MINUTE, fifth.next_run_at)

    local results = app:advance("1h")
    assert.same({ 400, 400, 200 }, each(results, "status"))
    assert.same({ "failed", "failed", "succeeded" }, each(results, "state"))
    assert.same({ 1, 2, 3 }, each(results, "retry"))
    assert.same({ START + 10 + 6 * MINUTE, START + 10 + 36 * MINUTE }, each(results, "next_run_at"))
    assert.same({ 1, 2, 3 }, runs(results, "retry"))
    assert.same({ 1715339371 + MINUTE, 1715339371 + 6 * MINUTE, 1715339371 + 36 * MINUTE },
      runs(results, "time"))
    local run = results[3]:logged("run").fields
    assert.same({ START, 5, "7", true, first.sent.body },
      { run.received, run.attempt, run.id, run.again, run.body })
    assert.same({ "spec", "spec", "spec" }, runs(results, "source"))
    assert.same({}, runs(results, "secret"))
    assert.equal(START + 10 + HOUR, app:clock())
    assert.equal(5, #app.logs)
    assert.is_true(app:redeliver(results[3]):expect(200).duplicate)
    assert.same({}, app:advance("30d"))
  end)

  it("end with a dead one, of which each run knew which was the last", function()
    local app = load_at_start()
    local delivery = app:deliver("A.B", {}, { attempt = 5 })
    assert.is_false(delivery:logged("run").fields.last)
    assert.matches("next: again at 2024%-05%-10T11:10:21%.250Z, by the host", tostring(delivery))
    local results = app:advance("30d")
    assert.same({ "failed", "failed", "failed", "failed", "dead" }, each(results, "state"))
    assert.same({ 1, 2, 3, 4, 5 }, runs(results, "retry"))
    assert.same({ false, false, false, false, true }, runs(results, "last"))
    assert.is_nil(results[5].next_run_at)
    assert.matches("retry: 5, by the host\n  next: nothing: it is dead", tostring(results[5]))
    assert.same({}, app:advance("30d"))
  end)

  it("come as `retries` says, with a ledger in memory as well; {} turns them off", function()
    for _, options in ipairs { { retries = { "10s", 20 } },
        { retries = { 10, 20 }, ledger = "memory:" },
        { retries = { 10, 20 }, ledger = cli.folder() .. "/ledger.db" } } do
      local app = load_at_start(options)
      assert.equal(START + 10, app:deliver("A.B", {}, { attempt = 5 }).next_run_at)
      local results = app:advance("1d")
      assert.same({ "failed", "dead" }, each(results, "state"))
      assert.equal(START + 30, results[1].next_run_at)
    end
    local app = load_at_start { retries = {} }
    local result = app:deliver("A.B", {}, { attempt = 5 })
    assert.is_true(result:logged("run").fields.last)
    assert.equal("dead", result.state)
    assert.same({}, app:advance("30d"))
  end)

  it("take their times from a configuration", function()
    local _, folder = load_set(source)
    cli.write(folder .. "/hookward.lua", "return { retries = { '2h' }, ledger = 'x.db' }")
    local app = testing.load(folder .. "/handlers", { config = folder .. "/hookward.lua", clock = START })
    apps[#apps + 1] = app
    assert.equal(START + 2 * HOUR, app:deliver("A.B", {}, { attempt = 5 }).next_run_at)
    assert.equal(1, #app:advance("2h"))
    for _, name in ipairs { "x.db", "testing.db" } do
      assert.is_nil(core.sys.stat(folder .. "/" .. name))
      assert.is_nil(core.sys.stat(name))
    end
  end)

  it("do not follow hook.never, and a delivery is answered from the record", function()
    local app = load_at_start()
    local first = app:deliver("A.B", { Never = 0 }):expect(400, "given_up")
    assert.equal("the badge is gone", first.reason)
    assert.equal("dead", first.state)
    assert.is_nil(first.next_run_at)
    local second = app:redeliver(first):expect(400, "given_up")
    assert.is_true(second.duplicate)
    assert.is_false(second.ran)
    assert.equal("dead", second.state)
    assert.same({}, app:advance("30d"))

    app:deliver("A.B", { Never = 2 }, { attempt = 5 })
    assert.same({ "failed", "dead" }, each(app:advance("30d"), "state"))
  end)

  it("come when hook.retry_after says", function()
    local app = load_at_start()
    local result = app:deliver("A.B", { After = "10m", Good = 2 }, { attempt = 5 })
    assert.equal(START + 10 * MINUTE, result.next_run_at)
    assert.same({}, app:advance(10 * MINUTE - 0.001))
    assert.same({ START + 20 * MINUTE }, each(app:advance(0.001), "next_run_at"))
    assert.same({ 200 }, each(app:advance("10m"), "status"))
  end)

  it("run in the order in which they are due, whatever failed first", function()
    local app = load_at_start()
    app:deliver("A.B", { After = 30 }, { attempt = 5, id = "late" })
    app:deliver("A.B", { Good = 1, After = 10 }, { attempt = 5, id = "soon" })
    app:deliver("A.B", { After = 30 }, { attempt = 5, id = "as late" })
    assert.same({ "soon", "late", "as late", "late", "as late" }, each(app:advance(60), "id"))
  end)

  it("make room for a delivery that comes while one waits", function()
    local app = load_at_start()
    local first = app:deliver("A.B", { Good = 0, Never = 9 }, { attempt = 5, id = "never" })
    assert.equal("succeeded", first.state)
    local waits = app:deliver("A.B", { Good = 3 }, { attempt = 5 })
    app:advance(MINUTE)
    local again = app:redeliver(waits):expect(400)
    assert.is_false(again.duplicate)
    assert.equal(START + 31 * MINUTE, again.next_run_at) -- the third of `retries`
    assert.same({ 3 }, runs(app:advance("1h"), "retry"))
    assert.same({}, app:advance("30d"))
  end)

  it("are gone when a delivery that comes meanwhile succeeds", function()
    local app = load_set [[
      local broken = true
      hook.on("A.B", function() return not broken end)
      hook.on("Mend", function() broken = false end)]]
    local waits = app:deliver("A.B", {}, { attempt = 5 })
    app:deliver "Mend"
    app:redeliver(waits):expect(200)
    assert.same({}, app:advance("30d"))
  end)

  it("leave what nobody would run again alone", function()
    local app = load_at_start()
    app:deliver("A.B"):expect(400)
    app:post { body = "{", attempt = 5 }:expect(400, "invalid_json")
    local refused = app:post { body = "{}", attempt = 5, signature = "AAAA" }:expect(400)
    assert.is_nil(refused.state)
    assert.equal("succeeded", app:deliver("A.B", { Good = 0 }).state)
    assert.same({}, app:advance("30d"))
  end)

  it("run with the real clock as well, and what a clock that was put forward has passed", function()
    local app = load_set(source)
    app:deliver("A.B", { Good = 2 }, { attempt = 5 })
    assert.same({}, app:advance(59))
    app:clock(app:clock() + 2)
    assert.same({ 1 }, runs(app:advance(0), "retry"))
    assert.same({ 2 }, runs(app:advance("5m"), "retry"))
  end)

  it("fail the spec at a call of hook.http that nobody expected", function()
    local app = load_set [[
      hook.on("*", function(_, job)
        if job.retry == 0 then return nil, "not yet" end
        hook.http.get("http://a/")
      end)]]
    app:deliver("A.B", {}, { attempt = 5 })
    raises("unexpected call of hook.http: GET http://a/", app.advance, app, "1m")
    app:deliver("A.C", {}, { attempt = 5 })
    app:stub_http("GET", "http://a/", {})
    assert.equal("http://a/", app:advance("1m")[1].http_calls[1].url)
  end)
end)

describe("an ack-first handler", function()
  local START = 1715339361.25
  -- Fails as long as the file of settings says, and logs what it sees of each run.
  local source = [[
    local failures = {}
    hook.on("A.*", %s, function(event, job)
      hook.log.info("run", { id = job.id, retry = job.retry, last = job.last, again = job.redelivered,
        attempt = job.attempt })
      failures[job.id] = (failures[job.id] or 0) + 1
      if event.Never then return hook.never "the badge is gone" end
      if failures[job.id] <= (event.Fails or 0) then return nil, "not yet" end
    end)]]
  local FIRST = '{ ack = "first" }'
  local KEYED = '{ ack = "first", key = function(event) return event.Customer end }'

  local function load_at_start(ways, options)
    local app = load_set(source:format(ways), options)
    app:clock(START)
    return app
  end

  local function seen(results)
    local values = {}
    for i, result in ipairs(results) do
      local run = result:logged("run").fields
      values[i] = ("%s retry=%d %s"):format(run.id, run.retry, result.state)
    end
    return values
  end

  it("is answered 200, and runs at once", function()
    local app = load_at_start(FIRST)
    local result = app:deliver("A.B"):expect(200)
    assert.is_true(result.accepted)
    assert.is_true(result.ran)
    assert.equal("succeeded", result.state)
    assert.is_nil(result.error)
    assert.equal('{"status":"processed"}', result.body)
    assert.same({ id = result.id, retry = 0, last = false, again = false, attempt = 0 },
      result:logged("run").fields)
    assert.matches("^200 accepted; then processed\n", tostring(result))
    assert.same({}, app:advance("30d"))
  end)

  it("is answered 200 when the run fails, and runs again when its retries are due", function()
    local app = load_at_start(FIRST)
    local result = app:deliver("A.B", { Fails = 2 }, { id = "7" }):expect(200, "handler_refused")
    assert.is_true(result.accepted)
    assert.equal("failed", result.state)
    assert.equal("not yet", result.message)
    assert.equal('{"status":"processed"}', result.body)
    assert.equal(START + 60, result.next_run_at)
    assert.matches("^200 accepted; then the run failed: handler_refused: not yet\n", tostring(result))
    local results = app:advance("1h")
    assert.same({ "7 retry=1 failed", "7 retry=2 succeeded" }, seen(results))
    assert.equal(400, results[1].status)
    assert.equal(200, results[2].status)
    assert.is_false(results[1].accepted)
    assert.is_true(results[1]:logged("run").fields.again)
  end)

  it("is dead after the last retry, and at once after hook.never", function()
    local app = load_at_start(FIRST, { retries = { 60, 300 } })
    app:deliver("A.B", { Fails = 9 }, { id = "7" }):expect(200)
    assert.same({ "7 retry=1 failed", "7 retry=2 dead" }, seen(app:advance("30d")))
    local never = app:deliver("A.B", { Never = true }):expect(200, "given_up")
    assert.equal("dead", never.state)
    assert.is_nil(never.next_run_at)
    assert.same({}, app:advance("30d"))
  end)

  it("answers copies 200 without a run, whatever became of the first", function()
    local app = load_at_start(FIRST)
    for state, fields in pairs { succeeded = {}, failed = { Fails = 1 }, dead = { Never = true } } do
      local copy = app:redeliver(app:deliver("A.B", fields)):expect(200)
      assert.is_true(copy.duplicate)
      assert.is_false(copy.ran)
      assert.equal(state, copy.state)
      assert.is_nil(copy.error)
      assert.matches("^200 a duplicate, answered from the ledger", tostring(copy))
    end
    assert.equal(1, #app:advance("30d"))
  end)

  it("is refused for what it can't accept", function()
    local app = load_at_start([[{ ack = "first", schema = { required = { "Fails" } },
      key = function(event) if event.Fails == 0 then error "no key" end end }]])
    local violation = app:deliver("A.B"):expect(400, "schema_violation")
    assert.is_false(violation.accepted)
    assert.is_false(violation.ran)
    local failed = app:deliver("A.B", { Fails = 0 }):expect(400, "handler_error")
    assert.is_false(failed.accepted)
    assert.is_false(failed.ran)
    app:deliver("A.B", { Fails = 1 }):expect(200, "handler_refused")
    app:deliver("B.A"):expect(400, "no_handler")
  end)

  it("is what `ack` of the configuration makes of each", function()
    local app = load_at_start("{}", { ack = "first" })
    assert.is_true(app:deliver("A.B", { Fails = 1 }):expect(200).accepted)
    app = load_at_start('{ ack = "last" }', { ack = "first" })
    assert.is_false(app:deliver("A.B", { Fails = 1 }):expect(400).accepted)
  end)

  it("holds those of one key while their first waits for its retry", function()
    local app = load_at_start(KEYED, { retries = { 60, 300 } })
    local function deliver(id, customer, fails)
      return app:deliver("A.B", { Customer = customer, Fails = fails }, { id = id }):expect(200)
    end
    assert.equal("failed", deliver("a1", "a", 1).state)
    local second = deliver("a2", "a", 9)
    assert.equal("queued", second.state)
    assert.is_true(second.accepted)
    assert.is_false(second.ran)
    assert.is_nil(second.next_run_at)
    assert.matches("^200 accepted; then it waits behind another of its key\n", tostring(second))
    assert.equal("queued", app:redeliver(second):expect(200).state)
    assert.equal("queued", deliver("a3", "a").state)
    assert.equal("succeeded", deliver("b1", "b").state)
    assert.equal("succeeded", deliver("none", nil).state)
    local results = app:advance(60)
    assert.same({ "a1 retry=1 succeeded", "a2 retry=0 failed" }, seen(results))
    assert.is_false(results[2]:logged("run").fields.again)
    assert.equal(second.sent.body, results[2].sent.body)
    assert.same({ "a2 retry=1 failed", "a2 retry=2 dead", "a3 retry=0 succeeded" },
      seen(app:advance("1h")))
    assert.equal("succeeded", deliver("a4", "a").state)
  end)

  it("does the same with a ledger in a file", function()
    local folder = cli.folder {}
    local app = load_at_start(KEYED, { ledger = folder .. "/test.db" })
    app:deliver("A.B", { Customer = 1, Fails = 1 }, { id = "a1" }):expect(200)
    assert.equal("queued", app:deliver("A.B", { Customer = 1 }, { id = "a2" }):expect(200).state)
    assert.same({ "a1 retry=1 succeeded", "a2 retry=0 succeeded" }, seen(app:advance(60)))
    assert.is_true(app:deliver("A.B", nil, { id = "b1" }):expect(200).ran)
  end)
end)

describe("hook.http", function()
  local source = [[
    hook.on("Call.*", function(event)
      local answer, why, kind = hook.http.request(event.Request)
      if not answer then return nil, ("%s (%s)"):format(why, kind) end
      hook.log.info("answer", { status = answer.status, body = answer.body,
        kind = answer.headers["content-type"], two = answer.headers.two })
    end)]]
  local app
  before_each(function() app = load_set(source) end)

  local function call(request) return app:deliver("Call.It", { Request = request }) end

  it("gets the recorded answers, one after the other", function()
    app:stub_http("GET", "https://api.example/x", { { status = 503 },
      { status = 200, body = { a = 1 }, headers = { Two = "2" } } })
    assert.same({ status = 503, body = "" }, call({ url = "https://api.example/x" }).logs[1].fields)
    for _ = 1, 2 do
      assert.same({ status = 200, body = '{"a":1}', kind = "application/json", two = "2" },
        call({ url = "https://api.example/x" }).logs[1].fields)
    end
  end)

  it("records the calls", function()
    app:stub_http("*", "https://api.example/*", { body = "\0\xff" })
    local result = call { url = "https://api.example/x?y=1", method = "put", body = { a = 1 }, timeout = 3,
      headers = { Authorization = "Bearer t", Empty = "" } }
    result:expect(200)
    assert.same({ { method = "PUT", url = "https://api.example/x?y=1", body = '{"a":1}', timeout = 3,
      headers = { authorization = "Bearer t", empty = "", ["content-type"] = "application/json" } } },
      app.http_calls)
    assert.same(app.http_calls, result.http_calls)
  end)

  it("can be answered by a function, or with a failure", function()
    app:stub_http("GET", "http://a/*", function(asked)
      if asked.url == "http://a/1" then return { body = asked.url } end
      return nil, "no"
    end)
    assert.equal("http://a/1", call({ url = "http://a/1" }).logs[1].fields.body)
    assert.equal("no (failed)", call({ url = "http://a/2" }).reason)
    app:stub_http("GET", "http://a/3", { error = "it took too long", kind = "timeout" })
    assert.equal("it took too long (timeout)", call({ url = "http://a/3" }).reason)
  end)

  it("fails the spec at an unexpected call, even if the handler catches the error", function()
    app:stub_http("POST", "http://a/b", {})
    app:stub_http("GET", "http://a/b.c", {})
    local why = raises("unexpected call of hook.http: GET http://a/bxc", call, { url = "http://a/bxc" })
    assert.match("testing_inside.lua:%d+: unexpected", why)
    raises("GET http://a/b; say", call, { url = "http://a/b" })
    local swallowing = load_set [[hook.on("*", function() pcall(hook.http.get, "http://x/") return true end)]]
    raises("app:stub_http(\"GET\", \"http://x/\"", swallowing.deliver, swallowing, "A.B")
    swallowing:stub_http("*", "*", {})
    swallowing:deliver("A.B"):expect(200)
  end)

  it("follows the rules of the real one", function()
    assert.match("hook.http: unknown option 'urll'", call({ urll = "x" }).detail)
    assert.match("must begin with http", call({ url = "ftp://x" }).reason)
    app:stub_http("GET", "http://a/", { body = "12345" })
    call({ url = "http://a/", answer_max = 5 }):expect(200)
    assert.match("larger than answer_max", call({ url = "http://a/", answer_max = 4 }).reason)
  end)

  it("passes on what a stub raises", function()
    app:stub_http("GET", "http://a/", function() error({ own = 1 }) end)
    local ok, why = pcall(call, { url = "http://a/" })
    assert.is_false(ok)
    assert.same({ own = 1 }, why)
    app:stub_http("GET", "http://a/", function() return { stattus = 1 } end)
    raises("an answer has no 'stattus'", call, { url = "http://a/" })
  end)

  it("is stubbed while the set loads as well", function()
    local loading = [[local answer = hook.http.get("http://a/")
      hook.on("*", function() hook.log.info(answer.body) end)]]
    raises("unexpected call of hook.http: GET http://a/", load_set, loading)
    app = load_set(loading, { http = { ["GET http://a/"] = { body = "then" } } })
    assert.equal("then", app:deliver("A.B").logs[1].message)
  end)

  it("can't deliver to the set that is at work", function()
    app:stub_http("GET", "http://a/", function() app:deliver("A.B") end)
    raises("is at work", call, { url = "http://a/" })
    local other = load_set [[hook.on("*", function() hook.log.info("inner") end)]]
    app:stub_http("GET", "http://a/", function()
      return { body = other:deliver("A.B").logs[1].message }
    end)
    assert.same({ "answer" }, { call({ url = "http://a/" }).logs[1].message })
    assert.equal(1, #other.logs)
  end)
end)

describe("load", function()
  it("says why a set does not load, with file and line", function()
    assert.match("testing_inside.lua:%d+: .*handlers/a.lua:3: oh no",
      raises("oh no", load_set, "\nerror('oh no')"))
    raises("a.lua:2: syntax error near 'y'", load_set, "x y")
    raises("no such folder", testing.load, "/nowhere/handlers")
    raises('registered twice', load_set, 'hook.on("A", print) hook.on("A", print)')
  end)

  it("checks its options as hookward.lua is checked", function()
    raises("testing.load: handler_timeuot: unknown key; did you mean handler_timeout?", load_set, "",
      { handler_timeuot = 1 })
    raises("testing.load: vm_memory: expected a size", load_set, "", { vm_memory = "lots" })
    raises("settings: f is a function", load_set, "", { settings = { f = print } })
  end)

  it("uses a project's configuration, which options override", function()
    local folder = cli.folder { ["hookward.lua"] = [[return { handlers = "h", unhandled = "accept",
      settings = { a = "file" }, ledger = "x.db", keys = "none/*" }]],
      ["h/a.lua"] = [[local hook = require "hookward"
      hook.on("A.B", function() hook.log.info(hook.config.a) end)]] }
    local app = testing.load(nil, { config = folder .. "/hookward.lua" })
    assert.equal("file", app:deliver("A.B").logs[1].message)
    assert.is_true(app:deliver("C.D").unhandled)
    app:unload()
    app = testing.load(nil, { config = folder .. "/hookward.lua", settings = { a = "own" } })
    assert.equal("own", app:deliver("A.B").logs[1].message)
    app:unload()
    assert.is_nil(core.sys.stat(folder .. "/x.db"))
  end)

  it("refuses wrong arguments, and names the option", function()
    local app = load_set ""
    raises("unknown option 'atempt'; did you mean attempt?", app.deliver, app, "A.B", {}, { atempt = 1 })
    raises("fields must have names", app.deliver, app, "A.B", { 1, 2 })
    raises("named by the first argument", app.deliver, app, "A.B", { Event = "C.D" })
    raises("the event's name must be a string", app.deliver, app, nil)
    raises("the fields must be a table, got string", app.deliver, app, "A.B", "x")
    raises("app:deliver: expected a table of options, got string", app.deliver, app, "A.B", {}, "x")
    raises("app:redeliver: expected the result of a delivery", app.redeliver, app, "A.B")
    raises("app:post: expected a table of options, got nil", app.post, app)
    raises("testing.load: config: expected a file's name", load_set, "", { config = {} })
    raises("testing.load: http: expected a table", load_set, "", { http = "GET" })
    raises("testing.load: expected a table of options", load_set, "", "x")
    raises("body must be a string", app.post, app, {})
    raises("can't be sent in a header", app.post, app, { body = "", headers = { A = "x\r\ny" } })
    raises("no header that can be sent", app.post, app, { body = "", headers = { ["A B"] = "x" } })
    raises("stub_http: an answer is a table", app.stub_http, app, "GET", "http://a/", 200)
    raises("app:clock: expected seconds", app.clock, app, "yesterday")
    raises('app:advance: expected a time such as 60 or "2h", got soon', app.advance, app, "soon")
    raises("app:advance: expected a time", app.advance, app)
    raises("app:advance: expected a time", app.advance, app, {})
    raises("app:advance: expected seconds since 1970", app.advance, app, 1e15)
    raises("testing.load: clok: unknown key; did you mean clock?", load_set, "", { clok = 1 })
    raises("app:clock: expected seconds", app.clock, app, 1 / 0)
    raises("app:sign: the body must be a string, got nil", app.sign, app)
    raises("stub_http: headers is a table, got number", app.stub_http, app, "GET", "*", { headers = 1 })
    raises("stub_http: status is a whole number", app.stub_http, app, "GET", "*", { status = 600 })
    raises("stub_http: kind goes with error", app.stub_http, app, "GET", "*", { kind = "timeout" })
  end)

  it("refuses what can't be sent in a header", function()
    local app = load_set ""
    local function deliver(options) return function() app:deliver("A.B", {}, options) end end
    raises("app:post: headers: expected a table", deliver { headers = 5 })
    raises("app:post: A: expected a text, a number or false, got table", deliver { headers = { A = {} } })
    raises("app:post: id: \"a\\13\\\nX: y\" can't be sent", deliver { id = "a\r\nX: y" })
    raises("app:post: attempt: expected a text, a number or false, got boolean", deliver { attempt = true })
  end)

  it("says what result:expect and result:logged accept", function()
    local result = load_set "hook.on('A.B', function() end)":deliver "A.B"
    raises("result:expect: expected a status, 200 or 400, got string", result.expect, result, "200")
    raises("result:expect: expected an error code", result.expect, result, 200, 5)
    raises("result:logged: expected a Lua pattern, got nil", result.logged, result)
    raises("result:logged: expected a Lua pattern, got \"[\"", result.logged, result, "[")
    raises("result:logged: the level is debug", result.logged, result, "x", "inof")
  end)
end)

describe("unload", function()
  it("runs hook.on_unload once, and refuses deliveries afterwards", function()
    local app = load_set [[hook.on_unload(function() hook.log.info("closing") end)]]
    assert.same({ { level = "info", message = "closing", fields = {} } }, app:unload())
    assert.same({}, app:unload())
    raises("was unloaded", app.deliver, app, "A.B")
    raises("was unloaded", app.routes, app)
  end)

  it("happens at the end of a block with <close>", function()
    local logs
    do
      local app <close> = load_set [[hook.on_unload(function() hook.log.info("closing") end)]]
      logs = app.logs
    end
    assert.equal("closing", logs[1].message)
  end)
end)

describe("expect", function()
  it("shows all that is known when it fails, and the place in the spec", function()
    local app = load_set [[hook.on("A.B", function(event)
      hook.http.get("http://a/")
      hook.log.warn("careful", { n = 1 })
      return event.X.Y
    end)]]
    app:stub_http("*", "*", {})
    local why = raises("expected 200, but the answer was", function() app:deliver("A.B"):expect(200) end)
    for _, part in ipairs { "testing_inside.lua:", "400 handler_error: the handler failed",
      "attempt to index a nil value (field 'X')", "stack traceback:", "hook.http: GET http://a/",
      "log: warn  careful n=1" } do
      assert.is_truthy(why:find(part, 1, true), part .. "\n" .. why)
    end
    raises("expected 400 handler_refused", function() app:deliver("A.B"):expect(400, "handler_refused") end)
  end)

  it("shows the routes when none of them matched", function()
    local app = load_set "hook.on('A.Created', function() end)\nhook.on('*.X', function() end)"
    local why = raises("400 no_handler", function() app:deliver("A.Createt"):expect(200) end)
    assert.matches("  there is: A%.Created  %S+a%.lua:2\n  there is: %*%.X  %S+a%.lua:3$", why)
  end)
end)
