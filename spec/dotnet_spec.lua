-- A real .NET client, Mono's HttpClient, signs and delivers as Accredit's service does: over plain
-- HTTP and over TLS 1.2. It makes the key itself, and the host takes its public half as XML.

-- Without it `make test-dotnet` has not asked: a setup runs even if all its specs are left out.
if not os.getenv "HOOKWARD_DOTNET" then return end

local certificates = require "spec.support.certificates"
local H = require "spec.support.host"

local SOURCE <const> = "spec/support/dotnet/Sender.cs"
local WITHOUT_MONO <const> = not H.sh("command -v mcs && command -v mono")

describe("a .NET client #dotnet", function()
  if WITHOUT_MONO then
    pending "needs Mono: make test-dotnet installs it"
    return
  end

  local host, folder, public

  local function sender(arguments, input)
    H.write(folder .. "/input", input or "")
    local ok, out = H.sh(("timeout 60 mono %s/Sender.exe %s <%s/input"):format(folder, arguments, folder))
    assert(ok, out)
    return out
  end

  local function start(config)
    host = H.start {
      keys = { ["accredit.xml"] = public },
      config = config,
      handlers = { ["a.lua"] = [[
        local hook = require "hookward"
        hook.on("Badge.*", function(event, job)
          hook.log.info("got " .. event.Name:sub(1, 20), { type = job.headers["content-type"] })
          if event.Event == "Badge.Refused" then return nil, "not today" end
        end)
      ]] },
    }
  end

  setup(function()
    folder = os.tmpname()
    os.remove(folder)
    assert(H.sh(("mkdir %s && mcs -out:%s/Sender.exe -r:System.Net.Http.dll %s"):format(folder, folder, SOURCE)))
    certificates.self_signed(folder, "tls")
    public = sender(("key %s/key.xml"):format(folder))
  end)

  teardown(function() H.sh("rm -r " .. folder) end)
  after_each(H.stop_all)

  local function body(event, name)
    return ('{"Event":"%s","Timestamp":"2024-05-10T11:09:21.248Z","Name":"%s"}'):format(event, name)
  end

  local PROCESSED <const> = '200 {"status":"processed"}'

  local function accepted()
    local _, out = H.sh(("cd %s && %s status --json"):format(host.folder, H.binary))
    return tonumber(out:match('"accepted":(%d+)'))
  end

  -- Returns how many connections the deliveries took.
  local function deliver(url, more)
    local before = accepted()
    local own = accepted() - before -- to ask takes one, perhaps
    local out = sender(("deliver %s/key.xml %s %s"):format(folder, url, more or ""), table.concat({
      "101 0 good " .. body("Badge.Created", "Zoë ✓"),
      "102 1 good " .. body("Badge.Refused", "b"),
      "103 0 forged " .. body("Badge.Created", "c"),
      "104 5 good " .. body("Badge.Created", ("x"):rep(20000)),
      "101 1 good " .. body("Badge.Created", "Zoë ✓"),
    }, "\n") .. "\n")
    local lines = {}
    for line in out:gmatch("[^\n]+") do lines[#lines + 1] = line end
    assert.equal(5, #lines, out)
    assert.equal(PROCESSED, lines[1])
    assert.matches('^400 {"error":"handler_refused","message":"not today"}', lines[2])
    assert.matches('^400 {"error":"invalid_signature",', lines[3])
    assert.equal(PROCESSED, lines[4])
    assert.equal(PROCESSED, lines[5])
    local taken = accepted() - before - 2 * own
    host:wait_log "duplicate event=%S+ job=101"
    assert.equal(1, host:count_log "got Zoë ✓ .-job=101 type=\"application/json; charset=utf%-8\"")
    assert.equal(0, host:count_log "got c ")
    return taken
  end

  it("delivers on one connection, which is kept over refusals", function()
    start()
    assert.equal(1, deliver(("http://127.0.0.1:%d/baseWebhookNotification"):format(host.port)))
  end)

  it("does so over TLS 1.2", function()
    start(("tls = { cert = %q, key = %q }"):format(folder .. "/tls.pem", folder .. "/tls.key"))
    local port = host:wait_log "listening on https://[^\n]-:(%d+)/"
    assert.equal(1, deliver(("https://localhost:%d/baseWebhookNotification"):format(port), folder .. "/tls.pem"))
  end)
end)
