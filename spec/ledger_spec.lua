-- The durable ledger: an answered notification is on disk, and one on disk is not run again.

local H = require "spec.support.host"
local load = require "spec.support.load"
local lfs = require "lfs"

local BODY = H.event("Ledger.Tested")

-- Runs are lines of a file; a job waits for the file `go` when `slow` exists.
local HANDLER = [[
local hook = require "hookward"
hook.on("Ledger.Tested", function(event, job)
  local file = io.open("runs", "a")
  file:write(job.id, " ", tostring(job.redelivered), "\n")
  file:close()
  while io.open("slow") and not io.open("go") do os.execute("sleep 0.01") end
  if io.open("fail") then error("told to fail") end
end)
]]

local function start(options)
  options = options or {}
  options.handlers = options.handlers or { ["a.lua"] = HANDLER }
  options.ledger = options.ledger or "hookward.db"
  return H.start(options)
end

local function runs(host)
  local _, count = H.read(host.folder .. "/runs"):gsub("\n", "")
  return count
end

local function touch(host, name) H.write(host.folder .. "/" .. name, "") end
local function remove(host, name) os.remove(host.folder .. "/" .. name) end

local function jobs(host, arguments)
  return H.sh(("cd %s && %s jobs %s"):format(H.quote(host.folder), H.quote(H.binary), arguments))
end

local function copies(host, count, options)
  local clients = {}
  for i = 1, count do
    clients[i] = host:connect()
    clients[i]:send(H.request(BODY, options))
  end
  return clients
end

-- Takes SQLite's write lock on the host's ledger; returns a function that releases it.
local function lock(host)
  local script = ([[
    local db = require("luasql.sqlite3").sqlite3():connect(%q)
    db:setautocommit(false)
    assert(db:execute("UPDATE notifications SET attempt = attempt"))
    io.open(%q, "w"):close()
    while not io.open(%q) and io.open(%q) do os.execute("sleep 0.01") end
    db:rollback()
    db:close()
  ]]):format(host.folder .. "/hookward.db", host.folder .. "/locked", host.folder .. "/unlock",
    host.folder .. "/locked") -- a spec that fails removes the folder
  H.write(host.folder .. "/lock.lua", script)
  local pipe = io.popen("lua5.4 " .. H.quote(host.folder .. "/lock.lua") .. " 2>&1")
  H.wait_until(function() return lfs.attributes(host.folder .. "/locked") end, "the lock")
  return function()
    touch(host, "unlock")
    local out = pipe:read("a")
    pipe:close()
    assert.equal("", out)
    remove(host, "unlock")
    remove(host, "locked")
  end
end

