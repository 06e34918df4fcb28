-- hookward jobs, ledger, pause and resume on a ledger in PostgreSQL: the same as on a file, and what
-- hosts that share it add.

local cjson = require "cjson"
local host = require "spec.support.host"
local postgres = require "spec.support.postgres"
local sqlite3 = require "luasql.sqlite3".sqlite3()

if not postgres.installed() then return end

local quote = host.quote

local folder, url

-- ---- running commands ----

-- Exit code, stdout and stderr.
local function run(args, env)
  local _, _, code = os.execute(("cd %s && NO_COLOR= HOOKWARD_TEST=1 %s %s %s >out 2>err </dev/null"):format(
    quote(folder), env or "", quote(host.binary), args))
  return code, host.read(folder .. "/out"), host.read(folder .. "/err")
end

local function succeed(args, env)
  local code, out, err = run(args, env)
  assert.equal(0, code, args .. "\n" .. out .. err)
  return out, err
end

local function json(args)
  return cjson.decode((succeed(args)))
end

local function query(sql) return postgres.query(url, sql) end

before_each(function()
  folder = host.folder()
  url = postgres.database()
end)

after_each(function() host.stop_all() end)

-- ---- a ledger in a file, with all that a row can have ----

local function db()
  return assert(sqlite3:connect(folder .. "/hookward.db", 20000))
end

-- The file is made by copying an empty ledger.
local function make_file()
  succeed(("ledger schema > schema.sql"))
  os.rename(folder .. "/out", folder .. "/schema.sql")
  local other = postgres.database()
  host.sh(("psql -X -q -v ON_ERROR_STOP=1 -d %s -f %s"):format(quote(other), quote(folder .. "/schema.sql")))
  succeed(("ledger copy %s hookward.db"):format(quote(other)))
end

local ROWS = [[
  WITH RECURSIVE s(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s WHERE i < 700)
  INSERT INTO notifications (job_id, digest, event, state, attempt, deliveries, runs, received_at, settled_at,
    next_run_at, error, reason, detail, key, place, version, body, retries, lost, accepted, parked, lane, pool,
    headers)
  SELECT 'j' || (i / 2), randomblob(32),
    CASE i % 4 WHEN 0 THEN 'Badge.Created' WHEN 1 THEN 'Badge.Deleted' WHEN 2 THEN 'P_rson.Created' ELSE '' END,
    1 + i % 5, 1 + i % 6, 1 + i % 5, i % 4, 1715339361000 + i * 777, 1715339361500 + i * 777,
    CASE WHEN 1 + i % 5 IN (2, 5) AND i % 3 = 0 THEN 1715339361000 + i * 1000
      WHEN 1 + i % 5 IN (2, 5) AND i % 3 = 1 THEN 99915339361000 END,
    CASE WHEN i % 5 IN (1, 3) THEN 'handler_failed' END, CASE WHEN i % 10 = 3 THEN 'Refused 50%_ ' || i END,
    CASE WHEN i % 10 = 1 THEN 'a.lua:' || i || ': ü' || char(10) || 'stack traceback' END, 'main',
    'handlers/x.lua:4', 'abcdef', CASE WHEN i % 5 <> 0 THEN CAST('{"n":' || i || '}' AS BLOB) END, i % 7, 0, i % 5 = 4,
    i % 5 = 4 AND i % 3 = 2, CASE WHEN i % 5 = 4 THEN 'Badge.*' || char(0) || i END,
    CASE WHEN i % 10 = 4 THEN 'Badge.*' END, '{"x-a":"1"}' FROM s;
  INSERT INTO runs SELECT seq, received_at, 1, 0, 5, 6, 'handler_failed', 'x', 'abc' FROM notifications
    WHERE state <> 1;
  INSERT INTO runs SELECT seq, received_at + 5, 2, 1, 5, 6, NULL, NULL, 'abc' FROM notifications WHERE state = 3;
  UPDATE notifications SET lane = (SELECT lane FROM notifications WHERE seq = 4), next_run_at = NULL, parked = 0
    WHERE seq IN (9, 19, 29);
  INSERT INTO pauses VALUES ('Badge.*', 1700000000000);
  UPDATE totals SET rows = 700, upto = 700, failed = 140, unhandled = 140, dead = 140, queued = 140;
  UPDATE counters SET value = 140]]

local function fill()
  local connection = db()
  for statement in (ROWS .. ";"):gmatch("%s*(.-);\n?") do
    if statement ~= "" then assert(connection:execute(statement)) end
  end
  connection:close()
