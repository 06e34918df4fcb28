-- No notification that was answered 200 is lost or run twice when the power fails.
-- spec/preload/power.c simulates the disk: it drops or tears writes that were not synced yet.
--
-- HOOKWARD_POWER_ROUNDS=200 runs the long form (`make power-loss`). HOOKWARD_CRASH is a binary that
-- can be told not to sync, with which the test must fail.

local H = require "spec.support.host"
local load = require "spec.support.load"
local preload = require "spec.support.preload"

local ROUNDS = tonumber(os.getenv("HOOKWARD_POWER_ROUNDS") or 3)
local SEED = tonumber(os.getenv("HOOKWARD_POWER_SEED") or 1)

local CONNECTIONS = 16
-- Writes to the ledger's files before the power fails. Early: while the ledger is made and gets its
-- first notifications. Late: when the log is copied into it. A page of the log takes two writes.
local EARLY_MAX, LATE_MAX = 120, 4000
local SENT_MAX = 3000
local ROUNDS_A_LEDGER = 5 -- the simulated disk reads the whole ledger when it starts

-- The log is copied into the ledger every 1,000 pages; kept bodies fill it sooner.
local BODY = H.event("Power.Tested", ('"Padding":"%s"'):format(("x"):rep(3000)))
local CONFIG = "keep_bodies = true"

local HANDLER = [[
  local file = io.open("runs", "a")
  file:setvbuf("no")
  require "hookward".on("Power.Tested", function(event, job) file:write(job.id .. "\n") end)
]]

local function runs_of(host)
  local runs = {}
  for id in (H.read(host.folder .. "/runs")):gmatch("[^\n]+") do runs[id] = (runs[id] or 0) + 1 end
  return runs
end

-- A host on a disk whose power will fail. If it fails before the host listens, host.port is nil.
local function start_doomed(folder, options)
  local host = H.start { folder = folder, binary = options.binary, fails = true, wrap = options.wrap,
    env = (options.env or "") .. preload.env("power", options.power) }
  H.wait_until(function() return host:log():find("listening on", 1, true) or not host:alive() end,
    "a start, or its end")
  host.port = tonumber(host:log():match("listening on http://[^\n]-:(%d+)/"))
  return host
end

-- Sends until the power fails, unless it has already; returns what load.run returns.
local function send_until_loss(host, prefix)
  local n = 0
  if not host.port then
    host:wait()
    return { sent = {}, answered = {} }
  end
  local function next_id()
    n = n + 1
    if n <= SENT_MAX then return prefix .. n end
  end
  local sent = load.run { port = host.port, connections = CONNECTIONS, next_id = next_id,
    request = function(id) return H.request(BODY, { id = id, attempt = 0 }) end }
  host:kill() -- in case the power has not failed
  return sent
end

-- Sends these once more; returns the answers.
local function send_again(host, ids)
  local at = 0
  local function next_id()
    at = at + 1
    return ids[at]
  end
  return load.run { port = host.port, connections = CONNECTIONS, next_id = next_id,
    request = function(id) return H.request(BODY, { id = id, attempt = 1 }) end }.answered
end

-- One loss of power, and in every third round a second one during recovery. Returns how many were
-- answered, and which of these were lost: they run once more when they are sent again.
local function lose(folder, round, options)
  local function doomed(writes, sync)
    return start_doomed(folder, { binary = options.binary, env = options.env, power = {
      HOOKWARD_POWER_AT = writes, HOOKWARD_POWER_SYNC = sync, HOOKWARD_POWER_SEED = SEED * 1000 + round } })
  end
  local fails = options.syncs_fail and math.random(1, 30) or nil
  local late = fails or math.random(2) == 1
  local host = doomed(math.random(1, late and LATE_MAX or EARLY_MAX), fails)
  local before = send_until_loss(host, ("r%d-"):format(round))
  local runs = runs_of { folder = folder }
  local result = { answered = 0, lost = {}, losses = host:count_log("the power goes"),
    failed_syncs = host:count_log("power.so: sync %d+ fails") }
  if round % 3 == 0 then
    host = doomed(math.random(1, 40))
    if host.port then send_again(host, { table.unpack(before.sent, 1, 40) }) end
    host:kill()
    result.losses = result.losses + host:count_log("the power goes")
  end
  host = H.start { folder = folder }
  local after = send_again(host, before.sent)
  local runs_now = runs_of(host)
  for _, id in ipairs(before.sent) do
    assert.equal(200, after[id], id .. " was not answered after the loss")
    if before.answered[id] == 200 then
      result.answered = result.answered + 1
      if runs_now[id] ~= runs[id] then result.lost[#result.lost + 1] = id end
    end
  end
  assert.equal(0, host:stop())
  assert.equal("ok\n", H.sh("sqlite3 " .. H.quote(folder .. "/hookward.db") .. " 'PRAGMA integrity_check'"))
  return result
end

local function lay_out(options)
  local host = H.start { handlers = { ["a.lua"] = HANDLER }, ledger = "hookward.db", config = CONFIG }
  assert.equal(0, host:stop())
  if options and options.fresh then H.sh("rm -f " .. H.quote(host.folder) .. "/hookward.db*") end
  return host.folder
end

describe("a host that loses power #long", function()
  after_each(H.stop_all)
  if not preload.is_possible() then return end

  it(("loses nothing that it answered (%d rounds)"):format(ROUNDS), function()
    math.randomseed(SEED)
    local folder, answered, losses, failed_syncs = nil, 0, 0, 0
    for round = 1, ROUNDS do
      if round % ROUNDS_A_LEDGER == 1 then folder = lay_out { fresh = true } end -- making it, too
      local result = lose(folder, round, { syncs_fail = round % 2 == 0 })
      assert.same({}, result.lost, "round " .. round)
      answered, losses = answered + result.answered, losses + result.losses
      failed_syncs = failed_syncs + result.failed_syncs
    end
    io.write(("\n%d losses of power, %d failed syncs: %d answered, none lost\n"):format(losses, failed_syncs, answered))
    assert.is_true(losses >= ROUNDS / 2)
  end)

  it("would lose answered notifications without its syncs", function()
    local crashing = assert(os.getenv("HOOKWARD_CRASH"), "HOOKWARD_CRASH names a binary with crash points")
    math.randomseed(SEED)
    local round, lost = 0, 0
    while lost == 0 and round < 10 do -- a single round may lose nothing by chance
      round = round + 1
      local ok, result = pcall(lose, lay_out(), round, { binary = crashing, env = "export HOOKWARD_NO_SYNC=1;" })
      lost = ok and #result.lost or 0 -- an error: the file is broken
    end
    assert.is_true(lost > 0)
  end)
end)
