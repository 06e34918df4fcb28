-- The sandbox stands in for Accredit: its API, its key, its deliveries with their retries, and its
-- misbehaviour on request. Sandbox and host are the real processes.

local socket = require "socket"
local H = require "spec.support.host"
local S = require "spec.support.sandbox"
local cli = require "spec.support.cli"

local EVENT, API, TRIGGER = S.EVENT, S.API, S.TRIGGER

after_each(function()
  S.stop_all()
  H.stop_all()
  cli.clean()
end)

local HANDLER = [[
  local hook = require "hookward"
  hook.on("BadgeExportZipFile.Created", function(event, job)
    hook.log.info("ran", { attempt = job.attempt })
    %s
  end)
]]

local function host(body, config, options)
  options = options or {}
  options.handlers = { ["a.lua"] = HANDLER:format(body or "") }
  options.config = config
  local self = H.start(options)
  self.url = ("http://127.0.0.1:%d/baseWebhookNotification"):format(self.port)
  return self
end

local function fields(list, name)
  local values = {}
  for i, one in ipairs(list) do
    local value = one[name]
    values[i] = type(value) == "number" and ("%g"):format(value) or value or "-"
  end
  return table.concat(values, " ")
end

-- ---- how it ends ----

describe("the sandbox", function()
  local started = {}
  after_each(function()
    for _, one in ipairs(started) do
      os.execute(("kill -KILL %d 2>/dev/null"):format(one.pid))
      pcall(one.pipe.close, one.pipe)
    end
    started = {}
  end)

  -- Starts a shell command in a folder; `pid` is the id of its process.
  local function start(folder, format, ...)
    local pipe = io.popen(("cd %s && echo $$ && exec %s"):format(folder, format:format(...)))
    local one = { pipe = pipe, pid = pipe:read("n") }
    started[#started + 1] = one
    return one
  end

  -- Takes 4 s: the drain and the wait for the app, which have no settings.
  it("ends within seconds while it prints a line that nobody reads", function()
    local folder = H.folder()
    assert(H.sh(("mkfifo %s/out"):format(folder)))
    start(folder, "sleep 600 3<>out") -- holds the pipe open and takes nothing
    local sandbox = start(folder, "%s sandbox --json --listen unix:s --key %s >out 2>log", H.quote(H.binary),
      (H.keys()))
    local function call(path)
      return H.sh(("curl -s -m 0.5 -o /dev/null --unix-socket %s/s http://h/%s"):format(folder, path))
    end
    H.wait_until(function() return call("") end, "the sandbox")
    local urls = {}
    for i = 1, 400 do urls[i] = ("http://h/%d%s"):format(i, ("x"):rep(300)) end
    H.wait_until(function()
      H.sh(("timeout 1 curl -s --unix-socket %s/s %s"):format(folder, table.concat(urls, " ")))
      return not call("blocked")
    end, "a full pipe")
    os.execute(("kill -TERM %d"):format(sandbox.pid))
    H.wait_until(function()
      return (H.read(("/proc/%d/stat"):format(sandbox.pid)):match("^%d+ %b() (%a)") or "Z") == "Z"
    end, "its end")
    local _, _, code = sandbox.pipe:close()
    assert.equal(1, code)
    assert.matches("the app did not end within 2000 ms", H.read(folder .. "/log"), 1, true)
  end)
end)

-- ---- the API ----

describe("the token", function()
  it("is given for the account's name and password, and for nothing else", function()
    local s = S.start()
    local cases = {
      { "grant_type=password&username=sandbox&password=sandbox", 200 },
      { "password=s%61ndbox&username=sandbox&grant_type=password&scope=x+y", 200 },
      { "grant_type=password&username=sandbox&password=wrong", 400, "invalid_grant" },
      { "grant_type=password&username=Sandbox&password=sandbox", 400, "invalid_grant" },
      { "grant_type=password&username=sandbox", 400, "invalid_grant" },
      { "grant_type=client_credentials&username=sandbox&password=sandbox", 400, "unsupported_grant_type" },
      { "", 400, "unsupported_grant_type" },
    }
    for _, case in ipairs(cases) do
      local status, answer = s:ask("POST", "/token", case[1])
      assert.are.equal(case[2], status, case[1])
      assert.are.equal(case[3], answer.error)
      if status == 200 then
        assert.are.equal("bearer", answer.token_type)
        assert.are.equal(3600, answer.expires_in)
      end
    end
    local status, _, headers = s:ask("GET", "/token")
    assert.are.equal(405, status)
    assert.are.equal("POST", headers.allow)
  end)

  -- A pattern that starts again at each byte would take hours for the first of these.
  it("is refused at once to a long malformed form, and so is a long path of slashes", function()
    local s = S.start()
    for _, body in ipairs { ("x"):rep(1000000), ("x=&"):rep(300000), ("%"):rep(1000000) } do
      local status, answer = s:ask("POST", "/token", body)
      assert.are.equal(400, status)
      assert.are.equal("unsupported_grant_type", answer.error)
    end
    for _ = 1, 60 do
      assert.are.equal(404, (s:ask("GET", ("/"):rep(16000) .. "x")))
    end
    assert.are.equal(0, s:stop())
  end)

  it("is required by all other calls", function()
    local s = S.start()
    for _, call in ipairs { { "GET", API .. "/events" }, { "POST", API }, { "POST", TRIGGER },
      { "GET", "/api/printQueue" } } do
      for _, value in ipairs { false, "Bearer", "Bearer wrong", "Basic c2FuZGJveDpzYW5kYm94" } do
        local status, _, headers = s:ask(call[1], call[2], call[1] == "POST" and "{}" or nil,
          { Authorization = value or nil })
        assert.are.equal(401, status)
        assert.are.equal("Bearer", headers["www-authenticate"])
      end
    end
  end)

  it("expires", function()
    local s = S.start("--token-life 300ms"):sign_in()
    H.wait_until(function() return s:ask("GET", API .. "/events") == 401 end, "a 401")
    assert.are.equal(200, (s:sign_in():ask("GET", API .. "/events")))
  end)
end)

describe("the subscription API", function()
  it("lists the events", function()
    local status, list = S.start():sign_in():ask("GET", API .. "/events")
    assert.are.equal(200, status)
    assert.are.equal(1, #list)
    assert.are.equal(EVENT, list[1].Event)
    assert.are.equal("string", type(list[1].Description))
  end)

  it("ignores case in paths and fields", function()
    local s = S.start():sign_in()
    assert.are.equal(200, (s:ask("GET", "/API/webhooksubscription/EVENTS/?a=b")))
    local status, answer = s:ask("POST", API:upper():gsub("API", "api"),
      { event = EVENT, URL = "http://h/", TENANT = "t", Other = 1 })
    assert.are.equal(201, status)
    assert.are.equal("http://h/", answer.Url)
    assert.are.equal("t", answer.Tenant)
    assert.are.equal(404, (s:ask("GET", "/api/else")))
    assert.are.equal(405, (s:ask("POST", API .. "/events", "{}")))
  end)

  it("answers with the documented codes", function()
    local s = S.start(nil, false):sign_in()
    local long = ("x"):rep(201)
    local cases = {
      { API, "no JSON", 400, "ACR_01.000.000" },
      { API, "[]", 400, "ACR_01.000.000" },
      { API, "", 400, "ACR_01.000.000" },
      { API, { Url = "http://h/" }, 400, "ACR_01.000.001" },
      { API, { Event = EVENT }, 400, "ACR_01.000.001" },
      { API, { Event = "", Url = "http://h/" }, 400, "ACR_01.000.001" },
      { API, { Event = 1, Url = "http://h/" }, 400, "ACR_01.000.002" },
      { API, { Event = EVENT, Url = "ftp://h/" }, 400, "ACR_01.000.003" },
      { API, { Event = EVENT, Url = "http://h/ x" }, 400, "ACR_01.000.003" },
      { API, { Event = EVENT, Url = "http://h/" .. ("x"):rep(1992) }, 400, "ACR_01.000.004" },
      { API, { Event = long, Url = "http://h/" }, 400, "ACR_01.000.004" },
      { API, { Event = EVENT, Url = "http://h/", Tenant = "unknown" }, 400, "ACR_01.000.007" },
      { API, { Event = "No.Such", Url = "http://h/" }, 400, "ACR_02.003.001" },
      { TRIGGER, { Event = EVENT }, 400, "ACR_02.003.000" },
      { TRIGGER, { Event = "No.Such", Url = "http://h/" }, 400, "ACR_02.003.001" },
      { TRIGGER, { Event = EVENT, Url = "http://h/" }, 400, "ACR_02.003.003" },
      { API, { Event = EVENT, Url = "http://h/" .. ("x"):rep(1991) }, 201 },
      { API, { Event = EVENT, Url = "http://h/" }, 201 },
      { API, { Event = EVENT, Url = "http://h/" }, 400, "ACR_02.003.002" },
      { API, { Event = EVENT, Url = "http://h/", Tenant = "t" }, 201 },
      { TRIGGER, { Event = EVENT, Url = "http://h/", Misbehave = "badly" }, 400, "ACR_01.000.003" },
      { TRIGGER, { Event = EVENT, Url = "http://h/", Misbehave = { { 1 } } }, 400, "ACR_01.000.003" },
      { TRIGGER, { Event = EVENT, Url = "http://h/", Misbehave = true }, 400, "ACR_01.000.003" },
    }
    for i, case in ipairs(cases) do
      local status, answer = s:ask("POST", case[1], case[2])
      assert.are.equal(case[3], status, i)
      assert.are.equal(case[4], answer.Code, i)
      if status == 400 then assert.is_truthy(answer.Message) end
    end
  end)

  it("fails as --fail says", function()
    local s = S.start("--fail 'events=503:ACR_00.000.001*2' --fail subscribe=ACR_00.001.002 "
      .. "--fail trigger=html --fail printqueue=500")
    s:sign_in()
    for _, expected in ipairs { 503, 503, 200 } do
      local status, answer = s:ask("GET", API .. "/events")
      assert.are.equal(expected, status)
      assert.are.equal(expected == 503 and "ACR_00.000.001" or nil, answer.Code)
    end
    local status, answer = s:ask("POST", API, "{}")
    assert.are.equal(401, status)
    assert.are.equal("ACR_00.001.002", answer.Code)
    local headers
    status, answer, headers = s:ask("POST", TRIGGER, "{}")
    assert.are.equal(502, status)
    assert.are.equal("text/html", headers["content-type"])
    assert.is_truthy(answer:find("<title>502"))
    status, answer = s:ask("GET", "/api/printQueue")
    assert.are.equal(500, status)
    assert.are.equal("", answer)
  end)

  it("is not held up by a slow or silent client", function()
    local s = S.start():sign_in()
    local slow = socket.connect("127.0.0.1", tonumber(s.url:match("%d+$")))
    slow:settimeout(20)
    slow:send("POST /token HTTP/1.1\r\nHost: h\r\nContent-Length: 53\r\n\r\ngrant_type=pass")
    assert.are.equal(200, (s:ask("GET", API .. "/events")))
    slow:send("word&username=sandbox&password=sandbox")
    assert.are.equal("HTTP/1.1 200 OK", slow:receive("*l"))
    slow:close()
  end)
end)

-- ---- the key ----

describe("the Signature Key", function()
  for _, form in ipairs { "xml", "pem", "der" } do
    it("in the form " .. form .. " verifies what is sent", function()
      local s = S.start("--key-form " .. form, false):sign_in()
      local key = s:subscribe()
      assert.is_truthy(key:find(({ xml = "^<RSAKeyValue><Modulus>", pem = "^%-%-%-%-%-BEGIN PUBLIC KEY",
        der = "^MII[%w+/]+=*$" })[form]))
      local h = host("", "", { keys = { ["sandbox.key"] = key } })
      s:trigger(h.url)
      assert.are.equal(200, s:wait("answered").status)
    end)
  end

  it("is a new one each time, unless a file keeps it", function()
    local path = H.folder() .. "/k.pem"
    local keys = {}
    for i, args in ipairs { "", "--key " .. path, "--key " .. path } do
      local s = S.start(args, false):sign_in()
      keys[i] = s:subscribe()
      s:stop()
    end
    assert.are.equal("600", cli.mode(path))
    assert.are_not.equal(keys[1], keys[2])
    assert.are.equal(keys[2], keys[3])
  end)
end)

-- ---- deliveries ----

describe("a notification", function()
  it("is sent as the .NET sender writes it, over one connection", function()
    local server = assert(socket.bind("127.0.0.1", 0))
    server:settimeout(20)
    local _, port = server:getsockname()
    local s = S.start("--speed 100000"):sign_in()
    local id = s:trigger(("http://127.0.0.1:%d/hook?a=b"):format(port))
    local client = assert(server:accept())
    client:settimeout(20)
    for attempt = 0, 1 do
      local lines = {}
      repeat lines[#lines + 1] = client:receive("*l") until lines[#lines] == ""
      assert.are.equal("POST /hook?a=b HTTP/1.1", lines[1])
      local head = table.concat(lines, "\n")
      assert.is_truthy(head:find("\nX%-Signature: [%w+/]+=*\n"))
      assert.is_truthy(head:find("\nx-jobid: " .. id .. "\n", 1, true))
      assert.is_truthy(head:find("\nX-JOBATTEMPT: " .. attempt .. "\n", 1, true))
      assert.is_truthy(head:find("\nExpect: 100-continue\n", 1, true))
      assert.is_truthy(head:find("\ncontent-type: application/json; charset=utf-8\n", 1, true))
      assert.is_truthy(id:find("^%d+$"))
      if attempt == 0 then client:send("HTTP/1.1 100 Continue\r\n\r\n") end
      -- the second time it gets no 100 Continue, and sends the body anyway
      local body = client:receive(tonumber(head:match("\n[Cc]ontent%-[Ll]ength: (%d+)")))
      assert.is_truthy(body:find('^{"Event":"BadgeExportZipFile.Created","Timestamp":"%d%d%d%d%-'
        .. '%d%d%-%d%dT%d%d:%d%d:%d%d%.%d%d%dZ","BadgeExportZipFileId":"%x+%-[%x-]+"}$'), body)
      assert.are.equal(H.sign(body), head:match("X%-Signature: (%S+)"))
      client:send(("HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n"):format(attempt == 0 and 500 or 200))
    end
    server:close()
    assert.are.equal(200, s:wait("answered", 2).status)
  end)

  it("is tried again until the answer is 200", function()
    local h = host("if job.attempt < 2 then return nil, 'not yet' end")
    local s = S.start("--speed 1000"):sign_in()
    s:trigger(h.url)
    assert.are.equal(200, s:wait("answered", 3).status)
    assert.are.equal("0 1 2", fields(s:shown("sent"), "attempt"))
    assert.are.equal("400 400 200", fields(s:shown("answered"), "status"))
    assert.are.equal("handler_refused handler_refused -", fields(s:shown("answered"), "error"))
    assert.are.equal("0.03 0.046 -", fields(s:shown("answered"), "next_in"))
    for attempt = 0, 2 do h:wait_log("ran[^\n]- attempt=" .. attempt) end
    assert.are.equal(3, h:count_log("%f[%a]ran%f[%A]"))
  end)

  it("is abandoned after the fifth retry", function()
    local h = host("error 'on purpose'")
    local s = S.start("--speed 10000"):sign_in()
    local id = s:trigger(h.url)
    assert.are.equal(id, s:wait("ended").job)
    assert.are.equal("0 1 2 3 4 5", fields(s:shown("sent"), "attempt"))
    assert.are.equal("400 400 400 400 400 400", fields(s:shown("answered"), "status"))
    for attempt = 0, 5 do h:wait_log("ran[^\n]- attempt=" .. attempt) end
    assert.are.equal(6, h:count_log("%f[%a]ran%f[%A]"))
  end)

  it("is tried again when nothing listens, and when no answer comes", function()
    local server = assert(socket.bind("127.0.0.1", 0)) -- it never accepts
    local _, port = server:getsockname()
    local s = S.start("--speed 100000 --timeout 50ms"):sign_in()
    s:trigger(("http://127.0.0.1:%d/"):format(port))
    assert.is_truthy(s:wait("answered", 2).failure:find("[Tt]imed? ?out"))
    server:close()
    s:wait("ended")
    local h = host()
    h:kill()
    s:trigger(h.url)
    assert.is_truthy(s:wait("answered", 7).failure)
    s:wait("ended", 2)
    assert.are.equal(12, #s:shown("sent"))
  end)

  it("goes to --url, or else to the newest subscription, if the trigger names no Url", function()
    local h = host()
    local s = S.start("--url http://127.0.0.1:" .. h.port):sign_in()
    s:trigger(nil)
    assert.are.equal(h.url, s:wait("sent").to)
    assert.are.equal(200, s:wait("answered").status)
    local other = S.start():sign_in()
    other:subscribe("http://127.0.0.1:1/")
    other:subscribe(h.url)
    other:trigger(nil)
    assert.are.equal(200, other:wait("answered").status)
  end)

  it("does not block the sandbox while it is under way", function()
    local gate = H.gate()
    local h = H.start { handlers = { ["a.lua"] = gate.source
      .. "require 'hookward'.on('*', function() wait() end)" } }
    local s = S.start():sign_in()
    s:trigger(("http://127.0.0.1:%d/baseWebhookNotification"):format(h.port))
    h:wait_log("begun")
    assert.are.equal(200, (s:ask("GET", API .. "/events")))
    assert.are.equal(0, #s:shown("answered"))
    gate:open()
    assert.are.equal(200, s:wait("answered").status)
  end)
end)

-- ---- misbehaviour ----

describe("told to misbehave, it sends", function()
  it("a duplicate in flight, which runs once", function()
    local gate = H.gate()
    local h = H.start { handlers = { ["a.lua"] = gate.source
      .. "require 'hookward'.on('*', function() wait() end)" } }
    local s = S.start("--misbehave duplicate"):sign_in()
    s:trigger(("http://127.0.0.1:%d/baseWebhookNotification"):format(h.port))
    h:wait_log("begun")
    s:wait("sent", 2)
    gate:open(2)
    s:wait("answered", 2)
    assert.are.equal("200 200", fields(s:shown("answered"), "status"))
    assert.are.equal("- duplicate", fields(s:shown("sent"), "note"))
    assert.are.equal("0 0", fields(s:shown("sent"), "attempt"))
    assert.are.equal(1, h:count_log("begun"))
  end)

  it("a job again after it succeeded, which is answered from the ledger", function()
    local h = host()
    local s = S.start():sign_in()
    s:trigger(h.url, "repeat")
    s:wait("answered", 2)
    assert.are.equal("200 200", fields(s:shown("answered"), "status"))
    assert.are.equal("- repeat", fields(s:shown("sent"), "note"))
    h:wait_log("duplicate[^\n]- status=200")
    assert.are.equal(1, h:count_log("%f[%a]ran%f[%A]"))
  end)

  it("a forged copy, which is refused, and then the original", function()
    local h = host()
    local s = S.start("--misbehave forged"):sign_in()
    s:trigger(h.url)
    s:wait("answered", 2)
    assert.are.equal("forged -", fields(s:shown("answered"), "note"))
    assert.are.equal("400 200", fields(s:shown("answered"), "status"))
    assert.are.equal("invalid_signature -", fields(s:shown("answered"), "error"))
    h:wait_log("succeeded")
    assert.are.equal(1, h:count_log("%f[%a]ran%f[%A]"))
  end)

  it("several kinds at once", function()
    local h = host()
    local s = S.start():sign_in()
    s:trigger(h.url, { "duplicate,repeat", "forged" })
    s:wait("answered", 4)
    local notes = {}
    for _, one in ipairs(s:shown("answered")) do
      notes[one.note or "itself"] = one.status
    end
    assert.are.same({ forged = 400, itself = 200, duplicate = 200, ["repeat"] = 200 }, notes)
    for _, one in ipairs(s:shown()) do
      assert.matches("^20%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%d%.%d%d%dZ$", one.time)
    end
    h:wait_log("succeeded")
    assert.are.equal(1, h:count_log("%f[%a]ran%f[%A]"))
  end)

  it("a stale body, which max_age refuses", function()
    local h = host("", 'max_age = "1h"')
    local s = S.start():sign_in()
    s:trigger(h.url, { "stale" })
    local answer = s:wait("answered")
    assert.are.equal(400, answer.status)
    assert.are.equal("too_old", answer.error)
    s:trigger(h.url)
    assert.are.equal(200, s:wait("answered", 2).status)
  end)

  it("a body that arrives slowly, which body_timeout ends", function()
    local h = host("", "body_timeout = 0.2")
    local s = S.start("--misbehave slow"):sign_in()
    s:trigger(h.url)
    assert.are.equal(408, s:wait("answered").status)
  end)

  it("a body that arrives slowly but completely", function()
    local h = host()
    local s = S.start("--speed 1000"):sign_in()
    s:trigger(h.url, "slow")
    assert.are.equal(200, s:wait("answered").status)
  end)
end)

-- ---- the print queue ----

describe("the print queue", function()
  it("has a zip of PDFs for each notification", function()
    local s = S.start():sign_in()
    s:trigger("http://127.0.0.1:1/")
    local status, list = s:ask("GET", "/api/printQueue")
    assert.are.equal(200, status)
    local id = list[1].BadgeExportZipFileId
    local one, bytes, headers
    status, one = s:ask("GET", "/api/printQueue/" .. id)
    assert.are.equal(200, status)
    assert.are.equal("Pending", one.PrintStatus)
    status, bytes, headers = s:ask("GET", ("/api/printQueue/%s/file"):format(id))
    assert.are.equal(200, status)
    assert.are.equal("application/zip", headers["content-type"])
    assert.are.equal(('attachment; filename="%s"'):format(one.FileName), headers["content-disposition"])
    assert.are.equal(one.Size, #bytes)
    local path = H.folder() .. "/z.zip"
    H.write(path, bytes)
    local listing = assert(H.sh("unzip -t " .. path))
    for i = 1, one.BadgeCount do
      assert.is_truthy(listing:find(("testing: badge%%-%d%%.pdf +OK\n"):format(i)), listing)
    end
    local _, count = bytes:gsub("%%PDF%-1%.4\n", "")
    assert.are.equal(3, count)
  end)

  it("keeps the print status", function()
    local s = S.start():sign_in()
    s:trigger("http://127.0.0.1:1/")
    local _, list = s:ask("GET", "/api/printQueue")
    local path = "/api/printQueue/" .. list[1].BadgeExportZipFileId
    for _, case in ipairs { { "{", 400, "ACR_01.000.000" }, { "{}", 400, "ACR_01.000.001" },
      { { PrintStatus = "Lost" }, 400, "ACR_01.000.003" }, { { printStatus = "printed" }, 200 } } do
      local status, answer = s:ask("PUT", path .. "/status", case[1])
      assert.are.equal(case[2], status)
      assert.are.equal(case[3], answer.Code)
    end
    local _, one = s:ask("GET", path)
    assert.are.equal("Printed", one.PrintStatus)
    assert.are.equal(404, (s:ask("GET", "/api/printQueue/00000000-0000-4000-8000-000000000000")))
  end)

  it("answers a handler that asks while its own notification is being delivered", function()
    local s = S.start():sign_in()
    local h = host(([[
      local answer = assert(hook.http.get("%s/api/printQueue/" .. event.BadgeExportZipFileId .. "/file",
        { headers = { Authorization = "Bearer %s" } }))
      hook.log.info("fetched", { status = answer.status, size = #answer.body })
      return answer.status
    ]]):format(s.url, s.token))
    s:trigger(h.url)
    assert.are.equal(200, s:wait("answered").status)
    h:wait_log("fetched[^\n]- size=%d+")
  end)
end)

-- ---- the command ----

describe("hookward sandbox", function()
  it("exits with 0 at SIGTERM, SIGINT and SIGHUP, whatever is still to be sent", function()
    for _, signal in ipairs { "TERM", "INT", "HUP" } do
      local s = S.start():sign_in()
      s:trigger("http://127.0.0.1:1/")
      s:wait("answered")
      assert.are.equal(0, s:stop(signal))
      assert.are.equal("", H.read(s.folder .. "/log"))
    end
  end)

  it("prints a line for each call, delivery and answer", function()
    local h = host()
    local folder = H.folder()
    H.sh(("cd %s; %s sandbox --listen unix:s --key %s --url %s >out 2>&1 & echo $! >%s/pid"):format(
      folder, H.binary, H.keys(), h.url, folder))
    H.wait_until(function() return H.read(folder .. "/out"):find("hookward trigger", 1, true) end)
    local function curl(args)
      return H.sh(("cd %s; curl -sS --unix-socket s %s"):format(folder, args))
    end
    local token = curl("http://h/token -d 'grant_type=password&username=sandbox&password=sandbox'")
      :match('"access_token":"(%x+)"')
    curl(("http://h%s -H 'Authorization: Bearer %s' -d '{\"Event\":\"%s\"}'"):format(TRIGGER, token, EVENT))
    H.wait_until(function() return H.read(folder .. "/out"):find(": 200 %(%d+ ms%)\n") end, "the answer")
    H.sh("kill $(cat " .. folder .. "/pid)")
    local out = H.read(folder .. "/out")
    assert.is_truthy(out:find("\n%d%d:%d%d:%d%d  POST /token  200\n"), out)
    assert.is_truthy(out:find("\n%d%d:%d%d:%d%d  job %d+, attempt 0: " .. EVENT .. " to http://"), out)
    assert.is_nil(out:find("\27"))
  end)

  it("says what is wrong with its arguments", function()
    local cases = {
      { { "--listen", "0.0.0.0:0" }, 2, "add --public" },
      { { "--listen", "[::]:0" }, 2, "add --public" },
      { { "--listen", "192.0.2.1:0", "--public", "--key", (H.keys()) }, 1, "192.0.2.1" },
      { { "--listen", "nonsense" }, 2, "nonsense" },
      { { "--misbehave", "repaet" }, 2, "did you mean repeat?" },
      { { "--fail", "evnts=500" }, 2, "CALL=WHAT" },
      { { "--fail", "events=99" }, 2, "'99' is neither a documented code" },
      { { "--fail", "events=600" }, 2, "200 to 599" },
      { { "--fail", "events=ACR_09.000.000" }, 2, "neither a documented code" },
      { { "--speed", "0" }, 2, "--speed takes a number" },
      { { "--url", "localhost:80" }, 2, "--url takes the address" },
      { { "--key-form", "jwk" }, 2, "--key-form" },
      { { "--key", "/none/key.pem" }, 1, "/none/key.pem" },
      { { "--key", "/dev/null" }, 1, "/dev/null: not a private key" },
    }
    for _, case in ipairs(cases) do
      local result = cli.run { "sandbox", table.unpack(case[1]) }
      assert.are.equal(case[2], result.code, result.err)
      assert.is_truthy(result.err:find(case[3], 1, true), result.err)
      assert.is_nil(result.err:find("traceback", 1, true))
    end
  end)
end)
