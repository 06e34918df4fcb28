-- hookward jobs: the ledger from the command line, with and without a running host.

local cjson = require "cjson"
local host = require "spec.support.host"
local lfs = require "lfs"
local socket = require "socket"
local sqlite3 = require "luasql.sqlite3".sqlite3()
local unix = require "socket.unix"

local quote = host.quote

local ESC = "\27"
local DAY = 86400
local STATES = { succeeded = 1, failed = 2, unhandled = 3, dead = 4, queued = 5, running = 6 }
local CLOCK = 1715339361.248 -- 2024-05-10T11:09:21.248Z

local folder, db
local connections = {}

-- ---- a ledger, row by row ----

-- An empty ledger as the host makes it. It is made once and then copied.
local empty
local function empty_ledger()
  if not empty then
    local made = host.start { ledger = "hookward.db", handlers = { ["a.lua"] = "" } }
    assert.equal(0, made:stop())
    empty = host.read(made.folder .. "/hookward.db")
  end
  return empty
end

local function connect()
  local connection = assert(sqlite3:connect(folder .. "/hookward.db", 20000))
  connections[#connections + 1] = connection
  return connection
end

local function sql(value)
  if value == nil then return "NULL" end
  if math.type(value) then return tostring(value) end
  local hex = value:gsub(".", function(c) return ("%02x"):format(c:byte()) end)
  return ("CAST(x'%s' AS TEXT)"):format(hex)
end

local function blob(value)
  return value and (sql(value):gsub("^CAST%((.*) AS TEXT%)$", "%1")) or "NULL"
end

local last_digest = 0
local function digest_of(row)
  last_digest = last_digest + 1
  return row.digest or ("%064x"):format(last_digest)
end

local function insert(connection, row)
  local at = math.floor((row.at or CLOCK) * 1000 + 0.5)
  assert(connection:execute(("INSERT INTO notifications (job_id, digest, event, state, attempt, deliveries, runs,"
    .. " received_at, settled_at, next_run_at, error, reason, detail, key, place, body) VALUES"
    .. " (%s, x'%s', %s, %d, %d, %d, %d, %d, %d, %s, %s, %s, %s, %s, %s, %s)"):format(sql(row.id), digest_of(row),
    sql(row.event or "A.B"), STATES[row.state or "failed"], row.attempt or 0, row.deliveries or 1, row.runs or 1, at,
    row.settled or at + 20, sql(row.next_run), sql(row.error), sql(row.reason), sql(row.detail), sql(row.key),
    sql(row.place), blob(row.body))))
end

local function fill(rows)
  local connection = connect()
  assert(connection:execute("BEGIN"))
  for _, row in ipairs(rows) do insert(connection, row) end
  assert(connection:execute("COMMIT"))
end

local function count_rows(where)
  local cursor = assert(db:execute("SELECT count(*) FROM notifications WHERE " .. (where or "1")))
  local count = cursor:fetch()
  cursor:close()
  return math.tointeger(count)
end

-- ---- running the command ----

local function configure(text)
  host.write(folder .. "/hookward.lua", "return { listen = '127.0.0.1:0', " .. (text or "") .. " }")
end

local function command_line(args, env)
  return ("cd %s && TERM=xterm %s exec %s jobs %s"):format(quote(folder), env or "NO_COLOR=", quote(host.binary), args)
end

-- Exit code, stdout and stderr of a run in a pipe.
local function jobs(args, env)
  local _, _, code = os.execute(("%s >%s/out 2>%s/err </dev/null"):format(command_line(args, env), folder, folder))
  return code, host.read(folder .. "/out"), host.read(folder .. "/err")
end

-- The same on a terminal of this width: exit code and screen. `input` is typed.
local function on_terminal(columns, args, input, env)
  local run = ("script -qec %s /dev/null")
    :format(quote(("stty cols %d -echo; %s"):format(columns, command_line(args, env))))
  host.write(folder .. "/in", input or "")
  local _, _, code = os.execute(("%s <%s/in >%s/out 2>&1"):format(run, folder, folder))
  return code, (host.read(folder .. "/out"):gsub("\r\n", "\n"))
end

local function list_ids(args)
  local code, out, err = jobs("list --json " .. args)
  assert.equal(0, code, err)
  local ids = {}
  for i, row in ipairs(cjson.decode(out)) do ids[i] = row.id end
  return table.concat(ids, " ")
end

before_each(function()
  local bytes = empty_ledger()
  folder = host.folder()
  lfs.mkdir(folder .. "/handlers")
  host.write(folder .. "/handlers/a.lua", 'require "hookward"')
  lfs.mkdir(folder .. "/keys")
  local _, public = host.keys()
  host.write(folder .. "/keys/public.pem", host.read(public))
  host.write(folder .. "/hookward.db", bytes)
  configure()
  db = connect()
end)

after_each(function()
  for _, connection in ipairs(connections) do connection:close() end
  connections = {}
  host.stop_all()
end)

-- ---- list ----

describe("hookward jobs list", function()
  local function fill_five()
    fill {
      { id = "1", event = "Badge.Created", state = "succeeded", at = CLOCK },
      { id = "2", event = "Badge.Deleted", state = "failed", at = CLOCK + 60, error = "handler_refused" },
      { id = "3", event = "Person.Created", state = "dead", at = CLOCK + 120, error = "handler_error" },
      { id = "4", event = "Badgeless.Created", state = "unhandled", at = CLOCK + 180 },
      { id = "5", event = "Person.Name.Created", state = "queued", at = CLOCK + 240 },
    }
  end

  it("lists all notifications, the newest first", function()
    fill_five()
    assert.equal("5 4 3 2 1", list_ids "")
  end)

  it("accepts every state, several at once; a file has none that is running", function()
    fill_five()
    for state, id in pairs { succeeded = "1", failed = "2", dead = "3", unhandled = "4", queued = "5",
      running = "" } do
      assert.equal(id, list_ids("--state " .. state))
    end
    assert.equal("3 2", list_ids "--state failed --state dead --state running")
  end)

  it("accepts an event's name and the patterns of hook.on", function()
    fill_five()
    assert.equal("1", list_ids "--event Badge.Created")
    assert.equal("", list_ids "--event badge.created")
    assert.equal("", list_ids "--event Badge")
    assert.equal("2 1", list_ids "--event 'Badge.*'")
    assert.equal("5 3", list_ids "--event 'Person.*'")
    assert.equal("5", list_ids "--event 'Person.Name.*'")
    assert.equal("5 4 3 1", list_ids "--event '*.Created'")
    assert.equal("5", list_ids "--event '*.Name.Created'")
    assert.equal("", list_ids "--event 'badge.*'")
    assert.equal("", list_ids "--event '*.created'")
    assert.equal("5 4 3 2 1", list_ids "--event '*'")
  end)

  it("accepts a text of the error, in its code, its reason or its traceback", function()
    fill { { id = "1", state = "dead", error = "handler_refused", reason = "Connection refused (50%_)" },
      { id = "2", state = "failed", error = "handler_error", detail = "a.lua:3: attempt to call nil" },
      { id = "3", state = "succeeded" } }
    assert.equal("2 1", list_ids "--error handler_")
    assert.equal("1", list_ids "--error 'connection REFUSED'")
    assert.equal("2", list_ids "--error a.lua:3")
    assert.equal("1", list_ids "--error '50%_'")
    assert.equal("", list_ids "--error '%'refused")
    assert.equal("2 1", list_ids "--error h --id 1 --id 2 --id 3")
    assert.equal("", list_ids "--error timeout")
  end)

  it("treats the special characters of SQL and GLOB as plain text", function()
    fill { { id = "x' OR '1'='1", event = "A_.[a-z]?%" }, { id = "2", event = "Ab.c" } }
    assert.equal("x' OR '1'='1", list_ids([[--id "x' OR '1'='1"]]))
    assert.equal("", list_ids "--event 'A%'")
    assert.equal("", list_ids "--event 'A?.*'")
    assert.equal("x' OR '1'='1", list_ids "--event 'A_.*'")
    assert.equal("x' OR '1'='1", list_ids "--event '*.[a-z]?%'")
  end)

  it("accepts several ids, and ignores those that do not exist", function()
    fill_five()
    assert.equal("4 2", list_ids "--id 2 --id 4 --id 9")
    assert.equal("", list_ids "--id 9")
  end)

  it("accepts ISO 8601 times in any zone, to the millisecond, both ends included", function()
    fill_five()
    assert.equal("5 4 3 2 1", list_ids "--since 2024-05-10")
    assert.equal("5 4 3 2 1", list_ids "--since 2024-02-29")
    assert.equal("", list_ids "--until 2024-05-10")
    assert.equal("2 1", list_ids "--until 2024-05-10T11:11")
    assert.equal("2 1", list_ids "--until '2024-05-10 11:10:21.248Z'")
    assert.equal("1", list_ids "--until 2024-05-10T11:10:21.247Z")
    assert.equal("5 4 3 2", list_ids "--since 2024-05-10T13:10:21.248+02:00")
    assert.equal("5 4 3 2", list_ids "--since 2024-05-10T16:40:21.248+05:30")
    assert.equal("5 4 3", list_ids "--since 2024-05-10T06:10:21.249-0500")
    assert.equal("3 2", list_ids "--since 2024-05-10T11:10Z --until 2024-05-10T11:12Z")
  end)

  it("accepts ages", function()
    local now = os.time()
    fill { { id = "old", at = now - 3 * DAY }, { id = "hour", at = now - 3600 }, { id = "now", at = now } }
    assert.equal("now hour", list_ids "--since 2h")
    assert.equal("now", list_ids "--since 10m")
    assert.equal("hour old", list_ids "--until 90s")
    assert.equal("old", list_ids "--until 1.5d")
  end)

  it("combines filters: all of them must hold", function()
    fill_five()
    assert.equal("3", list_ids "--state dead --event 'Person.*' --id 3 --id 5 --since 2024-05-10 --until 30m")
    assert.equal("", list_ids "--state failed --event 'Person.*'")
  end)

  it("writes objects with exactly the members that are documented", function()
    fill {
      { id = "1", digest = ("ab"):rep(32), event = "Badge.Created", attempt = 3, deliveries = 4, runs = 5,
        error = "handler_refused", reason = "no", body = "{}" },
      { id = "2", state = "succeeded" },
    }
    local code, out, err = jobs "list --json"
    assert.equal(0, code)
    assert.equal("", err)
    local rows = cjson.decode(out)
    assert.same({ id = "1", digest = ("ab"):rep(32), event = "Badge.Created", state = "failed", attempt = 3,
      deliveries = 4, runs = 5, received_at = "2024-05-10T11:09:21.248Z", settled_at = "2024-05-10T11:09:21.268Z",
      error = "handler_refused" }, rows[2])
    assert.equal(cjson.null, rows[1].error)
    assert.truthy(out:find('{"id":"1","digest":"abab%x+","event":"Badge.Created","state":"failed","attempt":3,'
      .. '"deliveries":4,"runs":5,"received_at":"[^"]+","settled_at":"[^"]+","error":"handler_refused"}'))
  end)

  it("writes an empty array when nothing matches; the text form says so", function()
    local code, out = jobs "list --json"
    assert.equal(0, code)
    assert.equal("[]\n", out)
    local err
    code, out, err = jobs "list"
    assert.equal(0, code)
    assert.equal("", out)
    assert.equal("no notification matches\n", err)
  end)

  it("shows 50 by default, and says how many there are", function()
    local rows = {}
    for i = 1, 1203 do rows[i] = { id = tostring(i) } end
    fill(rows)
    local _, out, err = jobs "list --json"
    assert.equal(50, #cjson.decode(out))
    assert.equal("50 of 1203 shown; --limit 0 shows all\n", err)
    _, out, err = jobs "list --limit 3"
    assert.equal(4, select(2, out:gsub("\n", "")))
    assert.equal("3 of 1203 shown; --limit 0 shows all\n", err)
    _, out, err = jobs "list --json --limit 0" -- more than a page, in the right order
    rows = cjson.decode(out)
    assert.equal(1203, #rows)
    for i, row in ipairs(rows) do assert.equal(tostring(1204 - i), row.id) end
    assert.equal("", err)
    _, out, err = jobs "list --json --limit 1203"
    assert.equal(1203, #cjson.decode(out))
    assert.equal("", err)
  end)

  it("accepts seconds since 1970", function()
    fill_five()
    assert.equal("5 4 3 2", list_ids(("--since @%.3f"):format(CLOCK / 1 + 60)))
    assert.equal("1", list_ids(("--until @%d"):format(CLOCK // 1 + 59)))
  end)

  it("reads the ledger of a configuration that is broken, and says so", function()
    fill_five()
    host.write(folder .. "/hookward.lua", "return {")
    local code, out, err = jobs "list --json"
    assert.equal(0, code)
    assert.truthy(out:find('"id":"5"', 1, true))
    assert.truthy(err:find("^warning: hookward.lua:1: [^\n]*; showing hookward.db all the same\n$"), err)
    code, out = jobs "show 5"
    assert.equal(0, code)
    assert.truthy(out:find("Person.Name.Created", 1, true))
    configure "ledger = 'hookward.db', workers = 'many'"
    code, out, err = jobs "list"
    assert.equal(0, code)
    assert.truthy(out:find("Person.Name.Created", 1, true))
    assert.truthy(err:find("workers: expected", 1, true))
    host.write(folder .. "/hookward.lua", "return {")
    code, out, err = jobs "purge --all --yes" -- but removes nothing: the ledger may be another one
    assert.equal(1, code)
    assert.equal("", out)
    assert.falsy(err:find("showing", 1, true))
    assert.truthy(err:find("\n--ledger FILE works without a configuration\n", 1, true), err)
    assert.equal(5, count_rows())
  end)

  it("aligns its columns in a pipe, cuts nothing and uses no colours", function()
    fill {
      { id = "1", event = ("Long"):rep(20) .. ".Created", error = "handler_refused",
        reason = ("why "):rep(40) .. "!" },
      { id = "a-longer-id", event = "", state = "succeeded" },
    }
    local _, out = jobs "list"
    local lines = {}
    for line in out:gmatch("[^\n]+") do lines[#lines + 1] = line end
    assert.truthy(lines[1]:find("^ID +EVENT +STATE +ATTEMPT +DELIVERIES +RUNS +RECEIVED +ERROR$"))
    assert.truthy(lines[2]:find("^a%-longer%-id  %- +succeeded +0 +1 +1  2024%-05%-10T11:09:21%.248Z  %-$"))
    assert.truthy(lines[3]:find("Long.Created", 1, true))
    assert.truthy(lines[3]:find("handler_refused: " .. ("why "):rep(40) .. "!", 1, true))
    assert.equal(lines[1]:find("ERROR"), lines[3]:find("handler_refused"))
    assert.falsy(out:find(ESC))
  end)

  it("fits a terminal, whatever its width", function()
    fill {
      { id = "8812", event = ("Long"):rep(20) .. ".Created", error = "handler_refused",
        reason = ("naïve "):rep(40) },
      { id = "8813", event = "A.B", state = "succeeded" },
    }
    for _, columns in ipairs { 40, 60, 80, 100, 132 } do
      local code, out = on_terminal(columns, "list", "", "NO_COLOR=1")
      assert.equal(0, code)
      for line in out:gmatch("[^\n]+") do
        assert.is_true(utf8.len(line) <= columns, line)
      end
      assert.truthy(out:find("\n8812  Long", 1, true))
      assert.truthy(out:find("…", 1, true))
      assert.equal(columns >= 100, out:find("DELIVERIES", 1, true) ~= nil)
      assert.equal(columns >= 80, out:find("handler_refused: naïve ", 1, true) ~= nil)
    end
    local _, out = on_terminal(600, "list", "", "NO_COLOR=1")
    assert.truthy(out:find("2024-05-10T11:09:21Z", 1, true))
    _, out = on_terminal(100, "list", "", "NO_COLOR=1")
    assert.truthy(out:find(" %d+d ago "))
  end)

  it("uses colours on a terminal, unless NO_COLOR is set or the terminal is dumb", function()
    fill { { id = "1", state = "dead" } }
    local _, out = on_terminal(100, "list")
    assert.truthy(out:find(ESC .. "[31mdead " .. ESC .. "[0m", 1, true))
    _, out = on_terminal(100, "list", "", "NO_COLOR=1")
    assert.falsy(out:find(ESC))
    _, out = on_terminal(100, "list", "", "TERM=dumb")
    assert.falsy(out:find(ESC))
  end)

  it("prints no escape sequence that a notification contains", function()
    local bad = "a\27[31m\7\155\127\0b\194\155\226\128\174c\255\nd"
    fill { { id = "1", event = bad, error = "handler_refused", reason = bad } }
    for _, args in ipairs { "list", "show 1", "list --json", "show 1 --json" } do
      local _, out = on_terminal(200, args, "", "NO_COLOR=1")
      assert.falsy(out:find("[%z\1-\8\11-\31\127]"), args)
      assert.truthy(utf8.len(out), args)
      assert.falsy(out:find("\194\155", 1, true), args)
      assert.falsy(out:find("\226\128\174", 1, true), args)
    end
    local _, out = jobs "list"
    assert.truthy(out:find([[a\x1b[31m\x07\x9b\x7f\x00b\u{9b}\u{202e}c\xff\nd]], 1, true))
    _, out = jobs "list --json"
    assert.equal("a\27[31m\7\u{FFFD}\127\0b\194\155\226\128\174c\u{FFFD}\nd", cjson.decode(out)[1].event)
  end)

  it("reads while a writer is inside a transaction, and sees what was committed", function()
    fill { { id = "1" } }
    assert(db:execute("BEGIN IMMEDIATE"))
    insert(db, { id = "2" })
    assert.equal("1", list_ids "")
    assert(db:execute("COMMIT"))
    assert.equal("2 1", list_ids "")
  end)

  it("reads while a host is running", function()
    local h = host.start { folder = folder }
    assert.equal(400, h:notify(host.event("A.B"), { id = "live-1" }).status)
    assert.equal("live-1", list_ids "--state failed")
    local out = select(2, jobs "show live-1")
    assert.truthy(out:find("no_handler", 1, true))
  end)
end)

-- ---- stats ----

describe("hookward jobs stats", function()
  local MINUTE = 60000 -- milliseconds
  local MS = math.floor(CLOCK * 1000 + 0.5)

  local function fill_some()
    fill {
      { id = "1", event = "Badge.Created", state = "succeeded" },
      { id = "2", event = "Badge.Created", state = "succeeded" },
      { id = "3", event = "Badge.Created", state = "failed", at = CLOCK + 5, next_run = MS + 9 * MINUTE },
      { id = "4", event = "Badge.Created", state = "dead", at = CLOCK + 7 },
      { id = "5", event = "Person.Updated", state = "failed", at = CLOCK - 60 }, -- its sender delivers it again
      { id = "6", event = "Person.Updated", state = "failed", at = CLOCK + 1, next_run = MS + 8 * MINUTE },
      { id = "7", event = "Person.Updated", state = "running", at = CLOCK - 90, next_run = MS + MINUTE },
      { id = "8", event = "Person.Updated", state = "dead", at = CLOCK + 6 },
    }
  end

  local function stats(args)
    local code, out, err = jobs("stats --json " .. (args or ""))
    assert.equal(0, code, err)
    return cjson.decode(out)
  end

  it("counts by event and state, and says what waits and what is dead", function()
    fill_some()
    local code, out, err = jobs "stats"
    assert.equal(0, code, err)
    assert.equal(("EVENT           SUCCEEDED  FAILED  DEAD  RUNNING\n"
      .. "Badge.Created           2       1     1        -\n"
      .. "Person.Updated          -       2     1        1\n"
      .. "all                     2       3     2        1\n\n"
      .. "waiting     2 for a run by the host; the oldest was received 2024-05-10T11:09:22Z (N ago)\n"
      .. "next due    2024-05-10T11:17:21Z (N ago)\n"
      .. "dead        2; the oldest was received 2024-05-10T11:09:27Z (N ago)\n"),
      (out:gsub("%d+d ago", "N ago")))
  end)

  it("writes an object with exactly the members that are documented", function()
    fill_some()
    assert.same({ total = 8,
      states = { succeeded = 2, failed = 3, unhandled = 0, dead = 2, queued = 0, running = 1 },
      events = {
        { event = "Badge.Created", succeeded = 2, failed = 1, unhandled = 0, dead = 1, queued = 0, running = 0 },
        { event = "Person.Updated", succeeded = 0, failed = 2, unhandled = 0, dead = 1, queued = 0, running = 1 },
      },
      waiting = 2, oldest_waiting = "2024-05-10T11:09:22.248Z", next_due = "2024-05-10T11:17:21.248Z",
      dead = 2, oldest_dead = "2024-05-10T11:09:27.248Z" }, stats())
  end)

  it("takes an event by its name and by the patterns of hook.on", function()
    fill_some()
    for pattern, total in pairs { ["Badge.Created"] = 4, ["Badge.*"] = 4, ["*.Updated"] = 4, ["*"] = 8, No = 0 } do
      assert.equal(total, stats(("--event '%s'"):format(pattern)).total, pattern)
    end
    local badges = stats "--event 'Badge.*'"
    assert.equal("2024-05-10T11:18:21.248Z", badges.next_due)
    assert.equal(1, #badges.events)
  end)

  it("says what is ahead", function()
    local now = os.time()
    fill { { id = "1", at = now, next_run = (now + 600) * 1000 } }
    local _, out = jobs "stats"
    assert.matches("\nnext due    %S+Z %(in 9m%)\n", out)
    assert.is_nil(out:find("\nall", 1, true)) -- there is only one event
    assert.is_nil(out:find("dead", 1, true))
  end)

  it("is content with an empty ledger, and when nothing matches", function()
    for _, args in ipairs { "stats", "stats --event No" } do
      local code, out, err = jobs(args)
      assert.same({ 0, "", "no notification matches\n" }, { code, out, err })
    end
    local empty_stats = stats()
    assert.equal(0, empty_stats.total)
    assert.same({}, empty_stats.events)
    assert.equal(cjson.null, empty_stats.oldest_waiting)
    assert.equal(cjson.null, empty_stats.next_due)
    assert.equal(cjson.null, empty_stats.oldest_dead)
  end)

  it("fits a terminal, and lets no escape sequence of a stranger's through", function()
    fill_some()
    fill { { id = "x", event = ESC .. "[31m" .. ("long"):rep(40), state = "dead", body = "{}" } }
    local code, out = on_terminal(60, "stats", "", "NO_COLOR=1")
    assert.equal(0, code)
    assert.is_nil(out:find(ESC, 1, true))
    assert.truthy(out:find("\\x1b[31m", 1, true), out)
    for line in out:match("^(.-)\n\n"):gmatch("[^\n]+") do assert.is_true(utf8.len(line) <= 60, line) end
    out = select(2, on_terminal(80, "stats", ""))
    assert.truthy(out:find(ESC .. "[31m", 1, true))
  end)

  it("reads beside a running host, and beside a writer", function()
    local refuses = 'require "hookward".on("*", function() return nil, "not yet" end)'
    local running = host.start { folder = folder, handlers = { ["a.lua"] = refuses } }
    running:notify(host.event "Bad.A", { attempt = 5 })
    local seen = stats()
    assert.same({ 1, 1, 1 }, { seen.total, seen.waiting, seen.states.failed })
    assert.is_true(running:alive())
    assert.equal(0, running:stop())
    assert(db:execute("BEGIN IMMEDIATE"))
    insert(db, { id = "2" })
    assert.equal(1, stats().total)
    assert(db:execute("COMMIT"))
    assert.equal(2, stats().total)
  end)
end)

-- ---- show ----

describe("hookward jobs show", function()
  it("shows every field, the traceback and the body", function()
    fill { { id = "1", digest = ("ab"):rep(32), event = "Badge.Created", state = "dead", attempt = 5, deliveries = 6,
      runs = 7, next_run = math.floor(CLOCK * 1000) + 60000, error = "handler_error", reason = "because\nof that",
      detail = "a.lua:3: boom\nstack traceback:\n\ta.lua:3: in f", key = "accredit.pem", place = "handlers/a.lua:2",
      body = '{"a":1}' } }
    local code, out, err = jobs "show 1"
    assert.equal(0, code)
    assert.equal("", err)
    assert.equal((([[
id          1
digest      %s
event       Badge.Created
state       dead
attempt     5
deliveries  6
runs        7
received    2024-05-10T11:09:21.248Z
settled     2024-05-10T11:09:21.268Z
next run    2024-05-10T11:10:21.248Z
key         accredit.pem
handler     handlers/a.lua:2
error       handler_error
reason      because
            of that
detail
  a.lua:3: boom
  stack traceback:
  @a.lua:3: in f
body        7 bytes
  {
    "a": 1
  }
]]):format(("ab"):rep(32)):gsub("@", "\t")), out)
  end)

  it("indents JSON without changing a digit, an escape or the order", function()
    fill { { id = "1", body = '\239\187\191 {"z":[ ],"e":{ } , "n":12345678901234567890.100,"x":-1.5E+300,'
      .. '"i":9007199254740993,'
      .. '"a":[true,null,"q\\",]{\\\\",{"k":"{[,:]}"}],"dup":1,"dup":2,"u":"\\u001b\194\155é"}' } }
    local _, out = jobs "show 1"
    assert.truthy(out:find([[

  {
    "z": [],
    "e": {},
    "n": 12345678901234567890.100,
    "x": -1.5E+300,
    "i": 9007199254740993,
    "a": [
      true,
      null,
      "q\",]{\\",
      {
        "k": "{[,:]}"
      }
    ],
    "dup": 1,
    "dup": 2,
    "u": "\u001b\u009bé"
  }
]], 1, true), out)
  end)

  it("shows a body that is not JSON as text, with its control characters escaped", function()
    fill { { id = "1", body = "{\"a\":\27[2J\r\nb\tc\0\255" } }
    local _, out = jobs "show 1"
    assert.truthy(out:find('16 bytes, not JSON\n  {"a":\\x1b[2J\n  b\tc\\x00\\xff\n', 1, true), out)
  end)

  it("shows a large body", function()
    local items = {}
    for i = 1, 100000 do items[i] = ('{"n":%d.50}'):format(i) end
    local body = "[" .. table.concat(items, ",") .. "]"
    fill { { id = "1", body = body } }
    local code, out = jobs "show 1"
    assert.equal(0, code)
    assert.truthy(out:find('"n": 100000.50\n', 1, true))
    out = select(2, jobs "show 1 --json")
    assert.equal(body, cjson.decode(out)[1].body)
  end)

  it("shows all notifications with an id, the newest first; --digest selects one", function()
    fill { { id = "1", digest = ("ab"):rep(32) }, { id = "1", digest = ("ac"):rep(32) }, { id = "2" } }
    local _, out = jobs "show 1"
    assert.truthy(out:find("^2 notifications have this id, each with another body; the newest first:\n"))
    assert.is_true(out:find("acac", 1, true) < out:find("abab", 1, true))
    _, out = jobs "show 1 --digest ABA"
    assert.falsy(out:find("acac", 1, true))
    assert.truthy(out:find("^id"))
    local _, all = jobs "show 1 --json"
    assert.equal(2, #cjson.decode(all))
  end)

  it("writes objects with exactly the members that are documented", function()
    fill { { id = "1", state = "succeeded" }, { id = "2", body = "\255" } }
    local _, out = jobs "show 1 --json"
    local names = {}
    for name in out:gmatch('"([%a_]+)":') do names[#names + 1] = name end
    assert.equal("id digest event state attempt deliveries runs received_at settled_at error next_run_at parked "
      .. "retries reason detail key place version headers body history", table.concat(names, " "))
    assert.equal(cjson.null, cjson.decode(out)[1].body)
    assert.truthy(out:find('"headers":null', 1, true))
    assert.truthy(out:find('"history":[]', 1, true))
    _, out = jobs "show 2 --json"
    assert.equal("ff", cjson.decode(out)[1].body_hex)
    assert.is_nil(cjson.decode(out)[1].body)
  end)

  -- A run of the first notification.
  local function add_run(seconds, columns)
    assert(db:execute(("INSERT INTO runs (seq, began_at, attempt, retry, waited_ms, ms, error, reason, version)"
      .. " VALUES (1, %d, %s)"):format(math.floor((CLOCK + seconds) * 1000), columns)))
  end

  it("shows the history of what did not succeed at its first run", function()
    fill { { id = "1", body = "{}", runs = 3 }, { id = "2" } }
    add_run(0, "0, 0, 0, 20, 'handler_refused', 'the database\nis down', 'abc'")
    add_run(60, "5, 0, 0, 0, 'host_lost', NULL, NULL")
    add_run(4000, "5, 1, 1500, 2340, NULL, NULL, 'abd'")
    local _, out = jobs "show 1"
    assert.truthy(out:find([[
history
  BEGAN                     ATTEMPT  RETRY  WAITED   TOOK  VERSION  OUTCOME
  2024-05-10T11:09:21.248Z        0      -    0 ms  20 ms  abc      handler_refused: the database\nis down
  2024-05-10T11:10:21.248Z        5      -       -      -  -        host_lost
  2024-05-10T12:16:01.248Z        5      1   1.5 s  2.3 s  abd      succeeded
body        2 bytes
]], 1, true), out)
    assert.falsy(select(2, jobs "show 2"):find("history", 1, true))
    local history = cjson.decode((select(2, jobs "show 1 --json")))[1].history
    assert.same({ began_at = "2024-05-10T11:09:21.248Z", attempt = 0, retry = 0, waited_ms = 0, ms = 20,
      error = "handler_refused", reason = "the database\nis down", version = "abc" }, history[1])
    assert.same({ 3, cjson.null, 1 }, { #history, history[3].error, history[3].retry })
  end)

  it("cuts the outcomes of the history on a narrow terminal", function()
    fill { { id = "1" } }
    add_run(0, "0, 0, 0, 20, 'handler_refused', 'the database is down', 'abc'")
    local _, screen = on_terminal(60, "show 1")
    assert.truthy(screen:find("TOOK  ", 1, true), screen)
    for shown in screen:match("history.*"):gmatch("[^\n]+") do
      assert.is_true(utf8.len(shown) <= 60, shown)
    end
  end)

  it("shows the headers that were kept with the body", function()
    fill { { id = "1", body = "{}" } }
    assert(db:execute("UPDATE notifications SET headers = '{\"host\":\"a\",\"x-one\":\"1, 2\"}'"))
    local _, out = jobs "show 1"
    assert.truthy(out:find('headers\n  {\n    "host": "a",\n    "x-one": "1, 2"\n  }\nbody ', 1, true), out)
    assert.same({ host = "a", ["x-one"] = "1, 2" }, cjson.decode((select(2, jobs "show 1 --json")))[1].headers)
  end)

  it("says why a body was not kept", function()
    fill { { id = "1", state = "succeeded" }, { id = "2", state = "failed" } }
    local _, out = jobs "show 1"
    assert.truthy(out:find("without keep_bodies = true, only bodies of failures are kept", 1, true))
    configure "keep_bodies = true"
    _, out = jobs "show 1"
    assert.truthy(out:find("keep_bodies was off when it came", 1, true))
    _, out = jobs "show 2"
    assert.truthy(out:find("body        was not kept\n", 1, true))
  end)

  it("fails when there is no such notification", function()
    fill { { id = "1", digest = ("ab"):rep(32) } }
    local code, out, err = jobs "show 2"
    assert.equal(1, code)
    assert.equal("", out)
    assert.equal("no notification 2 is in the ledger\n", err)
    code, out, err = jobs "show 1 --digest ff"
    assert.equal(1, code)
    assert.equal("", out)
    assert.equal("no notification 1 with a digest ff… is in the ledger\n", err)
  end)
end)

-- ---- purge ----

describe("hookward jobs purge", function()
  local function fill_some()
    fill { { id = "1", state = "succeeded" }, { id = "2", state = "failed" },
      { id = "3", state = "dead", at = CLOCK + 60 },      { id = "4", state = "queued" } }
  end

  it("removes the notifications that match, and says how many", function()
    fill_some()
    for seq = 1, 4 do
      assert(db:execute(("INSERT INTO runs (seq, began_at, attempt, retry, waited_ms, ms) VALUES (%d, 0, 0, 0, 0, 0)")
        :format(seq)))
    end
    local code, out = jobs "purge --state failed --state dead --yes"
    assert.equal(0, code)
    assert.equal("2 notifications removed\n", out)
    assert.equal("4 1", list_ids "")
    local cursor = assert(db:execute("SELECT group_concat(seq) FROM runs"))
    assert.equal("1,4", cursor:fetch())
    cursor:close()
  end)

  it("accepts every filter that list accepts", function()
    fill_some()
    jobs "purge --id 1 --event 'A.*' --since 2024-05-10T11:09Z --until 2024-05-10T11:10Z --yes"
    assert.equal("4 3 2", list_ids "")
  end)

  it("lets a lane go on once its head is removed, and not before", function()
    fill { { id = "1", state = "queued" }, { id = "2", state = "failed", next_run = 1 },
      { id = "3", state = "queued" } }
    local connection = connect()
    local function is_due(id)
      local cursor = connection:execute("SELECT next_run_at IS NOT NULL FROM notifications WHERE job_id = " .. id)
      local value = cursor:fetch()
      cursor:close()
      return value == 1
    end
    assert(connection:execute "UPDATE notifications SET lane = 'a'")
    jobs "purge --id 3 --state queued -y"
    assert.is_false(is_due "1")
    jobs "purge --id 2 --state failed -y"
    assert.is_true(is_due "1")
  end)

  it("keeps queued notifications unless --state queued asks for them", function()
    fill_some()
    jobs "purge --all -y"
    assert.equal("4", list_ids "")
    jobs "purge --state queued -y"
    assert.equal("", list_ids "")
  end)

  it("removes nothing in a dry run", function()
    fill_some()
    local code, out = jobs "purge --all --dry-run"
    assert.equal(0, code)
    assert.equal("3 notifications (1 succeeded, 1 failed, 1 dead) would be removed\n", out)
    assert.equal(4, count_rows())
  end)

  it("asks on a terminal, and takes only a yes for consent", function()
    fill_some()
    for _, answer in ipairs { "n\n", "\n", "yup\n" } do
      local code, out = on_terminal(80, "purge --state dead", answer)
      assert.equal(1, code)
      assert.truthy(out:find("Remove 1 notification (1 dead)? [y/N] ", 1, true), out)
      assert.truthy(out:find("nothing was done", 1, true))
      assert.equal(4, count_rows())
    end
    local code, out = on_terminal(80, "purge --state dead", "y\n")
    assert.equal(0, code)
    assert.truthy(out:find("1 notification removed", 1, true))
    assert.equal(3, count_rows())
  end)

  it("refuses without a terminal to ask on", function()
    fill_some()
    local code, out, err = jobs "purge --state dead"
    assert.equal(2, code)
    assert.equal("", out)
    assert.truthy(err:find("^hookward jobs purge: Remove 1 notification %(1 dead%)%? "
      .. "There is no terminal to ask on: add %-%-yes"))
    assert.equal(4, count_rows())
  end)

  it("requires a filter or --all", function()
    local code, _, err = jobs "purge --yes"
    assert.equal(2, code)
    assert.truthy(err:find("which ones? Add a filter such as --until 30d, or --all", 1, true))
  end)

  it("does not ask when the ledger is empty", function()
    local code, out = jobs "purge --all"
    assert.equal(0, code)
    assert.equal("nothing to remove: no notification matches\n", out)
  end)

  it("removes in small steps, so that another process can write in between", function()
    local rows = {}
    for i = 1, 5000 do rows[i] = { id = tostring(i), state = "succeeded", body = ("x"):rep(2000) } end
    fill(rows)
    assert(db:execute("UPDATE notifications SET state = 2 WHERE seq % 1000 = 0"))
    local purge = io.popen(command_line("purge --state succeeded --yes") .. " 2>&1")
    local between, written = 0, 0
    repeat
      insert(db, { id = "beside", state = "dead" })
      written = written + 1
      local left = count_rows "state = 1"
      if left > 0 and left < 4995 then between = between + 1 end
      socket.sleep(0.002)
    until left == 0
    assert.equal("4995 notifications removed\n", purge:read("a"))
    assert.is_true((purge:close()))
    assert.equal(5, count_rows "state = 2")
    assert.equal(written, count_rows "state = 4")
    assert.is_true(between >= 3, between .. " writes between two steps")
  end)

  it("ends a step early when its rows take long, and skips none", function()
    local rows = {}
    for i = 1, 60 do rows[i] = { id = tostring(i) } end
    fill(rows)
    assert(db:execute("CREATE TRIGGER slow BEFORE DELETE ON notifications BEGIN SELECT (WITH RECURSIVE c(i) AS"
      .. " (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 30000) SELECT count(*) FROM c); END"))
    local code, out = on_terminal(80, "purge --all --yes")
    assert.equal(0, code)
    assert.is_true(select(2, out:gsub("%d+ of 60 removed", "")) > 1, out)
    assert.truthy(out:find("60 notifications removed\n", 1, true))
    assert.equal(0, count_rows())
  end)

  it("waits while another process is writing", function()
    fill_some()
    assert(db:execute("BEGIN IMMEDIATE"))
    local purge = io.popen(command_line("purge --state dead --yes") .. " 2>&1")
    socket.sleep(2.3) -- longer than one busy time-out
    assert(db:execute("COMMIT"))
    assert.equal("1 notification removed\n", purge:read("a"))
    assert.is_true((purge:close()))
  end)

  it("shows its progress on a terminal", function()
    local rows = {}
    for i = 1, 700 do rows[i] = { id = tostring(i) } end
    fill(rows)
    local _, out = on_terminal(80, "purge --all --yes")
    assert.truthy(out:find("\r%d+ of 700 removed")) -- how many at a time depends on the disk
    assert.truthy(out:find("700 notifications removed\n", 1, true))
  end)

  it("works while a host is running", function()
    local h = host.start { folder = folder }
    h:notify(host.event("A.B"), { id = "1" })
    h:notify(host.event("A.C"), { id = "2" })
    jobs "purge --id 1 --yes"
    h:notify(host.event("A.D"), { id = "3" })
    assert.equal("3 2", list_ids "")
  end)
end)

-- ---- replay ----

local HANDLERS = [[
  local hook = require "hookward"
  hook.on("Good.*", function() end)
  hook.on("Bad.*", function() return nil, "not \27[31myet" end)
  hook.on("Boom.*", function() error("boom") end)
]]

describe("hookward jobs replay", function()
  local function body(event) return host.event(event) end

  local function fill_failed()
    host.write(folder .. "/handlers/a.lua", HANDLERS)
    local rows = {
      { id = "good", event = "Good.A", error = "handler_refused", body = body "Good.A" },
      { id = "bad", event = "Bad.A", state = "dead", error = "handler_refused", body = body "Bad.A" },
      { id = "boom", event = "Boom.A", error = "handler_error", body = body "Boom.A" },
      { id = "bodyless", event = "Good.B", error = "handler_error" },
      { id = "done", event = "Good.C", state = "succeeded", body = body "Good.C" },
      { id = "forgotten", event = "Good.D", state = "succeeded" },
    }
    for _, row in ipairs(rows) do row.at = os.time() end -- a host removes old rows
    fill(rows)
  end

  -- The same tests for both that can run the rows.
  for _, who in ipairs { "a running host", "this process" } do
    describe("by " .. who, function()
      local function start()
        if who == "a running host" then return host.start { folder = folder } end
      end

      it("runs ids without asking, and shows the outcome of each", function()
        fill_failed()
        start()
        local code, out = jobs "replay good bad"
        assert.equal(1, code)
        assert.equal("good  processed\nbad   failed: handler_refused: not \\x1b[31myet\n1 processed, 1 failed\n", out)
        assert.equal("done forgotten good", (list_ids "--state succeeded"):gsub("(%S+) (%S+) (%S+)", "%2 %1 %3"))
        local shown = cjson.decode((select(2, jobs "show good --json")))[1]
        assert.equal(2, shown.runs)
        assert.equal(cjson.null, shown.error)
      end)

      it("runs at most so many a second with --rate", function()
        fill_failed()
        start()
        local begun = socket.gettime()
        local code, out = jobs "replay good bad boom --rate 4"
        local took = socket.gettime() - begun
        assert.equal(1, code)
        assert.truthy(out:find("1 processed, 2 failed\n", 1, true), out)
        assert.is_true(took >= 0.5, "it took " .. took)
      end)

      it("exits 0 when all succeeded, and prints no totals for a single one", function()
        fill_failed()
        start()
        local code, out = jobs "replay good"
        assert.equal(0, code)
        assert.equal("good  processed\n", out)
      end)

      it("shows an error in one line; the traceback is in the ledger", function()
        fill_failed()
        start()
        local code, out = jobs "replay boom"
        assert.equal(1, code)
        assert.truthy(out:find("^boom  failed: handler_error: [^\n]+\n$"))
        out = select(2, jobs "show boom")
        assert.truthy(out:find("stack traceback:", 1, true))
      end)

      it("runs the failed and dead ones that a filter selects", function()
        fill_failed()
        start()
        local code, out = jobs "replay --event 'Good.*' --yes"
        assert.equal(1, code)
        assert.equal("bodyless  not run: its body was not kept\ngood      processed\n1 processed, 1 not run\n", out)
        code, out = jobs "replay --state dead --yes --json"
        assert.equal(1, code)
        local rows = cjson.decode(out)
        assert.equal(1, #rows)
        assert.same({ id = "bad", digest = rows[1].digest, status = "failed", error = "handler_refused",
          message = "not \27[31myet" }, rows[1])
      end)

      it("runs one that succeeded only with --force, and only if its body was kept", function()
        fill_failed()
        start()
        local code, out = jobs "replay done"
        assert.equal(1, code)
        assert.equal("done  not run: it succeeded; --force runs it again\n", out)
        code, out = jobs "replay forgotten --force"
        assert.equal(1, code)
        assert.equal("forgotten  not run: it succeeded, and its body was not kept (keep_bodies)\n", out)
        code, out = jobs "replay done --force"
        assert.equal(0, code)
        assert.equal("done  processed\n", out)
        assert.equal(2, cjson.decode((select(2, jobs "show done --json")))[1].runs)
      end)
    end)
  end

  it("names ids that do not exist, and runs the others", function()
    fill_failed()
    local code, out = jobs "replay nobody good"
    assert.equal(1, code)
    assert.equal("nobody  not run: no such notification is in the ledger\ngood    processed\n"
      .. "1 processed, 1 not run\n", out)
  end)

  it("does not run one that succeeded when another with the same id did not", function()
    fill_failed()
    fill { { id = "done", event = "Good.E", digest = ("ab"):rep(32), body = body "Good.E" } }
    local code, out = jobs "replay done"
    assert.equal(0, code)
    assert.equal("done  processed\n", out)
  end)

  it("distinguishes notifications with one id, and selects one by its digest", function()
    fill_failed()
    fill { { id = "x", event = "Good.E", digest = ("ab"):rep(32), body = body "Good.E" },
      { id = "x", event = "Bad.E", digest = ("cd"):rep(32), body = body "Bad.E" } }
    local code, out = jobs "replay x --dry-run"
    assert.equal(0, code)
    assert.equal("x abababab  would run: Good.E, failed\nx cdcdcdcd  would run: Bad.E, failed\n2 would run\n", out)
    code, out = jobs "replay x --digest aba"
    assert.equal(0, code)
    assert.equal("x  processed\n", out)
  end)

  it("runs nothing in a dry run", function()
    fill_failed()
    local code, out = jobs "replay --dry-run"
    assert.equal(1, code) -- one of them can't be
    assert.equal("bodyless  not run: its body was not kept\ngood      would run: Good.A, failed\n"
      .. "bad       would run: Bad.A, dead\nboom      would run: Boom.A, failed\n1 not run, 3 would run\n", out)
    assert.equal(0, count_rows "runs > 1")
    out = select(2, jobs "replay --dry-run --event Good.A --json")
    assert.equal("would_run", cjson.decode(out)[1].status)
  end)

  it("handles any number of rows, each once", function()
    local rows = {}
    for i = 1, 1203 do rows[i] = { id = tostring(i), body = "{}" } end
    fill(rows)
    local found = cjson.decode((select(2, jobs "replay --dry-run --json")))
    assert.equal(1203, #found)
    for i, row in ipairs(found) do assert.equal(tostring(i), row.id) end
  end)

  it("asks before it runs what a filter found", function()
    fill_failed()
    local code, out = on_terminal(80, "replay", "n\n")
    assert.equal(1, code)
    assert.truthy(out:find("Run 3 notifications again (2 failed, 1 dead; 1 more can't be)? [y/N]", 1, true), out)
    assert.equal(0, count_rows "runs > 1")
    code, out = on_terminal(80, "replay --event 'Good.*' --state failed", "y\n", "NO_COLOR=1")
    assert.equal(1, code)
    assert.truthy(out:find("good      processed\n", 1, true), out)
    local err
    code, out, err = jobs "replay --state failed"
    assert.equal(2, code)
    assert.equal("", out)
    assert.truthy(err:find("add --yes, or --dry-run", 1, true))
  end)

  it("shows a counter on a terminal", function()
    fill_failed()
    local _, out = on_terminal(80, "replay --yes", "", "NO_COLOR=1")
    assert.truthy(out:find("\r1 of 3: good ...", 1, true))
    assert.truthy(out:find("\r3 of 3: boom ...", 1, true))
  end)

  it("shows on a terminal how long it still takes with --rate", function()
    fill_failed()
    local _, out = on_terminal(80, "replay --yes --rate 10", "", "NO_COLOR=1")
    assert.truthy(out:find("\r1 of 3, 1 s left: good ...", 1, true), out)
    assert.truthy(out:find("\r3 of 3, 1 s left: boom ...", 1, true), out)
  end)

  -- Runs it, and sends a Ctrl-C once a handler has run.
  local function interrupt(args)
    local ran = folder .. "/ran"
    os.remove(ran)
    host.write(folder .. "/handlers/a.lua", ([[
      require "hookward".on("*", function(event)
        io.open(%q, "w"):close()
        if event.Event ~= "Good.A" then return nil, "no" end
      end)]]):format(ran))
    -- A shell lets what it starts in the background ignore SIGINT, but not what it becomes. And a
    -- timeout that is not in the foreground passes a signal on twice.
    local line = ("exec timeout --foreground --preserve-status -s INT 60 %s"):format(
      (command_line(args):gsub("^cd .- && (.-) exec (.*)$", "env %1 %2")))
    local pipe = io.popen(("cd %s && { (until [ -e %s ]; do sleep 0.01; done; sleep 0.2; "
      .. "kill -INT $(cat pid)) & sh -c 'echo $$ >pid; %s' >out 2>err; echo $?; }"):format(
      quote(folder), quote(ran), (line:gsub("'", "'\\''"))))
    local code = tonumber(pipe:read("a"))
    pipe:close()
    return code, host.read(folder .. "/out"), host.read(folder .. "/err")
  end

  it("ends at a Ctrl-C after the one that runs, and says how to go on", function()
    fill_failed()
    local code, out, err = interrupt "replay --yes --state failed --rate 0.01"
    assert.equal("bodyless  not run: its body was not kept\ngood      processed\n1 processed, 1 not run\n", out)
    local since = err:match("^interrupted: 1 of 2 left; to go on: the same command with "
      .. "%-%-since (%d+%-%d+%-%d+T%S+Z)\n$")
    assert.is_truthy(since, err)
    assert.equal(130, code)
    assert.equal(1, count_rows "job_id = 'boom' AND runs = 1")
    code, out = jobs("replay --yes --state failed --rate 100 --since " .. since)
    assert.equal(1, code)
    assert.truthy(out:find("boom      failed: ", 1, true), out)
  end)

  it("names at a Ctrl-C the ids that are left, and lists them as JSON", function()
    fill_failed()
    local code, _, err = interrupt "replay good bad boom --rate 0.01"
    assert.equal("interrupted: 2 of 3 left; to go on: the same command with these ids: bad boom\n", err)
    assert.equal(130, code)
    local out
    code, out = interrupt "replay bad boom --rate 0.01 --json"
    assert.equal(130, code)
    local rows = cjson.decode(out)
    assert.same({ "bad failed", "boom not_run" }, { rows[1].id .. " " .. rows[1].status,
      rows[2].id .. " " .. rows[2].status })
    assert.equal("interrupted", rows[2].message)
  end)

  it("waits after a Ctrl-C for the one that a host runs, and does not at the second one", function()
    fill_failed()
    local gate = host.gate()
    host.write(folder .. "/handlers/a.lua", gate.source .. 'require "hookward".on("*", wait)')
    local running = host.start { folder = folder }
    local function begin(args)
      local count = running:count_log("begun")
      local pipe = io.popen(("sh -c 'echo $$ >%s/pid; %s' >%s/out 2>%s/err; echo $?"):format(folder,
        (command_line(args):gsub("'", "'\\''")), folder, folder))
      running:wait_log_count("begun", count + 1)
      return pipe
    end
    local function interrupt_it() assert(host.sh(("kill -INT $(cat %s/pid)"):format(quote(folder)))) end
    local function ended(pipe)
      local code = tonumber(pipe:read("a"))
      pipe:close()
      return code, host.read(folder .. "/out"), host.read(folder .. "/err")
    end
    local pipe = begin "replay good bad boom"
    interrupt_it()
    socket.sleep(0.2)
    gate:open()
    local code, out, err = ended(pipe)
    assert.equal("good  processed\n", out)
    assert.equal("interrupted: 2 of 3 left; to go on: the same command with these ids: bad boom\n", err)
    assert.equal(130, code)
    pipe = begin "replay bad boom"
    interrupt_it()
    socket.sleep(0.2)
    interrupt_it()
    code, out, err = ended(pipe) -- while the handler waits
    assert.same({ 130, "", "" }, { code, out, err }) -- of a signal
    gate:open()
    host.wait_until(function() return count_rows "job_id = 'bad' AND runs = 2" == 1 end, "bad to run")
    assert.equal(2, running:count_log("begun"))
    assert.equal(1, count_rows "job_id = 'boom' AND runs = 1")
  end)

  it("exits 0 when nothing matches", function()
    local code, out = jobs "replay --yes"
    assert.equal(0, code)
    assert.equal("nothing to run: no notification matches\n", out)
    out = select(2, jobs "replay --yes --json")
    assert.equal("[]\n", out)
  end)

  it("says why it can't run them in this process", function()
    fill { { id = "1", body = body "A.B" } }
    os.remove(folder .. "/handlers/a.lua")
    lfs.rmdir(folder .. "/handlers")
    local code, out = jobs "replay 1"
    assert.equal(1, code)
    assert.truthy(out:find("^1  not run: handlers: no such folder"))
    lfs.mkdir(folder .. "/handlers")
    host.write(folder .. "/handlers/a.lua", "local x = = 1")
    code, out = jobs "replay 1"
    assert.equal(1, code)
    assert.truthy(out:find("^1  not run: .*a.lua:1: "))
  end)

  it("does not run rows of another ledger in the host", function()
    fill_failed()
    assert(db:execute("PRAGMA wal_checkpoint(TRUNCATE)")):close()
    host.write(folder .. "/other.db", host.read(folder .. "/hookward.db"))
    host.start { folder = folder }
    local code, _, err = jobs "replay good --ledger other.db"
    assert.equal(1, code)
    assert.equal("a host is running with another ledger than other.db; leave --ledger out, or stop the host\n", err)
    code = jobs "replay good --ledger ./hookward.db"
    assert.equal(0, code)
  end)

  describe("through a host", function()
    -- A stand-in for the control socket: each function in `answers` gets (row, force) of a request.
    local function stand_in(args, answers)
      -- Started before the socket exists: otherwise the command would inherit it and keep it open.
      os.remove(folder .. "/.hookward.sock")
      os.remove(folder .. "/go")
      local pipe = io.popen(("until [ -e %s/go ]; do sleep 0.01; done; %s 2>&1"):format(folder,
        command_line(args)))
      local server = assert(unix.stream())
      assert(server:bind(folder .. "/.hookward.sock"))
      assert(server:listen())
      server:settimeout(20)
      host.write(folder .. "/go", "")
      for i, answer in ipairs(answers) do
        local client = assert(server:accept())
        client:settimeout(20)
        local request = ""
        repeat
          local line = assert(client:receive("*l"))
          request = request .. line .. "\n"
        until line == ""
        assert.truthy(request:find("^POST /replay HTTP/1.1\n"))
        local status, text = answer(request:match("X%-Hookward%-Row: (%d+)"),
          request:match("X%-Hookward%-Force: (%d+)"))
        if i == #answers then server:close() end -- closed before the command can connect again
        if status then
          client:send(("HTTP/1.1 %d X\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s")
            :format(status, #text, text))
        end
        client:close()
      end
      local out = pipe:read("a")
      local _, _, code = pipe:close()
      return code or 0, out
    end

    local function processed() return 200, '{"status":"processed"}' end

    it("asks it row by row, in the order of arrival", function()
      fill_failed()
      local rows = {}
      local function note(row, force)
        rows[#rows + 1] = row .. (force or "")
        return processed()
      end
      local code, out = stand_in("replay boom good bad", { note, note, note })
      assert.equal(0, code)
      assert.equal("good  processed\nbad   processed\nboom  processed\n3 processed\n", out)
      assert.equal("1 2 3", table.concat(rows, " "))
      rows = {}
      stand_in("replay done --force", { note })
      assert.equal("51", table.concat(rows, " "))
    end)

    it("asks again when it is overloaded", function()
      fill_failed()
      local code, out = stand_in("replay good", {
        function() return 400, '{"error":"overloaded","message":"later"}' end, processed })
      assert.equal(0, code)
      assert.equal("good  processed\n", out)
    end)

    it("reports any other answer, or none, as a failure", function()
      fill_failed()
      local code, out = stand_in("replay good bad boom", {
        function() return 500, "<html>" end,
        function() return 404, '{"error":"not_found","message":"no such row"}' end,
        function() return nil end })
      assert.equal(1, code)
      assert.truthy(out:find("good  failed: bad_answer: the host answered 500\n", 1, true), out)
      assert.truthy(out:find("bad   failed: not_found: no such row\n", 1, true))
      assert.truthy(out:find("boom  failed: no_answer: %a"))
      assert.truthy(out:find("3 failed\n", 1, true))
    end)

    it("leaves the rest when it is stopping", function()
      fill_failed()
      local code, out = stand_in("replay good bad boom", {
        processed, function() return 400, '{"error":"draining","message":"the host is stopping"}' end })
      assert.equal(1, code)
      assert.equal("good  processed\nbad   not run: the host is stopping or gone\n"
        .. "boom  not run: the host is stopping or gone\n1 processed, 2 not run\n", out)
    end)

    it("leaves the rest when it is gone, and never runs it in this process", function()
      fill_failed()
      local code, out = stand_in("replay good boom", { processed })
      assert.equal(1, code)
      assert.equal("good  processed\nboom  not run: the host is stopping or gone\n"
        .. "1 processed, 1 not run\n", out)
      code, out = jobs "replay good" -- nobody listens at the socket any more: this process runs it
      assert.equal(0, code)
      assert.equal("good  processed\n", out)
    end)
  end)
end)

-- ---- the ledger it reads; misuse ----

describe("hookward jobs", function()
  local actions = { "list", "show 1", "replay 1", "purge --all --yes" }

  it("says that a ledger in memory leaves nothing on disk to read", function()
    configure 'ledger = "memory:"'
    for _, action in ipairs(actions) do
      local code, out, err = jobs(action)
      assert.equal(1, code)
      assert.equal("", out)
      assert.equal('ledger = "memory:" keeps notifications in memory: nothing is on disk\n', err)
    end
  end)

  it("says where it looked for a ledger that does not exist yet", function()
    configure 'ledger = "state/none.db"'
    for _, action in ipairs(actions) do
      local code, _, err = jobs(action)
      assert.equal(1, code)
      assert.equal(("no ledger yet at %s/state/none.db; `hookward serve` makes it\n"):format(folder), err)
    end
    assert.is_nil(lfs.attributes(folder .. "/state"))
  end)

  it("needs no configuration with --ledger, except for a replay", function()
    fill { { id = "1", body = "{}" } }
    os.remove(folder .. "/hookward.lua")
    local code, _, err = jobs "list"
    assert.equal(1, code)
    assert.truthy(err:find("^hookward.lua: not found"))
    assert.equal(0, (jobs "list --ledger hookward.db"))
    assert.equal(0, (jobs "show 1 --ledger hookward.db"))
    assert.equal(0, (jobs "purge --all --yes --ledger hookward.db"))
    code, _, err = jobs "replay 1 --ledger hookward.db"
    assert.equal(1, code)
    assert.truthy(err:find("^hookward.lua: not found"))
  end)

  it("resolves the configuration's ledger from the configuration's folder", function()
    fill { { id = "1" } }
    lfs.mkdir(folder .. "/conf")
    host.write(folder .. "/conf/h.lua", 'return { ledger = "../hookward.db" }')
    assert.equal("1", list_ids "-c conf/h.lua")
    assert.equal("1", list_ids "--config conf/h.lua --ledger ./hookward.db")
  end)

  it("names a file that is not a ledger", function()
    host.write(folder .. "/text.db", ("no database at all\n"):rep(100))
    local code, _, err = jobs "list --ledger text.db"
    assert.equal(1, code)
    assert.truthy(err:find("^text%.db: file is not a database; [^\n]+\n$"), err)
    assert(db:execute("PRAGMA user_version = 99"))
    code, _, err = jobs "list"
    assert.equal(1, code)
    assert.truthy(err:find("written by a newer hookward", 1, true))
  end)

  it("exits 2 with one line for each misuse", function()
    for args, message in pairs {
      [""] = "hookward jobs: a command is required",
      ["list --state faild"] = "hookward jobs list: there is no state 'faild'; did you mean failed?",
      ["list --event 'A*B'"] = "hookward jobs list: 'A*B' is not an event: ",
      ["list --event ''"] = "hookward jobs list: '' is not an event: ",
      ["list --since 1795898673"] = "hookward jobs list: '1795898673' has no unit: use an age such as "
        .. "1795898673s, 10m, 2h or 30d, a time such as 2024-05-10T11:09Z, or @1795898673 for seconds since 1970",
      ["purge --since 90 --yes"] = "hookward jobs purge: '90' has no unit",
      ["list --since tomorrow"] = "hookward jobs list: 'tomorrow' is neither a time",
      ["list --since 2023-02-29"] = "hookward jobs list: '2023-02-29' is neither a time",
      ["list --since 1900-02-29"] = "hookward jobs list: '1900-02-29' is neither a time",
      ["list --since 2024-05-10T25:00"] = "hookward jobs list: '2024-05-10T25:00' is neither a time",
      ["list --until 2024-05-10T11:09+99:00"] = "hookward jobs list: '2024-05-10T11:09+99:00' is neither a time",
      ["list --since 1h --until 2h"] = "hookward jobs list: --since is later than --until",
      ["list --limit -1"] = "hookward jobs list: ",
      ["list --limit x"] = "hookward jobs list: --limit takes a whole number, 0 for all, not 'x'",
      ["show"] = "hookward jobs show: missing argument 'ID'",
      ["show 1 --digest xyz"] = "hookward jobs show: --digest takes the first hex digits of a digest, not 'xyz'",
      ["replay --rate 0 --yes"] = "hookward jobs replay: --rate takes how many run a second, from 0.01 to 1000, "
        .. "not '0'",
      ["replay --rate fast"] = "hookward jobs replay: --rate takes how many run a second, from 0.01 to 1000, "
        .. "not 'fast'",
      ["replay 1 --here --rate 2"] = "hookward jobs replay: --here runs one notification, named by its id: "
        .. "it can't be combined with --rate",
      ["stats --event 'A*B'"] = "hookward jobs stats: 'A*B' is not an event: ",
      ["stats --state dead"] = "hookward jobs stats: unknown option '--state'",
      ["purge --since 1h --until 2h --yes"] = "hookward jobs purge: --since is later than --until",
      ["replay --since 1h --until 2h --yes"] = "hookward jobs replay: --since is later than --until",
    } do
      local code, out, err = jobs(args)
      assert.equal(2, code, args)
      assert.equal("", out)
      assert.equal(message, err:sub(1, #message))
      assert.truthy(err:find("\nSee `hookward jobs[ %a]* %-%-help`%.\n$"), err)
    end
  end)

  it("has examples in its help", function()
    for _, action in ipairs { "", "list", "stats", "show", "replay", "purge" } do
      local code, out = jobs(action .. " --help")
      assert.equal(0, code)
      assert.truthy(out:find("\nExamples:\n  hookward jobs ", 1, true))
    end
  end)
end)

-- ---- hookward.core.ledger, from Lua ----

describe("hookward.core.ledger", function()
  -- Runs Lua while `hookward check` loads it as a handler.
  local function run(code)
    host.write(folder .. "/handlers/a.lua", ([[
      local ledger = require "hookward.core".ledger
      local path = %q
      local function refused(text, fn, ...)
        local ok, err = pcall(fn, ...)
        assert(not ok and tostring(err):find(text, 1, true), tostring(err))
      end
      %s]]):format(folder .. "/hookward.db", code))
    local _, out = host.sh(("cd %s && %s check"):format(quote(folder), quote(host.binary)))
    assert.truthy(out:find("ok:", 1, true), out)
  end

  it("refuses misuse", function()
    run [[
      local l <close> = assert(ledger.open(path))
      refused("no filter 'stat'", l.list, l, { stat = 1 })
      refused("no filter '1'", l.list, l, { 1 })
      refused("no state 'x'", l.count, l, { states = { "x" } })
      refused("states must be an array of strings", l.list, l, { states = "failed" })
      refused("ids must be an array of strings", l.list, l, { ids = { 7 } })
      refused("event must be a string", l.list, l, { event = 7 })
      refused("a star may stand", l.list, l, { event = "A*" })
      refused("a star may stand", l.list, l, { event = "*.*" })
      refused("since must be a number", l.list, l, { since = "1" })
      refused("until must be a number", l.list, l, { ["until"] = 0/0 })
      refused("limit must be a whole number", l.list, l, { limit = 1.5 })
      refused("number expected", l.show, l, {})
      refused("table expected", l.list, l, 7)
      refused("hookward.ledger expected", l.list, {}, {})
      local other = assert(ledger.open(path))
      other:close()
      other:close()
      refused("the ledger is closed", other.list, other)
      refused("the ledger is closed", other.purge, other)
    ]]
  end)

  it("returns rows and counts, and nil for a row or a file that does not exist", function()
    fill { { id = "a" }, { id = "b", state = "dead", body = "x\0y", at = 0.001 } }
    run [[
      local l <close> = assert(ledger.open(path))
      local rows = l:list()
      assert(#rows == 2 and rows[1].id == "b" and rows[1].has_body and not rows[2].has_body)
      assert(rows[1].received_at == 0.001 and rows[1].error == nil and rows[1].body == nil)
      assert(l:show(rows[1].seq).body == "x\0y" and l:show(rows[2].seq).body == nil)
      assert(l:show(99) == nil)
      local total, by_state = l:count {}
      assert(total == 2 and by_state.failed == 1 and by_state.dead == 1 and by_state.queued == nil)
      assert(#l:list { limit = 0 } == 0 and #l:list { ids = {} } == 0 and #l:list { states = {} } == 0)
      assert(l:list { oldest_first = true, limit = 1 }[1].id == "a")
      assert(#l:list { after = rows[2].seq } == 1 and #l:list { upto = rows[2].seq } == 1)
      assert(#l:list { since = -math.huge, ["until"] = math.huge } == 2)
      assert(ledger.open(path .. "x") == nil)
    ]]
  end)

  it("filters what did not succeed by its index, in whatever mix of states and events", function()
    local rows, states = {}, { "succeeded", "failed", "dead", "unhandled", "queued", "running" }
    for i = 1, 300 do
      rows[i] = { id = tostring(i), state = states[i % 6 + 1], event = ("E%d.X"):format(i % 7),
        at = i / 1000 }
    end
    fill(rows)
    run [[
      local l <close> = assert(ledger.open(path))
      local all = l:list { oldest_first = true }
      assert(#all == 300)
      local function same(filters, keeps)
        for _, seconds in ipairs { false, 60 } do
          filters.seconds = seconds or nil
          for _, oldest_first in ipairs { false, true } do
            filters.oldest_first = oldest_first
            local wanted = {}
            for _, row in ipairs(all) do
              if keeps(row) then table.insert(wanted, oldest_first and #wanted + 1 or 1, row.seq) end
            end
            local rows, stopped = l:list(filters)
            assert(stopped == nil and #rows == #wanted and #rows > 0, #rows .. " " .. #wanted)
            for i, row in ipairs(rows) do
              assert(row.seq == wanted[i] and row.id and row.received_at)
            end
          end
        end
        filters.seconds = nil
        assert(l:count(filters) == #l:list(filters))
      end
      same({ states = { "failed" } }, function(row) return row.state == "failed" end)
      same({ states = { "dead", "running" } }, function(row)
        return row.state == "dead" or row.state == "running" end)
      same({ states = { "failed", "unhandled", "queued" }, event = "E3.*" }, function(row)
        return row.event == "E3.X" and
          (row.state == "failed" or row.state == "unhandled" or row.state == "queued") end)
      same({ states = { "dead" }, event = "E5.X", after = 40, upto = 200 }, function(row)
        return row.event == "E5.X" and row.state == "dead" and row.seq > 40 and row.seq <= 200 end)
      same({ states = { "queued" }, since = 0.1, ["until"] = 0.2 }, function(row)
        return row.state == "queued" and row.received_at >= 0.1 and row.received_at <= 0.2 end)
      same({ states = { "succeeded", "dead" }, event = "*.X" }, function(row)
        return row.state == "succeeded" or row.state == "dead" end)
    ]]
  end)

  it("looks for so many seconds, and says where it stopped", function()
    local rows = {}
    for i = 1, 1000 do rows[i] = { id = tostring(i), event = i % 100 == 1 and "Rare.X" or "A.X", at = i } end
    fill(rows)
    run [[
      local l <close> = assert(ledger.open(path))
      local found, upto, looks = {}, nil, 0
      repeat
        local rows, stopped = l:list { event = "Rare.X", seconds = 0, limit = 4, upto = upto }
        assert(#rows <= 4)
        for _, row in ipairs(rows) do found[#found + 1] = row.id end
        if stopped then assert(stopped.received_at == tonumber(l:show(stopped.seq).id)) end
        upto = stopped and stopped.seq - 1 or #rows == 4 and rows[4].seq - 1 or nil
        looks = looks + 1
      until not upto
      assert(table.concat(found, " ") == "901 801 701 601 501 401 301 201 101 1", table.concat(found, " "))
      assert(looks > 10 and looks < 40, looks) -- some rows at a time, however short the time is
      local rows, stopped = l:list { event = "A.X", seconds = 0, limit = 65 }
      assert(#rows == 64 and stopped.seq == rows[64].seq, #rows)
      rows, stopped = l:list { event = "A.X", seconds = 0, limit = 64 }
      assert(#rows == 64 and not stopped) -- the page is full
      rows, stopped = l:list { seconds = 0, oldest_first = true }
      assert(#rows == 64 and rows[1].id == "1" and stopped.seq == rows[64].seq)
      rows, stopped = l:list { ids = { "7" }, seconds = 0 }
      assert(#rows == 1 and not stopped)
      refused("seconds must be a number", l.list, l, { seconds = "1" })
      refused("seconds must be a number", l.list, l, { seconds = -1 })
      refused("seconds must be a number", l.list, l, { seconds = 0/0 })
    ]]
  end)

  it("purges only with a handle that may write, and survives whatever its callback does", function()
    local rows = {}
    for i = 1, 1100 do rows[i] = { id = tostring(i) } end
    fill(rows)
    run [[
      local reader <close> = assert(ledger.open(path))
      local count, why, before = reader:purge {}
      assert(count == nil and why:find("hookward.db: ", 1, true) and before == 0, why)
      local l <close> = assert(ledger.open(path, true))
      local steps = {}
      refused("stop", l.purge, l, {}, function(n) steps[#steps + 1] = n; error("stop") end)
      assert(#steps == 1 and steps[1] > 0 and steps[1] <= 500)
      assert(l:count() == 1100 - steps[1])
      refused("closed", l.purge, l, {}, function() l:close() end)
      local again <close> = assert(ledger.open(path, true))
      local left = again:count()
      local filters = { ids = { "1100" } }
      assert(again:purge(filters, function() filters.ids = nil; collectgarbage() end) == 1)
      assert(again:purge({}, function() assert(again:list { limit = 1 }) end) == left - 1)
    ]]
  end)
end)