end

local function file_rows(sql)
  local connection = db()
  local cursor = assert(connection:execute(sql))
  local lines, row = {}, cursor:fetch({}, "n")
  while row do
    for i = 1, #cursor:getcolnames() do row[i] = row[i] == nil and "" or tostring(row[i]) end
    lines[#lines + 1] = table.concat(row, "|")
    row = cursor:fetch({}, "n")
  end
  cursor:close()
  connection:close()
  return table.concat(lines, "\n")
end

-- All that a row and its runs have, but for the numbers.
local WHOLE = [[SELECT job_id, hex(digest), event, state, attempt, deliveries, runs, received_at, settled_at,
  next_run_at, error, reason, detail, key, place, version, hex(body), retries, lost, accepted, parked, hex(lane),
  pool, headers, (SELECT group_concat(began_at || ' ' || attempt || ' ' || retry || ' ' || waited_ms || ' ' || ms
  || coalesce(error, '-') || coalesce(reason, '-') || version) FROM runs r WHERE r.seq = n.seq)
  FROM notifications n ORDER BY seq]]

describe("a ledger in PostgreSQL", function()
  local filled -- the bytes of the file

  before_each(function()
    if not filled then
      make_file()
      fill()
      filled = host.read(folder .. "/hookward.db")
    end
    host.write(folder .. "/hookward.db", filled)
  end)

  local function copy_there() return succeed(("ledger copy hookward.db %s"):format(quote(url))) end

  it("answers every command as the file does that it was copied from", function()
    copy_there()
    local commands = { "list --limit 0", "list --json --limit 0", "list --limit 7", "stats", "stats --json",
      "stats --event 'Badge.*'", "show j3", "show j4 --json", "show j9", "purge --all --dry-run",
      "purge --state dead --dry-run", "list --id j1 --id j2 --id nope", "list --error '50%_'",
      "list --error 'REFUSED 50%_'", "list --error A.LUA", "list --error ü", "list --event 'P?rson.*'",
      "list --event 'P_rson.*' --limit 0", "list --event '*.Created' --limit 0", "list --event Badge.Created",
      "list --since @1715339500.5 --until 2024-05-10T11:14Z --limit 0",
      -- exactly the time of a row: it is both from then on and until then
      "list --since 2024-05-10T11:09:22.554Z --until 2024-05-10T11:09:22.554Z",
      "list --event '' --limit 0", "list --json --state dead --error traceback --limit 3" }
    for _, state in ipairs { "succeeded", "failed", "unhandled", "dead", "queued", "running" } do
      commands[#commands + 1] = "list --limit 0 --state " .. state
      commands[#commands + 1] = "list --limit 0 --state running --state " .. state
      commands[#commands + 1] = "purge --dry-run --state " .. state
    end
    for _, command in ipairs(commands) do
      local code, out, err = run(("jobs %s --ledger hookward.db"):format(command))
      local same_code, same_out, same_err = run(("jobs %s --ledger %s"):format(command, quote(url)))
      assert.equal(out, same_out, command)
      assert.equal(err, same_err, command)
      assert.equal(code, same_code, command)
    end
  end)

  -- Runs Lua while `hookward check` loads it as a handler, with both ledgers open.
  local function inside(code)
    host.write(folder .. "/hookward.lua", "return { listen = '127.0.0.1:0', ledger = 'memory:' }")
    host.sh(("mkdir -p %s/handlers %s/keys"):format(folder, folder))
    local _, public = host.keys()
    host.write(folder .. "/keys/public.pem", host.read(public))
    host.write(folder .. "/handlers/a.lua", ([[
      local ledger = require "hookward.core".ledger
      local file <close> = assert(ledger.open(%q))
      local shared <close> = assert(ledger.open(%q))
      local function refused(text, fn, ...)
        local ok, err = pcall(fn, ...)
        assert(not ok and tostring(err):find(text, 1, true), tostring(err))
      end
      %s]]):format(folder .. "/hookward.db", url, code))
    local _, out = run "check"
    assert.matches("ok:", out .. host.read(folder .. "/err"), 1, true)
  end

  it("finds the same rows for any mix of filters, in bounded time or not", function()
    copy_there()
    inside [[
      local states = ledger.states
      local events = { false, "*", "Badge.*", "*.Created", "Badge.Deleted", "P_rson.*", "Nope.*" }
      local function same(a, b, path)
        assert(type(a) == type(b), path)
        if type(a) ~= "table" then assert(a == b, path .. ": " .. tostring(a) .. " " .. tostring(b)) return end
        for k, v in pairs(a) do same(v, b[k], path .. "." .. tostring(k)) end
        for k in pairs(b) do assert(a[k] ~= nil, path .. "." .. tostring(k)) end
      end
      math.randomseed(7)
      local function maybe(value) if math.random(3) == 1 then return value end end
      for i = 1, 150 do
        local some = {}
        for _, state in ipairs(states) do if math.random(2) == 1 then some[#some + 1] = state end end
        local filters = { states = maybe(some), event = events[math.random(#events)] or nil,
          error = maybe(({ "50%_", "HANDLER", "a.lua", "ü" })[math.random(4)]),
          after = maybe(math.random(700)), upto = maybe(math.random(700)),
          since = maybe(1715339361 + math.random(1000) / 2), ["until"] = maybe(1715339361 + math.random(1000) / 2),
          limit = maybe(math.random(0, 100)), oldest_first = maybe(true), seconds = maybe(60),
          ids = maybe { "j1", "j5", "j77", "nope", "" } }
        same({ file:list(filters) }, { shared:list(filters) }, "list " .. i)
        filters.seconds, filters.limit = nil, nil
        same({ file:count(filters) }, { shared:count(filters) }, "count " .. i)
      end
      for seq = 1, 20 do
        same(file:show(seq), shared:show(seq), "show " .. seq)
        same(file:history(seq), shared:history(seq), "history " .. seq)
      end
      same(file:backlog(), shared:backlog(), "backlog")
      same(file:pauses(), shared:pauses(), "pauses")
      assert(shared:show(7000) == nil)
      local lines, done = shared:check(5)
      assert(#lines == 0 and done)
      refused("no filter 'stat'", shared.list, shared, { stat = 1 })
      refused("not a pattern", shared.pause, shared, "A*")
      assert(shared:pause("A.*") == true and shared:pause("A.*") == false and shared:pause("A.*", true) == true)
      shared:limit(0)
      local none, why = shared:list()
      assert(none or why:find("postgres://", 1, true), why) -- an answer may be there at once
      shared:limit()
      assert(#shared:list { limit = 3 } == 3) -- it connects again
      shared:close()
      shared:close()
      refused("the ledger is closed", shared.list, shared)
    ]]
  end)

  it("looks for so many seconds, and says where it stopped", function()
    copy_there()
    query [[INSERT INTO hookward.notifications (owner, claim, received_at, settled_at, attempt, state, dedupe_id,
      digest, job_id, event) SELECT 0, 0, to_timestamp(i), now(), 0, 1, 'k' || i, 'x', 'k' || i,
      CASE WHEN i % 500 = 0 THEN 'Rare.X' ELSE 'A.X' END FROM generate_series(1, 5000) i]]
    inside [[
      for _, oldest_first in ipairs { false, true } do
        local found, upto, after, looks = {}, nil, 700, 0
        repeat
          local rows, stopped = shared:list { event = "Rare.X", seconds = 0, limit = 4, upto = upto, after = after,
            oldest_first = oldest_first }
          assert(#rows <= 4)
          for _, row in ipairs(rows) do found[#found + 1] = row.id end
          if stopped then assert("k" .. math.tointeger(stopped.received_at) == shared:show(stopped.seq).id) end
          local at = stopped and stopped.seq or #rows == 4 and rows[4].seq or nil
          if oldest_first then after = at else upto = at and at - 1 end
          looks = looks + 1
        until not at
        local wanted = {}
        for i = 1, 10 do wanted[i] = "k" .. (oldest_first and i or 11 - i) * 500 end
        assert(table.concat(found, " ") == table.concat(wanted, " "), table.concat(found, " "))
        assert(looks >= 5 and looks < 20, looks)
      end
      local total, upto = 0, nil
      repeat -- no row is left out where a look ends
        local rows, stopped = shared:list { event = "*.X", seconds = 0, upto = upto }
        total, upto = total + #rows, stopped and stopped.seq - 1
      until not upto
      assert(total == 5000, total)
    ]]
  end)

  it("goes back into a file without a change, lanes and runs included", function()
    local whole = file_rows(WHOLE)
    local numbers = file_rows "SELECT * FROM totals" .. file_rows "SELECT * FROM counters"
    assert.matches(": 700 notifications added\n$", (copy_there()))
    assert(os.rename(folder .. "/hookward.db", folder .. "/before.db"))
    assert.equal("hookward.db: 700 notifications added\n", (succeed(("ledger copy %s hookward.db"):format(quote(url)))))
    assert.equal(whole, file_rows(WHOLE))
    assert.equal(numbers, file_rows "SELECT * FROM totals" .. file_rows "SELECT * FROM counters")
    assert.equal("Badge.*|1700000000000", file_rows "SELECT * FROM pauses")
  end)

  it("takes a copy again: nothing is doubled, and what has settled since is brought up to date", function()
    copy_there()
    assert.matches(": 0 notifications added, 700 there already\n$", (copy_there()))
    local connection = db()
    assert(connection:execute
      "UPDATE notifications SET state = 1, error = NULL, settled_at = settled_at + 1 WHERE seq = 1")
    assert(connection:execute "UPDATE notifications SET error = 'timeout', settled_at = settled_at + 1 WHERE seq = 3")
    connection:close()
    query "UPDATE hookward.notifications SET owner = 1 WHERE seq = 3" -- a host has had it since
    assert.matches(": 0 notifications added, 1 brought up to date, 699 there already\n$", (copy_there()))
    assert.equal("1||\n4|4|handler_failed", query
      "SELECT state, trouble, error FROM hookward.notifications WHERE seq IN (1, 3) ORDER BY seq")
    assert.equal("700", query "SELECT count(*) FROM hookward.runs")
  end)

  it("is copied to its end after an interrupted copy", function()
    query "CREATE FUNCTION fail() RETURNS trigger AS 'BEGIN RAISE EXCEPTION ''enough''; END' LANGUAGE plpgsql"
    succeed "ledger schema"
    os.rename(folder .. "/out", folder .. "/schema.sql")
    host.sh(("psql -X -q -d %s -f %s"):format(quote(url), quote(folder .. "/schema.sql")))
    query [[CREATE TRIGGER stop BEFORE INSERT ON hookward.notifications FOR EACH ROW WHEN (new.job_id = 'j300')
      EXECUTE FUNCTION fail()]]
    local code, _, err = run(("ledger copy hookward.db %s"):format(quote(url)))
    assert.equal(1, code)
    assert.matches("enough; the same command goes on", err, 1, true)
    assert.equal("512", query "SELECT count(*) FROM hookward.notifications")
    query "DROP TRIGGER stop ON hookward.notifications"
    assert.matches(": 188 notifications added, 512 there already\n$", (copy_there()))
    assert.equal("t", query [[SELECT bool_and(later) FROM (SELECT received_at >= lag(received_at, 1, '-infinity')
      OVER (ORDER BY seq) AS later FROM hookward.notifications) q]])
  end)

  it("is not copied from a file while a host uses it", function()
    local one = host.start { ledger = folder .. "/hookward.db", handlers = { ["a.lua"] = "" } }
    local code, _, err = run(("ledger copy hookward.db %s"):format(quote(url)))
    assert.equal(1, code)
    assert.matches("another hookward is serving with this ledger", err, 1, true)
    one:stop()
  end)

  it("lets what waits be run by a host, each lane in its order", function()
    copy_there()
    query "DELETE FROM hookward.pauses"
    query "UPDATE hookward.notifications SET next_run_at = now() WHERE next_run_at > now()"
    local one = host.start { ledger = url, env = "HOOKWARD_TEST=1", config = "lease = '2s', retries = {},",
      handlers = { ["a.lua"] = [[
        local hook = require "hookward"
        hook.on("*", { ack = "first" }, function() return true end)]] } }
    host.wait_until(function()
      return query "SELECT count(*) FROM hookward.notifications WHERE lane IS NOT NULL" == "0"
    end, "the lanes to be empty")
    one:stop()
  end)

  it("removes what matches, and lets the lane behind it go on", function()
    copy_there()
    local count = tonumber(query "SELECT count(*) FROM hookward.notifications WHERE state = 5")
    query [[INSERT INTO hookward.notifications (owner, claim, received_at, attempt, state, dedupe_id, digest, job_id)
      VALUES (1, 1, now(), 1, 6, 'running', 'x', 'running')]]
    query [[UPDATE hookward.notifications SET lane = 'L', pool = NULL, parked = false, parked_event = NULL,
      next_run_at = CASE seq WHEN 4 THEN now() + interval '1 h' END WHERE seq IN (4, 9)]]
    assert.equal("1 notification removed\n", (succeed(("jobs purge --id j2 --state queued -y --ledger %s"):format(
      quote(url)))))
    assert.equal("9|t", query "SELECT seq, next_run_at <= now() FROM hookward.notifications WHERE lane = 'L'")
    assert.equal("0", query "SELECT count(*) FROM hookward.runs WHERE seq = 4")
    assert.equal("560 notifications removed\n", (succeed(("jobs purge --all -y --ledger %s"):format(quote(url)))))
    assert.equal(("%d|1"):format(count - 1), query
      "SELECT count(*) FILTER (WHERE state = 5), count(*) FILTER (WHERE state = 6) FROM hookward.notifications")
    succeed(("jobs purge --state queued --state running -y --ledger %s"):format(quote(url)))
    assert.equal("running", query "SELECT job_id FROM hookward.notifications")
    assert.equal("0", query "SELECT count(*) FROM hookward.runs")
  end)

  it("can be used through a pooler in transaction mode", function()
    local pooler = postgres.pooler(url)
    succeed(("ledger copy hookward.db %s"):format(quote(pooler.url)))
    for _, command in ipairs { "list --limit 0", "stats --json", "show j4 --json", "hosts --json" } do
      assert.equal((succeed(("jobs %s --ledger %s"):format(command, quote(url)))),
        (succeed(("jobs %s --ledger %s"):format(command, quote(pooler.url)))), command)
    end
    assert.equal("560 notifications removed\n", (succeed(("jobs purge --all -y --ledger %s"):format(
      quote(pooler.url)))))
    assert.matches(": 560 notifications added, 140 there already\n$",
      (succeed(("ledger copy hookward.db %s"):format(quote(pooler.url)))))
    pooler:close()
  end)

  it("can be read by a role that may do nothing else", function()
    copy_there()
    local name = "reader_" .. url:match "([%w_]+)$"
    query(("CREATE ROLE %s LOGIN; GRANT USAGE ON SCHEMA hookward TO %s; GRANT SELECT ON ALL TABLES IN SCHEMA hookward"
      .. " TO %s"):format(name, name, name))
    local reader = url:gsub("//postgres@", "//" .. name .. "@")
    assert.equal((succeed(("jobs stats --ledger %s"):format(quote(url)))),
      (succeed(("jobs stats --ledger %s"):format(quote(reader)))))
    local code, _, err = run(("jobs purge --all -y --ledger %s"):format(quote(reader)))
    assert.equal(1, code)
    assert.matches("permission denied for table notifications; 0 notifications removed before that", err, 1, true)
    query(("DROP OWNED BY %s; DROP ROLE %s"):format(name, name))
  end)

  it("says what to use for a backup, and hides its password", function()
    copy_there()
    local secret = url:gsub("//postgres@", "//postgres:hunter2@")
    local code, _, err = run(("ledger backup there.db --ledger %s"):format(quote(secret)))
    assert.equal(1, code)
    assert.matches("pg_dump", err, 1, true)
    code, _, err = run(("ledger restore hookward.db --ledger %s"):format(quote(secret)))
    assert.equal(1, code)
    assert.matches("pg_restore", err, 1, true)
    code, _, err = run "ledger copy hookward.db hookward.db"
    assert.equal(1, code)
    assert.equal("FROM and TO are the same ledger\n", err)
    local out = succeed(("ledger copy hookward.db %s"):format(quote(secret)))
    assert.matches("postgres://postgres:***@", out, 1, true)
    code, out, err = run(("jobs list --ledger %s"):format(quote((secret:gsub("/[%w_]+$", "/absent")))))
    assert.equal(1, code)
    assert.is_nil((out .. err):find("hunter2", 1, true))
    assert.matches('"absent" does not exist', err, 1, true)
  end)

  it("turns to by-body, and not while a host runs", function()
    copy_there()
    query "INSERT INTO hookward.hosts (name, version, alive_until) VALUES ('web-1', '1', now() + interval '1 h')"
    local code, _, err = run(("ledger duplicates by-body --ledger %s"):format(quote(url)))
    assert.equal(1, code)
    assert.matches("stop all hosts first: web-1 runs", err, 1, true)
    query "UPDATE hookward.hosts SET gone_at = now()"
    local name = "least_" .. url:match "([%w_]+)$"
    query(("CREATE ROLE %s LOGIN; GRANT USAGE ON SCHEMA hookward TO %s; GRANT SELECT, UPDATE ON ALL TABLES IN SCHEMA "
      .. "hookward TO %s"):format(name, name, name))
    code, _, err = run(("ledger duplicates by-body --ledger %s"):format(quote((url:gsub("postgres@", name .. "@")))))
    assert.equal(1, code)
    assert.matches("must be owner of table notifications; run it as the user that owns the schema\n$", err)
    query(("DROP OWNED BY %s; DROP ROLE %s"):format(name, name))
    succeed(("ledger duplicates by-body --ledger %s"):format(quote(url)))
    assert.equal("by-body", query "SELECT duplicates FROM hookward.meta")
    assert.equal("it is by-body already\n", (succeed(("ledger duplicates by-body --ledger %s"):format(quote(url)))))
  end)
end)

-- ---- hosts that share it ----

local HANDLERS = [[
  local hook = require "hookward"
  hook.on("A.Good", function() return true end)
  hook.on("A.Bad", function() return nil, "no" end)
  hook.on("A.Slow", function() wait() return true end)
  hook.on("A.First", { ack = "first" }, function() return true end)]]

describe("hosts that share a ledger in PostgreSQL", function()
  local one, two, gate

  local function start(name)
    return host.start { ledger = url, env = "HOOKWARD_TEST=1", handlers = { ["a.lua"] = gate.source .. HANDLERS },
      config = ("lease = '2s', host_name = %q, retries = {}, keep_bodies = true,"):format(name) }
  end

  local function at(one_host, args) return ("%s -c %s/hookward.lua"):format(args, quote(one_host.folder)) end

  before_each(function()
    gate = host.gate()
    one, two = start "web-1", start "web-2"
  end)

  it("are listed, with what each has in hand and who is gone", function()
    local hosts = json(at(one, "jobs hosts --json"))
    assert.equal(2, #hosts)
    assert.matches("^web%-2", hosts[1].name)
    assert.equal("alive", hosts[1].state)
    assert.is_true(hosts[1].lease_left > 0)
    local slow = one:connect():send(host.request(host.event("A.Slow"), { id = "slow" }))
    host.wait_until(function()
      return json(at(two, "jobs hosts --json"))[2].running == 1
    end, "the host to run it")
    local rows = json(at(two, "jobs list --state running --json"))
    assert.equal(1, #rows)
    assert.matches("^web%-1", rows[1].host)
    assert.matches("at web%-1", (succeed(at(two, "jobs list"))))
    assert.matches("host +web%-1", (succeed(at(two, "jobs show slow"))))
    gate:open()
    assert.equal(200, slow:receive().status)
    two:stop()
    host.wait_until(function()
      local gone = json(at(one, "jobs hosts --json"))[1]
      return gone.state == "gone" and gone.gone_at ~= cjson.null
    end, "the host to be gone")
    assert.equal(1, #json(at(one, "jobs hosts --json --alive")))
  end)

  it("are paused together, by a host or without one", function()
    succeed(at(one, "pause A.Good"))
    host.wait_until(function()
      return two:notify(host.event("A.Good")).status == 400
    end, "the other host to heed it")
    two:stop()
    one:stop()
    assert.matches("A.Good", (succeed(at(one, "pause"))))
    assert.equal("resumed A.Good\n", (succeed(at(one, "resume A.Good"))))
    assert.equal("paused A.*\n", (succeed(at(one, "pause 'A.*'"))))
    assert.equal("A.*", query "SELECT pattern FROM hookward.pauses")
  end)

  it("replay what failed at another, and a process without a host does too", function()
    assert.equal(400, one:notify(host.event("A.Bad"), { id = "bad" }).status)
    local code, out = run(at(two, "jobs replay bad"))
    assert.equal(1, code)
    assert.matches("failed: handler_refused: no", out, 1, true)
    local row = json(at(one, "jobs show bad --json"))[1]
    assert.equal(2, row.runs)
    assert.matches("^web%-2", row.host)
    assert.matches("^web%-1", row.history[1].host)
    assert.matches("^web%-2", row.history[2].host)
    one:stop()
    two:stop()
    host.write(one.folder .. "/handlers/a.lua", 'require "hookward".on("A.*", function() return true end)')
    assert.matches("processed", (succeed(at(one, "jobs replay bad"))))
    assert.equal("1|3", query "SELECT state, runs FROM hookward.notifications WHERE job_id = 'bad'")
  end)
end)
