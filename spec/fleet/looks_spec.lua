-- What hosts that share a ledger say of it and of each other: check, doctor, status, /metrics, /readyz,
-- the page; and that no password is among it.

local admin = require "spec.support.admin"
local cjson = require "cjson"
local H = require "spec.support.host"
local metrics = require "spec.support.metrics"
local postgres = require "spec.support.postgres"

if not postgres.installed() then return end

local OK = { ["a.lua"] = [[
  local hook = require "hookward"
  hook.on("A.Good", function() end)
  hook.on("A.Bad", function() return nil, "no" end)
]] }
local TEST = "HOOKWARD_TEST=1"

-- A command in a host's or a project's folder. Returns its output, stderr included, and its exit code.
local function run(folder, words, env)
  local _, out, code = H.sh(("cd %s && %s %s %s"):format(H.quote(folder), env or TEST, H.quote(H.binary), words))
  return out, code or 0
end

local function start(ledger, options)
  options = options or {}
  options.handlers, options.ledger, options.env = options.handlers or OK, ledger, TEST
  options.config = ('lease = "2s", %s'):format(options.config or "")
  return H.start(metrics.with_admin(options))
end

local function project(ledger, config)
  return H.project { handlers = OK, ledger = ledger, config = config }
end

-- The same address with another user, password or database.
local function with(url, user, database)
  url = url:gsub("postgres@", user .. "@", 1)
  return database and url:gsub("/[%w_]+%f[?\0]", "/" .. database) or url
end

