-- GET /metrics: each number is seen to move by what it counts, and their names are bounded. What
-- Prometheus makes of them: monitoring_spec.lua.

local certificates = require "spec.support.certificates"
local H = require "spec.support.host"
local metrics = require "spec.support.metrics"

local GOOD, BAD, SLOW = H.event("A.Good"), H.event("A.Bad"), H.event("A.Slow")
local FIRST = H.event("Q.First")

describe("GET /metrics", function()
  local host, gate
  local seen = {} -- the names of all counters and gauges that a test has moved

  local function start(config, options)
    gate = H.gate()
    options = options or {}
    options.config = config
    options.ledger = options.ledger or "hookward.db"
    options.handlers = options.handlers or { ["a.lua"] = gate.source .. [[
      local hook = require "hookward"
      hook.on("A.Good", function() end)
      hook.on("A.Bad", function(_, job)
        if job.retry == 0 or job.id:find "^never" then return nil, "no" end
      end)
      hook.on("A.Slow", function() wait() end)
      hook.on("Q.First", { ack = "first" }, function() end)
    ]] }
    host = H.start(metrics.with_admin(options))
    return host
  end
  after_each(H.stop_all)

  local function hookward(arguments)
    local _, out = H.sh(("cd %s && %s %s"):format(H.quote(host.folder), H.quote(H.binary), arguments))
    return out
  end

  local function note(sample)
    seen[sample:match("^[%w_]+"):gsub("_count$", ""):gsub("_sum$", "")] = true
  end

  -- Runs `action`, and waits until each of these samples has changed by this much. A sample that was
  -- absent counts as 0.
  local function moves(changes, action)
    local before, after = metrics.scrape(host), nil
    action()
    local function is_so()
      after = metrics.scrape(host)
      for name, by in pairs(changes) do
        if (after[name] or 0) - (before[name] or 0) ~= by then return false end
      end
      return true
    end
    if not pcall(H.wait_until, is_so) then
      for name, by in pairs(changes) do
        assert.equal(by, (after[name] or 0) - (before[name] or 0), name)
      end
    end
    for name in pairs(changes) do note(name) end
  end

  -- Waits until a gauge is so.
  local function becomes(name, value)
    local last
    local ok = pcall(H.wait_until, function()
      last = metrics.scrape(host)[name]
      return last == value
    end)
    if not ok then assert.equal(value, last, name) end
    note(name)
  end

  local function outcome(event, name)
    return ('hookward_notifications_total{event="%s",outcome="%s"}'):format(event, name)
  end
  local function refused(reason) return ('hookward_refusals_total{reason="%s"}'):format(reason) end

  it("counts notifications by event and outcome, refusals by reason, and times them", function()
    start 'workers = 3, unhandled = "accept"'
    moves({ hookward_notifications_received_total = 2, [outcome("A.Good", "succeeded")] = 2,
      hookward_handler_seconds_count = 2, hookward_answer_seconds_count = 2,
      hookward_commit_seconds_count = 2, hookward_commit_notifications_sum = 2,
      ['hookward_ledger_rows{state="succeeded"}'] = 2 }, function()
      host:notify(GOOD, { id = "1" })
      host:notify(GOOD, { id = "2" })
    end)
    moves({ [outcome("A.Good", "duplicate")] = 1, hookward_handler_seconds_count = 0 },
      function() host:notify(GOOD, { id = "1" }) end)
    moves({ [outcome("A.Bad", "failed")] = 1, [refused "handler_refused"] = 1,
      ['hookward_ledger_rows{state="failed"}'] = 1 },
      function() host:notify(BAD, { id = "3" }) end)
    moves({ [outcome("B.Unknown", "unhandled")] = 1, ['hookward_ledger_rows{state="unhandled"}'] = 1 },
      function() host:notify(H.event "B.Unknown", { id = "4" }) end)
    moves({ [outcome("none", "failed")] = 1, [refused "invalid_json"] = 1 },
      function() host:notify("no JSON", { id = "5" }) end)
    moves({ [refused "invalid_signature"] = 1, hookward_notifications_received_total = 1,
      hookward_answer_seconds_count = 0 }, -- no forgery is timed
      function() host:notify(GOOD, { signature = H.sign "another" }) end)
    moves({ [refused "not_found"] = 1, hookward_connections_accepted_total = 1 },
      function() host:raw "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n" end)
    hookward "pause A.Good"
    moves({ [outcome("A.Good", "paused")] = 1 }, function() host:notify(GOOD, { id = "6" }) end)
    becomes("hookward_paused_patterns", 1)
    for name, value in pairs(metrics.scrape(host)) do
      if name:find "^hookward_handler_seconds_bucket" and name:find "Inf" then assert.equal(3, value) end
    end
  end)

  it("counts copies that join, and shows what waits, runs and is stuck", function()
    start 'workers = 1, handler_timeout = "300ms"'
    becomes("hookward_workers", 1)
    becomes("hookward_in_flight_max", 10000)
    becomes("hookward_connections_max", 10000)
    local clients = {}
    local function send(body, options)
      clients[#clients + 1] = host:connect():send(H.request(body, options))
    end
    moves({ hookward_workers_busy = 1, hookward_queued = 1, hookward_in_flight = 2,
      hookward_connections = 4, hookward_requests_unfinished = 1, [outcome("A.Slow", "joined")] = 0 },
      function()
        send(SLOW, { id = "1" })
        host:wait_log "begun"
        send(SLOW, { id = "1" })
        send(GOOD, { id = "2" })
        clients[#clients + 1] = host:connect():send "POST / HTTP/1.1\r\n"
      end)
    becomes("hookward_workers_stuck", 1)
    moves({ [outcome("A.Slow", "joined")] = 1, hookward_workers_stuck = -1, hookward_workers_busy = -1 },
      function() gate:open(1) end)
    assert.equal(1, metrics.scrape(host).hookward_handlers_stuck_total)
    note "hookward_handlers_stuck_total"
    for _, client in ipairs(clients) do client:close() end
    becomes("hookward_connections", 0)
  end)

  it("counts what it answers first, what waits for its run, and since when", function()
    start "workers = 2"
    hookward "pause Q.First"
    moves({ hookward_acked_first_total = 1, hookward_backlog = 1,
      ['hookward_ledger_rows{state="queued"}'] = 1 },
      function() assert.equal(200, host:notify(FIRST, { id = "1" }).status) end)
    H.wait_until(function() return metrics.scrape(host).hookward_oldest_waiting_seconds > 0 end)
    note "hookward_oldest_waiting_seconds"
    moves({ hookward_backlog = -1, hookward_paused_patterns = -1, [outcome("Q.First", "succeeded")] = 1 },
      function() hookward "resume Q.First" end)
    becomes("hookward_oldest_waiting_seconds", 0)
  end)

  it("counts retries, replays and dead letters", function()
    start 'retries = { 1 }'
    moves({ ['hookward_retries_total{event="A.Bad",outcome="succeeded"}'] = 1,
      [outcome("A.Bad", "failed")] = 1 },
      function() host:notify(BAD, { id = "once", attempt = 5 }) end)
    moves({ ['hookward_retries_total{event="A.Bad",outcome="failed"}'] = 2,
      ['hookward_dead_letters_total{event="A.Bad"}'] = 2, ['hookward_ledger_rows{state="dead"}'] = 2 },
      function()
        host:notify(BAD, { id = "never-1", attempt = 5 })
        host:notify(BAD, { id = "never-2", attempt = 5 })
      end)
    moves({ ['hookward_replays_total{event="A.Bad",outcome="failed"}'] = 1,
      [outcome("A.Bad", "failed")] = 0 }, function() hookward "jobs replay never-1" end)
    H.write(host.folder .. "/handlers/a.lua", 'require "hookward".on("*", function() end)')
    host:wait_log "reloaded"
    moves({ ['hookward_replays_total{event="A.Bad",outcome="succeeded"}'] = 1 },
      function() hookward "jobs replay never-2" end)
  end)

  it("counts reloads by result, and tells what is live", function()
    start ""
    local _, text = metrics.scrape(host)
    local version = text:match 'hookward_scripts_info{version="(%x+)"} 1\n'
    becomes("hookward_handlers", 4)
    becomes("hookward_keys", 1)
    becomes("hookward_last_reload_successful", 1)
    assert.is_true(metrics.scrape(host).hookward_vm_memory_bytes > 100000)
    local path = host.folder .. "/handlers/a.lua"
    moves({ ['hookward_reloads_total{result="changed"}'] = 1, hookward_handlers = -3 },
      function() H.write(path, 'require "hookward".on("A.B", function() end)') end)
    assert.is_true(metrics.scrape(host).hookward_reload_seconds_count >= 1)
    assert.is_true(metrics.scrape(host).hookward_reload_seconds_sum > 0.0001)
    _, text = metrics.scrape(host)
    assert.not_equal(version, text:match 'hookward_scripts_info{version="(%x+)"} 1\n')
    note "hookward_reload_seconds"
    note "hookward_scripts_info"
    moves({ ['hookward_reloads_total{result="unchanged"}'] = 1, ['hookward_reloads_total{result="changed"}'] = 0 },
      function() hookward "reload" end)
    moves({ ['hookward_reloads_total{result="failed"}'] = 1, hookward_last_reload_successful = -1 },
      function() H.write(path, "nonsense") end)
    assert.is_true(math.abs(metrics.scrape(host).hookward_last_reload_timestamp_seconds - os.time()) < 60)
    note "hookward_last_reload_timestamp_seconds"
  end)

  it("follows the memory of Lua states", function()
    start('workers = 2, vm_memory = "32MB"', { handlers = { ["a.lua"] = [[
      kept = kept or {}
      require "hookward".on("A.Good", function() kept[#kept + 1] = ("x"):rep(2000000) end)
    ]] } })
    becomes("hookward_vm_memory_max_bytes", 32 * 1024 * 1024)
    local before = metrics.scrape(host)
    host:notify(GOOD)
    local after = metrics.scrape(host)
    for _, name in ipairs { "hookward_vm_memory_bytes", "hookward_vm_memory_largest_bytes" } do
      assert.is_true(after[name] - before[name] > 1900000, name)
      note(name)
    end
    assert.is_true(after.hookward_vm_memory_largest_bytes < after.hookward_vm_memory_bytes)
  end)

  it("tells that the ledger can't record, and when the disk is low", function()
    start 'min_disk_free = "1024GB"'
    local free = H.sh(("df -B1 --output=avail %s | tail -1"):format(host.folder))
    becomes("hookward_ledger_disk_low", tonumber(free) < 1024 ^ 4 and 1 or 0)
    becomes("hookward_ready", 1)
    os.rename(host.folder .. "/hookward.db", host.folder .. "/away.db")
    moves({ hookward_commits_failed_total = 1, hookward_ledger_healthy = -1, hookward_ready = -1,
      [refused "ledger_unavailable"] = 1 }, function() host:notify(GOOD) end)
    local answer = metrics.get(host, "/readyz")
    assert.equal(503, answer.status)
    assert.matches("the ledger can't record", answer.body, 1, true)
  end)

  it("counts TLS handshakes, and knows when certificates expire", function()
    local folder = H.folder()
    certificates.self_signed(folder, "localhost", { alt = "DNS:localhost" })
    local files = ("cert = %q, key = %q"):format(folder .. "/localhost.pem", folder .. "/localhost.key")
    start("", { listen = ('{ { "127.0.0.1:0", tls = { %s } }, { "127.0.0.2:0", tls = { { %s } } } }')
      :format(files, files) })
    moves({ ['hookward_tls_handshakes_total{result="full"}'] = 1, [outcome("A.Good", "succeeded")] = 1 },
      function()
        assert.equal(200, (certificates.deliver(host, { ca = folder .. "/localhost.pem", event = "A.Good" })))
      end)
    moves({ ['hookward_tls_handshakes_total{result="failed"}'] = 1 },
      function() certificates.deliver(host, { ca = "/dev/null" }) end)
    local session = folder .. "/session"
    moves({ ['hookward_tls_handshakes_total{result="resumed"}'] = 1 }, function()
      for _, option in ipairs { "-sess_out", "-sess_in" } do
        certificates.served(host.port, ("-tls1_2 %s %s"):format(option, session))
      end
    end)
    local expiry, count
    for name, value in pairs(metrics.scrape(host)) do
      if name:find "^hookward_certificate_expiry" then
        assert.matches(('file="%s/localhost.pem"'):format(folder), name, 1, true)
        assert.matches("localhost", name:match 'names="([^"]*)"')
        expiry, count = value, (count or 0) + 1
      end
    end
    assert.equal(1, count) -- one sample, although two listeners have the file
    local out = H.sh(("date -d \"$(openssl x509 -noout -enddate -in %s/localhost.pem | cut -d= -f2)\" +%%s")
      :format(folder))
    assert.equal(tonumber(out), expiry)
    note "hookward_certificate_expiry_timestamp_seconds"
  end)

  it("counts connections that are closed for others, or without a PROXY header", function()
    start("max_connections = 2", { listen = "{" .. H.WITH_PROXY .. "}" })
    local clients = {}
    moves({ hookward_connections_idle_closed_total = 1, hookward_connections_accepted_total = 3 }, function()
      for i = 1, 3 do
        clients[i] = host:connect()
        clients[i]:send(H.request(GOOD))
        assert.equal(200, clients[i]:receive().status)
      end
    end)
    for _, client in ipairs(clients) do client:close() end
    becomes("hookward_connections", 0)
    moves({ hookward_bad_proxy_headers_total = 1 }, function()
      local client = host:connect_as()
      client:send "GET / HTTP/1.1\r\n\r\n"
      client:receive()
      client:close()
    end)
  end)

  it("counts those that are verified last", function()
    start("workers = 1, max_failures_per_address = 1", { listen = "{" .. H.WITH_PROXY .. "}" })
    for _ = 1, 2 do
      local client = host:connect_as "203.0.113.66"
      client:send(H.request(GOOD, { signature = H.sign "another" }))
      client:receive()
      client:close()
    end
    moves({ hookward_verified_last_total = 1 }, function()
      local client = host:connect_as "203.0.113.66"
      client:send(H.request(GOOD))
      assert.equal(200, client:receive().status)
      client:close()
    end)
  end)

  it("tells what the process takes", function()
    start ""
    local before = metrics.scrape(host)
    assert.is_true(math.abs(before.process_start_time_seconds - os.time()) < 60)
    assert.is_true(before.process_resident_memory_bytes > 1e6)
    assert.is_true(before.process_virtual_memory_bytes > before.process_resident_memory_bytes)
    assert.is_true(before.process_threads > 8)
    local clients = {}
    for i = 1, 50 do clients[i] = host:connect() end
    becomes("hookward_connections", 50)
    local fds = tonumber((H.sh(("ls /proc/%d/fd | wc -l"):format(host.pid))))
    local after = metrics.scrape(host)
    assert.is_true(math.abs(after.process_open_fds - fds) <= 3, fds .. " " .. after.process_open_fds)
    assert.is_true(after.process_open_fds >= before.process_open_fds + 40)
    assert.equal(tonumber((H.sh(("awk '/^Max open files/ { print $4 }' /proc/%d/limits"):format(host.pid)))),
      after.process_max_fds)
    local began = after.process_cpu_seconds_total
    for _ = 1, 20 do after = metrics.scrape(host) end
    assert.is_true(after.process_cpu_seconds_total > began)
    for name in pairs(after) do
      if name:find "^process_" then note(name) end
    end
    for _, client in ipairs(clients) do client:close() end
  end)

  it("has at most a hundred names of events, whatever is sent", function()
    start ""
    local client = host:connect()
    for i = 1, 120 do
      client:send(H.request(H.event("Invented.No" .. i, '"n":' .. i)))
      assert.equal(400, client:receive().status)
    end
    for _, name in ipairs { ('"quoted\\"'), "new\\nline", "é" } do
      client:send(H.request(('{"Event":"%s"}'):format(name:gsub('^"', '\\"'))))
      client:receive()
    end
    client:close()
    local samples, text = metrics.scrape(host)
    local events, count = {}, 0
    for name in pairs(samples) do
      local event = name:match 'event="([^"]*)"'
      if event and not events[event] then
        events[event], count = true, count + 1
      end
    end
    assert.equal(101, count)
    assert.equal(23, samples[outcome("other", "failed")])
    assert.is_true(#text < 150000)
  end)

  it("counts connections for which no file was left, and that are turned away", function()
    start("workers = 1", { env = "ulimit -n 100;", ledger = "memory:", handlers = { ["a.lua"] = [[
      collectgarbage "stop" -- so that files stay open
      local Kept = {}
      require "hookward".on("A.Good", function()
        repeat
          local file = io.open "/dev/null"
          Kept[#Kept + 1] = file
        until not file
      end)
    ]] } })
    local inside = host:connect():send(H.request(GOOD))
    assert.equal(200, inside:receive().status)
    inside:send "POST /baseWebhookNotification HTTP/1.1\r\n" -- not idle
    local waiting = {}
    for i = 1, 20 do waiting[i] = host:connect():send "POST /baseWebhookNotification HTTP/1.1\r\n" end
    host:wait_log "closed at once"
    inside:close()
    for _, client in ipairs(waiting) do client:close() end
    H.wait_until(function()
      local ok, samples = pcall(metrics.scrape, host)
      return ok and samples.hookward_out_of_files_total > 0
        and samples.hookward_connections_turned_away_total > 0
    end)
    note "hookward_out_of_files_total"
    note "hookward_connections_turned_away_total"
  end)

  it("moves every number in one of these tests", function()
    -- Those that take long are seen to move below; the log's in spec/core/base/log_test.c.
    local elsewhere = { hookward_workers_replaced_total = true, hookward_workers_lost_total = true,
      hookward_log_lines_dropped_total = true,
      hookward_build_info = true }
    start ""
    local _, text = metrics.scrape(host)
    local missing = {}
    for name in pairs(metrics.heads(text)) do
      if not seen[name] and not elsewhere[name] then missing[#missing + 1] = name end
    end
    assert.same({}, missing)
    assert.matches(('hookward_build_info{version="%s",lua="5.4'):format(
      H.sh(H.binary .. " --version"):match "%d+%.%d+%.%d+"), text, 1, true)
  end)

  it("is described in the guide, number by number", function()
    start ""
    host:notify(GOOD)
    local _, text = metrics.scrape(host)
    local documented, heads = {}, metrics.heads(text)
    for name, labels, meaning in H.read "lua/hookward/guide/admin.md"
      :gmatch "\n| `([%w_]+)` | ([^|]*)| ([^\n]+) |" do
      documented[name] = true
      assert.equal((heads[name] or {}).help, meaning .. ".", name)
      local found = {}
      for label in (text:match("\n" .. name .. "{([^}]*)}") or ""):gmatch '([%w_]+)="' do
        found[#found + 1] = "`" .. label .. "` "
      end
      if heads[name].type == "histogram" then found = { "`le` " } end
      if name:find "^hookward_certificate" then found = { "`file` ", "`names` " } end -- there is none here
      assert.equal(table.concat(found), labels, name)
    end
    for name in pairs(heads) do assert.is_true(documented[name], name .. " is not in the guide") end
  end)

  -- Each thread is given up only after 5 s of CPU time.
  it("counts workers that were replaced, and lost #long", function()
    start('workers = 1, handler_timeout = 0.1', { handlers = { ["a.lua"] = [[
      require "hookward".on("A.Good", function()
        local meta = { __gc = true }
        setmetatable({}, meta)
        meta.__gc = function() while true do end end -- set later, so that it can't be wrapped
        collectgarbage()
      end)
    ]] } })
    moves({ hookward_workers_replaced_total = 1, [outcome("A.Good", "failed")] = 1,
      hookward_handler_seconds_count = 1 }, function() host:notify(GOOD, { id = "1" }) end)
    moves({ hookward_workers_lost_total = 1, hookward_workers_stuck = 1 },
      function() host:notify(GOOD, { id = "2" }) end)
  end)
end)
