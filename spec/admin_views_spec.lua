-- What the admin page's further views ask over the real listener: overview and timeline, refused
-- requests, tests, replays of all that match (lua/hookward/admin/).

local certificates = require "spec.support.certificates"
local dkjson = require "dkjson"
local socket = require "socket"
local H = require "spec.support.host"

local TOKEN, READ_TOKEN = "write-token-of-the-spec", "read-token-of-the-spec"

local HANDLERS = { ["a.lua"] = [[
local hook = require "hookward"
hook.on("A.*", function(event) return event.Fail ~= true, "as it was told" end)
hook.on("*.Good", function() end)
hook.on("A.First", { ack = "first", concurrency = 2 }, function() end)
hook.on("Flaky.*", function()
  local file = io.open(hook.config.fixed)
  if not file then return nil, "the database is away" end
  file:close()
end)
]] }

-- For a ledger in memory, which takes nothing ack-first.
local PLAIN = { ["a.lua"] = 'require "hookward".on("A.*", function() end)' }

local ADMIN = ("admin = { listen = %q, token = %q, read_token = %q }"):format("127.0.0.1:0", TOKEN,
  READ_TOKEN)

-- A project with a development key, and a host in it.
local function start(options)
  options = options or {}
  options.handlers = options.ledger and PLAIN or HANDLERS
  options.ledger = options.ledger or "hookward.db"
  local fixed = H.folder() .. "/fixed"
  options.config = ("%s, retries = {}, settings = { fixed = %q }, %s"):format(ADMIN, fixed,
    options.config or "")
  options.folder = H.project(options)
  if options.key ~= false then
    H.write(options.folder .. "/development.key", H.read((H.keys())))
  end
  local host = H.start(options)
  host.fixed = fixed
  host.admin_port = math.tointeger(host:wait_log("the admin page is at http://127%.0%.0%.1:(%d+)"))
  return host
end

