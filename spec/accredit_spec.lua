-- `hookward events`, `subscribe` and `trigger` against an API that answers what a spec tells it to.

local cjson = require "cjson"
local lfs = require "lfs"
local api = require "spec.support.accredit"
local cli = require "spec.support.cli"
local certificates = require "spec.support.certificates"
local H = require "spec.support.host"
local tls_server = require "spec.support.tls_server"

local EVENT = "BadgeExportZipFile.Created"
local URL = "https://hooks.example.com/baseWebhookNotification"
local TOKEN = "ey.secret-token/+="
local LIST = '[{"Event":"BadgeExportZipFile.Created","Description":"A zip file"}]'

local function has(text, part)
  assert.is_truthy(text:find(part, 1, true), ("%q is not in:\n%s"):format(part, text))
end

local function works(result)
  assert.are.equal(0, result.code, result.out .. result.err)
  return result.out
end

local function fails(result, code, part)
  assert.are.equal(code, result.code, result.out .. result.err)
  assert.is_nil(result.err:find("traceback", 1, true), result.err)
  if part then has(result.err, part) end
  return result.err
end

-- A fresh working folder, with or without a configuration.
local function box(config)
  return cli.folder(config and { ["hookward.lua"] = config } or nil)
end

local function events(answers, more)
  local arguments = { "events", "--delay", "1ms", cwd = box(), env = { HOOKWARD_ACCREDIT_TOKEN = TOKEN } }
  for key, value in pairs(more or {}) do
    if math.type(key) then arguments[#arguments + 1] = value else arguments[key] = value end
  end
  return api.run(arguments, answers)
end

local function subscribe(answer, more)
  local arguments = { "subscribe", EVENT, "--url", URL, cwd = box(),
    env = { HOOKWARD_ACCREDIT_TOKEN = TOKEN } }
  for key, value in pairs(more or {}) do
    if math.type(key) then arguments[#arguments + 1] = value else arguments[key] = value end
  end
  local result, requests = api.run(arguments, { answer })
  return result, requests, arguments.cwd
end

local function trigger(answers, more)
  local arguments = { "trigger", EVENT, "--url", URL, cwd = box(), env = { HOOKWARD_ACCREDIT_TOKEN = TOKEN } }
  for key, value in pairs(more or {}) do
    if math.type(key) then arguments[#arguments + 1] = value else arguments[key] = value end
  end
  return api.run(arguments, answers)
end

local function key_answer(key)
  return { 201, cjson.encode { Id = "17", Event = EVENT, Url = URL, SignatureKey = key } }
end

local function files_in(folder)
  local names = {}
  if not lfs.attributes(folder) then return names end
  for name in lfs.dir(folder) do
    if name ~= "." and name ~= ".." then names[#names + 1] = name end
  end
  table.sort(names)
  return names
end

local function forms(name) return api.key_forms(select(2, H.keys(name))) end

-- Has hookward itself check that each file holds the specs' usual key.
local function are_keys(files)
  local body = H.event(EVENT)
  local arguments = { "verify", "--body", "-", "--signature", H.sign(body), stdin = body, cwd = box() }
  for _, file in ipairs(files) do
    arguments[#arguments + 1], arguments[#arguments + 2] = "--key", file
  end
  local result = cli.run(arguments)
  assert.are.equal(0, result.code, result.out .. result.err)
end

local function is_key(file) are_keys { file } end

after_each(cli.clean)
after_each(H.stop_all)

describe("events", function()
  it("lists what the account may subscribe to, with the token as a bearer", function()
    local result, requests = events { { 200, LIST } }
    assert.are.equal("BadgeExportZipFile.Created  A zip file\n", works(result))
    assert.are.equal(1, #requests)
    assert.are.equal("GET", requests[1].method)
    assert.are.equal("/api/webhookSubscription/events", requests[1].path)
    assert.are.equal("Bearer " .. TOKEN, requests[1].headers.authorization)
    assert.are.equal("application/json", requests[1].headers.accept)
  end)

  it("prints JSON, and says which fields are known", function()
    local result = events({ { 200, '[{"event":"A.B"},{"Event":"BadgeExportZipFile.Created"}]' } }, { "--json" })
    assert.are.same({ { event = "A.B", schema = false },
      { event = "BadgeExportZipFile.Created", schema = true } }, cjson.decode(works(result)))
  end)

  for name, body in pairs {
    ["names alone"] = '["A.B","C.D"]',
    ["objects"] = '[{"EventName":"A.B"},{"event_name":"C.D"}]',
    ["objects with numbers"] = '[{"Id":1,"Name":"A.B"},{"Id":2,"Name":"C.D"}]',
    ["a wrapped list"] = '{"Total":2,"Messages":["hello"],"Data":{"Events":[{"event":"A.B"},{"event":"C.D"}]}}',
    ["a map"] = '{"events":{"A.B":"one","C.D":"two"}}',
    ["a byte order mark"] = '\xEF\xBB\xBF["A.B","C.D"]',
  } do
    it("reads " .. name, function()
      local listed = cjson.decode(works(events({ { 200, body } }, { "--json" })))
      assert.are.equal("A.B C.D", listed[1].event .. " " .. listed[2].event)
    end)
  end

  it("says so when there are none", function()
    assert.are.equal("", works(events { { 200, "[]" } }))
    assert.are.equal("[]\n", works(events({ { 200, '{"Events":[]}' } }, { "--json" })))
  end)

  it("prints an unknown answer in full, with what was looked for", function()
    for _, body in ipairs { '{"Something":"else","Very":["new"]}', "plain text", "", "null" } do
      local result = events { { 200, body } }
      fails(result, 1, "can't read the answer (200); looked for a list of event names, or of "
        .. 'objects with a field such as "Event" or "Name"\n')
      assert.are.equal(body == "" and "" or body .. "\n", result.out)
    end
    local json = cjson.decode(events({ { 200, '{"a":1}' } }, { "--json" }).out)
    assert.is_false(json.ok)
    assert.are.same({ a = 1 }, json.answer)
  end)
end)

describe("a failure of the API", function()
  local words = {
    ["ACR_00.000.000"] = { 500, "an internal error of Accredit", "Try again" },
    ["ACR_00.000.001"] = { 503, "not available now", "Try again" },
    ["ACR_00.001.001"] = { 401, "not enabled", "enable the account" },
    ["ACR_00.001.002"] = { 401, "not an API user", "an account for the API" },
    ["ACR_00.001.003"] = { 401, "no permission for the data", "data permissions" },
    ["ACR_00.001.004"] = { 401, "not linked to an integration partner", "link the account" },
    ["ACR_01.000.000"] = { 400, "parameters of the call are not valid", "Look at EVENT" },
    ["ACR_01.000.001"] = { 400, "a mandatory value is missing", "Look at EVENT" },
    ["ACR_01.000.002"] = { 400, "could not be mapped", "Look at EVENT" },
    ["ACR_01.000.003"] = { 400, "contents of a value are not valid", "https" },
    ["ACR_01.000.004"] = { 400, "too long or too short", "shorten the URL" },
    ["ACR_01.000.005"] = { 400, "country code is not valid", "two letters" },
    ["ACR_01.000.006"] = { 400, "email address is not valid", "Look at EVENT" },
    ["ACR_01.000.007"] = { 400, "the tenant is not valid", "Check --tenant" },
    ["ACR_02.003.000"] = { 400, "no such subscription", "hookward subscribe" },
    ["ACR_02.003.001"] = { 400, "no such notification event", "`hookward events` lists" },
    ["ACR_02.003.002"] = { 400, "the same values already exists", "Signature Key" },
    ["ACR_02.003.003"] = { 400, "no signature key for this user", "create a Signature Key" },
  }

  it("is explained for every documented code, with what to do next", function()
    for code, expected in pairs(words) do
      local result, requests = trigger { { expected[1], ('{"Code":"%s","Message":"its own words"}'):format(code) } }
      local err = fails(result, 1, ("(%s)\nAccredit says: its own words\n"):format(code))
      has(err, expected[2])
      has(err, expected[3])
      assert.are.equal(3, #cli.lines(err), err)
      assert.are.equal("", result.out)
      assert.are.equal(1, #requests)
    end
  end)

  it("is recognised wherever its code stands, however it is written", function()
    for _, body in ipairs {
      '{"error":{"errors":[{"errorCode":"ACR_02.003.002"}]}}', '"acr_02.003.002"',
      "Error ACR_02.003.002: exists", '{"ACR-02.003.002":"exists"}',
    } do
      fails(trigger { { 400, body } }, 1, "a subscription with the same values already exists (ACR_02.003.002)\n")
    end
  end)

  it("with an unknown code is reported with the code's family and the whole answer", function()
    local body = '{"Code":"ACR_01.000.042","Message":"odd"}'
    local result = trigger { { 400, body } }
    fails(result, 1, "a value of the call is not valid (ACR_01.000.042)\nAccredit says: odd\nLook at EVENT")
    assert.are.equal(body .. "\n", result.out)
    result = trigger { { 400, '{"Code":"ACR_99.000.042"}' } }
    fails(result, 1, "a code that hookward does not know (ACR_99.000.042)")
  end)

  it("without a code is reported with its status and the whole answer", function()
    local result = trigger { { 422, '{"Detail":"the url is in use","More":1}' } }
    fails(result, 1, "POST " .. api.url() .. "/api/webhookSubscription/triggerSampleEventNotification: "
      .. "answered 422\nAccredit says: the url is in use\nThe whole answer:\n")
    assert.are.equal('{"Detail":"the url is in use","More":1}\n', result.out)
  end)

  it("is one JSON object with --json", function()
    local result = trigger({ { 400, '{"Code":"ACR_02.003.001","Message":"no"}' } }, { "--json" })
    fails(result, 1)
    assert.are.equal("", result.err)
    local told = cjson.decode(result.out)
    assert.is_false(told.ok)
    assert.are.equal("ACR_02.003.001", told.code)
    assert.are.equal(400, told.status)
    assert.are.equal("no", told.says)
    has(told.message, "no such notification event")
    has(told.advice, "hookward events")
  end)

  it("that is a web page is one message with its title", function()
    local page = { 502, "<html><head><title>\n Bad\n Gateway </title></head><body>long</body></html>",
      headers = { ["Content-Type"] = "text/html; charset=utf-8" } }
    local result = trigger { page }
    fails(result, 1, 'answered 502 with a web page ("Bad Gateway") instead of JSON\n')
    assert.are.equal("", result.out)
    fails(trigger { { 404, "<!DOCTYPE html><html></html>" } }, 1,
      "answered 404 with a web page instead of JSON\nIs --api (or accredit.url) the address of the Accredit API?\n")
    result = events { { 200, "<html><title>Log in</title></html>" } }
    fails(result, 1, "can't read the answer (200)")
  end)

  it("that is a redirect is not followed", function()
    local result, requests = trigger { { 302, "", headers = { Location = "https://login.example.com/" } } }
    fails(result, 1, "answered 302, a redirect to https://login.example.com/\nRedirects are not followed.")
    assert.are.equal(1, #requests)
  end)

  it("to answer at all is one message", function()
    fails(trigger({}, { "--api", "http://127.0.0.1:1" }), 1,
      "POST http://127.0.0.1:1/api/webhookSubscription/triggerSampleEventNotification: nobody answers (")
    local err = fails(trigger({ { hold = true } }, { "--timeout", "50ms" }), 1, ": no answer in time (")
    has(err, "allow more time with --timeout")
    fails(trigger { { drop = true } }, 1, ": the connection was closed (")
    err = fails(trigger({}, { "--api", "https://no-such-host.invalid" }), 1, "There is no such host: check --api")
    assert.are.equal(2, #cli.lines(err), err)
  end)

  it("is shown without control characters", function()
    local err = fails(trigger { { 400, '{"Message":"a\\u001b[31mb\\nc"}' } }, 1, "Accredit says: a [31mb c\n")
    assert.is_nil(err:find("\27"))
  end)
end)

describe("a server's certificate", function()
  it("must be trusted and name that host; --ca trusts a private authority", function()
    local folder = cli.folder()
    certificates.self_signed(folder, "c")
    local port, stop = tls_server.start(folder, "c")
    local ok, err = pcall(function()
      local localhost, address = "https://localhost:" .. port, "https://127.0.0.1:" .. port
      local wrong = fails(events({}, { "--api", localhost }), 1, ": no trusted connection (")
      assert.are.equal(2, #cli.lines(wrong), wrong) -- and there is no retry
      has(wrong, "--ca FILE names the certificate")
      fails(events({}, { "--api", address, "--ca", folder .. "/c.pem" }), 1, ": no trusted connection (")
      fails(events({}, { "--api", localhost, "--ca", folder .. "/none" }), 1, ": no trusted connection (")
      fails(events({}, { "--api", localhost, "--ca", folder .. "/c.pem" }), 1, "can't read the answer (200)")
      -- This server answers no POST: a client that trusts it waits until its time-out.
      local function send(...)
        local result = cli.run { "send", "A.B", "--to", localhost, "--key", (H.keys()), ... }
        assert.are.equal(1, result.code)
        return result.out
      end
      has(send(), "certificate")
      local trusting = send("--ca", folder .. "/c.pem", "--timeout", "300ms")
      assert.is_nil(trusting:find("certificate", 1, true))
    end)
    stop()
    assert(ok, err)
  end)
end)

describe("trying again", function()
  it("is done for a call that changes nothing, until it succeeds", function()
    local result, requests = events { { 503, "" }, { drop = true }, { 200, LIST } }
    works(result)
    assert.are.equal(3, #requests)
    has(result.err, "the answer was 503; trying again in 0.0 s\n")
  end)

  it("is limited by --retries", function()
    local result, requests = events({ { 500, "a" }, { 502, "b" }, { 504, "c" }, { 200, LIST } })
    fails(result, 1, "answered 504")
    assert.are.equal(3, #requests)
    result, requests = events({ { 500, "a" }, { 200, LIST } }, { "--retries", "0" })
    fails(result, 1, "answered 500")
    assert.are.equal(1, #requests)
    result, requests = events({ { 429, "a" }, { 500, "" }, { 500, "" }, { 500, "" }, { 200, LIST } },
      { "--retries", "4" })
    works(result)
    assert.are.equal(5, #requests)
  end)

  it("is not done after an answer that will not change", function()
    for _, status in ipairs { 400, 401, 403, 404, 501 } do
      local result, requests = events { { status, "{}" } }
      fails(result, 1, ("answered %d"):format(status))
      assert.are.equal(1, #requests, status)
    end
  end)

  it("is never done for what creates or sends something", function()
    for _, answer in ipairs { { 503, "" }, { 500, "" }, { 429, "" }, { drop = true } } do
      local result, requests = trigger { answer, { 200, "{}" } }
      fails(result, 1)
      assert.are.equal(1, #requests)
      result, requests = subscribe(answer)
      fails(result, 1)
      assert.are.equal(1, #requests)
    end
  end)

  it("prints nothing with --json", function()
    assert.are.equal("", events({ { 503, "" }, { 200, LIST } }, { "--json" }).err)
  end)
end)

describe("the token", function()
  local ACCOUNT = { HOOKWARD_ACCREDIT_USER = "me@x.com", HOOKWARD_ACCREDIT_PASSWORD = "p&ss =word%" }
  local GRANTED = { 200, '{"access_token":"granted.token","token_type":"bearer","expires_in":1199}' }

  local function bearer_of(more, config)
    more.cwd = box(config)
    more.env = more.env or {}
    local result, requests = events({ { 200, LIST } }, more)
    works(result)
    return requests[1].headers.authorization
  end

  it("comes from --token, the environment, then the configuration", function()
    local config = 'return { accredit = { token = "from-config" } }'
    local env = { HOOKWARD_ACCREDIT_TOKEN = "from-env" }
    assert.are.equal("Bearer from-config", bearer_of({}, config))
    assert.are.equal("Bearer from-env", bearer_of({ env = env }, config))
    assert.are.equal("Bearer typed", bearer_of({ "--token", "typed", env = env }, config))
    assert.are.equal("Bearer piped", bearer_of({ "--token", "@-", stdin = "Bearer piped\r\n", env = env }))
    local file = cli.folder { token = " in-a-file \n" } .. "/token"
    assert.are.equal("Bearer in-a-file", bearer_of { "--token", "@" .. file })
  end)

  it("is exchanged for the account's name and password by a form post", function()
    local result, requests = events({ GRANTED, { 200, LIST } }, { env = ACCOUNT })
    works(result)
    assert.are.equal(2, #requests)
    assert.are.equal("POST", requests[1].method)
    assert.are.equal("/token", requests[1].path)
    assert.are.equal("application/x-www-form-urlencoded", requests[1].headers["content-type"])
    assert.is_nil(requests[1].headers.authorization)
    assert.are.same({ grant_type = "password", username = "me@x.com", password = "p&ss =word%" },
      api.form(requests[1].body))
    assert.are.equal("Bearer granted.token", requests[2].headers.authorization)
  end)

  it("is fetched for a typed account even if the environment holds one", function()
    local file = cli.folder { password = "typed\n" } .. "/password"
    local _, requests = events({ GRANTED, { 200, LIST } }, { "--user", "you", "--password", "@" .. file })
    assert.are.same({ grant_type = "password", username = "you", password = "typed" }, api.form(requests[1].body))
  end)

  it("is renewed once after a 401, and the call is repeated", function()
    local again = { 200, '{"AccessToken":"second.token"}' }
    local result, requests = events({ GRANTED, { 401, "{}" }, again, { 200, LIST } }, { env = ACCOUNT })
    works(result)
    assert.are.equal("Bearer second.token", requests[4].headers.authorization)
    result, requests = trigger({ GRANTED, { 401, "{}" }, again, { 401, "{}" }, again, { 200, "{}" } },
      { env = ACCOUNT })
    fails(result, 1, "answered 401: the token is missing, wrong or expired")
    assert.are.equal(4, #requests)
  end)

  it("that was given is replaced after a 401 if there is an account to get one with", function()
    local env = { HOOKWARD_ACCREDIT_TOKEN = TOKEN, HOOKWARD_ACCREDIT_USER = "me", HOOKWARD_ACCREDIT_PASSWORD = "pass" }
    local result, requests = events({ { 401, "{}" }, GRANTED, { 200, LIST } }, { env = env })
    works(result)
    assert.are.equal("Bearer granted.token", requests[3].headers.authorization)
  end)

  it("is not renewed when the account itself has no permission", function()
    local result, requests = events({ GRANTED, { 401, '{"Code":"ACR_00.001.002"}' } }, { env = ACCOUNT })
    fails(result, 1, "this user is not an API user (ACR_00.001.002)")
    assert.are.equal(2, #requests)
  end)

  it("that is missing, or refused with a 401, is explained", function()
    for _, result in ipairs { events({}, { env = {} }), (events { { 401, "" } }) } do
      local err = fails(result, 1)
      for _, name in ipairs { "HOOKWARD_ACCREDIT_TOKEN", "--token @FILE", "accredit.token",
          "HOOKWARD_ACCREDIT_USER", "HOOKWARD_ACCREDIT_PASSWORD" } do
        has(err, name)
      end
    end
  end)

  it("is requested again when /token fails for a moment", function()
    local result, requests = trigger({ { 503, "" }, GRANTED, { 200, "{}" } }, { env = ACCOUNT, "--delay", "1ms" })
    works(result)
    assert.are.equal(3, #requests)
  end)

  it("can't be had when the account is not accepted; the reason is printed", function()
    local said = '{"error":"invalid_grant","error_description":"The user name or password is incorrect."}'
    local err = fails(events({ { 400, said } }, { env = ACCOUNT }), 1, "/token: the account me@x.com was not accepted\n"
      .. "Accredit says: The user name or password is incorrect.\nCheck HOOKWARD_ACCREDIT_USER")
    assert.are.equal(3, #cli.lines(err), err)
    fails(events({ { 401, '{"Code":"ACR_00.001.001"}' } }, { env = ACCOUNT }), 1, "this user is not enabled")
    fails(events({ { 404, "" } }, { env = ACCOUNT }), 1, "There is no /token at this address.")
  end)

  it("that is not found in the answer is not shown either", function()
    local result = events({ { 200, '{"jeton":"hidden-secret","expires":1}' } }, { env = ACCOUNT })
    fails(result, 1, '/token: answered 200 without a token; looked for "access_token" in a JSON object, found an '
      .. "object with expires, jeton\n")
    assert.is_nil((result.out .. result.err):find("hidden-secret", 1, true))
    result = events({ { 200, "hidden-secret" } }, { env = ACCOUNT })
    fails(result, 1, "found 13 bytes that are not JSON\n")
    assert.is_nil((result.out .. result.err):find("hidden-secret", 1, true))
  end)

  it("and the password are never printed, even if the API repeats them", function()
    local echo = cjson.encode { Message = "Bearer " .. TOKEN, Body = TOKEN }
    for _, more in ipairs { {}, { "--json" } } do
      local result = trigger({ { 400, echo } }, more)
      fails(result, 1)
      assert.is_nil((result.out .. result.err):find("secret", 1, true), result.out .. result.err)
      has(result.out, "[token]")
      result = trigger({ GRANTED, { 400, '{"You":"granted.token","And":"p&ss =word%","Or":"p%26ss%20%3Dword%25"}' } },
        { more[1], env = ACCOUNT })
      fails(result, 1)
      assert.is_nil((result.out .. result.err):find("granted.token", 1, true), result.out)
      assert.is_nil((result.out .. result.err):find("ss =word", 1, true), result.out)
      assert.is_nil((result.out .. result.err):find("Dword", 1, true), result.out)
    end
    local echoed = events({ { 400, '{"error_description":"p&ss =word% is wrong"}' } }, { env = ACCOUNT })
    has(echoed.err, "Accredit says: [password] is wrong\n")
  end)

  it("that is malformed is refused without being shown", function()
    local err = fails(events({}, { "--token", "two words" }), 1, "--token: this is not a token: it has spaces")
    assert.is_nil(err:find("two", 1, true))
    fails(events({}, { "--token", " " }), 1, "--token: this is not a token: it is empty")
    fails(events({}, { "--token", "@/none" }), 1, "--token: /none: No such file")
    fails(events({}, { "--user", "me", env = {} }), 1, "--user needs a password")
    fails(events({}, { "--password", "x", env = {} }), 1, "--password needs a name")
    local config = 'return { accredit = { token = 4711, url = "x" } }'
    err = fails(events({}, { cwd = box(config) }), 1, "accredit.token: expected a text")
    assert.is_nil(err:find("4711", 1, true))
    err = fails(events({}, { cwd = box 'return { accredit = "my-secret" }' }), 1, "accredit: expected a table")
    assert.is_nil(err:find("my-secret", 1, true))
  end)
end)

describe("the address of the API", function()
  it("comes from --api, the environment, then the configuration", function()
    local config = ('return { accredit = { url = "%s/", token = "t" } }'):format(api.url())
    local result = api.run({ "events", no_api = true, cwd = box(config) }, { { 200, LIST } })
    works(result)
    result = api.run({ "events", no_api = true, cwd = box 'return { accredit = { url = "http://127.0.0.1:1" } }',
      env = { HOOKWARD_ACCREDIT_URL = api.url(), HOOKWARD_ACCREDIT_TOKEN = TOKEN } }, { { 200, LIST } })
    works(result)
    fails(api.run { "events", no_api = true, cwd = box() }, 1, "where is the Accredit API? Name it with --api URL, "
      .. "HOOKWARD_ACCREDIT_URL, or accredit = { url = ")
  end)

  it("may have a path, and a trailing / or /api that the user copied along", function()
    for given, path in pairs { ["/"] = "", ["/api/"] = "", ["/accredit/API"] = "/accredit", ["/v2"] = "/v2" } do
      local result, requests = events({ { 200, LIST } }, { "--api", api.url() .. given })
      works(result)
      assert.are.equal(path .. "/api/webhookSubscription/events", requests[1].path)
    end
  end)

  it("is refused if it is malformed, or would reveal the token", function()
    fails(events({}, { "--api", "accredit.example.com" }), 1, "--api takes a URL such as https://accredit.example.com")
    fails(events({}, { "--api", "ftp://x" }), 1, "--api takes a URL")
    local err = fails(events({}, { "--api", "https://me:secret@x.com/" }), 1, "--api holds a name and a password")
    assert.is_nil(err:find("secret", 1, true))
    err = fails(events({}, { "--api", "https//me:secret@x.com/?" }), 1, "--api takes a URL")
    assert.is_nil(err:find("secret", 1, true))
    fails(events({}, { "--api", "http://accredit.example.com:8080" }), 1,
      "--api: http://accredit.example.com:8080 would let others read the token; use https://")
    fails(events({}, { "--api", "http://no-such-host.invalid", "--plain-http", "--retries", "0" }), 1,
      "There is no such host")
  end)
end)

describe("trigger", function()
  it("asks for one sample and shows its job", function()
    local result, requests = trigger { { 200, '{"JobId":4711}' } }
    assert.are.equal(URL .. ": Accredit sends it a sample of " .. EVENT .. ", job 4711\n", works(result))
    assert.are.equal("/api/webhookSubscription/triggerSampleEventNotification", requests[1].path)
    assert.are.same({ Event = EVENT, Url = URL }, cjson.decode(requests[1].body))
    assert.are.equal("application/json", requests[1].headers["content-type"])
  end)

  it("accepts any 2xx status as success", function()
    for _, answer in ipairs { { 204 }, { 202, "" }, { 200, "true" }, { 200, "OK" } } do works(trigger { answer }) end
    assert.are.same({ ok = true, event = EVENT, url = URL, job_id = "a-1" },
      cjson.decode(works(trigger({ { 200, '{"data":{"job_id":"a-1"}}' } }, { "--json" }))))
  end)

  it("refuses a malformed URL and a malformed event with exit 2", function()
    for _, url in ipairs { "hooks.example.com", "ftp://x", "https://", "https://a b/" } do
      local result = api.run { "trigger", EVENT, "--url", url, "--token", "t", cwd = box() }
      fails(result, 2, "hookward trigger: --url takes the URL to be notified, such as https://hooks.example.com")
    end
    fails(api.run { "trigger", "a b", "--url", URL }, 2,
      "EVENT is a name such as BadgeExportZipFile.Created, not 'a b'")
    fails(api.run { "trigger", EVENT }, 2, "missing option '--url'")
  end)

  it("adds the configuration's path to a URL without one", function()
    local function url_of(url, config)
      local _, requests = api.run({ "trigger", EVENT, "--url", url, "--token", "t", cwd = box(config) }, { { 204 } })
      return cjson.decode(requests[1].body).Url
    end
    assert.are.equal("https://x.com/baseWebhookNotification", url_of "https://x.com")
    assert.are.equal("https://x.com/hooks", url_of("https://x.com:443/", 'return { path = "/hooks" }'):gsub(":443", ""))
    assert.are.equal("https://x.com/a?b=c", url_of("https://x.com/a?b=c", 'return { path = "/hooks" }'))
  end)
end)

describe("subscribe", function()
  local keys
  setup(function() keys = forms() end)

  it("creates a subscription and saves its key, readable only by its owner", function()
    local result, requests, folder = subscribe(key_answer(keys.pem), { "--tenant", "12" })
    local out = works(result)
    has(out, URL .. ": subscribed to " .. EVENT .. " of tenant 12 (17)\n")
    has(out, "keys/BadgeExportZipFile.Created-12.pem: its Signature Key (PEM, 2048 bits, SHA-256 ")
    has(out, "Try it: hookward trigger " .. EVENT .. " --url " .. URL)
    assert.are.equal("POST", requests[1].method)
    assert.are.equal("/api/webhookSubscription", requests[1].path)
    assert.are.same({ Event = EVENT, Url = URL, Tenant = "12" }, cjson.decode(requests[1].body))
    local file = folder .. "/keys/BadgeExportZipFile.Created-12.pem"
    assert.are.equal("600", cli.mode(file))
    assert.are.equal(keys.pem, cli.read(file))
    assert.are.same({ "BadgeExportZipFile.Created-12.pem" }, files_in(folder .. "/keys"))
    is_key(file)
  end)

  it("prints one JSON object with --json", function()
    local result, requests, folder = subscribe(key_answer(keys.xml), { "--json" })
    local told = cjson.decode(works(result))
    assert.are.same({ Event = EVENT, Url = URL }, cjson.decode(requests[1].body))
    assert.match("^%x+$", told.key.fingerprint)
    told.key.fingerprint = nil
    assert.are.same({ ok = true, event = EVENT, url = URL, id = "17", key = { new = true, bits = 2048,
      form = ".NET XML", file = folder .. "/keys/BadgeExportZipFile.Created.xml" } }, told)
  end)

  it("recognises the key in each form, and saves it in a form that the host reads", function()
    local function escaped(text) return (text:gsub("<", "&lt;"):gsub(">", "&gt;")) end
    local cases = {
      pem = keys.pem, ["pem with CRLF"] = (keys.pem:gsub("\n", "\r\n")), pkcs1 = keys.pkcs1, base64 = keys.base64,
      xml = keys.xml, ["xml in entities"] = escaped(keys.xml),
      ["URL-safe Base64"] = (keys.base64:gsub("%+", "-"):gsub("/", "_"):gsub("=", "")),
      ["inside a text"] = "Your key:\n" .. keys.pem .. "\nKeep it.", ["in quotes"] = '"' .. keys.base64 .. '"',
      jwk = { kty = "RSA", n = keys.jwk_n, e = "AQAB" },
      ["RSAParameters"] = { Modulus = keys.modulus, Exponent = "AQAB", D = cjson.null },
    }
    local saved = {}
    for name, key in pairs(cases) do
      local result, _, folder = subscribe(key_answer(key))
      assert.are.equal(0, result.code, name .. "\n" .. result.out .. result.err)
      local files = files_in(folder .. "/keys")
      assert.are.equal(1, #files, name)
      saved[#saved + 1] = folder .. "/keys/" .. files[1]
    end
    are_keys(saved)
  end)

  it("finds the key under any spelling, at any depth, or by its contents", function()
    local other, saved = forms("other").pem, {}
    for _, answer in ipairs {
      { signature_key = keys.pem }, { ["Signature Key"] = keys.pem }, { publicKey = keys.pem },
      { Data = { Items = { { ClientPublicKey = keys.pem } } } }, { Key = keys.pem }, { Whatever = keys.pem },
      { PublicKey = other, SignatureKey = keys.pem }, { Extra = other, Result = { SignatureKey = keys.pem } },
      { SignatureKey = "see below", Blob = keys.pem }, { SignatureKey = { Value = keys.pem } },
    } do
      local result, _, folder = subscribe { 200, cjson.encode(answer) }
      assert.are.equal(0, result.code, cjson.encode(answer) .. result.err)
      saved[#saved + 1] = folder .. "/keys/" .. files_in(folder .. "/keys")[1]
    end
    are_keys(saved)
    for _, body in ipairs { keys.pem, cjson.encode(keys.base64), "<a><b>" .. keys.xml .. "</b></a>" } do
      works((subscribe { 200, body }))
    end
  end)

  it("prints the whole answer when it finds no key in it", function()
    for body, nearly in pairs {
      ['{"Id":5,"Secret":"abc"}'] = "",
      ['{"SignatureKey":"c2hvcnQ="}'] = " (SignatureKey: 8 bytes, too few for a key)",
      [cjson.encode { SignatureKey = ("x"):rep(100) }] = " (SignatureKey: no known form of a public key",
      [cjson.encode { SignatureKey = cli.read((H.keys())) }] = " (SignatureKey: this is a private key",
      ["just text"] = "", [""] = "",
    } do
      local result, _, folder = subscribe { 200, body }
      local err = fails(result, 1, "subscribed, but there is no Signature Key in the answer" .. nearly)
      has(err, '; looked for a field such as "SignatureKey" or "PublicKey", or else any text that is a public '
        .. "RSA key\n")
      assert.are.equal(body == "" and "" or body .. "\n", result.out)
      assert.are.same({}, files_in(folder .. "/keys"))
    end
    local told = cjson.decode((subscribe({ 200, '{"Id":5}' }, { "--json" })).out)
    assert.is_false(told.ok)
    assert.are.same({ Id = 5 }, told.answer)
  end)

  it("refuses a key that the host would refuse", function()
    local config = "return { min_key_bits = 3072 }"
    local result, _, folder = subscribe(key_answer(keys.pem), { cwd = box(config) })
    fails(result, 1, "(SignatureKey: 2048 bits, fewer than min_key_bits (3072))")
    assert.are.same({}, files_in(folder .. "/keys"))
    has(result.out, "BEGIN PUBLIC KEY")
  end)

  it("says so when the key is there already, in any file and form", function()
    local _, _, folder = subscribe(key_answer(keys.pem))
    local again = subscribe(key_answer(keys.xml), { cwd = folder })
    has(works(again), "keys/BadgeExportZipFile.Created.pem: already has its Signature Key (")
    assert.are.equal(1, #files_in(folder .. "/keys"))
    os.rename(folder .. "/keys/BadgeExportZipFile.Created.pem", folder .. "/keys/mine.txt")
    has(works((subscribe(key_answer(keys.pem), { cwd = folder }))), "keys/mine.txt: already has its Signature Key")
    local told = cjson.decode(works((subscribe(key_answer(keys.pem), { "--json", cwd = folder }))))
    assert.is_false(told.key.new)
    assert.are.equal(folder .. "/keys/mine.txt", told.key.file)
  end)

  it("never overwrites another key, but chooses another name", function()
    local _, _, folder = subscribe(key_answer(keys.pem))
    has(works((subscribe(key_answer(forms("other").pem), { cwd = folder }))),
      "keys/BadgeExportZipFile.Created-2.pem: its Signature Key")
    assert.are.equal(keys.pem, cli.read(folder .. "/keys/BadgeExportZipFile.Created.pem"))
    assert.are.equal(forms("other").pem, cli.read(folder .. "/keys/BadgeExportZipFile.Created-2.pem"))
  end)

  it("chooses a name that the patterns of `keys` find", function()
    for patterns, expected in pairs {
      ['{ "trust/*.xml" }'] = "trust/BadgeExportZipFile.Created.xml",
      ['"trust/*"'] = "trust/BadgeExportZipFile.Created.pem",
      ['{ "trust/accredit-*.public" }'] = "trust/accredit-BadgeExportZipFile.Created.public",
      ['{ "*/public/*", "more/*.pem" }'] = "more/BadgeExportZipFile.Created.pem",
      ['{ "trust/accredit.pem" }'] = "trust/accredit.pem",
    } do
      local result, _, folder = subscribe(key_answer(keys.pem), { cwd = box("return { keys = " .. patterns .. " }") })
      has(works(result), expected .. ": its Signature Key")
      is_key(folder .. "/" .. expected)
    end
  end)

  it("takes --key-file, and says when `keys` does not cover it", function()
    local folder = box "return {}"
    local result = subscribe(key_answer(keys.pem), { "--key-file", "else/where.pem", cwd = folder })
    works(result)
    has(result.err, "`keys` of the configuration does not cover else/where.pem: add it there\n")
    is_key(folder .. "/else/where.pem")
    result = subscribe(key_answer(forms("other").pem), { "--key-file", "else/where.pem", cwd = folder })
    fails(result, 1, "where.pem: File exists, with another key in it")
    has(result.out, "BEGIN PUBLIC KEY")
    assert.are.equal(keys.pem, cli.read(folder .. "/else/where.pem"))
  end)

  it("makes a safe file name from any tenant", function()
    local _, _, folder = subscribe(key_answer(keys.pem), { "--tenant", "../../ä/" .. ("x"):rep(300) })
    local name = files_in(folder .. "/keys")[1]
    assert.match("^BadgeExportZipFile%.Created%-%.%._%.%._+x+%.pem$", name)
    assert.is_true(#name <= 124)
  end)

  it("sends nothing to Accredit when the key could not be saved", function()
    local folder = cli.folder { keys = "a file" }
    local result, requests = subscribe(key_answer(keys.pem), { cwd = folder })
    fails(result, 1, "keys")
    assert.are.equal(0, #requests)
    result, requests = subscribe(key_answer(keys.pem), { cwd = box 'return { keys = { "*/a" } }' })
    fails(result, 1, "hookward.lua: no pattern of `keys` names a folder for a new key; name its file with "
      .. "--key-file FILE")
    assert.are.equal(0, #requests)
  end)

  it("prints the key when it can't be saved after all", function()
    local folder = box()
    local result = subscribe(key_answer(keys.pem), { cwd = folder, "--key-file", "keys/" .. ("n"):rep(300) })
    fails(result, 1, "subscribed, but the Signature Key could not be saved: ")
    has(result.err, "File name too long")
    has(result.out, "BEGIN PUBLIC KEY")
  end)

  -- The host finds a new key by itself a moment later, but refuses what is sent before then.
  describe("a running host", function()
    after_each(H.stop_all)

    local function host()
      return H.start { handlers = { ["a.lua"] = 'require "hookward".on("*", function() end)' },
        keys = { ["mine.pem"] = H.read((select(2, H.keys "other"))) } }
    end

    it("has the key when the command ends", function()
      local one = host()
      local out = works((subscribe(key_answer(keys.pem), { cwd = one.folder })))
      has(out, "The running host has loaded it.")
      has(one:log(), "2 keys")
      local json = cjson.decode(works((subscribe(key_answer(keys.pem), { "--json", cwd = one.folder }))))
      assert.is_true(json.key.live)
    end)

    it("that can't load the key is reported", function()
      local one = host()
      H.write(one.folder .. "/handlers/a.lua", "no Lua")
      local result = subscribe(key_answer(keys.pem), { cwd = one.folder })
      works(result)
      has(result.err, "The running host does not have the key yet")
      has(result.err, "a.lua:1:")
    end)

    it("is not waited for when none is running", function()
      local one = host()
      assert.equal(0, one:stop())
      local result = subscribe(key_answer(keys.pem), { cwd = one.folder })
      assert.is_nil(works(result):find("running host", 1, true))
      assert.equal("", result.err)
    end)
  end)
end)

describe("the three commands", function()
  it("are known to --help and to completion", function()
    for _, name in ipairs { "events", "subscribe", "trigger" } do
      local out = works(cli.run { name, "--help" })
      has(out, "Usage: hookward " .. name)
      has(out, "HOOKWARD_ACCREDIT_TOKEN")
      for _, line in ipairs(cli.lines(out)) do assert.is_true(#line <= 80, line) end
      for _, shell in ipairs { "bash", "zsh", "fish" } do has(works(cli.run { "completion", shell }), name) end
    end
  end)

  it("report a mistake in the configuration", function()
    local result = api.run { "events", cwd = box "return { accredit = { tokn = 'x' } }" }
    fails(result, 1, "hookward.lua: accredit.tokn: unknown key; did you mean accredit.token?\n")
  end)
end)
