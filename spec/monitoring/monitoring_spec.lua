-- examples/monitoring with Debian's Prometheus: a host is scraped for real, promtool finds nothing to
-- say, and each query of the alerts and of the dashboard is answered. `make test-monitoring`.

local cjson = require "cjson"
local socket = require "socket"
local H = require "spec.support.host"
local metrics = require "spec.support.metrics"

local EXAMPLE = require "lfs".currentdir() .. "/examples/monitoring"

local function escaped(text)
  return (text:gsub("[^%w]", function(c) return ("%%%02X"):format(c:byte()) end))
end

describe("examples/monitoring", function()
  local host, pid, port, folder

  local function free_port()
    local tcp = assert(socket.bind("127.0.0.1", 0))
    local _, chosen = tcp:getsockname()
    tcp:close()
    return math.tointeger(tonumber(chosen))
  end

  local function ask(path)
    local out, all = H.sh(("curl -sS --max-time 20 'http://127.0.0.1:%d%s'"):format(port, path))
    return out and select(2, pcall(cjson.decode, out)), all
  end

  -- The result of a query; an error if Prometheus has one.
  local function query(text)
    local answer, raw = ask("/api/v1/query?query=" .. escaped(text))
    assert(type(answer) == "table" and answer.status == "success", text .. "\n" .. raw)
    return answer.data.result
  end

  local function value(text)
    local result = query(text)
    return result[1] and tonumber(result[1].value[2])
  end

  -- The example's Prometheus as it is, but for its ports and its haste.
  local function start_prometheus()
    folder, port = H.folder(), free_port()
    assert(H.sh(("cp %s/alerts.yml %s"):format(H.quote(EXAMPLE), folder)))
    local text = H.read(EXAMPLE .. "/prometheus.yml"):gsub("127%.0%.0%.1:9464", "127.0.0.1:" .. metrics.port(host))
      :gsub("_interval: 15s", "_interval: 1s")
    H.write(folder .. "/prometheus.yml", text)
    local out = assert(H.sh(("cd %s && { prometheus --config.file=prometheus.yml --storage.tsdb.path=data "
      .. "--web.listen-address=127.0.0.1:%d >prometheus.log 2>&1 & echo $!; }"):format(folder, port)))
    pid = tonumber(out)
  end

  local function deliver(round)
    for i = 1, 5 do host:notify(H.event "A.Good", { id = i .. "-" .. round }) end
    host:notify(H.event "A.Good", { id = "1-" .. round })
    host:notify(H.event "A.Bad", { id = "bad-" .. round, attempt = 5 })
    host:notify(H.event "Q.First", { id = "first-" .. round })
    host:notify(H.event "A.Good", { signature = H.sign "another" })
  end

  -- One host with some of everything.
  setup(function()
    host = H.start(metrics.with_admin { ledger = "hookward.db", config = "retries = { 1 }", handlers = {
      ["a.lua"] = [[
        local hook = require "hookward"
        hook.on("A.Good", function() end)
        hook.on("A.Bad", function() return nil, "no" end)
        hook.on("Q.First", { ack = "first" }, function() end)
      ]] } })
    start_prometheus()
    deliver "1"
    H.wait_until(function()
      local answer = ask "/-/ready" -- no JSON
      return answer and pcall(query, "up") and (value "hookward_build_info") == 1
    end, "Prometheus to scrape")
    deliver "2" -- so that the counters move between two scrapes
    H.wait_until(function()
      return value 'sum(rate(hookward_refusals_total{reason="invalid_signature"}[1m])) > 0'
        and value 'sum(rate(hookward_retries_total{outcome="failed"}[1m])) > 0'
    end)
  end)

  teardown(function()
    if pid then H.sh(("kill %d; while kill -0 %d 2>/dev/null; do sleep 0.05; done"):format(pid, pid)) end
    H.stop_all()
  end)

  it("is what promtool likes, and so is GET /metrics", function()
    for _, command in ipairs { "check rules alerts.yml", "test rules alerts_test.yml",
      "check config prometheus.yml" } do
      local ok, out = H.sh(("cd %s && promtool %s"):format(H.quote(EXAMPLE), command))
      assert.truthy(ok, out)
    end
    H.write(folder .. "/metrics", metrics.get(host, "/metrics").body)
    local ok, out = H.sh(("promtool check metrics <%s/metrics"):format(folder))
    assert.truthy(ok, out)
    assert.equal("", out)
  end)

  it("scrapes a host, and finds its numbers", function()
    assert.equal(1, value 'up{job="hookward"}')
    assert.equal(10, value 'hookward_notifications_total{event="A.Good",outcome="succeeded"}')
    assert.equal(2, value 'hookward_notifications_total{event="A.Good",outcome="duplicate"}')
    assert.equal(2, value 'hookward_refusals_total{reason="invalid_signature"}')
    assert.is_true(value "histogram_quantile(0.5, sum by (le) (hookward_answer_seconds_bucket))" > 0)
    local metadata = assert(ask "/api/v1/metadata").data
    local _, text = metrics.scrape(host)
    for name, head in pairs(metrics.heads(text)) do
      if name ~= "hookward_certificate_expiry_timestamp_seconds" then -- there is none here
        assert.equal(head.type, metadata[name] and metadata[name][1].type, name)
        assert.equal(head.help, metadata[name][1].help)
      end
    end
  end)

  local fleet = H.read "lua/hookward/guide/fleet.md"

  -- Every metric that a query names is one of the host's, or of a host that shares its ledger.
  local function knows(names, text)
    for name in text:gmatch "[%a_:][%w_:]*" do
      if name:find "^hookward_" or name:find "^process_" then
        local base = name:gsub("_bucket$", ""):gsub("_sum$", ""):gsub("_count$", "")
        assert.truthy(names[base] or names[name] or fleet:find("| `" .. base .. "` |", 1, true), name)
      end
    end
  end

  -- The queries below which nothing can be seen on a host that has no trouble.
  local MAY_BE_EMPTY = { hookward_certificate_expiry_timestamp_seconds = true }

  it("has a dashboard whose every query is answered", function()
    local names = metrics.heads((select(2, metrics.scrape(host))))
    local dashboard = cjson.decode(H.read(EXAMPLE .. "/dashboard.json"))
    local count, titles = 0, {}
    for _, panel in ipairs(dashboard.panels) do
      assert.is_nil(titles[panel.title], panel.title)
      titles[panel.title] = true
      for _, target in ipairs(panel.targets) do
        local text = target.expr:gsub("%$__rate_interval", "1m"):gsub("%$instance", ".*")
        knows(names, text)
        local result = query(text)
        local metric = text:match "hookward_certificate[%w_]*"
        if not MAY_BE_EMPTY[metric] then assert.is_true(#result > 0, panel.title .. ": " .. text) end
        count = count + 1
      end
    end
    assert.is_true(count > 40)
    for _, annotation in ipairs(dashboard.annotations.list) do
      query((annotation.expr:gsub("%$instance", ".*")))
    end
    local hosts = ask("/api/v1/label/instance/values?match[]=hookward_build_info")
    assert.equal("127.0.0.1:" .. metrics.port(host), hosts.data[1])
  end)

  it("has alerts of which none is raised while all is well but what is not", function()
    local names = metrics.heads((select(2, metrics.scrape(host))))
    local groups = ask("/api/v1/rules").data.groups
    assert.equal(1, #groups)
    local tested = H.read(EXAMPLE .. "/alerts_test.yml")
    for _, rule in ipairs(groups[1].rules) do
      knows(names, rule.query)
      assert.equal("ok", rule.health, rule.name .. ": " .. tostring(rule.lastError))
      assert.not_equal("firing", rule.state, rule.name)
      assert.truthy(rule.labels.severity)
      assert.truthy(tested:find("name: " .. rule.name .. "\n", 1, true), rule.name)
      assert.truthy(tested:find("name: " .. rule.name .. " (quiet)\n", 1, true), rule.name)
    end
  end)
end)