describe("a fleet, looked at:", function()
  local server

  setup(function() server = postgres.start() end)
  teardown(function() server:close() end)

  after_each(H.stop_all)

  local names = 0

  local function database()
    names = names + 1
    server:query(("CREATE DATABASE looks_%d"):format(names))
    return server:url("looks_" .. names)
  end

  describe("hookward check", function()
    it("says what it connects to, before the first start and after it", function()
      local url = database()
      local folder = project(url)
      local out, code = run(folder, "check")
      assert.equal(0, code, out)
      assert.matches("ledger: PostgreSQL %d+%.%d+ at 127%.0%.0%.1:%d+, database looks_%d as postgres; direct, local, "
        .. "not durable, no schema yet", out)
      start(url)
      out = run(folder, "check --json")
      local found = cjson.decode(out)
      assert.is_true(found.ok)
      assert.equal(1, found.database.hosts)
      assert.is_true(found.database.has_schema)
    end)

    it("fails where a crash of the server would lose what was committed", function()
      local out, code = run(project(database()), "check", "")
      assert.equal(1, code)
      assert.matches("error: ledger: PostgreSQL runs with fsync or full_page_writes off", out, 1, true)
    end)

    it("fails where the host can't connect, and says whether it would start", function()
      local url = database()
      local out, code = run(project(with(url, "nobody")), "check")
      assert.equal(1, code)
      assert.matches('role "nobody" does not exist', out, 1, true)
      assert.is_nil(out:find("starts all the same", 1, true))
      out, code = run(project(url:gsub(":%d+/", ":1/")), "check")
      assert.equal(1, code)
      assert.matches("Connection refused", out, 1, true)
      assert.matches("a host starts all the same, and answers 400 ledger_unavailable until", out, 1, true)
      out, code = run(project(url .. "?nonsense=1"), "check")
      assert.equal(1, code)
      assert.is_nil(out:find("starts all the same", 1, true), out)
    end)

    it("names the way out for a role that may make no schema", function()
      local url = database()
      server:query "DO $$ BEGIN CREATE ROLE plain LOGIN; EXCEPTION WHEN duplicate_object THEN END $$"
      local folder = project(with(url, "plain"))
      local out, code = run(folder, "check")
      assert.equal(1, code)
      assert.matches("its user plain may not make the schema hookward; let a DBA run what `hookward ledger schema`",
        out, 1, true)
    end)

    it("names the rights that a role lacks in a schema that a DBA made", function()
      local url = database()
      local sql = run(project(url), "ledger schema")
      postgres.query(url, sql .. [[
        DO $$ BEGIN CREATE ROLE least LOGIN; EXCEPTION WHEN duplicate_object THEN END $$;
        GRANT USAGE ON SCHEMA hookward TO least;
        GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA hookward TO least;
        GRANT SELECT ON ALL SEQUENCES IN SCHEMA hookward TO least]])
      local folder = project(with(url, "least"))
      local out, code = run(folder, "check")
      assert.equal(0, code, out)
      postgres.query(url, "REVOKE INSERT ON hookward.notifications FROM least")
      out, code = run(folder, "check")
      assert.equal(1, code)
      local lacks = 'least lacks rights in the schema "hookward": INSERT ON notifications; `hookward ledger schema`'
      assert.matches(lacks, out, 1, true)
      out, code = run(folder, "serve")
      assert.equal(1, code)
      assert.matches(lacks, out, 1, true)
    end)

    it("fails for a ledger with other duplicates", function()
      local url = database()
      start(url):stop()
      local out, code = run(project(url, 'duplicates = "by-body"'), "check")
      assert.equal(1, code)
      assert.matches("by%-job", out)
    end)

    it("warns of a standby that a failover would lose notifications with", function()
      server:set("wal_level", "replica")
      local standby = postgres.start { from = function(data)
        return ("%s/pg_basebackup -d %s -R -X stream -c fast -D %s"):format(postgres.installed(),
          postgres.quote(server:url()), postgres.quote(data))
      end }
      server:query "CREATE ROLE watcher LOGIN"
      server:query "CREATE DATABASE watched OWNER watcher"
      local out, code = run(project(with(server:url "watched", "watcher")), "check")
      standby:close()
      assert.equal(0, code)
      assert.matches("1 replica attached, but synchronous_standby_names is empty", out, 1, true)
    end)
  end)

  it("hookward check counts the dead notifications", function()
    local url = database()
    local host = start(url, { config = "retries = {}," })
    assert.equal(400, host:notify(H.event "A.Bad", { attempt = 5 }).status)
    assert.matches("the ledger keeps 1 dead notification", run(host.folder, "check"), 1, true)
  end)

  it("hookward doctor connects, and finds what failed", function()
    local url = database()
    local host = start(url)
    assert.equal(400, host:notify(H.event "A.Bad").status)
    local found = cjson.decode((run(host.folder, "doctor --json")))
    local texts = {}
    for _, one in ipairs(found.findings) do
      if one.area == "ledger" then texts[#texts + 1] = one.level .. ": " .. one.what end
    end
    local text = table.concat(texts, "\n")
    assert.matches("ok: PostgreSQL %d+.*1 host alive", text)
    assert.matches("warning: 1 notification failed", text, 1, true)
    H.sh(("cd %s && sed 's#%s#&_missing#' hookward.lua >other.lua"):format(H.quote(host.folder), url))
    local missing = run(host.folder, "doctor -c other.lua")
    assert.matches("do  mend what is named above", missing, 1, true)
  end)

  it("hookward status shows the fleet, and what is to run", function()
    local url = database()
    local host = start(url, { config = 'host_name = "web-1",' })
    start(url, { config = 'host_name = "web-2",' })
    assert.equal(200, host:notify(H.event "A.Good").status)
    H.wait_until(function()
      return run(host.folder, "status"):find("web%-1, host %d+; 2 hosts alive")
    end, "both hosts in the status")
    local found = cjson.decode((run(host.folder, "status --json")))
    assert.is_true(found.ok)
    assert.equal("postgres", found.ledger.type)
    assert.equal("web-1", found.ledger.fleet.host_name)
    assert.equal(0, found.backlog.waiting)
    H.wait_until(function()
      return cjson.decode((run(host.folder, "status --json"))).rows.succeeded == 1
    end, "the row to be counted")
  end)

  it("the guide describes all metrics, and they move", function()
    local url = database()
    local host = start(url)
    local documented = {}
    for name in H.read("lua/hookward/guide/fleet.md"):gmatch "| `(hookward_[%w_]+)` |" do documented[name] = true end
    local samples, text = metrics.scrape(host)
    local single = H.read("lua/hookward/guide/admin.md")
    for name, head in pairs(metrics.heads(text)) do
      local here = single:find("| `" .. name .. "` |", 1, true) ~= nil
      assert.is_true(here or documented[name], name)
      if not here then
        assert.matches(head.help:gsub("%.$", ""), H.read("lua/hookward/guide/fleet.md"), 1, true)
      end
      documented[name] = nil
    end
    assert.same({}, documented)
    H.wait_until(function() -- it is counted after the start
      samples = metrics.scrape(host)
      return samples.hookward_ledger_hosts_alive == 1
    end, "the count of hosts")
    assert.is_true(samples.hookward_ledger_lease_seconds_left > 0)
    assert.equal(200, host:notify(H.event "A.Good").status)
    samples = metrics.scrape(host)
    assert.equal(1, samples.hookward_ledger_claim_batch_count)
    assert.equal(1, samples.hookward_ledger_claim_seconds_count)
    assert.equal(1, samples.hookward_ledger_settle_seconds_count)
  end)

  it("a copy that waits for another host is counted", function()
    local url = database()
    local gate = H.gate()
    local handlers = { ["a.lua"] = gate.source .. 'require "hookward".on("A.Good", wait)' }
    local one, other = start(url, { handlers = handlers }), start(url, { handlers = handlers })
    local options = { id = "shared" }
    local first = one:connect():send(H.request(H.event "A.Good", options))
    one:wait_log "begun"
    local second = other:connect():send(H.request(H.event "A.Good", options))
    H.wait_until(function() return metrics.scrape(other).hookward_ledger_elsewhere == 1 end, "the copy to wait")
    gate:open()
    assert.equal(200, first:receive().status)
    assert.equal(200, second:receive().status)
    H.wait_until(function() return metrics.scrape(other).hookward_ledger_elsewhere == 0 end, "the copy to leave")
    first:close()
    second:close()
  end)

  it("PostgreSQL away is said by all, once, and so is its return", function()
    local own <close> = setmetatable({ server = postgres.start() }, { __close = function(t) t.server:close() end })
    local host = start(own.server:url())
    H.wait_until(function() return metrics.get(host, "/readyz").status == 200 end, "the host to be ready")
    own.server:down "immediate"
    H.wait_until(function() return host:notify(H.event "A.Good").error == "ledger_unavailable" end, "a refusal")
    local answer = metrics.get(host, "/readyz")
    assert.equal(503, answer.status)
    assert.matches("PostgreSQL can't be used", answer.body, 1, true)
    assert.equal(200, metrics.get(host, "/healthz").status)
    local samples = metrics.scrape(host)
    assert.equal(1, samples.hookward_ledger_away)
    assert.is_true(samples['hookward_notifications_total{event="A.Good",outcome="failed"}'] > 0)
    local out, code = run(host.folder, "status")
    assert.equal(1, code)
    local since = "since %d+%-%d+%-%d+T[%d:]+Z %(%d+s ago%)"
    assert.matches("error: PostgreSQL can't be used " .. since, out)
    assert.matches("who else is alive is not known while PostgreSQL is away", out, 1, true)
    assert.matches("it can't use PostgreSQL, " .. since, run(host.folder, "doctor"))
    local said, failed = run(host.folder, "pause A.Good")
    assert.equal(1, failed)
    assert.matches("the ledger can't be used now, so nothing was changed", said, 1, true)
    own.server:up()
    H.wait_until(function() return host:notify(H.event "A.Good").status == 200 end, "a 200")
    assert.equal(200, metrics.get(host, "/readyz").status)
    assert.equal(0, metrics.scrape(host).hookward_ledger_away)
    assert.equal(1, host:count_log " error ledger: [^\n]*PostgreSQL")
  end)

  it("the page lists the hosts, with their scripts", function()
    local url = database()
    local host = admin.start { handlers = OK, ledger = url, env = TEST, config = 'lease = "2s", host_name = "web-1",' }
    start(url, { config = 'host_name = "web-2",' }):stop()
    local _, jar = H.sh(("curl -s -c - -o /dev/null -L %s"):format(H.quote(admin.link(host))))
    H.write(host.folder .. "/jar", jar)
    local function overview()
      local _, out = H.sh(("curl -s -b %s/jar %s/api/overview"):format(host.folder, host.admin))
      return cjson.decode(out)
    end
    H.wait_until(function() return (overview().hosts or {})[1].scripts end, "the version of the scripts")
    local hosts = overview().hosts
    assert.same({ "web-1", true }, { hosts[1].name, hosts[1].alive })
    assert.same({ "web-2", false }, { hosts[2].name, hosts[2].alive })
    assert.equal(overview().host.version, hosts[1].scripts)
    H.write(host.folder .. "/handlers/b.lua", 'require "hookward".on("B.*", function() end)')
    H.wait_until(function()
      local now = overview()
      return now.hosts[1].scripts ~= hosts[1].scripts and now.hosts[1].scripts == now.host.version
    end, "the new version of the scripts")
  end)

  it("no password is shown", function()
    local url = with(database(), "postgres:sesame")
    local host = admin.start { handlers = OK, ledger = url, env = TEST, config = 'lease = "2s",' }
    assert.equal(200, host:notify(H.event "A.Good").status)
    H.sh(("chmod 644 %s/hookward.lua"):format(host.folder))
    for _, words in ipairs { "status", "status --json", "check", "check --json", "doctor", "doctor --json",
      "jobs list", "jobs hosts", "jobs stats", "ledger backup x.db" } do
      local out = run(host.folder, words)
      assert.is_true(#out > 10, words)
      assert.is_nil(out:find("sesame", 1, true), words .. "\n" .. out)
    end
    local _, state = H.sh(("curl -s --unix-socket %s/.hookward.sock http://hookward/state"):format(host.folder))
    assert.matches("postgres:***@", state, 1, true)
    assert.is_nil(state:find("sesame", 1, true), state)
    assert.matches("its password stands in hookward.lua", run(host.folder, "check"), 1, true)
    assert.matches("postgres:%*%*%*@127", run(host.folder, "status"))
    host:stop()
    for _, wrong in ipairs { url:gsub("/looks_%d+", "/missing"), url .. "?nonsense=1" } do
      H.write(host.folder .. "/hookward.lua", ("return { ledger = %q }"):format(wrong))
      for _, words in ipairs { "serve", "check", "jobs list", "status", "doctor" } do
        local out, code = run(host.folder, words)
        assert.is_true(code ~= 0, words .. "\n" .. out)
        assert.is_nil(out:find("sesame", 1, true), words .. "\n" .. out)
      end
    end
    assert.is_nil(host:log():find("sesame", 1, true), host:log())
  end)

  it("the log says what has to wait for the next start", function()
    local url = database()
    local host = start(url)
    local path = host.folder .. "/hookward.lua"
    H.write(path, (H.read(path):gsub('lease = "2s"', 'lease = "3s", host_name = "x", ledger_schema = "y"', 1)))
    host:wait_log("lease ledger_schema host_name")
  end)
end)
