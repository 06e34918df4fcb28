-- The guide is correct: its blocks compile, load and run, its commands have the options that it
-- shows, and `hookward help` prints it.

local certificates = require "spec.support.certificates"
local H = require "spec.support.host"
local S = require "spec.support.sandbox"
local D = require "spec.support.deployment"
local handover = require "spec.support.handover"
local lfs = require "lfs"

local GUIDE = "lua/hookward/guide/"
local rock = os.getenv("HOOKWARD_ROCK") or lfs.currentdir() .. "/build/rock/tree"
local program = H.quote(H.binary)

local topics = {}
for name in lfs.dir(GUIDE) do topics[#topics + 1] = name:match("^(.*)%.md$") end
table.sort(topics)

local function text_of(topic) return H.read(GUIDE .. topic .. ".md") end

local function blocks(topic, language)
  local found = {}
  for name, text in text_of(topic):gmatch("\n```([^\n]*)\n(.-)```") do
    if name == language then found[#found + 1] = text end
  end
  return found
end

-- Each block is taken by a test that runs it; the last test finds those that no test took.
local taken = {}

-- The i-th block, or the one that contains this text.
local function block(topic, language, i)
  local found = blocks(topic, language)
  for at, one in ipairs(found) do
    if type(i) == "string" and one:find(i, 1, true) then i = at end
  end
  local text = assert(found[i], topic .. " has no such block of " .. language)
  taken[topic .. text] = true
  return text
end

-- Returns all output, stderr included.
local function try(format, ...)
  return H.sh("{ " .. format:format(...) .. "\n}")
end

local function sh(format, ...)
  local ok, out = try(format, ...)
  assert(ok, out)
  return out
end

local printed = {}

-- `hookward help TOPIC`
local function help(topic)
  printed[topic] = printed[topic] or sh("%s help %s", program, topic)
  return printed[topic]
end

-- A project of `hookward init` (made once, then copied), with a prefix for shell commands in it.
local template

local function project()
  if not template then
    template = os.tmpname()
    os.remove(template)
    sh("%s init %s", program, template)
    local path = template .. "/hookward.lua"
    H.write(path, (H.read(path):gsub("127%.0%.0%.1:8080", "127.0.0.1:0")))
  end
  local folder = H.folder() .. "/demo"
  sh("cp -r %s %s", template, folder)
  return folder, ("cd %s && hookward() { %s \"$@\"; } && "):format(H.quote(folder), program)
end

-- Has a project accept what the specs sign.
local function trust(folder)
  local _, public = H.keys()
  H.write(folder .. "/keys/accredit.pem", H.read(public))
end

-- Writes the host's port into its project, so that the project's commands find the host.
local function point_at(host)
  local path = host.folder .. "/hookward.lua"
  H.write(path, D.exchange(H.read(path), { ["127.0.0.1:0"] = "127.0.0.1:" .. host.port }))
end

teardown(function()
  if template then sh("rm -r %s", template) end
end)

describe("hookward help", function()
  after_each(H.stop_all)

  it("lists every topic", function()
    local out = sh("%s help", program)
    local listed = {}
    for name in out:gmatch("\n  (%l+) +%a") do listed[#listed + 1] = name end
    table.sort(listed)
    assert.same(topics, listed)
  end)

  it("prints a topic exactly as it is in its file", function()
    for _, topic in ipairs(topics) do
      if topic ~= "configuration" then assert.equal(text_of(topic), help(topic)) end
    end
  end)

  it("prints the same with the installed rock #rock", function()
    for _, topic in ipairs { "handlers", "configuration" } do
      assert.equal(help(topic), sh("%s/bin/hookward help %s", rock, topic))
    end
  end)

  it("is readable in a terminal: no line over 100 columns", function()
    for _, topic in ipairs(topics) do
      for line in help(topic):gmatch("[^\n]+") do
        assert.is_true(#line <= 100, topic .. ": " .. line)
      end
    end
  end)

  it("prints the help of a command, and of an action", function()
    assert.equal(sh("%s send --help", program), sh("%s help send", program))
    assert.equal(sh("%s jobs replay --help", program), sh("%s help jobs replay", program))
    assert.matches("^Usage: hookward help ", sh("%s help help", program))
  end)

  it("suggests the topic or command that was meant, with exit 2", function()
    for word, meant in pairs { handlrs = "handlers", serv = "serve", configuraton = "configuration" } do
      local ok, out, code = H.sh(program .. " help " .. word)
      assert.is_nil(ok)
      assert.equal(2, code)
      assert.equal(("hookward help: no topic '%s'; did you mean %s?\nSee `hookward help --help`.\n")
        :format(word, meant), out)
    end
    local _, out, code = H.sh(program .. " help bananas")
    assert.equal(2, code)
    assert.matches("^hookward help: no topic 'bananas'; `hookward help` lists them\n", out)
  end)

  it("is completed by the shell scripts", function()
    for _, shell in ipairs { "bash", "zsh", "fish" } do
      assert.matches("%f[%w]help%f[%W]", sh("%s completion %s", program, shell))
    end
  end)
end)

describe("the reference of the configuration", function()
  local function show(value)
    if type(value) == "string" then return '"' .. value .. '"' end
    if type(value) ~= "table" then return tostring(value) end
    local list = {}
    for i, item in ipairs(value) do list[i] = show(item) end
    return #list == 0 and "{}" or "{ " .. table.concat(list, ", ") .. " }"
  end

  it("names every key with its default, and what this version refuses", function()
    local out = help "configuration"
    assert.is_nil(out:find("<!--", 1, true))
    local function check(entries, prefix)
      for _, entry in ipairs(entries) do
        local name = ("- `%s%s`: "):format(prefix, entry.key)
        local at = assert(out:find(name, 1, true), name)
        local item = out:sub(at + 2, (out:find("\n- ", at, true))):gsub("\n *", " ")
        if entry.default ~= nil then
          assert.matches("default `" .. show(entry.default) .. "`", item, 1, true)
        end
        check(entry.fields or {}, prefix .. entry.key .. ".")
      end
    end
    check(dofile("lua/hookward/config/schema.lua"), "")
  end)
end)

describe("the guide's", function()
  after_each(function()
    D.stop_all()
    S.stop_all()
    H.stop_all()
  end)

  it("Lua blocks compile", function()
    local count = 0
    for _, topic in ipairs(topics) do
      for _, text in ipairs(blocks(topic, "lua")) do
        count = count + 1
        assert(load(text, "=" .. topic .. ".md", "t"))
      end
    end
    assert.is_true(count >= 7)
  end)

  it("handlers load", function()
    local folder, at = project()
    for i = 1, #blocks("handlers", "lua") do
      local text = block("handlers", "lua", i)
      H.write(folder .. "/handlers/badges.lua", text)
      local pattern = text:match('hook%.on%("([^"]+)"')
      assert.matches(pattern, sh("%shookward check", at), 1, true)
    end
  end)

  it("first handler does what its comments say", function()
    local host = H.start { handlers = { ["badges.lua"] = block("handlers", "lua", 1) } }
    local event = "BadgeExportZipFile.Created"
    assert.equal(200, host:notify(H.event(event, '"BadgeExportZipFileId":"1"')).status)
    local answer = host:notify(H.event(event))
    assert.equal(400, answer.status)
    assert.equal("no id in the event", answer.message)
  end)

  it("handlers that call a service or have a schema do what the guide says", function()
    local folder, at = project()
    sh("cd %s && rm -r handlers/* spec/* && mkdir crm strict", folder)
    H.write(folder .. "/crm/people.lua", block("handlers", "lua", 2))
    H.write(folder .. "/strict/people.lua", block("handlers", "lua", 3))
    H.write(folder .. "/spec/people_spec.lua", [[
      local testing = require "hookward.testing"
      it("posts to the CRM", function()
        local app <close> = testing.load("crm", { settings = { token = "t" } })
        app:stub_http("POST", "https://crm.example.com/persons", { { status = 201 }, { status = 500 } })
        local call = app:deliver("Person.Updated", { PersonId = 7 }):expect(200).http_calls[1]
        assert.same({ '{"id":7}', "Bearer t", 5 }, { call.body, call.headers.authorization, call.timeout })
        assert.equal("the CRM answered 500", app:deliver("Person.Updated"):expect(400).message)
      end)
      it("has a schema", function()
        local app <close> = testing.load("strict")
        app:deliver("Person.Updated", { PersonId = "7" }):expect(400, "schema_violation")
        app:deliver("Person.Updated", { PersonId = 7 }):expect(200)
      end)
    ]])
    assert.matches("2 successes / 0 failures", sh("%shookward test", at), 1, true)
  end)

  it("handler that gives up, and sets the next delay, does so", function()
    local folder, at = project()
    sh("cd %s && rm -r handlers/* spec/*", folder)
    H.write(folder .. "/handlers/badges.lua", block("handlers", "lua", 4))
    H.write(folder .. "/spec/badges_spec.lua", [[
      local testing = require "hookward.testing"
      local app = testing.load "handlers"
      local function answered(status, attempt)
        app:stub_http("POST", "https://badges.example.com/delete", { status = status })
        return app:deliver("Badge.Deleted", { BadgeId = status }, { attempt = attempt })
      end
      it("gives up", function()
        local first = answered(404):expect(400, "given_up")
        assert.equal("there is no such badge", first.reason)
        assert.is_false(app:redeliver(first):expect(400, "given_up").ran)
      end)
      it("fails for now", function()
        assert.equal("the badge service answered 503", answered(503):expect(400, "handler_refused").message)
        answered(200):expect(200)
      end)
    ]])
    assert.matches("2 successes / 0 failures", sh("%shookward test", at), 1, true)
  end)

  it("ack-first handler, and the spec that shows how to test it, do what the guide says", function()
    local folder, at = project()
    sh("cd %s && rm -r handlers/* spec/* && mkdir orders", folder)
    H.write(folder .. "/orders/orders.lua", block("handlers", "lua", 5))
    H.write(folder .. "/spec/orders_spec.lua", block("testing", "lua", 3))
    H.write(folder .. "/spec/more_spec.lua", [[
      local testing = require "hookward.testing"
      it("gives up what the ERP does not want, and goes on with the next", function()
        local app <close> = testing.load("orders")
        app:stub_http("POST", "https://erp.example.com/orders", { { status = 422 }, { status = 201 } })
        local first = app:deliver("Order.Created", { CustomerId = 7 }):expect(200, "given_up")
        assert.equal("dead", first.state)
        assert.equal(first.digest, first.http_calls[1].headers["idempotency-key"])
        assert.equal("succeeded", app:deliver("Order.Paid", { CustomerId = 7 }):expect(200).state)
      end)
      it("refuses what has no key that it could be", function()
        local app <close> = testing.load("orders")
        local null = require "hookward".null
        app:deliver("Order.Created", { CustomerId = null }):expect(400, "handler_error")
      end)
    ]])
    assert.matches("3 successes / 0 failures", sh("%shookward test", at), 1, true)
    sh("cd %s && mv orders/* handlers", folder)
    assert.matches("ack first, at most 2 at once, in order by key", sh("%shookward check", at), 1, true)
  end)

  it("configurations are accepted", function()
    for _, topic in ipairs { "configuration", "deployment", "fleet" } do
      local folder, at = project()
      local text = block(topic, "lua", 1):gsub("/var/lib/hookward/", folder .. "/")
      H.write(folder .. "/hookward.lua", text)
      sh("export ADMIN_TOKEN=a-token-of-a-spec; %shookward check --offline", at)
    end
  end)

  it("handler with a fence sends a number that grows with each run", function()
    local orders = [[
      local hook = require "hookward"
      local fence = 0
      return { put = function(id, _, options)
        if options.fence <= fence then return nil, "too late" end
        fence = options.fence
        hook.log.info("put", { order = id, fence = fence })
        return false, "again"
      end }]]
    local host = H.start { config = "workers = 1", handlers = { ["lib/orders.lua"] = orders,
      ["created.lua"] = block("fleet", "lua", "job.run") } }
    for fence = 1, 2 do
      assert.equal(400, host:notify(H.event("Order.Created", '"OrderId":"7"'), { id = "fenced" }).status)
      host:wait_log("put[^\n]* fence=" .. fence)
    end
  end)

  it("commands for a fleet are those that look at a ledger, and move it", function()
    block("fleet", "sh", "hookward check\n")
    block("fleet", "sh", "ledger copy")
  end)

  it("balancer before a fleet passes on what the host accepts, and makes a 400 of its own failures", function()
    local text, again = block("fleet", "haproxy", 1), block("fleet", "http", 1)
    local folder = H.folder()
    H.write(folder .. "/again.http", again)
    assert.matches("^HTTP/1.0 400 ", again)
    assert.matches("option httpchk GET /healthz\n", text, 1, true)
    local defaults = {}
    for _, entry in ipairs(dofile "lua/hookward/config/schema.lua") do defaults[entry.key] = entry.default end
    assert.is_true(tonumber(text:match("timeout server (%d+)s")) > defaults.queue_timeout + defaults.handler_timeout)
    H.write(folder .. "/haproxy.cfg", (text:gsub("/etc/haproxy", folder)))
    if D.program "haproxy" then sh("%s -c -f %s/haproxy.cfg", D.program "haproxy", folder) end
  end)

  it("SQL makes a role and a database that a host can use", function()
    local text = block("fleet", "sql", 1)
    assert.matches("CREATE ROLE hookward LOGIN", text, 1, true)
    assert.matches("OWNER hookward;", text, 1, true)
  end)

  it("admin listener lets in whoever has a token, and no others", function()
    local folder = project()
    trust(folder)
    sh("mkdir %s/tls", folder)
    certificates.self_signed(folder .. "/tls", "cert", { alt = "IP:127.0.0.1" })
    sh("mv %s/tls/cert.key %s/tls/key.pem", folder, folder)
    H.write(folder .. "/hookward.lua", D.exchange(block("admin", "lua", 1), {
      ["0.0.0.0:8080"] = "127.0.0.1:0", ["0.0.0.0:9464"] = "127.0.0.1:0" }))
    local host = H.start { folder = folder,
      env = "ADMIN_TOKEN=write-token-of-a-spec ADMIN_READ_TOKEN=read-token-of-a-spec" }
    local port = host:wait_log("the admin page is at https://127%.0%.0%.1:(%d+)")
    local command = D.exchange(block("admin", "sh", "Authorization"), {
      ["http://127.0.0.1:9464"] = "https://127.0.0.1:" .. port, ["curl"] = "curl -s --cacert tls/cert.pem" })
    local function with(token) return sh("cd %s && ADMIN_READ_TOKEN=%s && %s", folder, token, command) end
    assert.matches('"rows":[]', with "read-token-of-a-spec", 1, true)
    assert.matches('"error":"wrong_token"', with "another-token-of-a-spec", 1, true)
  end)

  it("commands for health have the answers that it shows", function()
    local host = H.start { folder = (project()), args = "--admin 127.0.0.1:0" }
    local port = host:wait_log("the admin page is at http://127%.0%.0%.1:(%d+)")
    local commands, shown = block("admin", "sh", "/healthz"), {}
    for answer in commands:gmatch("# ({[^}]*})") do shown[#shown + 1] = answer .. "\n" end
    assert.equal(2, #shown)
    assert.equal(table.concat(shown), sh("%s", (commands:gsub("9464", port):gsub("curl", "curl -s"))))
  end)

  it("commands for the terminal follow a host, and print a link that logs in", function()
    local folder, at = project()
    trust(folder)
    H.write(folder .. "/handlers/badges.lua", [[
      local hook = require "hookward"
      hook.on("Badge.Created", function() end)
      hook.on("Badge.Updated", function() return nil, "no such badge" end)]])
    local host = H.start { folder = folder, args = "--admin 127.0.0.1:0" }
    local commands = block("admin", "sh", "hookward tail")
      :gsub("hookward tail", "timeout -k 9 300 " .. program .. " tail")
    commands = commands:gsub("tail  +#", "tail >all & #"):gsub("'Badge%.%*'", "%0 >failed &"):gsub("> 1000", ">= 0")
      :gsub("%.id'", "%0 >ids &")
    local running = io.popen(("%s:\n%s\n%s\nwait"):format(at, commands,
      "while ! test -e seen; do sleep 0.05; done; jobs -p >pids; kill $(cat pids)"))
    local link = running:read("l")
    assert.matches("^http://127%.0%.0%.1:%d+/login%?code=%S+$", link)
    H.wait_until(function()
      host:notify(H.event("Badge.Created"), { id = "8812" })
      host:notify(H.event("Badge.Updated"), { id = "8813", attempt = 2 })
      return H.read(folder .. "/all"):find("duplicate", 1, true) and H.read(folder .. "/failed") ~= ""
        and H.read(folder .. "/ids") ~= ""
    end)
    H.write(folder .. "/seen", "")
    running:close()
    local function first(file, what) return H.read(folder .. "/" .. file):match("[^\n]*" .. what .. "[^\n]*") end
    local shown = {}
    for line in block("admin", "", "handler_refused"):gmatch("[^\n]+") do shown[#shown + 1] = line end
    for i, what in ipairs { "succeeded", "failed", "duplicate" } do
      local pattern = shown[i]:gsub("%p", "%%%0"):gsub("%d%d%%:%d%d%%:%d%d", "%%d+:%%d+:%%d+")
        :gsub(" +%d+ ms", " +%%d+ ms")
      assert.matches("^" .. pattern .. "$", first("all", what))
    end
    assert.matches("failed", first("failed", ""))
    assert.is_nil(first("failed", "8812"))
    assert.matches("^881[23]$", first("ids", ""))
  end)

  it("spec passes in a new project", function()
    local folder, at = project()
    H.write(folder .. "/spec/badges_spec.lua", block("testing", "lua", 1))
    local out = sh("%shookward test -o TAP", at)
    assert.equal(3, select(2, out:gsub("%f[%w]ok %d", "")), out)
    out = sh("%sset -e; %s", at, block("testing", "sh", 1))
    assert.matches("3 successes.*1 success ", out)
    sh("%s%s", at, block("testing", "sh", 2))
  end)

  it("spec of an outage passes with the handler that calls a service", function()
    local folder, at = project()
    sh("cd %s && rm -r handlers/* spec/* && mkdir crm", folder)
    H.write(folder .. "/crm/people.lua", block("handlers", "lua", 2))
    H.write(folder .. "/spec/outage_spec.lua", (block("testing", "lua", 2):gsub("clock = ",
      "settings = { token = \"t\" }, %0")))
    assert.matches("2 successes / 0 failures", sh("%shookward test", at), 1, true)
  end)

  -- Taken here, since the #rock tests have a make target of their own.
  local ROCK = { install = block("library", "sh", 1), app = block("library", "lua", 1) }

  it("commands for the rock name what the Makefile installs, and give a program the module #rock", function()
    local install, make, path = ROCK.install:gsub("\\\n *", "")
      :match("^apt%-get install ([^\n]+)\n([^\n]+)\n(.+)\n$")
    local function sorted(list, without)
      local words = {}
      for word in list:gmatch("%S+") do
        if not without[word] then words[#words + 1] = word end
      end
      table.sort(words)
      return words
    end
    local packages = sh("make -s --eval 'names: ; @echo $(PACKAGES_BUILD)' names")
    -- LuaRocks compiles the rock itself, without make and pkg-config.
    assert.same(sorted(packages .. " luarocks", { make = true, ["pkg-config"] = true }),
      sorted(install, {}))
    local tried = sh("make -n -W core/main.c build/rock/tree/bin/hookward"):gsub("\\\n *", "")
    assert.matches(make:gsub(" %-%-tree DIR$", ""), tried, 1, true)
    local folder = project()
    H.write(folder .. "/app.lua", ROCK.app)
    path = D.exchange(path, { ["--tree DIR"] = "--tree " .. H.quote(rock) })
    local out = sh("cd %s && { %s\n} && lua5.4 app.lua 2>log", folder, path)
    assert.matches("^127%.0%.0%.1:%d+\n0\n", out)
    -- Debian's busted may start in another version of Lua, where these paths have no effect.
    assert.matches("3 successes", sh("cd %s && { %s\n} && busted", folder, path))
  end)

  it("packages are all among those that the specs are run with", function()
    local names = sh "make -s --eval 'names: ; @echo $(PACKAGES_TEST) $(PACKAGES_FLEET)' names"
    local packages = " " .. names:gsub("\n", " ")
    local files = sh("ls %s*.md README.md examples/*/README.md lua/hookward/commands/test.lua", GUIDE)
    local count = 0
    for path in files:gmatch("[^\n]+") do
      for name in H.read(path):gmatch("`apt[%-get]* install%s+([^`]+)`") do
        count = count + 1
        assert.matches(" " .. name .. " ", packages, 1, true)
      end
    end
    assert.is_true(count >= 5)
  end)

  it("commands have the options that it shows", function()
    local count, helps = 0, {}
    for _, topic in ipairs(topics) do
      for _, text in ipairs(blocks(topic, "sh")) do
        sh("sh -n -c %s", H.quote(text))
        for line in ("\n" .. text:gsub("\\\n", "")):gmatch("\nhookward ([^\n]+)") do
          count = count + 1
          local command = line:match("^jobs %l+") or line:match("^%l+")
          helps[command] = helps[command] or sh("%s %s --help", program, command)
          for option in line:gsub("'[^']*'", "''"):gmatch(" (%-%-?[%l%-]+)") do
            local known = command == "test" and option == "--filter" -- busted's
              or helps[command]:find("%f[-]" .. option:gsub("%-", "%%-") .. "%f[^%w%-]")
            assert.is_truthy(known, ("%s: hookward %s"):format(topic, line))
          end
        end
      end
    end
    assert.is_true(count >= 30)
  end)

  it("commands for failed notifications work in that order", function()
    local folder, at = project()
    local host = H.start { folder = folder }
    local to = ("http://127.0.0.1:%d"):format(host.port)
    local send = "hookward send BadgeExportZipFile.Created --job-id 8812 --data '{\"Event\":"
      .. "\"BadgeExportZipFile.Created\"}' --to " .. to
    local _, out, code = try("%s%s", at, send)
    assert.equal(1, code, out)
    -- A replay exits with 1 if some still fail, so exit codes are ignored here.
    local said = ""
    for _, text in ipairs { block("ledger", "sh", 1), block("ledger", "sh", 2),
      block("ledger", "sh", 3), block("ledger", "sh", 4), block("ledger", "sh", 5), block("ledger", "sh", 6),
      block("debugging", "sh", 3) } do
      said = said .. select(2, try("%strue; %s", at, text))
    end
    assert.matches("8812", said, 1, true)
    assert.matches("handler_refused: BadgeExportZipFileId is missing", said, 1, true)
    assert.is_nil(said:find("See `hookward", 1, true), said)
  end)

  it("walk through the sandbox ends in a notification that was handled", function()
    local folder, at = project()
    local host, sandbox = H.start { folder = folder },
      S.start(assert(block("accredit", "sh", 2):match("^hookward sandbox (%-%-speed %d+)\n$")))
    local walk = D.exchange(block("accredit", "sh", 3), { ["http://127.0.0.1:8090"] = sandbox.url,
      ["127.0.0.1:8080"] = "127.0.0.1:" .. host.port })
    assert.matches("Signature Key", sh("%s%s", at, walk), 1, true)
    host:wait_log("succeeded event=BadgeExportZipFile.Created")
    local list = sh("%s", (block("accredit", "sh", 5):gsub("http://127%.0%.0%.1:8090", sandbox.url)))
    assert.matches('"BadgeExportZipFileId":"6f9619ff-8b86-4011-b42d-00cf4fc964ff"', list, 1, true)
  end)

  it("commands for Accredit work in that order", function()
    local folder, at = project()
    local host, sandbox = H.start { folder = folder }, S.start("--speed 1000")
    local walk = D.exchange(block("accredit", "sh", 1), {
      ["https://accredit.example.com"] = sandbox.url, ["=api"] = "=sandbox", ["=..."] = "=sandbox",
      ["https://hooks.example.com"] = "http://127.0.0.1:" .. host.port })
    local out = sh("%sset -e; %s", at, walk)
    assert.matches("^[^\n]*\n.*BadgeExportZipFile.Created.*Signature Key", out)
    host:wait_log("succeeded event=BadgeExportZipFile.Created")
  end)

  it("kinds of misbehaviour are known to the sandbox", function()
    local misbehave, fail = block("accredit", "sh", 4)
      :match("^hookward sandbox ([^\n]+)\nhookward sandbox ([^\n]+)\n$")
    local host = H.start { handlers = { ["a.lua"] = block("handlers", "lua", 1) } }
    S.start(misbehave .. " --speed 1000"):sign_in():trigger("http://127.0.0.1:" .. host.port
      .. "/baseWebhookNotification")
    host:wait_log("error=invalid_signature")
    host:wait_log("duplicate event=%S+ job")
    local sandbox = S.start(fail):sign_in()
    local statuses = {}
    for i = 1, 3 do statuses[i] = sandbox:ask("GET", S.API .. "/events") end
    assert.same({ 503, 503, 200 }, statuses)
  end)

  it("commands for writing handlers show what happens", function()
    local folder, at = project()
    H.write(folder .. "/handlers/people.lua", block("handlers", "lua", 3))
    local host = H.start { folder = folder,
      args = block("debugging", "sh", 1):match("^hookward serve (%-%-dev)\n$") }
    point_at(host)
    local _, out = try("%strue; %s", at, block("debugging", "sh", 2))
    assert.equal(2, select(2, out:gsub("%f[%d]200%f[%D]", "")), out)
    assert.matches("400 malformed_signature", out, 1, true)
    host:wait_log("person updated") -- of level info, from a handler
  end)

  it("commands for signatures say with which key it verifies", function()
    local folder, at = project()
    local body = H.event("Person.Updated")
    H.write(folder .. "/body.json", body)
    H.write(folder .. "/signature.txt", H.sign(body))
    trust(folder)
    assert.matches("accredit.pem", sh("%s%s", at, block("debugging", "sh", 5)), 1, true)
  end)

  it("commands for refused notifications say what would make them verify", function()
    local folder, at = project()
    trust(folder)
    local host = H.start { folder = folder }
    local body = H.event("Person.Updated")
    host:notify("\xEF\xBB\xBF" .. body, { signature = H.sign(body) })
    local _, out = try("%s%s", at, block("debugging", "sh", 4))
    assert.equal(2, select(2, out:gsub("would verify with key accredit.pem if", "")), out)
  end)

  it("commands of doctor examine a host and its front door", function()
    local folder, at = project()
    local host = H.start { folder = folder }
    local out = sh("%s%s", at, D.exchange(block("debugging", "sh", "hookward doctor"), {
      ["/etc/hookward"] = folder, ["https://hooks.example.com"] = "http://127.0.0.1:" .. host.port }))
    assert.equal(2, select(2, out:gsub("an unsigned POST is refused with missing_signature", "")), out)
  end)

  -- The units that are installed; the guide does not repeat them.
  local service = D.unit(D.shipped "hookward.service")
  local socket_unit = D.unit(D.shipped "hookward.socket")

  -- A project of the specs, with the guide's paths moved into its folder.
  local function deployed(listen)
    local folder, at = project()
    sh("mkdir %s/state", folder)
    trust(folder)
    H.write(folder .. "/hookward.lua", D.exchange(block("deployment", "lua", 1), {
      ["/var/lib/hookward/"] = folder .. "/state/", ["127.0.0.1:8080"] = listen }))
    return folder, at
  end

  -- The command of a unit, in the folder of a project.
  local function placed(line, folder)
    return D.exchange(line, { ["/etc/hookward"] = folder })
  end

  local function run_as_service(listen, socket)
    local folder, at = deployed(listen)
    local host = D.start { socket = socket, service = service, folder = folder,
      args = assert(placed(service.Service.ExecStart, folder):match("^/usr/local/bin/hookward serve (.*)$")) }
    local event = H.event("BadgeExportZipFile.Created", '"BadgeExportZipFileId":"1"')
    assert.equal(200, host:notify(event).status)
    assert.equal("rw-------", lfs.attributes(folder .. "/state/hookward.db", "permissions"))
    assert.matches("Max open files +" .. service.Service.LimitNOFILE, H.read("/proc/" .. host.pid .. "/limits"))
    assert.matches("nothing has changed", sh("export RUNTIME_DIRECTORY=%s/hookward; %s%s", folder, at,
      placed(service.Service.ExecReload, folder):gsub("^/usr/local/bin/", "")), 1, true)
    sh("kill -HUP %d", host.pid)
    host:wait_log_count("nothing has changed", 2)
    assert.equal(0, host:stop())
  end

  it("unit for systemd runs a host, reloads it and stops it", function()
    run_as_service("127.0.0.1:0")
  end)

  it("unit for systemd runs a host on the socket of the other unit", function()
    run_as_service("systemd", socket_unit)
  end)

  -- The commands for users, owners and systemd do nothing here; the others run.
  local STUBS = [[
    useradd() { :; }; chown() { :; }; systemctl() { echo "systemctl $*"; }; sudo() { shift 2; "$@"; }
    apt() { echo "apt $*"; }
    install() { # without owners, which are not here
      local words=
      while [ $# -gt 0 ]; do
        case $1 in -o | -g) shift ;; *) words="$words $1" ;; esac
        shift
      done
      command install $words
    }
    set -e; umask 022
  ]]

  it("commands for systemd make a project that only its service can read", function()
    local folder = H.folder()
    local out = sh("%s hookward() { %s \"$@\"; }\n%s%s", STUBS, program,
      D.exchange(block("deployment", "sh", "useradd"),
        { ["/etc/hookward"] = folder .. "/etc", ["/var/lib/hookward\n"] = folder .. "/state\n" }),
      D.exchange(block("deployment", "sh", "enable --now hookward.service"), { ["/etc/hookward"] = folder .. "/etc" }))
    assert.matches("ok: 1 key, 1 route", out, 1, true)
    assert.matches("\nsystemctl enable --now hookward.service\n", out, 1, true)
    assert.equal("rw-r-----", lfs.attributes(folder .. "/etc/development.key", "permissions"))
    assert.equal("rwxr-x---", lfs.attributes(folder .. "/etc/handlers", "permissions"))
    assert.equal("rwx------", lfs.attributes(folder .. "/state", "permissions"))
    assert.equal("/etc/" .. service.Service.User, service.Service.WorkingDirectory)
  end)

  it("commands for the package and the socket name what there is", function()
    local folder = H.folder()
    sh("mkdir -p %s/etc/keys %s/build && touch %s/accredit.pem %s/build/hookward_1_all.deb", folder, folder, folder,
      folder)
    local out = sh("%s cd %s\n%s%s", STUBS, folder, D.exchange(block("deployment", "sh", "apt install"),
      { ["/etc/hookward"] = folder .. "/etc" }), block("deployment", "sh", "hookward.socket"))
    assert.equal("rw-r-----", lfs.attributes(folder .. "/etc/keys/accredit.pem", "permissions"))
    assert.matches("apt install ./build/hookward_1_all.deb\n", out, 1, true)
    for name in out:gmatch("(hookward%.%l+)") do D.shipped(name) end
    assert.matches("hookward.socket hookward.service\n$", out)
    local address = D.unit(block("deployment", "ini", "[Socket]")).Socket.ListenStream
    assert.matches("^0%.0%.0%.0:%d+$", address)
    assert.matches("hookward.socket has the address " .. socket_unit.Socket.ListenStream .. ".",
      text_of "deployment", 1, true)
  end)

  it("listeners by name take what systemd hands over under these names", function()
    local given = handover.new({ "127.0.0.1:0", "127.0.0.1:0" }, { "outside", "inside" })
    local folder = H.folder()
    sh("cd %s && mkdir tls && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 20 "
      .. "-subj /CN=localhost -addext subjectAltName=IP:127.0.0.1 -keyout tls/key.pem -out tls/cert.pem", folder)
    local listen = block("deployment", "lua", "systemd:inside"):match("listen = (%b{})")
    local host = H.start { listen = listen:gsub("tls/", folder .. "/tls/"), wrap = given:wrap(),
      handlers = { ["a.lua"] = 'require "hookward".on("*", function() end)' } }
    assert.matches("404$", sh("curl -s -o /dev/null -w '%%{http_code}' http://127.0.0.1:%d/", given.ports[2]))
    assert.matches("404$", sh("curl -s -o /dev/null -w '%%{http_code}' --cacert %s/tls/cert.pem https://127.0.0.1:%d/",
      folder, given.ports[1]))
    assert.equal(0, host:stop())
    handover.close_all()
  end)

  it("certificates are the ones that clients get, and client certificates are asked for", function()
    local made = certificates.authority()
    made:sign("fullchain")
    made:sign("other", { alt = "DNS:other.example" })
    made:sign("sender", { alt = "DNS:sender.example" })
    made:revoke {}
    local folder = H.folder()
    sh("mkdir %s/tls %s/handlers", folder, folder)
    for to, from in pairs { ["fullchain.pem"] = "fullchain.pem", ["privkey.pem"] = "fullchain.key",
      ["other.pem"] = "other.pem", ["other.key"] = "other.key", ["clients-ca.pem"] = "ca.pem",
      ["clients-crl.pem"] = "crl.pem" } do
      sh("cp %s/%s %s/tls/%s", made.folder, from, folder, to)
    end
    H.write(folder .. "/handlers/a.lua", 'require "hookward".on("*", function() end)')
    sh("mkdir %s/keys && cp %s %s/keys", folder, select(2, H.keys()), folder)
    local function start(text, listen)
      H.write(folder .. "/hookward.lua", (D.exchange(text, listen):gsub("return {", 'return { ledger = "memory:",', 1)))
      return H.start { folder = folder }
    end
    local host = start(block("deployment", "lua", "tls/other.pem"), { ["127.0.0.1:8080"] = "127.0.0.1:0",
      ["0.0.0.0:8443"] = "127.0.0.2:0" })
    local port = host:log():match("https://127%.0%.0%.2:(%d+)")
    assert.equal("fullchain", (certificates.served(port, "", "127.0.0.2")))
    assert.equal("other", (certificates.served(port, "-servername other.example", "127.0.0.2")))
    assert.equal(404, host:connect():send("GET / HTTP/1.1\r\nHost: a\r\n\r\n"):receive().status)
    assert.equal(0, host:stop())
    host = start(block("deployment", "lua", "clients-ca.pem"), { ["0.0.0.0:8443"] = "127.0.0.1:0" })
    assert.equal(0, (certificates.deliver(host, { ca = made:path "ca.pem" })))
    assert.equal(200, (certificates.deliver(host, { ca = made:path "ca.pem", cert = made:path "sender" })))
    host:wait_log("succeeded [^\n]*client=sender%.example")
    assert.equal(0, host:stop())
  end)

  it("lines for `systemctl edit` are some that the unit has, or shows in a comment", function()
    local unit = D.shipped "hookward.service"
    for line in block("deployment", "ini", "[Service]"):gmatch("\n(%u[^\n]*)") do
      assert(unit:find("\n" .. line:match("^%u%w+="), 1, true) or unit:find("\n#" .. line, 1, true), line)
    end
  end)

  it("hook for certbot copies a renewed certificate for the service alone", function()
    local folder = H.folder()
    local function renew(name)
      local hook = D.exchange(block("deployment", "sh", "RENEWED_LINEAGE"), { ["/etc/hookward"] = folder .. "/etc" })
      H.write(folder .. "/hook", (hook:gsub("set %-e\n", function() return STUBS end, 1)))
      sh("cd %s && mkdir -p live/%s && RENEWED_LINEAGE=%s/live/%s sh hook", folder, name, folder, name)
    end
    sh("mkdir -p %s/live/hooks.example.com", folder)
    for _, file in ipairs { "fullchain", "privkey" } do
      H.write(("%s/live/hooks.example.com/%s.pem"):format(folder, file), file)
    end
    renew "other.example.com"
    assert.is_nil(lfs.attributes(folder .. "/etc"))
    renew "hooks.example.com"
    assert.equal("rwxr-x---", lfs.attributes(folder .. "/etc/tls", "permissions"))
    assert.equal("rw-r-----", lfs.attributes(folder .. "/etc/tls/privkey.pem", "permissions"))
    assert.equal("fullchain", H.read(folder .. "/etc/tls/fullchain.pem"))
    renew "hooks.example.com"
    assert.equal("fullchain.pem\nprivkey.pem\n", sh("ls %s/etc/tls", folder))
  end)

  it("container has time for a drain, and a volume for the ledger", function()
    local command = block("deployment", "sh", "docker run"):gsub("\\\n", "")
    local defaults = {}
    for _, entry in ipairs(dofile "lua/hookward/config/schema.lua") do defaults[entry.key] = entry.default end
    assert.matches("--init ", command, 1, true)
    assert.is_true(tonumber(command:match("%-%-stop%-timeout (%d+)")) > defaults.drain_timeout)
    local config = command:match("HOOKWARD_CONFIG=(%S+)/hookward.lua")
    assert.matches(":" .. config .. ":ro ", command, 1, true)
    assert.matches(":/var/lib/hookward ", command, 1, true)
    assert.equal(defaults.listen, command:match("%-%-publish (%S+):8080 "))
  end)

  it("units for systemd leave room for the default settings", function()
    local defaults = {}
    for _, entry in ipairs(dofile "lua/hookward/config/schema.lua") do defaults[entry.key] = entry.default end
    assert.equal(defaults.listen, socket_unit.Socket.ListenStream)
    assert.is_true(tonumber(service.Service.TimeoutStopSec) > defaults.drain_timeout)
    assert.is_true(tonumber(service.Service.LimitNOFILE) > defaults.max_connections)
    assert.equal("/var/lib/" .. service.Service.StateDirectory .. "/",
      block("deployment", "lua", 1):match('ledger = "(/.*/)[^/]+"'))
  end)

  -- Where it is installed, as in CI.
  if D.program "systemd-analyze" then
    it("units pass systemd-analyze verify, and expose little", function()
      local text = D.shipped("hookward.service", H.binary:match("^(.*)/"))
      assert.equal("", D.verify { ["hookward.socket"] = D.shipped "hookward.socket", ["hookward.service"] = text })
      assert.is_true(D.exposure(text) <= 2.0)
    end)
  end

  it("proxy lets through what the host accepts", function()
    local text = block("deployment", "nginx", 1)
    local defaults = {}
    for _, entry in ipairs(dofile "lua/hookward/config/schema.lua") do defaults[entry.key] = entry.default end
    assert.matches("location = " .. defaults.path .. " {", text, 1, true)
    assert.matches("proxy_pass http://" .. defaults.listen .. ";", text, 1, true)
    assert.equal(defaults.max_body:lower(), text:match("client_max_body_size (%d+m);") .. "b")
    assert.is_true(tonumber(text:match("proxy_read_timeout (%d+)s;")) > defaults.handler_timeout)
  end)

  it("proxy before the admin page passes on the name that browsers use, with its port", function()
    local text = block("admin", "nginx", 1)
    assert.matches("proxy_set_header Host $http_host;", text, 1, true)
    assert.matches("proxy_set_header X-Forwarded-Proto https;", text, 1, true)
  end)

  -- Only where nginx is installed, as in CI. `make test` does not install it, since its package
  -- starts a server on port 80.
  if D.program "nginx" then
    it("proxy passes a signed notification on byte for byte, over TLS", function()
      local host = H.start { handlers = { ["a.lua"] = 'require "hookward".on("*", function() end)' } }
      local folder = H.folder()
      sh("cd %s && openssl req -x509 -newkey rsa:2048 -nodes -keyout hooks.key -out hooks.pem -days 2 "
        .. "-subj /CN=hooks.example.com -addext subjectAltName=DNS:hooks.example.com", folder)
      local socket = folder .. "/tls"
      D.nginx(folder, D.exchange(block("deployment", "nginx", 1), {
        ["listen 443 ssl"] = ("listen unix:%s ssl"):format(socket),
        ["/etc/ssl/hooks.pem"] = folder .. "/hooks.pem",
        ["/etc/ssl/private/hooks.key"] = folder .. "/hooks.key",
        ["127.0.0.1:8080"] = "127.0.0.1:" .. host.port,
      }), socket)
      -- More than nginx buffers in memory, and not ASCII.
      local body = H.event("Person.Updated", ('"Name":"%s"'):format(("Zoë "):rep(50000)))
      H.write(folder .. "/body", body)
      assert.equal('{"status":"processed"}200', sh("cd %s && curl -sS --unix-socket tls --cacert hooks.pem "
        .. "-H 'X-JobId: through-nginx' -H 'X-JobAttempt: 2' -H 'X-Signature: %s' --data-binary @body "
        .. "-w '%%{http_code}' https://hooks.example.com/baseWebhookNotification", folder, H.sign(body)))
      local line = host:wait_log("[^\n]*through%-nginx[^\n]*")
      assert.matches("succeeded", line)
      assert.matches("attempt=2", line, 1, true)
    end)

    it("proxy before the admin page lets in whoever has a token, and nobody else", function()
      local token = "write-token-of-the-specs"
      local host = H.start { handlers = { ["a.lua"] = 'require "hookward".on("*", function() end)' },
        config = ('admin = { listen = "127.0.0.1:0", token = "%s", hosts = { "hooks.example.com" } }'):format(token) }
      local folder = H.folder()
      D.nginx(folder, ("server {\n listen unix:%s/page;\n%s}"):format(folder,
        D.exchange(block("admin", "nginx", 1), {
          ["127.0.0.1:9464"] = host:wait_log("the admin page is at http://(127%.0%.0%.1:%d+)") })), folder .. "/page")
      local function ask(place, more)
        return sh("curl -sS --unix-socket %s/page -o %s/out -D - %s http://hooks.example.com:8443%s",
          folder, folder, more or "", place)
      end
      local origin = "-H 'Origin: https://hooks.example.com:8443' "
      assert.matches("; Secure", ask("/login", origin .. "-d token=" .. token), 1, true)
      assert.matches("^HTTP/1.1 403 ", ask("/login", "-H 'Origin: https://example.com' -d token=" .. token))
      assert.matches("^HTTP/1.1 401 ", ask "/metrics")
      assert.matches("^HTTP/1.1 200 ", ask("/metrics", "-H 'Authorization: Bearer " .. token .. "'"))
    end)
  end

  -- A host with the configuration of a block, at addresses of this machine.
  local function start_block(text)
    local exchanged = text:gsub("10%.0%.0%.5:%d+", "127.0.0.2:0"):gsub("127%.0%.0%.1:%d+", "127.0.0.1:0")
    local config = exchanged:match("return (%b{})"):sub(2, -2):gsub("listen = %b{},", "")
    return H.start { listen = exchanged:match("listen = (%b{})"), config = config,
      handlers = { ["a.lua"] = 'require "hookward".on("*", function() end)' } }
  end

  it("configurations behind a load balancer find the client's address", function()
    assert.equal("proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;\n",
      block("deployment", "nginx", "X-Forwarded-For"))
    local host = start_block(block("deployment", "lua", '"unix": the peers'))
    host:notify("forged", { signature = false, headers = { "X-Forwarded-For: 198.51.100.1, 203.0.113.7, 10.0.0.9" } })
    host:wait_log("error=missing_signature[^\n]*peer=203%.0%.113%.7\n")
    assert.equal(0, host:stop())
    host = start_block(block("deployment", "lua", "proxy_protocol = true"))
    local client = host:connect_as("203.0.113.8"):send(H.request("forged", { signature = false }))
    assert.equal("missing_signature", client:receive().error)
    host:wait_log("error=missing_signature[^\n]*peer=203%.0%.113%.8:4711\n")
    client:close()
    assert.equal(0, host:stop())
  end)

  it("configuration against strangers lets in whom it names", function()
    local host = H.start { config = "trusted_proxies = '127.0.0.1', "
      .. block("deployment", "lua", "max_failures_per_address = 100"):match("return (%b{})"):sub(2, -2),
      handlers = { ["a.lua"] = 'require "hookward".on("*", function() end)' } }
    for address, status in pairs { ["203.0.113.7"] = 200, ["2001:db8::9"] = 200, ["198.51.100.8"] = 403 } do
      local options = { headers = { "X-Forwarded-For: " .. address } }
      assert.equal(status, host:notify(H.event("Person.Updated"), options).status)
    end
    assert.equal(0, host:stop())
  end)

  it("backup can be made while the host runs, and restored when it is stopped", function()
    local folder, at = project()
    trust(folder)
    local host = H.start { folder = folder }
    local event = H.event("BadgeExportZipFile.Created", '"BadgeExportZipFileId":"1"')
    assert.equal(200, host:notify(event, { id = "backed-up" }).status)
    local backup = H.folder()
    sh("%s%s", at, D.exchange(block("deployment", "sh", "ledger backup"), { ["/var/backups"] = backup }))
    assert.equal(0, host:stop())
    sh("rm %s/hookward.db*", folder)
    sh("%s%s", at, D.exchange(block("deployment", "sh", "ledger restore"), { ["/var/backups"] = backup }))
    assert.matches("backed%-up.*succeeded", sh("%shookward jobs list", at))
    host = H.start { folder = folder }
    assert.equal(200, host:notify(event, { id = "backed-up" }).status)
    host:wait_log("duplicate event=%S+ job=backed%-up")
  end)

  it("commands after an update reload the host", function()
    local folder, at = project()
    local host = H.start { folder = folder }
    H.write(folder .. "/handlers/more.lua", block("handlers", "lua", 3))
    sh("%sset -e; %s", at, block("deployment", "sh", "hookward reload\n"))
    host:wait_log("reloaded")
    assert.matches("^state     serving", sh("%s%s", at, block("deployment", "sh", "hookward status\n")))
  end)

  -- ---- the guide is complete ----

  it("errors are complete, each with its status, a cause and a remedy", function()
    local text, count = text_of("errors"):gsub("\n  ", " "), 0
    for name, status in H.read("core/base/error.h"):gmatch('X%(HW_E[%u_]+, "([%l_]+)", (%d+),') do
      count = count + 1
      local item = (text .. "\n"):match("\n%- `" .. name .. "` %(" .. status .. "%): ([^\n]+)\n")
      assert(item, ("lua/hookward/guide/errors.md does not say what %s (%s) is"):format(name, status))
      assert.is_true(#item > 40, name .. ": " .. item)
    end
    assert.is_true(count > 25)
    assert.equal(count, select(2, text:gsub("\n%- `[%l_]+` %(%d+%): ", "")), "there is one that no code has")
  end)

  it("fields of the log are complete", function()
    local text, count = text_of "log", 0
    for path in sh("find core -name '*.c'"):gmatch("%S+") do
      for name in H.read(path):gmatch('hw_log_%l+%(&?%l+, "([%l_]+)"') do
        count = count + 1
        assert(text:find("`" .. name .. "`", 1, true), ("lua/hookward/guide/log.md has no field %s (%s)")
          :format(name, path))
      end
    end
    assert.is_true(count > 20)
  end)

  it("command for dead notifications lists them", function()
    local folder, at = project()
    local config = H.read(folder .. "/hookward.lua")
    H.write(folder .. "/hookward.lua", (config:gsub("return {", "return { retries = {},", 1)))
    local host = H.start { folder = folder }
    try("%shookward send Person.Updated --attempt 5 --to http://127.0.0.1:%d", at, host.port)
    assert.matches('"state":"dead"', sh("%s%s", at, block("log", "sh", 1)), 1, true)
  end)

  it("log line is one that the host writes", function()
    local host = H.start { handlers = { ["a.lua"] = 'require "hookward".on("*", function() end)' } }
    assert.equal(200, host:notify(H.event("Person.Updated")).status)
    local example, line = block("log", "", 1), host:wait_log("[^\n]+succeeded[^\n]+")
    local function shape(text) return (text:gsub("%d+", "0"):gsub("job=%S+", "job")) end
    local rest = shape(line)
    for word in shape(example):gmatch("%S+") do
      local at, to = rest:find(word, 1, true)
      assert(at, word .. " is not in its place in " .. line)
      rest = rest:sub(to + 1)
    end
    assert.equal(0, host:stop())
  end)

  it("files of core/ and lua/ exist, also those that the README names", function()
    local count = 0
    for name in (text_of("internals") .. H.read("README.md")):gmatch("`([%w_/]+/[%w_./]+)`") do
      if name:find("^core/") or name:find("^lua/") then
        count = count + 1
        assert.is_truthy(lfs.attributes(name), name)
      end
    end
    assert.is_true(count > 30)
  end)

  it("rooms are the folders of core/ and lua/hookward/", function()
    local drawings = blocks("internals", "")
    local function folders(path)
      local names = {}
      for name in lfs.dir(path) do
        local is_folder = lfs.attributes(path .. "/" .. name, "mode") == "directory"
        if is_folder and not name:find("^%.") then names[#names + 1] = name end
      end
      return names
    end
    for _, name in ipairs(folders "core") do
      assert.matches("\n " .. name .. "  ", "\n" .. drawings[2], 1, true)
    end
    for _, name in ipairs(folders "lua/hookward") do
      assert.matches(" " .. name .. " ", drawings[3], 1, true)
    end
  end)

  it("blocks are all run here", function()
    for _, topic in ipairs(topics) do
      for language, text in text_of(topic):gmatch("\n```([^\n]*)\n(.-)\n?```\n") do
        local drawing = topic == "internals" and language == "" -- to be looked at, not run
        assert.is_true(drawing or taken[topic .. text .. "\n"], ("%s, %s:\n%s"):format(topic, language, text))
      end
    end
  end)
end)
