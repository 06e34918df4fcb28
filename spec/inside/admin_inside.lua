-- lua/hookward/admin/ with a clock that this spec controls; spec/admin_spec.lua runs it with
-- `hookward test`.

local core = require "hookward.core"

local real_now, real_log = core.sys.now, core.log
local now, lines = 1000, {}

local SECRET = ("5a"):rep(32)

-- What stands in for the app: timers that a spec lets pass, requests that it answers, and pages that
-- have room for a message or not.
local timers, requests, laters = {}, {}, {}

local Later = {}
Later.__index = Later

function Later:begin(status, headers)
  self.status, self.headers = status, headers
  return true
end

function Later:send(text)
  if self.why then return false, self.why end
  self.sent[#self.sent + 1] = text
  return true
end

function Later:finish()
  self.finished = true
  return true
end

function Later:gone() return self.why == "gone" end

local app = {
  settings = { secret = SECRET, token = "the-write-token", read_token = "the-read-token",
    source = { values = {}, name = "spec", cwd = "/" } },
  after = function(seconds, fn) timers[#timers + 1] = { at = now + seconds, fn = fn } end,
  request = function(options, fn)
    requests[#requests + 1] = { path = options.url:match("//hookward(.*)$"), options = options, fn = fn }
    return true
  end,
  later = function()
    laters[#laters + 1] = setmetatable({ sent = {} }, Later)
    return laters[#laters]
  end,
}
package.preload["hookward.app"] = function() return app end

local answers = require "hookward.admin.answers"
local gate = require "hookward.admin.gate"
local links = require "hookward.admin.links"
local sessions = require "hookward.admin.sessions"

before_each(function()
  now, lines = now + 1e6, {}
  core.sys.now = function() return now end
  core.log = function(level, message, fields)
    lines[#lines + 1] = { level = level, message = message, fields = fields }
  end
end)

after_each(function()
  core.sys.now, core.log = real_now, real_log
end)

local function request(headers, peer)
  return { method = "GET", path = "/", query = "", body = "", headers = headers or {},
    peer = peer or "192.0.2.1:4711" }
end

local function bearer(token, peer)
  return request({ authorization = "Bearer " .. token }, peer)
end

describe("a login link", function()
  it("works once", function()
    local code = links.code(SECRET)
    assert.is_true(links.use(SECRET, code))
    local good, why = links.use(SECRET, code)
    assert.is_nil(good)
    assert.equal("used", why)
  end)

  it("works until its time is over", function()
    local code, late = links.code(SECRET), links.code(SECRET)
    now = now + links.LIFE
    assert.is_true(links.use(SECRET, code))
    now = now + 1
    assert.equal("expired", select(2, links.use(SECRET, late)))
  end)

  it("is refused when any part of it was changed", function()
    local expiry, nonce, mac = links.code(SECRET):match("^(%d+)%-(%x+)%-(%x+)$")
    local other = links.code(("5b"):rep(32))
    for _, code in ipairs {
      ("%d-%s-%s"):format(tonumber(expiry) + 1, nonce, mac),
      ("%s-%s-%s"):format(expiry, nonce:gsub("^.", nonce:sub(1, 1) == "0" and "1" or "0"), mac),
      ("%s-%s-%s"):format(expiry, nonce, mac:sub(1, -2)),
      ("%s-%s-%s"):format(expiry, nonce, mac:upper() .. "0"),
      other, "", "-", "1-2-3", ("9"):rep(100000), ("%s-%s-%s"):format(expiry, nonce, ""),
    } do
      assert.equal("forged", select(2, links.use(SECRET, code)))
    end
    assert.is_true(links.use(SECRET, ("%s-%s-%s"):format(expiry, nonce, mac)))
  end)

  it("is an address below that of the page", function()
    local link = links.link("https://example.com/", SECRET)
    local code = link:match("^https://example%.com/login%?code=([%w%-]+)$")
    assert.is_true(links.use(SECRET, code))
  end)

  it("names this machine where the page listens on all addresses", function()
    for url, begins in pairs { ["http://0.0.0.0:9464"] = "http://127.0.0.1:9464/login?",
      ["https://[::]:9464/"] = "https://[::1]:9464/login?" } do
      assert.equal(begins, links.link(url, SECRET):sub(1, #begins))
    end
  end)
end)

describe("a session", function()
  local function find(id)
    return sessions.find(("a=b; %s=%s; c"):format(sessions.COOKIE, id))
  end

  it("ends when nobody uses it for its idle time", function()
    local id, session = sessions.begin("write")
    now = now + sessions.IDLE
    assert.equal(session, find(id))
    now = now + sessions.IDLE
    assert.equal(session, find(id))
    now = now + sessions.IDLE + 1
    assert.is_nil(find(id))
  end)

  it("ends after its life, however much it is used", function()
    local id, session = sessions.begin("read")
    for _ = 1, sessions.LIFE // sessions.IDLE do
      now = now + sessions.IDLE
      assert.equal(session, find(id))
    end
    now = now + 1
    assert.is_nil(find(id))
  end)

  it("makes room for the newest: the oldest goes", function()
    local ids = {}
    for i = 1, sessions.SESSIONS_MAX do ids[i] = sessions.begin("write") end
    assert.is_not_nil(find(ids[1]))
    local one_over = sessions.begin("write")
    assert.is_nil(find(ids[1]))
    assert.is_not_nil(find(ids[2]))
    assert.is_not_nil(find(one_over))
  end)

  it("is found by its whole id only", function()
    local id = sessions.begin("write")
    for _, wrong in ipairs { id:sub(1, -2), id .. "0", "", id:upper() .. "a" } do
      assert.is_nil(find(wrong))
    end
    assert.is_nil(sessions.find("other=" .. id))
    assert.is_nil(sessions.find(nil))
    assert.is_not_nil(find(id))
  end)
end)

describe("the limit on wrong tokens", function()
  local function status_of(...)
    local caller, status = gate.caller(bearer(...))
    return caller and 200 or status
  end

  it("lets an address try so many a second, and then looks at none of its tokens", function()
    for _ = 1, gate.WRONG_PER_SECOND - 1 do assert.equal(401, status_of "wrong") end
    assert.equal(200, status_of "the-write-token")
    assert.equal(401, status_of "wrong")
    assert.equal(429, status_of "wrong")
    assert.equal(429, status_of "the-write-token")
    assert.equal(429, status_of("the-write-token", "192.0.2.1:9999")) -- the port does not matter
    now = now + 1
    assert.equal(200, status_of "the-write-token")
  end)

  it("is each address's own", function()
    for _ = 1, gate.WRONG_PER_SECOND do status_of "wrong" end
    assert.equal(429, status_of "the-read-token")
    assert.equal(200, status_of("the-read-token", "192.0.2.2:4711"))
  end)

  it("leaves sessions alone", function()
    local id = sessions.begin("read")
    for _ = 1, gate.WRONG_PER_SECOND do status_of "wrong" end
    assert.equal("read", gate.caller(request { cookie = sessions.COOKIE .. "=" .. id }).role)
  end)

  it("counts wrong login links too, but lets a right one in", function()
    for _ = 1, gate.WRONG_PER_SECOND do
      assert.is_nil((gate.log_in_by_code(request(), "1-2-3")))
    end
    local _, status = gate.log_in_by_code(request(), "1-2-3")
    assert.equal(429, status)
    assert.equal(429, status_of "the-write-token")
    assert.is_table(gate.log_in_by_code(request(), links.code(SECRET)))
  end)

  it("is one for all addresses that somebody with IPv6 has", function()
    for i, peer in ipairs { "2001:db8::1", "2001:db8:0:0:1::2", "2001:db8::3:0:0:4", "2001:db8:0::",
      "2001:db8:0:0:5:6:7:8" } do
      assert.equal(401, status_of("wrong", ("[%s]:%d"):format(peer, i)))
    end
    assert.equal(429, status_of("the-read-token", "[2001:db8::9]:1"))
    assert.equal(200, status_of("the-read-token", "[2001:db8:0:1::9]:1"))
    assert.equal(200, status_of("the-read-token", "[::1]:1"))
    assert.equal(200, status_of("the-read-token", "unix"))
  end)

  it("counts apart the IPv4 addresses that are written as IPv6", function()
    for _ = 1, gate.WRONG_PER_SECOND do status_of("wrong", "[::ffff:192.0.2.1]:1") end
    assert.equal(429, status_of("the-read-token", "[::ffff:192.0.2.1]:2"))
    assert.equal(200, status_of("the-read-token", "[::ffff:192.0.2.2]:1"))
  end)

  it("holds for a thousand addresses apart, and for the others together", function()
    for i = 1, 1000 do status_of("wrong", ("192.0.%d.%d:1"):format(i // 256, i % 256)) end
    for _ = 1, gate.WRONG_PER_SECOND do assert.equal(401, status_of("wrong", "198.51.100.1:1")) end
    assert.equal(429, status_of("the-write-token", "198.51.100.2:1"))
    assert.equal(200, status_of("the-write-token", "192.0.1.1:1"))
  end)
end)

describe("a form", function()
  it("is of this server if its Origin names the Host, whatever the case of the letters", function()
    for origin, is_ours in pairs { ["https://Hooks.Example.com"] = true,
      ["https://hooks.example.com:9464"] = false, ["hooks.example.com"] = false } do
      assert.equal(is_ours,
        gate.check_origin(request { origin = origin, host = "hooks.EXAMPLE.com" }) == true)
    end
  end)
end)

describe("a login's cookie", function()
  after_each(function() app.settings.url = nil end)

  it("is for TLS only where the page, or the proxy before it, has TLS", function()
    for url, headers in pairs { ["https://127.0.0.1:9464"] = {},
      ["http://127.0.0.1:9464"] = { ["x-forwarded-proto"] = "https" } } do
      app.settings.url = url
      local secure = gate.log_in_by_token(request(headers), "the-write-token")
      assert.truthy(secure["Set-Cookie"]:find("; Secure$"))
    end
    app.settings.url = "http://127.0.0.1:9464"
    local plain = gate.log_in_by_token(request(), "the-write-token")
    assert.is_nil(plain["Set-Cookie"]:find("Secure", 1, true))
  end)
end)

describe("tokens", function()
  -- By construction: what is compared has the same length whatever was given, and all of it is.
  it("are compared as hashes, in constant time, and with both tokens each time", function()
    local compared, same = {}, core.crypto.same
    core.crypto.same = function(a, b)
      compared[#compared + 1] = { #a, #b }
      return same(a, b)
    end
    for _, token in ipairs { "the-write-token", "the-read-token", "t", ("x"):rep(500) } do
      gate.caller(bearer(token))
    end
    core.crypto.same = same
    assert.equal(8, #compared)
    for _, lengths in ipairs(compared) do assert.same({ 64, 64 }, lengths) end
  end)

  it("of one role are not the other's", function()
    assert.equal("write", gate.caller(bearer "the-write-token").role)
    assert.equal("read", gate.caller(bearer "the-read-token").role)
    assert.is_nil((gate.caller(bearer "the-write-token ")))
    assert.is_nil((gate.caller(bearer "")))
  end)

  it("of another scheme are a proxy's, and count as nothing", function()
    local id = sessions.begin("read")
    local headers = { authorization = "Basic dTpw", cookie = sessions.COOKIE .. "=" .. id }
    assert.equal("read", gate.caller(request(headers)).role)
    headers.cookie = nil
    for _ = 1, gate.WRONG_PER_SECOND + 1 do
      assert.equal(401, select(2, gate.caller(request(headers))))
    end
  end)

  it("leave no trace in the log", function()
    gate.caller(bearer "a-wrong-token")
    assert.equal(1, #lines)
    for _, value in pairs(lines[1].fields) do assert.is_nil(value:find("a-wrong", 1, true)) end
  end)
end)

describe("a file of the page", function()
  local static = require "hookward.admin.static"

  it("is never looked for under a name that is not in the list", function()
    local source, asked = core.source, {}
    core.source = function(name)
      asked[#asked + 1] = name
      return "text"
    end
    for _, name in ipairs { "../init.lua", "secret.js", "", "views/../app.js", "/etc/passwd", "app" } do
      assert.is_nil(static.answer(request(), name))
    end
    core.source = source
    assert.same({}, asked)
  end)
end)

describe("a replay", function()
  local delivery = require "hookward.admin.delivery"
  local project = require "hookward.admin.project"
  local async = require "hookward.admin.async"
  local real_ledger = project.ledger

  after_each(function()
    project.ledger = real_ledger
    requests = {}
  end)

  -- The answer's body after the host's answer.
  local function replay(...)
    local body
    requests = {}
    project.ledger = function()
      return { show = function() return { seq = 7, id = "x", state = "dead", body = "{}" } end }
    end
    async.spawn(function()
      body = select(3, delivery.replay(request(), { role = "write", name = "x" }, "7"))
    end)
    assert.equal("/replay", requests[1].path)
    assert.equal(7, requests[1].options.headers["X-Hookward-Row"])
    assert.equal(25, requests[1].options.timeout)
    requests[1].fn(...)
    return body
  end

  it("is waited for as long as the app may take to answer, and goes on then", function()
    local body = replay(nil, "no answer in time", "timeout")
    assert.is_false(body.ok)
    assert.equal("still_running", body.error)
  end)

  it("tells the host's answer, or that there was none", function()
    assert.is_true(replay({ status = 200, body = "{}" }).ok)
    assert.equal("handler_error",
      replay({ status = 400, body = '{"error":"handler_error","message":"m"}' }).error)
    assert.equal("no_answer", replay(nil, "nobody listens", "connect").error)
  end)
end)

describe("one delivery", function()
  local async = require "hookward.admin.async"
  local delivery = require "hookward.admin.delivery"
  local project = require "hookward.admin.project"
  local real_ledger = project.ledger

  local function ledger_of(row)
    row.seq, row.id, row.state, row.retries, row.runs = 7, "x", "dead", 0, 1
    project.ledger = function()
      return { show = function() return row end, history = function() return {} end }
    end
  end

  after_each(function()
    project.ledger = real_ledger
    requests = {}
  end)

  local function shown(body)
    ledger_of { body = body }
    return (select(3, delivery.show(request(), { role = "read", name = "x" }, "7")))
  end

  it("has a body that is no text in Base64", function()
    for bytes, encoded in pairs { ["\xFF"] = "/w==", ["\xFF\xFE"] = "//4=", ["\xFF\xFE\xFD"] = "//79",
      ["\xFFabcdef"] = "/2FiY2RlZg==" } do
      local one = shown(bytes)
      assert.equal(encoded, one.body_base64)
      assert.is_nil(one.body)
      assert.is_nil(next(one.commands))
    end
  end)

  it("has a body of 4 MB, and of a longer one only the size", function()
    local most = 4 * 1024 * 1024
    assert.equal(most, #shown(("x"):rep(most)).body)
    local over = shown(("x"):rep(most + 1))
    assert.is_nil(over.body)
    assert.equal(most + 1, over.body_bytes)
    assert.truthy(over.why_no_body:find("jobs show", 1, true))
  end)

  it("has commands with a body of 64 KB at most", function()
    assert.is_string(shown(("x"):rep(65536)).commands.send)
    assert.is_nil(next(shown(("x"):rep(65537)).commands))
  end)

  it("that runs, or has run since, is not purged", function()
    local status, body
    ledger_of { settled_at = 2.5 }
    local function purge(said)
      requests = {}
      async.spawn(function()
        local _
        status, _, body = delivery.purge(request(), { role = "write", name = "x" }, "7")
      end)
      assert.equal("7 2500\n", requests[1].options.body)
      requests[1].fn { status = 200, body = core.json.encode { message = said } }
    end
    purge "0 notifications are purged"
    assert.same({ 409, "not_purged" }, { status, body.error })
    purge "1 notification is purged"
    assert.equal(200, status)
  end)
end)

describe("a search", function()
  local search = require "hookward.admin.search"
  local calls, asked

  -- Stands in for a ledger: row N was received N seconds after 0. What is asked for with a time is
  -- only noted.
  local function ledger(count)
    calls, asked = 0, nil
    return { list = function(_, f)
      calls = calls + 1
      if f.seconds then
        asked = f
        return { "rows" }, { seq = 1 }
      end
      local seq = f.oldest_first and 1 or math.min(f.upto or count, count)
      return { count > 0 and { seq = seq, received_at = seq } or nil }
    end }
  end

  it("asks for one row more than the page has, for a bounded time", function()
    local filters = { states = { "dead" }, upto = 800 }
    local rows, searched_to = search.page(ledger(1000), filters, 50)
    assert.same({ "rows" }, rows)
    assert.same({ seq = 1 }, searched_to)
    assert.same({ states = { "dead" }, after = 0, upto = 800, limit = 51, seconds = search.SECONDS },
      asked)
    assert.same({ states = { "dead" }, upto = 800 }, filters)
  end)

  it("finds a time by halving, with some slack", function()
    search.page(ledger(1000000), { since = 500000, ["until"] = 600000 }, 50)
    assert.is_true(math.abs(asked.upto - 600060) <= 1, asked.upto)
    assert.is_true(math.abs(asked.after - 499940) <= 1, asked.after)
    assert.is_true(calls < 50, calls)
  end)

  it("asks for nothing more where there is no row", function()
    local rows, searched_to = search.page(ledger(0), {}, 50)
    assert.same({}, rows)
    assert.is_nil(searched_to)
    assert.is_nil(asked)
  end)

  it("hands on why the ledger could not be read", function()
    local rows, why = search.page({ list = function() return nil, "disk gone" end }, {}, 50)
    assert.is_nil(rows)
    assert.equal("disk gone", why)
  end)
end)

describe("a text for JSON", function()
  it("has a replacement character for each byte that is no UTF-8", function()
    assert.equal("a\u{FFFD}b\u{FFFD}\u{FFFD}é", answers.text("a\xFFb\xC3\xC3é"))
    assert.equal("é", answers.text("é"))
    assert.is_nil(answers.text(nil))
  end)
end)

describe("HMAC and random bytes", function()
  it("are as RFC 4231 has them (test case 2)", function()
    assert.equal("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
      core.crypto.hmac("Jefe", "what do ya want for nothing?"))
  end)

  it("come in the number that was asked for, within limits", function()
    assert.equal(2, #core.crypto.random(1))
    assert.equal(128, #core.crypto.random(64))
    assert.is_not.equal(core.crypto.random(16), core.crypto.random(16))
    assert.has_error(function() core.crypto.random(0) end)
    assert.has_error(function() core.crypto.random(65) end)
  end)

  it("compare only texts of one length as the same", function()
    assert.is_true(core.crypto.same("ab", "ab"))
    assert.is_false(core.crypto.same("ab", "ac"))
    assert.is_false(core.crypto.same("ab", "abc"))
    assert.is_true(core.crypto.same("", ""))
  end)
end)

describe("a request that fails", function()
  local page = require "hookward.admin"

  it("is answered with 500 and logged, and the next one works", function()
    local status, headers, body = page.handle(setmetatable({ method = "GET", path = "/api/session",
      peer = "192.0.2.1:1" }, { __index = function(_, name) error("no " .. name) end }))
    assert.equal(500, status)
    assert.equal("admin_failed", body.error)
    assert.equal(answers.POLICY, headers["Content-Security-Policy"])
    assert.equal(3, lines[1].level)
    assert.truthy(lines[1].fields.detail:find("no headers", 1, true))
    local fine = request()
    fine.path = "/style.css"
    assert.equal(200, (page.handle(fine)))
  end)
end)

describe("the stream of a page", function()
  local stream = require "hookward.admin.stream"

  -- Lets time pass, and calls what is due.
  local function pass(seconds)
    now = now + seconds
    local due = {}
    for i = #timers, 1, -1 do
      if timers[i].at <= now then table.insert(due, 1, table.remove(timers, i)) end
    end
    for _, timer in ipairs(due) do timer.fn() end
  end

  local function answer(path, value)
    for i, one in ipairs(requests) do
      if one.path == path then
        table.remove(requests, i)
        one.fn(value and { status = 200, body = core.json.encode(value) }, not value and "nobody")
        return one.options
      end
    end
    error("nobody asked for " .. path)
  end

  local function is_asked(path)
    for _, one in ipairs(requests) do
      if one.path == path then return true end
    end
    return false
  end

  local function records(count)
    local list = core.json.array {}
    for i = 1, count do list[i] = { n = i, id = "job-" .. i } end
    return list
  end

  local function open(session)
    local page, status = stream.open(request(), { role = "read", name = "x", session = session })
    pass(0)
    return page, status
  end

  -- The data of the last message, if that is of this kind.
  local function last(page, kind)
    local data = (page.sent[#page.sent] or ""):match("^event: " .. kind .. "\ndata: ([^\n]+)\n\n$")
    return data and core.json.decode(data)
  end

  -- Nobody is there any more, and what was under way has come to its end.
  after_each(function()
    for _, page in ipairs(laters) do page.why = "gone" end
    for _ = 1, 3 do
      if is_asked "/feed" then answer("/feed", { last = 1, skipped = 1, records = records(1) }) end
      if is_asked "/state" then answer("/state", {}) end
      pass(100)
    end
    assert.same({}, requests)
    timers, laters = {}, {}
  end)

  it("begins with its head, and asks the host once for all pages", function()
    local first, second = open(), open()
    assert.equal("text/event-stream", first.headers["Content-Type"])
    assert.equal(answers.POLICY, first.headers["Content-Security-Policy"])
    assert.equal(2, #requests) -- the feed and the state
    answer("/feed", { last = 7, skipped = 0, records = records(2) })
    for _, page in ipairs { first, second } do
      assert.equal(0, last(page, "deliveries").skipped)
      assert.equal("job-2", last(page, "deliveries").records[2].id)
    end
    pass(0.2)
    assert.is_false(is_asked "/feed")
    pass(0.05)
    assert.equal("7", answer("/feed", { last = 7, skipped = 0, records = records(0) })
      .headers["X-Hookward-After"])
    assert.equal(2, last(first, "deliveries").records[2].n) -- an empty answer is no message
  end)

  it("has the newest fifty records of an answer, and counts the others", function()
    local page = open()
    answer("/feed", { last = 50, skipped = 0, records = records(50) })
    assert.equal(0, last(page, "deliveries").skipped)
    assert.equal(50, #last(page, "deliveries").records)
    pass(1)
    answer("/feed", { last = 101, skipped = 3, records = records(51) })
    assert.equal(4, last(page, "deliveries").skipped)
    assert.equal(50, #last(page, "deliveries").records)
    assert.equal("job-51", last(page, "deliveries").records[50].id)
  end)

  it("skips what a slow page has no room for, and tells it", function()
    local slow, quick = open(), open()
    slow.why = "full"
    answer("/feed", { last = 60, skipped = 1, records = records(60) })
    pass(1)
    answer("/feed", { last = 62, skipped = 0, records = records(2) })
    assert.equal(2, #last(quick, "deliveries").records)
    slow.why = nil
    pass(1)
    answer("/feed", { last = 63, skipped = 0, records = records(1) })
    assert.equal(63, last(slow, "deliveries").skipped) -- 61 and 2
    assert.equal(1, #last(slow, "deliveries").records)
    assert.equal(0, last(quick, "deliveries").skipped)
    pass(1)
    answer("/feed", { last = 64, skipped = 0, records = records(1) })
    assert.equal(0, last(slow, "deliveries").skipped)
  end)

  it("says when records are missing that nobody counted", function()
    local page = open()
    answer("/feed", { last = 1, skipped = 0, records = records(0), gap = true })
    assert.is_true(last(page, "deliveries").gap)
  end)

  it("has the host's state every five seconds, without its long lists", function()
    local page = open()
    answer("/state", { ready = true, rows = { dead = 1 }, events = { 1 }, routes = { 1 } })
    assert.same({ ready = true, rows = { dead = 1 } }, last(page, "state"))
    pass(4.9)
    assert.is_false(is_asked "/state")
    pass(0.1)
    assert.is_true(is_asked "/state")
  end)

  it("has a heartbeat while the host says nothing", function()
    local page = open()
    for _ = 1, 3 do
      answer("/state", nil)
      assert.equal(1, #page.sent)
      pass(5)
    end
    answer("/state", nil)
    assert.equal(": still here\n\n", page.sent[2])
  end)

  it("asks a host that does not answer again, after a pause", function()
    open()
    answer("/feed", nil)
    pass(0.9)
    assert.is_false(is_asked "/feed")
    pass(0.1)
    assert.is_true(is_asked "/feed")
  end)

  it("ends with its session, and when that is too old", function()
    local id, session = sessions.begin("read")
    local _, older = sessions.begin("read")
    local page, old, other = open(session), open(older), open()
    sessions.finish(sessions.find(sessions.COOKIE .. "=" .. id))
    assert.is_true(page.finished)
    pass(sessions.LIFE + 1)
    assert.is_nil(old.finished) -- while nobody looks
    answer("/state", {})
    pass(5)
    assert.is_true(old.finished)
    assert.is_nil(other.finished)
  end)

  it("has the state that was known last at once", function()
    open()
    answer("/state", { ready = true })
    local page = open()
    assert.is_true(core.json.decode(page.sent[1]:match("event: state\ndata: ([^\n]+)")).ready)
  end)

  it("is open for so many pages, and for another one once one is gone", function()
    for _ = 1, stream.PAGES_MAX do assert.is_table((open())) end
    assert.equal(503, (open()))
    laters[1].why = "gone"
    assert.is_table((open()))
    assert.equal(503, (open()))
  end)

  it("asks nothing of the host once the last page is gone", function()
    local page = open()
    page.why = "gone"
    answer("/feed", { last = 1, skipped = 0, records = records(1) })
    answer("/state", {})
    pass(100)
    assert.same({}, requests)
    open() -- and again for the next one
    assert.equal(2, #requests)
  end)

  it("is ended when something fails, and the next page begins anew", function()
    local page = open()
    assert.has_error(function() answer("/feed", { last = 1 }) end)
    assert.is_true(page.finished)
    open()
    assert.is_true(is_asked "/feed")
  end)
end)
