-- lua/hookward/accredit/client.lua with a clock and a network that this spec controls;
-- spec/accredit_client_spec.lua runs it with `hookward test`.

local client = require "hookward.accredit.client"
local core = require "hookward.core"

local real = { request = core.http.request, sleep = core.sys.sleep, now = core.sys.now }
local now, pauses, requests, answers

-- What a request returns. `what` is a status, or the kind of a failure.
local function answer(what, headers, body)
  if type(what) == "string" then return { nil, "it failed", what } end
  return { { status = what, headers = headers or {}, body = body or "{}" } }
end

local function token(seconds)
  return answer(200, {}, ('{"access_token":"token-%d","expires_in":%d}'):format(now, seconds))
end

local function new(more)
  local fields = { api = "http://api", timeout = 1, retries = 3, delay = 1 }
  for name, value in pairs(more) do fields[name] = value end
  return client.new(fields)
end

before_each(function()
  now, pauses, requests, answers = 1000, {}, {}, {}
  core.http.request = function(request)
    requests[#requests + 1] = request
    return table.unpack(assert(table.remove(answers, 1), "one call too many"), 1, 3)
  end
  core.sys.now = function() return now end
  core.sys.sleep = function(seconds)
    pauses[#pauses + 1] = seconds
    now = now + seconds
  end
end)

after_each(function()
  core.http.request, core.sys.sleep, core.sys.now = real.request, real.sleep, real.now
end)

describe("a token", function()
  local function bearer() return requests[#requests].headers.Authorization end

  it("is used until shortly before it expires, then replaced", function()
    local c = new { user = "me", password = "pass" }
    answers = { token(100), answer(200), answer(200) }
    assert(c:call("GET", "/a"))
    now = 1069
    assert(c:call("GET", "/a"))
    assert.equal("Bearer token-1000", bearer())
    now = 1070
    answers = { token(100), answer(200) }
    assert(c:call("GET", "/a"))
    assert.equal("Bearer token-1070", bearer())
    assert.equal(5, #requests)
  end)

  it("without an expiry time is used until it is refused", function()
    local c = new { user = "me", password = "pass" }
    answers = { answer(200, {}, '{"access_token":"for-ever"}'), answer(200), answer(200) }
    assert(c:call("GET", "/a"))
    now = now + 1e9
    assert(c:call("GET", "/a"))
    assert.equal("Bearer for-ever", bearer())
  end)
end)

describe("a pause", function()
  -- The pauses of a call that gets these answers, and then a 200.
  local function pauses_of(...)
    local told = {}
    local c = new { token = "given", on_retry = function(_, pause) told[#told + 1] = pause end }
    answers = { ... }
    answers[#answers + 1] = answer(200)
    assert(c:call("GET", "/a"))
    assert.same(pauses, told)
    return pauses
  end

  it("is about twice as long each time", function()
    for i, pause in ipairs(pauses_of(answer(500), answer(500), answer(500))) do
      local usual = 2 ^ (i - 1)
      assert.is_true(pause >= usual * 0.75 and pause <= usual * 1.25, ("%d: %g"):format(i, pause))
    end
    assert.equal(3, #pauses)
  end)

  it("is what Retry-After asks for, if that is longer", function()
    assert.same({ 7, 9 }, pauses_of(answer(429, { ["retry-after"] = "7" }), answer(503, { ["retry-after"] = "9" })))
  end)

  it("is not shortened by a Retry-After that is short or not a number of seconds", function()
    local asked = { "0", "Wed, 21 Oct 2015 07:28:00 GMT", "-5" }
    for i, value in ipairs(asked) do asked[i] = answer(503, { ["retry-after"] = value }) end
    for i, pause in ipairs(pauses_of(table.unpack(asked))) do assert.is_true(pause >= 0.75 * 2 ^ (i - 1)) end
  end)

  it("is a minute at most, whatever Retry-After asks for", function()
    assert.same({ 60 }, pauses_of(answer(503, { ["retry-after"] = "61" })))
  end)
end)

describe("a call", function()
  local function count(what, method)
    requests, answers = {}, { answer(what), answer(200) }
    new { token = "given" }:call(method or "GET", "/a")
    return #requests
  end

  it("is repeated after temporary failures only", function()
    for _, what in ipairs { 429, 500, 502, 503, 504, "resolve", "connect", "timeout", "closed" } do
      assert.equal(2, count(what), what)
    end
    for _, what in ipairs { 204, 299, 300, 302, 400, 404, 408, 501, 505, "tls", "failed" } do
      assert.equal(1, count(what), what)
    end
  end)

  it("that creates something is made once", function()
    for _, what in ipairs { 429, 503, "connect", "closed" } do assert.equal(1, count(what, "POST"), what) end
  end)

  it("succeeds only with a status of 200 to 299", function()
    for status, good in pairs { [200] = true, [299] = true, [199] = false, [300] = false, [302] = false } do
      answers = { answer(status) }
      assert.equal(good, new { token = "given" }:call("POST", "/a") ~= nil, status)
    end
  end)

  it("that fails without an Accredit code says what to do about its status", function()
    for status, advice in pairs { [302] = "Redirects are not followed.", [403] = "ask your Accredit administrator",
      [404] = "There is no such call at this address.", [429] = "Too many calls", [501] = "Try again later." } do
      answers = { answer(status) }
      local _, failure = new { token = "given", retries = 0 }:call("GET", "/a")
      assert.equal(status, failure.status)
      assert.is_truthy(failure.advice:find(advice, 1, true), failure.advice)
    end
  end)
end)
