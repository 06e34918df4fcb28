-- What a host must withstand over months: many old rows, finalizers that loop, few descriptors.

local H = require "spec.support.host"
local socket = require "socket"

local HANDLER = [[
  require "hookward".on("*", function(event) return event.Event ~= "A.Failed" end)
]]

describe("robustness", function()
  local host
  after_each(H.stop_all)

  local function start(options)
    options.handlers = options.handlers or { ["a.lua"] = HANDLER }
    host = H.start(options)
  end

  local function open_ledger()
    return (assert(require "luasql.sqlite3".sqlite3():connect(host.folder .. "/hookward.db")))
  end

  -- Adds rows as the host writes them; the times are SQL expressions.
  local function add_rows(count, received, settled)
    local db = open_ledger()
    assert(db:execute(([[
      WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < %d)
      INSERT INTO notifications (job_id, digest, event, state, attempt, deliveries, runs,
        received_at, settled_at, key)
      SELECT hex(randomblob(8)), randomblob(32), 'A.B', 1, 0, 1, 1, %s, %s, 'public.pem' FROM c
    ]]):format(count, received, settled)))
    db:close()
  end

  local function count_rows(where)
    local db = open_ledger()
    local cursor = assert(db:execute("SELECT count(*) FROM notifications WHERE " .. where))
    local count = tonumber((cursor:fetch()))
    cursor:close()
    db:close()
    return count
  end

  -- Makes an empty ledger that no host has open.
  local function prepare(config)
    start { ledger = "hookward.db", config = config }
    assert.equal(0, host:stop())
  end

  describe("retention", function()
    local NOW, LONG_AGO = "unixepoch() * 1000", "unixepoch() * 1000 - 7200000"

    -- Without a recent row at the end the host would assume that the clock has jumped.
    local function add_newest() add_rows(1, NOW, NOW) end

    it("removes old rows that follow many recently settled ones", function()
      prepare "retention = '1h'"
      add_rows(1000, LONG_AGO, NOW)
      add_rows(10, LONG_AGO, LONG_AGO)
      add_newest()
      start { folder = host.folder }
      H.wait_until(function() return count_rows("settled_at < " .. NOW .. " - 3600000") == 0 end,
        "the old rows to be gone")
      assert.equal(1001, count_rows "true")
    end)

    it("does not stop at a row whose time is in the future", function()
      prepare "retention = '1h'"
      add_rows(1, NOW .. " + 864000000", NOW)
      add_rows(10, LONG_AGO, LONG_AGO)
      add_newest()
      start { folder = host.folder }
      H.wait_until(function() return count_rows "true" == 2 end, "the old rows to be gone")
    end)

    it("does not read the rows that it keeps again and again", function()
      prepare "retention = '1h'"
      add_rows(50000, NOW, NOW)
      start { folder = host.folder }
      local function bytes_read()
        return tonumber(H.read(("/proc/%d/io"):format(host.pid)):match("rchar: (%d+)"))
      end
      H.wait_until(function() -- longer than the time between two retention runs
        local before = bytes_read()
        socket.sleep(1.5)
        return bytes_read() - before < 1000000
      end, "the host to stop reading its ledger")
    end)
  end)

  it("refuses a handler file with the name of a module that `require` finds first", function()
    for _, name in ipairs { "os", "table", "hookward", "hookward.core" } do
      start { handlers = { ["a.lua"] = HANDLER, [name .. ".lua"] = HANDLER }, fails = true }
      assert.equal(1, host:wait())
      assert.truthy(host:log():find(("handlers/%s.lua: '%s' is the name of a module")
        :format(name, name), 1, true))
    end
    start { handlers = { ["a.lua"] = "require 'b'", ["b.lua"] = HANDLER, ["lib/os.lua"] = "" } }
    assert.equal(200, host:notify(H.event("A.B")).status)
  end)

  it("logs an error in a finalizer as one line", function()
    start { handlers = { ["a.lua"] = [[
      require "hookward".on("*", function()
        setmetatable({}, { __gc = function() error("boom") end })
        collectgarbage()
        warn("@on")
        warn("one ", "warning")
      end)
    ]] } }
    assert.equal(200, host:notify(H.event("A.B")).status)
    host:wait_log("warn  Lua: error in __gc %(handlers/a%.lua:2: boom%)\n")
    host:wait_log("warn  Lua: one warning\n")
    assert.equal(2, host:count("warn  Lua:"))
  end)

  it("escapes text of a notification that would control a terminal", function()
    start { handlers = { ["a.lua"] = [[
      require "hookward".on("*", function(event) error(event.Event .. "\n" .. event.Event) end)
    ]] } }
    for _, bytes in ipairs { "\xc2\x9b31m", "\x7f" } do -- CSI in one character, DEL
      host:notify(H.event("A" .. bytes))
    end
    host:count("failed")
    assert.is_nil(host:log():find("[\x7f\x9b]"))
  end)

  local function stop_with_finalizer(body)
    start { handlers = { ["a.lua"] = ([[
      require "hookward".on("*", function()
        Kept = setmetatable({}, { __gc = function() %s end })
      end)
    ]]):format(body) } }
    assert.equal(200, host:notify(H.event("A.B")).status)
    return host:stop()
  end

  it("stops a finalizer that loops", function()
    assert.equal(0, stop_with_finalizer "while true do end")
  end)

  it("ends although a finalizer does not return from C", function()
    assert.equal(1, stop_with_finalizer 'string.find(("a"):rep(1e5), (".-"):rep(20) .. "b")')
    assert.truthy(host:log():find("a script that loads or unloads never came back", 1, true))
  end)

  it("opens as many files as its connections need", function()
    start { env = "ulimit -Sn 64;" }
    local clients = {}
    for i = 1, 200 do clients[i] = host:connect() end
    for _, client in ipairs(clients) do
      client:send(H.request(H.event("A.B")))
      assert.equal(200, client:receive().status)
      client:close() -- hosts that are started later would inherit it
    end
    assert.equal(0, host:count_log("ulimit"))
  end)

  it("warns when it may not, and reserves descriptors for other files", function()
    start { env = "ulimit -n 256;", config = "workers = 1, max_connections_per_address = 1000" }
    host:wait_log("may have 256 files open %(ulimit %-n%): enough for 120 connections at once")
    local clients = {}
    for i = 1, 120 do
      clients[i] = host:connect()
      clients[i]:send(H.request(H.event("A.B")))
      assert.equal(200, clients[i]:receive().status)
    end
    H.write(host.folder .. "/handlers/b.lua", "")
    host:wait_log("reloaded")
    for i = 121, 240 do -- each replaces an older one
      clients[i] = host:connect()
      clients[i]:send(H.request(H.event("A.B")))
      assert.equal(200, clients[i]:receive().status)
    end
    for i = 1, 240 do clients[i]:close() end
  end)

  it("does not start without the descriptors that its workers need, and says so", function()
    start { env = "ulimit -n 512;", ledger = "hookward.db", config = "workers = 300", fails = true }
    assert.equal(1, host:wait())
    assert.matches("^[^\n]*hookward%.db: unable to open database file: Too many open files\n$", host:log())
  end)

  it("blocks no signal in a thread that may start a program", function()
    start {}
    -- The C library blocks all signals in a thread that is just starting. The log's and the
    -- ledger's threads start no program, and block only SIGPIPE and SIGXFSZ.
    local harmless = 1 << 12 | 1 << 24
    H.wait_until(function()
      local writers = 0
      for task in require "lfs".dir(("/proc/%d/task"):format(host.pid)) do
        local status = H.read(("/proc/%d/task/%s/status"):format(host.pid, task))
        local blocked = status:match("SigBlk:%s*(%x+)\n")
        local signals = blocked and tonumber(blocked, 16) or 0
        if signals ~= 0 and signals ~= harmless then return false end
        if signals == harmless then writers = writers + 1 end
      end
      return writers <= 2
    end, "every thread to take signals")
  end)

  it("lets programs that a handler starts inherit no signal disposition", function()
    start { handlers = { ["a.lua"] = [[
      require "hookward".on("*", function()
        local pipe = io.popen("grep SigIgn /proc/self/status")
        print("SigIgn of a child", (pipe:read("a"):gsub("%s+", " ")))
        pipe:close()
      end)
    ]] } }
    host:notify(H.event("A.B"))
    local ignored = tonumber(host:wait_log("SigIgn: (%x+)"), 16)
    assert.equal(0, ignored & (1 << 12 | 1 << 24)) -- SIGPIPE, SIGXFSZ
  end)
end)
