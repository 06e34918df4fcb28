-- lua/hookward/admin/ with a clock that this spec controls; spec/admin_spec.lua runs it with
-- `hookward test`.

local core = require "hookward.core"

local real_now, real_log = core.sys.now, core.log
local now, lines = 1000, {}

local SECRET = ("5a"):rep(32)

package.preload["hookward.app"] = function()
  return { later = function() error("nothing is answered later here") end,
    settings = { secret = SECRET, token = "the-write-token", read_token = "the-read-token" } }
end

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
    assert.is_false(sessions.is_open(session))
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

  it("counts login links too", function()
    for _ = 1, gate.WRONG_PER_SECOND do
      assert.is_nil((gate.log_in_by_code(request(), "1-2-3")))
    end
    local headers, status = gate.log_in_by_code(request(), links.code(SECRET))
    assert.is_nil(headers)
    assert.equal(429, status)
  end)

  it("holds for a thousand addresses apart, and for the others together", function()
    for i = 1, 1000 do status_of("wrong", ("192.0.%d.%d:1"):format(i // 256, i % 256)) end
    for _ = 1, gate.WRONG_PER_SECOND do assert.equal(401, status_of("wrong", "198.51.100.1:1")) end
    assert.equal(429, status_of("the-write-token", "198.51.100.2:1"))
    assert.equal(200, status_of("the-write-token", "192.0.1.1:1"))
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

  it("leave no trace in the log", function()
    gate.caller(bearer "a-wrong-token")
    assert.equal(1, #lines)
    for _, value in pairs(lines[1].fields) do assert.is_nil(value:find("a-wrong", 1, true)) end
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