local function ask(host, method, path, body, token)
  if type(body) == "table" then body = dkjson.encode(body) end
  local head = ("%s %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n"):format(method, path, host.admin_port)
  if token ~= false then head = head .. ("Authorization: Bearer %s\r\n"):format(token or TOKEN) end
  if body then head = head .. ("Content-Length: %d\r\n"):format(#body) end
  local client = host:connect("127.0.0.1", host.admin_port)
  client:send(head .. "\r\n" .. (body or ""))
  local answer = assert(client:receive())
  client:close()
  answer.json = dkjson.decode(answer.body)
  return answer
end

local function get(host, path)
  local answer = ask(host, "GET", path, nil, READ_TOKEN)
  assert.equal(200, answer.status, answer.body)
  return answer.json
end

local function post(host, path, body)
  local answer = ask(host, "POST", path, body or {})
  assert.equal(200, answer.status, answer.body)
  return answer.json
end

local function refuses(status, code, answer)
  assert.equal(status, answer.status, answer.body)
  assert.equal(code, answer.json.error)
  assert.is_string(answer.json.message)
end

local function by(list, name, value)
  for _, one in ipairs(list) do
    if one[name] == value then return one end
  end
end

describe("the further views' API", function()
  local host

  lazy_setup(function()
    host = start { args = "--dev" }
    host:notify(H.event("A.Good"), { id = "good" })
    host:notify(H.event("A.Good", '"Fail":true'), { id = "bad" })
    host:notify("{}", { id = "no-signature", signature = false })
  end)

  lazy_teardown(H.stop_all)

  it("asks for a login", function()
    for _, path in ipairs { "/api/overview", "/api/timeline", "/api/refused", "/api/refused/1", "/api/test",
      "/api/bulk" } do
      refuses(401, "login_required", ask(host, "GET", path, nil, false))
    end
    for _, path in ipairs { "/api/test", "/api/bulk", "/api/bulk/stop", "/api/refused/1/try" } do
      refuses(401, "login_required", ask(host, "POST", path, {}, false))
    end
  end)

  it("lets a read token change nothing, but diagnose", function()
    for _, path in ipairs { "/api/test", "/api/bulk", "/api/bulk/stop" } do
      refuses(403, "read_only", ask(host, "POST", path, {}, READ_TOKEN))
    end
    assert.equal(200, ask(host, "POST", "/api/refused/1/try", {}, READ_TOKEN).status)
  end)

  it("refuses other methods", function()
    refuses(405, "method_not_allowed", ask(host, "POST", "/api/overview", {}))
    refuses(405, "method_not_allowed", ask(host, "GET", "/api/bulk/stop"))
  end)
end)

describe("the overview", function()
  after_each(H.stop_all)

  it("tells what became of each event, and of each handler's", function()
    local host = start()
    host:notify(H.event("A.Good"), { id = "1" })
    host:notify(H.event("A.Good", '"Fail":true'), { id = "2" })
    host:notify(H.event("A.Other"), { id = "3" })
    host:notify(H.event("Nobody.Knows"), { id = "4" })
    local overview = get(host, "/api/overview")
    assert.equal("serving", overview.host.state)
    local event = by(overview.events, "event", "A.Good")
    assert.same({ 1, 1, "handler_refused" }, { event.succeeded, event.failed, event.last_error })
    assert.equal("no_handler", by(overview.events, "event", "Nobody.Knows").last_error)
    local route = by(overview.routes, "pattern", "A.*")
    assert.same({ 2, 1, "handler_refused" }, { route.succeeded, route.failed, route.last_error })
    assert.equal("handlers/a.lua:2", route.place)
    assert.is_true(math.abs(route.last_error_at - os.time()) < 60)
    assert.equal(0, by(overview.routes, "pattern", "*.Good").succeeded)
    local first = by(overview.routes, "pattern", "A.First")
    assert.same({ 0, true, 2 }, { first.succeeded, first.ack_first, first.concurrency })
  end)

  it("tells the rows by state, unless the ledger is in memory", function()
    local host = start()
    host:notify(H.event("A.Good"), { id = "1" })
    host:notify(H.event("Flaky.X"), { id = "2", attempt = 5 })
    local rows = get(host, "/api/overview").rows
    assert.same({ 1, 1 }, { rows.succeeded, rows.dead })
    assert.is_nil(get(start { ledger = "memory:" }, "/api/overview").rows)
  end)

  it("tells why the last reload failed, with file and line", function()
    local host = start()
    assert.is_nil(get(host, "/api/overview").reload)
    H.write(host.folder .. "/handlers/b.lua", "local a = 1\nlocal = 2\n")
    host:wait_log("not reloaded")
    local overview = get(host, "/api/overview")
    assert.is_false(overview.reload.ok)
    assert.matches("^handlers/b.lua:2: ", overview.reload.text)
  end)

  it("shows the keys that are on disk, or why one can't be used", function()
    local host = start()
    local keys = get(host, "/api/overview").keys
    assert.equal(1, #keys)
    assert.same({ "public.pem", 2048 }, { keys[1].name, keys[1].bits })
    assert.matches("^%x+$", keys[1].fingerprint)
    H.write(host.folder .. "/keys/other.pem", H.read((select(2, H.keys("other")))))
    assert.equal(2, #get(host, "/api/overview").keys)
    H.write(host.folder .. "/keys/other.pem", "no key")
    local overview = get(host, "/api/overview")
    assert.equal(0, #overview.keys)
    assert.matches("^keys/other.pem: ", overview.keys_error)
  end)
end)

describe("the timeline", function()
  after_each(H.stop_all)

  it("covers an hour, a day or a week, and nothing else", function()
    local host = start()
    host:notify(H.event("A.Good"), { id = "1" })
    for range, seconds in pairs { hour = 3600, day = 86400, week = 604800 } do
      local timeline = get(host, "/api/timeline?range=" .. range)
      assert.is_true(#timeline.points <= 300)
      assert.is_true(math.abs(timeline.step * #timeline.points - seconds) <= timeline.step)
      assert.is_true(math.abs(timeline.points[#timeline.points].t - os.time()) <= 2 * timeline.step)
    end
    assert.equal(60, get(host, "/api/timeline").step)
    refuses(400, "bad_range", ask(host, "GET", "/api/timeline?range=year"))
  end)
end)

describe("refused requests", function()
  after_each(H.stop_all)

  it("are listed, the newest first, a page at a time", function()
    local host = start()
    assert.same({}, get(host, "/api/refused").requests)
    for i = 1, 5 do host:notify("{}", { id = "r" .. i, signature = i == 5 and "a b" }) end
    local list = get(host, "/api/refused?limit=2")
    assert.is_true(list.more)
    assert.same({ "r5", "r4" }, { list.requests[1].id, list.requests[2].id })
    assert.same({ "malformed_signature", "missing_signature" },
      { list.requests[1].error, list.requests[2].error })
    assert.matches("^127.0.0.1:%d+$", list.requests[1].peer)
    assert.is_true(math.abs(list.requests[1].at - os.time()) < 60)
    assert.is_nil(list.requests[1].headers)
    local rest = get(host, "/api/refused?limit=3&before=" .. list.requests[2].number)
    assert.is_false(rest.more)
    assert.same({ "r3", "r2", "r1" }, { rest.requests[1].id, rest.requests[2].id, rest.requests[3].id })
  end)

  it("have limits for a page", function()
    local host = start()
    for _, query in ipairs { "limit=1", "limit=200", "before=1" } do get(host, "/api/refused?" .. query) end
    for _, query in ipairs { "limit=0", "limit=201", "limit=x" } do
      refuses(400, "bad_limit", ask(host, "GET", "/api/refused?" .. query))
    end
    refuses(400, "bad_number", ask(host, "GET", "/api/refused?before=0"))
  end)

  it("come with headers, body, and what `hookward verify --last` finds", function()
    local host = start()
    local body = H.event("A.Good")
    host:notify("\xEF\xBB\xBF" .. body, { id = "bom", signature = H.sign(body), headers = { "X-Odd: \xFF" } })
    local one = get(host, "/api/refused/1")
    local out = select(2, H.sh(("cd %s && %s verify --last --json"):format(host.folder, H.binary)))
    assert.same(dkjson.decode(out)[1].findings, one.findings)
    assert.matches("if the body had no UTF-8 BOM", one.findings[1], 1, true)
    assert.equal("\xEF\xBB\xBF" .. body, one.body)
    assert.is_true(one.body_is_text)
    assert.equal("bom", by(one.headers, "name", "x-jobid").value)
    assert.equal("\\xff", by(one.headers, "name", "x-odd").value)
    assert.is_nil(one.key)
    for _, number in ipairs { "0", "2", "99999999999999999999" } do
      refuses(404, "not_found", ask(host, "GET", "/api/refused/" .. number))
      refuses(404, "not_found", ask(host, "POST", ("/api/refused/%s/try"):format(number), {}))
    end
  end)

  it("show bytes that are no text escaped, and of a long body its digest", function()
    local host = start()
    host:notify("a\xFFb", { signature = false })
    host:notify(("x"):rep(64 * 1024 + 1), { signature = false })
    local bytes, long = get(host, "/api/refused/1"), get(host, "/api/refused/2")
    assert.same({ "a\\xffb", false }, { bytes.body, bytes.body_is_text })
    assert.is_nil(long.body)
    assert.equal(64 * 1024 + 1, long.body_length)
    assert.matches("^%x+$", long.digest)
  end)

  it("verify once the sender's key was added, though the host was not asked to reload", function()
    local host = start()
    local private, public = H.keys("other")
    local body = H.event("A.Good")
    host:notify(body, { signature = H.sign(body, private) })
    assert.is_nil(post(host, "/api/refused/1/try").key)
    H.write(host.folder .. "/keys/other.pem", H.read(public))
    local now = post(host, "/api/refused/1/try")
    assert.equal("other.pem", now.key)
    assert.same({ "it verifies now, with key other.pem" }, now.findings)
    assert.equal("other.pem", get(host, "/api/refused").requests[1].key)
    H.write(host.folder .. "/keys/other.pem", "no key")
    assert.matches("it can't be diagnosed: ", post(host, "/api/refused/1/try").findings[1], 1, true)
  end)

  it("are listed at once, whatever blanks a stranger's headers have", function()
    local host = start()
    local odd = "X-Odd: a" .. (" "):rep(15000) .. "b \t"
    for _ = 1, 10 do host:notify("{}", { signature = false, headers = { odd } }) end
    local begun = socket.gettime()
    assert.equal(10, #get(host, "/api/refused").requests)
    local took = socket.gettime() - begun
    assert.is_true(took < 3, took)
    local value = by(get(host, "/api/refused/1").headers, "name", "x-odd").value
    assert.equal("a" .. (" "):rep(15000) .. "b", value)
  end)

  it("hide the bodies of masked events, and those that name none", function()
    local host = start { config = 'mask = { "Secret.*" }' }
    local shown = { [H.event("Secret.Told", '"Text":"hush"')] = false, ["hush"] = false,
      [H.event("A.Good", '"Text":"hush"')] = true }
    local number = 0
    for body, may in pairs(shown) do
      number = number + 1
      host:notify(body, { signature = false })
      local answer = ask(host, "GET", "/api/refused/" .. number)
      assert.equal(may, answer.body:find("hush", 1, true) ~= nil)
      assert.equal(not may, answer.json.masked)
    end
  end)

  it("are diagnosed in a list only for a moment", function()
    local host = start()
    local client = host:connect()
    local body = ("y"):rep(64 * 1024)
    local signature = H.sign("something else", (H.keys("other")))
    for i = 1, 100 do
      client:send(H.request(body, { id = "r" .. i, signature = signature }))
      assert.equal(400, client:receive().status)
    end
    local requests = get(host, "/api/refused?limit=100").requests
    assert.equal(100, #requests)
    assert.is_table(requests[1].findings)
    assert.is_nil(requests[100].findings)
    assert.is_table(get(host, "/api/refused/" .. requests[100].number).findings)
  end)
end)

local BODY = H.event("A.Good")

local function send(host, fields)
  fields.body = fields.body or BODY
  return post(host, "/api/test", fields)
end

describe("a test", function()
  local host

  lazy_setup(function() host = start { args = "--dev" } end)
  lazy_teardown(H.stop_all)

  it("can be of an event that the catalogue, a handler or a sender names", function()
    host:notify(H.event("A.Arrived"), { id = "1" })
    local about = get(host, "/api/test")
    assert.is_true(about.available)
    local sample = dkjson.decode(by(about.events, "name", "BadgeExportZipFile.Created").sample)
    assert.equal("BadgeExportZipFile.Created", sample.Event)
    assert.is_string(sample.Timestamp)
    assert.is_string(sample.BadgeExportZipFileId)
    assert.truthy(by(about.events, "name", "A.First"))
    assert.truthy(by(about.events, "name", "A.Arrived"))
    assert.is_nil(by(about.events, "name", "A.*"))
  end)

  it("is signed, delivered and recorded as any notification", function()
    local good, bad = send(host, {}), send(host, { body = H.event("A.Good", '"Fail":true'), attempt = 5 })
    assert.equal(200, good.status)
    assert.equal(400, bad.status)
    assert.equal("handler_refused", dkjson.decode(bad.answer).error)
    assert.not_equal(good.job_id, bad.job_id)
    assert.is_number(good.ms)
    local row = get(host, "/api/deliveries?id=" .. bad.job_id).rows[1]
    assert.same({ "dead", 5 }, { row.state, row.attempt })
    host:wait_log(("a test was sent from the admin page id=%s status=400 who=\"write token\"")
      :format(bad.job_id))
  end)

  it("with a job id that was there is a duplicate", function()
    for _ = 1, 2 do assert.equal(200, send(host, { job_id = "mine" }).status) end
    assert.equal(2, get(host, "/api/deliveries?id=mine").rows[1].deliveries)
  end)

  it("has limits", function()
    assert.equal(200, send(host, { job_id = ("i"):rep(128), attempt = 1000 }).status)
    for _, fields in ipairs { { job_id = ("i"):rep(129) }, { job_id = "" }, { job_id = "a b" },
      { job_id = "a\nb" }, { job_id = 7 }, { attempt = 1001 }, { attempt = -1 }, { attempt = 0.5 },
      { attempt = "1" }, { body = 7 } } do
      fields.body = fields.body or BODY
      refuses(400, "bad_test", ask(host, "POST", "/api/test", fields))
    end
    refuses(400, "bad_test", ask(host, "POST", "/api/test", "no JSON"))
  end)

  it("may be a body that is refused", function()
    local outcome = send(host, { body = "no JSON" })
    assert.same({ 400, "invalid_json" }, { outcome.status, dkjson.decode(outcome.answer).error })
  end)
end)

describe("a test to a host", function()
  after_each(H.stop_all)

  it("is not sent without --dev, nor without the key", function()
    for options, why in pairs { [{}] = "--dev", [{ args = "--dev", key = false }] = "development.key" } do
      local host = start(options)
      local about = get(host, "/api/test")
      assert.is_false(about.available)
      assert.matches(why, about.why, 1, true)
      refuses(409, "no_test", ask(host, "POST", "/api/test", { body = BODY }))
    end
  end)

  it("goes through a Unix socket and through the PROXY protocol", function()
    for _, listen in ipairs { '"unix:h.sock"', '{ { "127.0.0.1:0", proxy_protocol = true } }' } do
      local host = start { args = "--dev", listen = listen }
      assert.equal(200, send(host, {}).status)
    end
  end)
end)

describe("a test over TLS", function()
  after_each(H.stop_all)

  it("trusts the listener's own certificate, whoever signed it", function()
    local made = certificates.authority()
    made:sign "server"
    certificates.self_signed(made.folder, "own")
    for _, name in ipairs { "server", "own" } do
      local host = start { args = "--dev", config = ("tls = { cert = %q, key = %q }"):format(
        ("%s/%s.pem"):format(made.folder, name), ("%s/%s.key"):format(made.folder, name)) }
      local outcome = post(host, "/api/test", { body = H.event("A.Good") })
      assert.equal(200, outcome.status, outcome.failure)
    end
  end)
end)

describe("a replay of all that match", function()
  after_each(H.stop_all)

  local function dead(host, count, event)
    for i = 1, count do
      host:notify(H.event(event or "Flaky.X"), { id = ("%s-%d"):format(event or "d", i), attempt = 5 })
    end
  end

  local function fix(host) H.write(host.fixed, "") end

  local function ended(host)
    return H.wait_until(function()
      local bulk = get(host, "/api/bulk")
      return not bulk.running and bulk
    end, "the replay's end")
  end

  it("counts what would run, and runs nothing", function()
    local host = start()
    assert.same({ running = false }, get(host, "/api/bulk"))
    assert.same({ count = 0, by_state = {} }, post(host, "/api/bulk", { dry_run = true }))
    dead(host, 3)
    host:notify(H.event("Flaky.Y"), { id = "f" })
    host:notify(H.event("A.Good"), { id = "g" })
    fix(host)
    local function counted(filters, force)
      local answer = post(host, "/api/bulk", { dry_run = true, filters = filters, force = force })
      return answer.count, answer.by_state
    end
    assert.same({ 4, { dead = 3, failed = 1 } }, { counted() })
    assert.same({ 3, { dead = 3 } }, { counted { state = "dead" } })
    assert.same({ 1, { failed = 1 } }, { counted { event = "*.Y" } })
    assert.same({ 0, {} }, { counted { state = "succeeded" } })
    assert.same({ 1, { succeeded = 1 } }, { counted({ state = "succeeded" }, true) })
    assert.same({ running = false }, get(host, "/api/bulk"))
  end)

  it("runs them at a pace, and shows every page how far it is", function()
    local host = start()
    dead(host, 6)
    fix(host)
    local begun = socket.gettime()
    assert.same({ started = true, count = 6 }, post(host, "/api/bulk", { rate = 20 }))
    assert.is_true(get(host, "/api/bulk").running)
    local bulk = ended(host)
    assert.is_true(socket.gettime() - begun > 0.24)
    assert.same({ 6, 6, 6, 0, 0, 20, false }, { bulk.total, bulk.done, bulk.succeeded, bulk.failed,
      bulk.skipped, bulk.rate, bulk.stopped })
    assert.equal(6, #get(host, "/api/deliveries?state=succeeded").rows)
    host:wait_log("a replay of all that match has begun.*rows=6")
    host:wait_log("a replay of all that match has ended.*succeeded=6")
  end)

  it("goes on after one that fails, and tells the last error", function()
    local host = start()
    dead(host, 2)
    host:notify(H.event("A.Good", '"Fail":true'), { id = "x", attempt = 5 })
    fix(host)
    post(host, "/api/bulk", { rate = 1000 })
    local bulk = ended(host)
    assert.same({ 3, 2, 1 }, { bulk.done, bulk.succeeded, bulk.failed })
    assert.equal("handler_refused: as it was told", bulk.last_error)
  end)

  it("leaves out what has no body", function()
    local host = start()
    host:notify(H.event("A.Good"), { id = "1" })
    post(host, "/api/bulk", { filters = { state = "succeeded" }, force = true })
    assert.same(1, ended(host).skipped)
  end)

  it("is the only one, and can be stopped", function()
    local host = start()
    dead(host, 3)
    fix(host)
    post(host, "/api/bulk", { rate = 0.01 })
    refuses(409, "bulk_running", ask(host, "POST", "/api/bulk", {}))
    assert.equal(3, post(host, "/api/bulk", { dry_run = true, filters = { state = "dead,succeeded" },
      force = true }).count)
    H.wait_until(function() return get(host, "/api/bulk").done == 1 end, "the first one")
    post(host, "/api/bulk/stop")
    local bulk = ended(host)
    assert.same({ true, 1 }, { bulk.stopped, bulk.done })
    host:wait_log("a replay of all that match was told to stop")
    post(host, "/api/bulk/stop") -- nothing runs: nothing to do
    assert.same({ started = true, count = 2 }, post(host, "/api/bulk", { rate = 1000 }))
    assert.equal(2, ended(host).succeeded)
  end)

  it("ends with the host, and does not hold it up", function()
    local host = start()
    dead(host, 3)
    fix(host)
    post(host, "/api/bulk", { rate = 0.01 })
    H.wait_until(function() return get(host, "/api/bulk").done == 1 end, "the first one")
    local begun = socket.gettime()
    assert.equal(0, host:stop())
    assert.is_true(socket.gettime() - begun < 10)
  end)

  it("runs no row that came after its start", function()
    local host = start()
    dead(host, 201) -- one more than are looked up at a time
    fix(host)
    post(host, "/api/bulk", { rate = 500 })
    host:notify(H.event("A.Good", '"Fail":true'), { id = "late", attempt = 5 })
    assert.equal(201, ended(host).succeeded)
    assert.equal(1, get(host, "/api/deliveries?id=late").rows[1].runs)
  end)

  it("refuses what it can't read, or has nothing to run for", function()
    local host = start()
    for _, rate in ipairs { 0.0099, 1000.1, "10", -1 } do
      refuses(400, "bad_rate", ask(host, "POST", "/api/bulk", { rate = rate }))
    end
    for _, rate in ipairs { 0.01, 1000 } do
      refuses(409, "nothing_matches", ask(host, "POST", "/api/bulk", { rate = rate }))
    end
    for _, filters in ipairs { { state = "ded" }, { staet = "dead" }, { event = "A.*.B" }, { id = {} },
      { since = "yesterday" }, "dead" } do
      refuses(400, "bad_filter", ask(host, "POST", "/api/bulk", { filters = filters }))
    end
    refuses(400, "bad_request", ask(host, "POST", "/api/bulk", "no JSON"))
    refuses(409, "no_rows", ask(start { ledger = "memory:" }, "POST", "/api/bulk", {}))
  end)
end)
