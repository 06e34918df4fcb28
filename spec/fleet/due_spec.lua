-- Accepted work in lanes and pools, over three hosts of one ledger that are killed at random: each runs,
-- none again after its end was recorded, a lane in its order and one at a time, a pool never over its limit.
--
-- HOOKWARD_FLEET_ROUNDS: a quarter as many kills, but three at least.

local H = require "spec.support.host"
local P = require "spec.support.postgres"
local socket = require "socket"

if not P.installed() then return end

local ROUNDS = math.max(3, tonumber(os.getenv "HOOKWARD_FLEET_ROUNDS" or 3) // 4)
local HOSTS, LANES, LIMIT = 3, 6, 2

-- Each run appends two lines to one file of all hosts, and takes its time between them.
local HANDLER = [[
local hook = require "hookward"
local pid = io.open("/proc/self/stat"):read("n")
local runs = io.open(%q, "a")
runs:setvbuf("no")
local function run(_, job)
  runs:write(("begin %%s %%d\n"):format(job.id, pid))
  os.execute("sleep 0.0" .. math.random(9))
  runs:write(("end %%s %%d\n"):format(job.id, pid))
end
hook.on("Fleet.Lane", { ack = "first", key = function(event) return event.Lane end }, run)
hook.on("Fleet.Pool", { ack = "first", concurrency = %d }, run)
hook.on("Fleet.Plain", { ack = "first" }, run)
]]

local KINDS = { lane = "Fleet.Lane", pool = "Fleet.Pool", plain = "Fleet.Plain" }

---@class hookward.spec.DueFleet
local Fleet = {}
Fleet.__index = Fleet

local function new_fleet()
  local self = setmetatable({ folder = H.folder(), hosts = {}, sent = {}, kills = 0 }, Fleet)
  self.url = P.database()
  self.runs = self.folder .. "/runs"
  H.write(self.runs, "")
  for i = 1, HOSTS do self:start(i) end
  return self
end

function Fleet:start(i)
  local before = self.hosts[i]
  self.hosts[i] = H.start {
    env = "HOOKWARD_TEST=1",
    ledger = self.url,
    folder = before and before.folder,
    config = ('workers = 4, lease = "1s", host_name = "host-%d", retries = { 1, 1, 1 }'):format(i),
    handlers = { ["a.lua"] = HANDLER:format(self.runs, LIMIT) },
  }
end

function Fleet:note(line)
  local file <close> = assert(io.open(self.runs, "a"))
  file:write(line, "\n")
end

function Fleet:kill_one()
  local i = math.random(HOSTS)
  local pid = self.hosts[i].pid
  self.hosts[i]:kill()
  self:note("kill - " .. pid)
  self.kills = self.kills + 1
  socket.sleep(0.05 + math.random() * 0.4)
  self:start(i)
end

-- Delivers it, at whatever host, until one has accepted it. What a host that was killed may have accepted
-- without an answer comes again under the same id.
function Fleet:send(id, kind, lane)
  local body = H.event(KINDS[kind], lane and ('"Lane":"%s"'):format(lane))
  self.sent[#self.sent + 1] = { id = id, kind = kind, lane = lane }
  for _ = 1, 1000 do
    local host = self.hosts[math.random(HOSTS)]
    local ok, answer = pcall(host.notify, host, body, { id = id })
    if ok and answer.status == 200 then return end
    socket.sleep(0.01)
  end
  error("nobody accepts " .. id)
end

function Fleet:count(where)
  return tonumber(P.query(self.url, "SELECT count(*) FROM hookward.notifications WHERE " .. where))
end

-- ---- what must hold ----

local function check(fleet)
  local faults = {}
  local function fault(...) faults[#faults + 1] = (...):format(select(2, ...)) end
  local of, place = {}, {}
  for i, one in ipairs(fleet.sent) do of[one.id], place[one.id] = one, i end
  local begun = {}             -- id -> pid that runs it
  local ended, killed = {}, {} -- id -> true; pid -> true
  local line_number = 0
  for line in H.read(fleet.runs):gmatch("[^\n]+") do
    line_number = line_number + 1
    local what, id, pid = line:match("^(%S+) (%S+) (%d+)$")
    if what == "kill" then
      killed[pid] = true
      for job, by in pairs(begun) do if by == pid then begun[job] = nil end end
    elseif what == "begin" then
      local one = of[id]
      if begun[id] then fault("line %d: %s runs beside itself", line_number, id) end
      if ended[id] and not killed[ended[id]] then
        fault("line %d: %s runs again after it ended", line_number, id)
      end
      local beside = 0
      for job in pairs(begun) do
        if one.lane and of[job].lane == one.lane and job ~= id then
          fault("line %d: %s runs beside %s of its lane", line_number, id, job)
        end
        if one.kind == "pool" and of[job].kind == "pool" then beside = beside + 1 end
      end
      if beside + 1 > LIMIT then fault("line %d: %d of the pool run at once", line_number, beside + 1) end
      for _, other in ipairs(fleet.sent) do
        if one.lane and other.lane == one.lane and place[other.id] < place[id] and not ended[other.id] then
          fault("line %d: %s runs before %s", line_number, id, other.id)
        end
      end
      begun[id] = pid
    elseif what == "end" then
      begun[id] = nil
      ended[id] = pid
    end
  end
  for id in pairs(of) do if not ended[id] then fault("%s never ran to its end", id) end end
  return table.concat(faults, "\n")
end

describe("accepted work at several hosts", function()
  after_each(H.stop_all)

  it("keeps its lanes' order and its limits while hosts are killed", function()
    local fleet = new_fleet()
    local number = 0
    while fleet.kills < ROUNDS do
      for _ = 1, 15 + math.random(20) do
        number = number + 1
        fleet:send("lane-" .. number, "lane", "l" .. math.random(LANES))
        for i = 1, number % 6 == 0 and 5 or 0 do fleet:send(("pool-%d-%d"):format(number, i), "pool") end
        if number % 4 == 0 then fleet:send("plain-" .. number, "plain") end
      end
      fleet:kill_one()
    end
    local ok, err = pcall(H.wait_until, function() return fleet:count("state <> 1") == 0 end, "all to succeed")
    if not ok then
      error(err .. "\n" .. P.query(fleet.url, [[SELECT seq, state, owner, claim, next_run_at, lane, pool, error, runs
        FROM hookward.notifications WHERE state <> 1 ORDER BY seq LIMIT 20]]) .. "\n" .. check(fleet))
    end
    assert.equal("", check(fleet))
    print(("due: %d notifications, %d kills, %d run again"):format(#fleet.sent, fleet.kills,
      fleet:count("runs > 1")))
  end)

  it("waits at all hosts while its event is paused at one, and goes on when another resumes it", function()
    local fleet = new_fleet()
    local function command(i, text)
      return assert(H.sh(("cd %s && HOOKWARD_TEST=1 %s %s"):format(H.quote(fleet.hosts[i].folder), H.binary, text)))
    end
    command(1, "pause 'Fleet.*'")
    fleet.hosts[2]:wait_log("paused Fleet")
    for i = 1, 6 do fleet:send("job-" .. i, i % 2 == 0 and "plain" or "pool") end
    H.wait_until(function() return fleet:count("parked") == 6 end, "all to be set aside")
    assert.equal("", H.read(fleet.runs))
    command(3, "resume 'Fleet.*'")
    H.wait_until(function() return fleet:count("state = 1") == 6 end, "all to succeed")
    assert.equal("", check(fleet))
    assert.equal(6, fleet:count("runs = 1 AND NOT parked AND parked_event IS NULL"))
  end)
end)