describe("the durable ledger", function()
  after_each(H.stop_all)

  it("answers a repeat after a restart without running the handler", function()
    local host = start()
    assert.equal(200, host:notify(BODY, { id = "1" }).status)
    assert.equal(0, host:stop())
    host = H.start { folder = host.folder }
    assert.equal(200, host:notify(BODY, { id = "1", attempt = 1 }).status)
    assert.equal(1, runs(host))
    host:wait_log("duplicate event=%S+ job=1")
  end)

  it("runs a failed notification again, and logs it as redelivered", function()
    local host = start()
    touch(host, "fail")
    assert.equal("handler_error", host:notify(BODY, { id = "1" }).error)
    assert.equal(0, host:stop())
    host = H.start { folder = host.folder }
    remove(host, "fail")
    assert.equal(200, host:notify(BODY, { id = "1" }).status)
    assert.equal("1 false\n1 true\n", H.read(host.folder .. "/runs"))
  end)

  it("runs another body under a known id, with a warning", function()
    local host = start()
    assert.equal(200, host:notify(BODY, { id = "1" }).status)
    assert.equal(200, host:notify(H.event("Ledger.Tested", '"n":2'), { id = "1" }).status)
    assert.equal(2, runs(host))
    host:wait_log("this job id was seen before with another body")
  end)

  it("recognises a body under any id by-body, also one that was recorded by-job", function()
    local host = start()
    assert.equal(200, host:notify(BODY, { id = "1" }).status)
    host:stop()
    local path = host.folder .. "/hookward.lua"
    H.write(path, (H.read(path):gsub("return {", 'return { duplicates = "by-body",')))
    host = H.start { folder = host.folder }
    assert.equal(200, host:notify(BODY, { id = "2" }).status)
    assert.equal(200, host:notify(BODY, { id = false }).status)
    assert.equal(1, runs(host))
  end)

  it("runs one of fifty concurrent copies and answers all of them 200", function()
    local host = start()
    touch(host, "slow")
    local clients = copies(host, 50, { id = "1" })
    H.wait_until(function() return runs(host) > 0 end, "the handler to begin")
    touch(host, "go")
    for _, client in ipairs(clients) do assert.equal(200, client:receive().status) end
    assert.equal(1, runs(host))
  end)

  it("gives a copy that comes between the handler's end and the commit the same answer", function()
    local host = start()
    assert.equal(200, host:notify(BODY, { id = "0" }).status)
    local unlock = lock(host)
    local first = copies(host, 1, { id = "1" })[1]
    H.wait_until(function() return runs(host) == 2 end, "the handler to end")
    local later = copies(host, 10, { id = "1" })
    unlock()
    assert.equal(200, first:receive().status)
    for _, client in ipairs(later) do assert.equal(200, client:receive().status) end
    assert.equal(2, runs(host))
  end)

  -- Asserts that a host that can't record runs the handler at most once, whatever is delivered.
  local function refuses_before_the_handler(host, refused_for)
    for attempt = 0, 5 do
      local answer = host:notify(BODY, { id = "1", attempt = attempt })
      assert.equal(400, answer.status)
      assert.equal("ledger_unavailable", answer.error)
    end
    if refused_for then host:wait_log(refused_for) end
    local before = runs(host)
    assert.is_true(before <= 2, "the handler ran " .. before .. " times")
    local clients = {}
    for i = 1, 20 do
      clients[i] = host:connect()
      clients[i]:send(H.request(BODY, { id = "other" .. i }))
    end
    for _, client in ipairs(clients) do
      assert.equal("ledger_unavailable", client:receive().error)
    end
    assert.equal(200, host:notify(BODY, { id = "0", attempt = 1 }).status)
    assert.equal(before, runs(host))
  end

  local function goes_on(host)
    local before = runs(host)
    assert.equal(200, host:notify(BODY, { id = "1", attempt = 5 }).status)
    host:wait_log("can be written again")
    for i = 1, 20 do assert.equal(200, host:notify(BODY, { id = "other" .. i }).status) end
    assert.equal(before + 21, runs(host))
    for i = 1, 20 do assert.equal(200, host:notify(BODY, { id = "other" .. i }).status) end
    assert.equal(before + 21, runs(host))
    assert.match('"deliveries":2.-"runs":1', jobs(host, "list --json --id other1"))
  end

  it("runs nothing while another program has the file locked, and recovers by itself", function()
    local host = start()
    assert.equal(200, host:notify(BODY, { id = "0" }).status)
    local unlock = lock(host)
    refuses_before_the_handler(host, "database is locked")
    unlock()
    goes_on(host)
  end)

  it("runs nothing while the file is moved away, and goes on when it is back", function()
    local host = start()
    assert.equal(200, host:notify(BODY, { id = "0" }).status)
    assert(os.rename(host.folder .. "/hookward.db", host.folder .. "/elsewhere"))
    refuses_before_the_handler(host, "hookward.db was removed or replaced")
    assert(os.rename(host.folder .. "/elsewhere", host.folder .. "/hookward.db"))
    goes_on(host)
  end)

  it("runs nothing again that it can't write, however often it is delivered", function()
    local host = start()
    assert.equal(200, host:notify(BODY, { id = "0" }).status)
    assert(H.sh(("prlimit --pid %d --fsize=100:"):format(host.pid)))
    refuses_before_the_handler(host) -- its log can't be written either
    assert(H.sh(("prlimit --pid %d --fsize=unlimited:"):format(host.pid)))
    goes_on(host)
  end)

  -- Little space is left: enough for a page, not for a row with a body.
  it("runs nothing when there is space for a page but not for the row", function()
    local host = start()
    local large = H.event("Ledger.Tested", ('"x":"%s"'):format(("x"):rep(500000)))
    touch(host, "fail")
    assert.equal("handler_error", host:notify(BODY, { id = "0" }).error)
    local size = lfs.attributes(host.folder .. "/hookward.db-wal", "size")
    assert(H.sh(("prlimit --pid %d --fsize=%d:"):format(host.pid, size + 100000)))
    for attempt = 0, 5 do
      assert.equal("ledger_unavailable", host:notify(large, { id = "1", attempt = attempt }).error)
    end
    assert.equal(2, runs(host))
  end)

  it("blames the ledger, not the handler, for a commit that outlasts handler_timeout", function()
    local host = start { config = "handler_timeout = 0.3" }
    assert.equal(200, host:notify(BODY, { id = "0" }).status)
    local unlock = lock(host)
    assert.equal("ledger_unavailable", host:notify(BODY, { id = "1" }).error)
    unlock()
    assert.equal(200, host:notify(BODY, { id = "1", attempt = 1 }).status)
    assert.is_nil(host:log():find("stuck", 1, true))
  end)

  -- A limit on the size of files acts as a full disk and needs no privileges.
  it("sends no 200 for what it can't write, and goes on once there is space again", function()
    local host = start()
    assert.equal(200, host:notify(BODY, { id = "0" }).status)
    assert(H.sh(("prlimit --pid %d --fsize=100:"):format(host.pid)))
    for i = 1, 5 do
      assert.equal("ledger_unavailable", host:notify(BODY, { id = "a" .. i }).error)
    end
    assert(H.sh(("prlimit --pid %d --fsize=unlimited:"):format(host.pid)))
    for i = 1, 5 do
      assert.equal(200, host:notify(BODY, { id = "a" .. i, attempt = 1 }).status)
    end
    host:kill()
    host = H.start { folder = host.folder }
    local before = runs(host)
    for i = 1, 5 do
      assert.equal(200, host:notify(BODY, { id = "a" .. i, attempt = 2 }).status)
    end
    assert.equal(before, runs(host))
  end)

  it("sends no 200 for what was not recorded on a full file system", function()
    local mount = H.folder()
    if not H.sh("mount -t tmpfs -o size=1m tmpfs " .. mount) then
      return -- only root may mount; the test above needs no privileges
    end
    finally(function()
      H.stop_all()
      H.sh("umount -l " .. mount)
    end)
    local host = start { ledger = mount .. "/hookward.db" }
    assert.equal(200, host:notify(BODY, { id = "0" }).status)
    H.sh(("dd if=/dev/zero of=%s/filler bs=4k"):format(mount))
    local refused, recorded = {}, {}
    for i = 1, 60 do
      local answer = host:notify(BODY, { id = "n" .. i })
      local list = answer.status == 200 and recorded or refused
      list[#list + 1] = "n" .. i
    end
    assert.is_true(#refused > 0)
    os.remove(mount .. "/filler")
    for _, id in ipairs(refused) do assert.equal(200, host:notify(BODY, { id = id }).status) end
    host:kill()
    host = H.start { folder = host.folder }
    local before = runs(host)
    for _, list in ipairs { recorded, refused } do
      for _, id in ipairs(list) do assert.equal(200, host:notify(BODY, { id = id }).status) end
    end
    assert.equal(before, runs(host))
  end)

  -- A file that is removed while open loses its name: what is written to it then is lost.
  it("sends no 200 for what would be lost with a replaced database", function()
    local host = start()
    assert.equal(200, host:notify(BODY, { id = "0" }).status)
    assert(H.sh("cd " .. H.quote(host.folder) .. " && cp hookward.db copy && mv copy hookward.db"))
    assert.equal("ledger_unavailable", host:notify(BODY, { id = "1" }).error)
    host:wait_log("hookward%.db was removed or replaced in use: put it back, or restart")
    host:kill()
    host = H.start { folder = host.folder }
    assert.equal(200, host:notify(BODY, { id = "1", attempt = 1 }).status)
  end)

  it("opens its log and shared memory anew when they were removed, and loses nothing", function()
    local host = start()
    for i, files in ipairs { "hookward.db-wal", "hookward.db-shm", "hookward.db-wal hookward.db-shm" } do
      assert.equal(200, host:notify(BODY, { id = "a" .. i }).status)
      assert(H.sh(("cd %s && rm %s"):format(H.quote(host.folder), files)))
      assert.equal(200, host:notify(BODY, { id = "b" .. i }).status)
      host:wait_log_count("was removed or replaced in use; opened anew", i)
    end
    assert.match('"id":"b3"', jobs(host, "list --json"))
    host:kill()
    host = H.start { folder = host.folder }
    for i = 1, 3 do
      assert.equal(200, host:notify(BODY, { id = "a" .. i, attempt = 1 }).status)
      assert.equal(200, host:notify(BODY, { id = "b" .. i, attempt = 1 }).status)
    end
    assert.equal(6, runs(host))
  end)

  -- Closing any descriptor of a file releases all locks that the process has on it.
  it("keeps its files although a handler and other programs open and close them", function()
    local host = start { handlers = { ["a.lua"] = HANDLER .. [[
      hook.on("Ledger.Read", function()
        for _, name in ipairs { "hookward.db", "hookward.db-wal", "hookward.db-shm" } do
          for _ in io.lines(name) do break end
        end
      end)
    ]] } }
    for i = 1, 5 do
      assert.equal(200, host:notify(BODY, { id = "a" .. i }).status)
      assert.equal(200, host:notify(H.event("Ledger.Read", '"n":' .. i)).status)
      assert(H.sh(("cd %s && sqlite3 hookward.db 'select 1'"):format(H.quote(host.folder))))
      assert.is_not_nil(lfs.attributes(host.folder .. "/hookward.db-wal"))
    end
    assert(jobs(host, "purge --id a1 --yes"))
    host:kill()
    host = H.start { folder = host.folder }
    for i = 2, 5 do assert.equal(200, host:notify(BODY, { id = "a" .. i }).status) end
    assert.equal(5, runs(host))
  end)

  it("answers 200 for what it could save from a log that was removed in use", function()
    local points = H.folder()
    H.write(points .. "/after-commit", "")
    local host = start { env = "HOOKWARD_STOP_AT=" .. points,
      binary = assert(os.getenv("HOOKWARD_CRASH"), "a binary with points to stop at (see the Makefile)") }
    local client = host:connect()
    client:send(H.request(BODY, { id = "1" }))
    H.wait_until(function() return host:state() == "T" end, "the host to stand still")
    assert(os.remove(host.folder .. "/hookward.db-wal"))
    os.remove(points .. "/after-commit")
    host:signal("CONT")
    assert.equal(200, client:receive().status)
    host:kill()
    host = H.start { folder = host.folder }
    assert.equal(200, host:notify(BODY, { id = "1", attempt = 1 }).status)
    assert.equal(1, runs(host))
  end)

  it("refuses a second host on the same file until the first has ended", function()
    local host = start()
    local other = start { ledger = host.folder .. "/hookward.db", fails = true }
    assert.equal(1, other:wait())
    assert.match("hookward.db: another hookward is serving with this ledger", other:log())
    host:kill()
    other = start { ledger = host.folder .. "/hookward.db" }
    assert.equal(200, other:notify(BODY).status)
  end)

  it("refuses a file that is not a ledger, with one line that names it", function()
    local cases = {
      { "file is not a database", function(path) H.write(path, ("no ledger "):rep(100)) end },
      { "not a hookward ledger", function(path)
        local db = require("luasql.sqlite3").sqlite3():connect(path)
        db:execute("CREATE TABLE t (x)")
        db:close()
      end },
      { "newer hookward", function(path)
        local db = require("luasql.sqlite3").sqlite3():connect(path)
        db:execute("CREATE TABLE t (x)")
        db:execute("PRAGMA application_id = 1752133483")
        db:execute("PRAGMA user_version = 99")
        db:close()
      end },
      { "hookward.db", function(path) lfs.mkdir(path) end },
    }
    for _, case in ipairs(cases) do
      local path = H.folder() .. "/hookward.db"
      case[2](path)
      local host = start { ledger = path, fails = true }
      assert.equal(1, host:wait())
      assert.match(case[1], host:log(), 1, true)
      assert.match("^[^\n]*hookward%.db: [^\n]+\n$", host:log())
    end
  end)

  it("keeps the body and the error of a failed notification", function()
    local host = start()
    touch(host, "fail")
    host:notify(BODY, { id = "1" })
    local shown = assert(jobs(host, "show 1"))
    assert.match("Ledger.Tested", shown, 1, true)
    assert.match("told to fail", shown, 1, true)
    assert.match("stack traceback", shown, 1, true)
  end)

  it("calls a failure of the sender's last attempt dead, without retries of its own", function()
    local host = start { config = "retries = {}" }
    touch(host, "fail")
    host:notify(BODY, { id = "1", attempt = 4 })
    assert.match('"failed"', jobs(host, "list --json"))
    host:notify(BODY, { id = "1", attempt = 5 })
    assert.match('"dead"', jobs(host, "list --json"))
    host:notify(BODY, { id = "1", attempt = 0 }) -- an earlier attempt that comes late
    assert.match('"attempt":5', jobs(host, "list --json --state dead"))
  end)

  it("replays through the running host, and without one", function()
    local host = start()
    touch(host, "fail")
    host:notify(BODY, { id = "1" })
    host:notify(BODY, { id = "2" })
    remove(host, "fail")
    assert(jobs(host, "replay 1"))
    assert.equal(3, runs(host))
    host:wait_log("succeeded .- job=1 .-replay=true")
    host:stop()
    assert(jobs(host, "replay 2"))
    assert.equal(4, runs(host))
    assert.is_nil(jobs(host, "list --json"):find("failed", 1, true))
  end)

  it("never runs a replay and a sender's retry at the same time", function()
    local host = start()
    touch(host, "fail")
    host:notify(BODY, { id = "1" })
    remove(host, "fail")
    touch(host, "slow")
    local retry = copies(host, 1, { id = "1", attempt = 1 })[1]
    H.wait_until(function() return runs(host) == 2 end, "the retry to begin")
    local replay = io.popen(("cd %s && %s jobs replay 1 2>&1"):format(H.quote(host.folder),
      H.quote(H.binary)))
    touch(host, "go")
    assert.equal(200, retry:receive().status)
    replay:read("a")
    replay:close()
    assert.equal(2, runs(host))
  end)

  it("removes rows that are older than retention", function()
    local host = start { config = 'retention = "1s"' }
    for i = 1, 5 do host:notify(BODY, { id = "r" .. i }) end
    assert.match('"r1"', jobs(host, "list --json"))
    H.wait_until(function() return not jobs(host, "list --json"):find('"r', 1, true) end,
      "the rows to go")
    assert.equal(200, host:notify(BODY, { id = "r1" }).status)
  end)

  it("keeps the write-ahead log bounded under load", function()
    local host = start {
      handlers = { ["a.lua"] = [[require("hookward").on("*", function() end)]] },
    }
    local n = 0
    local result = load.run {
      port = host.port, connections = 8,
      next_id = function()
        n = n + 1
        if n <= 6000 then return "w" .. n end
      end,
      request = function(id) return H.request(BODY, { id = id }) end,
    }
    assert.equal(6000, result.count)
    local wal = lfs.attributes(host.folder .. "/hookward.db-wal", "size")
    assert.is_true(wal < 32 * 1024 * 1024, "the WAL has " .. wal .. " bytes")
  end)
end)
