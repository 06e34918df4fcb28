-- What was accepted (ack-first: answered 200 before it ran) runs to its end, whenever the host dies;
-- and nothing runs again whose outcome was recorded.
--
-- HOOKWARD_CRASH_ROUNDS and HOOKWARD_CRASH are those of crash_spec.lua.

local H = require "spec.support.host"
local load = require "spec.support.load"
local socket = require "socket"

local ROUNDS = tonumber(os.getenv("HOOKWARD_CRASH_ROUNDS") or 3)
local CRASHING = os.getenv("HOOKWARD_CRASH")
local UNFINISHED = ROUNDS < 50 and 600 or 3000
local WORKERS = 8

-- Each run appends two lines to a file, and reads a byte from a FIFO between them: the spec lets as
-- many runs end as it likes. One in fifty fails at first.
local HANDLER = [[
local hook = require "hookward"
local runs, gate = io.open("runs", "a"), io.open("gate", "r")
runs:setvbuf("no")
gate:setvbuf("no")
local function lane(event) return event.Lane end
hook.on("Crash.Accepted", { ack = "first", key = lane }, function(event, job)
  runs:write(("begin %s %d %s\n"):format(job.id, job.retry, job.redelivered))
  gate:read(1)
  runs:write(("end %s %d\n"):format(job.id, job.retry))
  if job.retry == 0 and job.id:find("[05]0$") then return nil, "not yet" end
end)
]]

local function make_gate(folder)
  assert(H.sh("mkfifo " .. H.quote(folder .. "/gate")))
  local file = assert(io.open(folder .. "/gate", "r+")) -- "r+": opening does not block
  file:setvbuf("no")
  return file
end

local function lay_out()
  local folder = H.folder()
  for _, name in ipairs { "handlers", "keys" } do H.sh(("mkdir %s/%s"):format(H.quote(folder), name)) end
  H.write(folder .. "/handlers/a.lua", HANDLER)
  H.write(folder .. "/keys/public.pem", H.read((select(2, H.keys()))))
  H.write(folder .. "/hookward.lua", ([[return { listen = "127.0.0.1:0", ledger = "hookward.db",
    workers = %d, retries = { 1, 1, 1 } }]]):format(WORKERS))
  return folder
end

---A query of the ledger as it lies on the disk; of a copy, so that the next host finds what the last one
---left. Yields the columns of each row.
local function query(folder, sql)
  local copy = H.folder()
  assert(H.sh(("cd %s && cp hookward.db* %s"):format(H.quote(folder), H.quote(copy))))
  local out = assert(H.sh(("sqlite3 -separator ' ' %s/hookward.db %s"):format(H.quote(copy), H.quote(sql))))
  H.sh("rm -r " .. H.quote(copy))
  return out:gmatch("[^\n]+")
end

-- ---- what must hold ----

---@class hookward.spec.Ledger what the spec knows of the notifications of all hosts
local Ledger = {}
Ledger.__index = Ledger

local function new_ledger(folder)
  return setmetatable({ folder = folder, at = 0, life = 0, accepted = {}, total = 0, known = {},
    begun = {}, ended = {}, last_of_lane = {}, repeats = 0, given_up = 0 }, Ledger)
end

function Ledger:answered(ids)
  for id, status in pairs(ids) do
    assert.equal(200, status, id)
    if not self.accepted[id] then self.total = self.total + 1 end
    self.accepted[id] = true
  end
end

-- A run begins that its record allows, and one that began before says so.
local function check_begin(self, id, retry, again)
  local run, known = id .. " " .. retry, self.known[id]
  local before = self.begun[run]
  assert.is_falsy(known and known.done, id .. " ran again though it was done")
  assert.is_true(not known or retry >= known.retries, run .. ": its outcome was recorded, and it ran again")
  assert.are_not.equal(self.life, before, run .. ": it ran twice in one host")
  assert.is_true(not before or again, run .. ": it ran again without job.redelivered")
  self.repeats = self.repeats + (before and 1 or 0)
  self.begun[run] = self.life
end

-- Of a lane the next begins when the last has ended for good.
local function check_lane(self, id)
  local lane, number = id:match("^(L%d+)%-(%d+)$")
  if not lane then return end
  number = tonumber(number)
  local last = self.last_of_lane[lane] or 0
  assert.is_true(number == last or number == last + 1, id .. " began after " .. last)
  local known = self.known[lane .. "-" .. last]
  local gone = last == 0 or number == last or self.ended[lane .. "-" .. last] or known and known.dead
  assert.is_true(gone and true or false, id .. " began before the end of " .. last)
  self.last_of_lane[lane] = number
end

---Reads what ran since the last time.
function Ledger:read_runs()
  local text = H.read(self.folder .. "/runs"):sub(self.at + 1)
  self.at = self.at + #text
  for what, id, retry, again in text:gmatch("(%l+) (%S+) (%d+) ?(%l*)\n") do
    retry = tonumber(retry)
    if what == "begin" then
      check_begin(self, id, retry, again == "true")
      check_lane(self, id)
    elseif retry > 0 or not id:find("[05]0$") then
      self.ended[id] = true
    end
  end
end

---Reads what a host left on the disk: each one that it answered is there, and the backlog counts those
---that are not done.
function Ledger:read_disk()
  self.known = {}
  local counted = query(self.folder, "SELECT value - (SELECT count(*) FROM notifications WHERE state"
    .. " NOT IN (1, 4)) FROM counters WHERE name = 'backlog'")()
  assert.equal("0", counted, "the backlog's count is wrong")
  for line in query(self.folder, "SELECT job_id, state, retries, lost, accepted FROM notifications") do
    local id, state, retries, lost, accepted = line:match("^(%S+) (%d) (%d+) (%d+) (%d)$")
    local dead = state == "4"
    self.known[id] = { done = state == "1", dead = dead, retries = tonumber(retries) }
    assert.equal("1", accepted, id)
    if dead then
      assert.equal("3", lost, id .. " is dead, and not since it was under way at three kills")
    end
  end
  for id in pairs(self.accepted) do
    assert.is_truthy(self.known[id], id .. " was answered 200, and is not in the ledger")
  end
end

function Ledger:died()
  self:read_runs()
  self:read_disk()
  self.life = self.life + 1
end

-- ---- senders ----

-- Half of the connections have a lane each. One that got no answer delivers again, before its next.
local CONNECTIONS = 16

local function bodies()
  local all = {}
  for i = 1, CONNECTIONS do
    all[i] = H.event("Crash.Accepted", i <= CONNECTIONS / 2 and ('"Lane":%d'):format(i) or nil)
  end
  return all
end

---@class hookward.spec.Senders
local function new_senders()
  local self = { numbers = {}, waiting = {}, again = {} }
  local body_of = bodies()
  for i = 1, CONNECTIONS do self.numbers[i] = 0 end

  ---Sends until `most` were answered, or the host dies, or stop(load) is true. With 0 only what had no
  ---answer is sent.
  function self.send(port, most, stop)
    local sent = 0
    return load.run {
      port = port, connections = CONNECTIONS, stop = stop,
      next_id = function(i)
        self.again[i] = self.waiting[i] ~= nil
        if not self.waiting[i] then
          if sent >= most then return end
          sent = sent + 1
          self.numbers[i] = self.numbers[i] + 1
          self.waiting[i] = ("%s%d-%d"):format(i <= CONNECTIONS / 2 and "L" or "n", i, self.numbers[i])
        end
        return self.waiting[i]
      end,
      request = function(id)
        local i = tonumber(id:match("^%a(%d+)"))
        return H.request(body_of[i], { id = id, attempt = self.again[i] and 1 or 0 })
      end,
      on_answer = function(id) self.waiting[tonumber(id:match("^%a(%d+)"))] = nil end,
    }
  end
  return self
end

-- ---- the rounds ----

local POINTS = { "after-begin", "mid-batch", "before-commit", "after-commit", "before-answer",
  "after-accept", "after-answer", "before-handler", "after-handler" }

-- Waits until all are done.
local function work_off(folder, ledger)
  local last, at = -1, socket.gettime()
  repeat
    socket.sleep(0.1)
    ledger:read_runs()
    local left = tonumber(query(folder, "SELECT count(*) FROM notifications WHERE state NOT IN (1, 4)")())
    if left ~= last then last, at = left, socket.gettime() end
    assert.is_true(socket.gettime() - at < 30, left .. " do not come to their end")
  until left == 0
  ledger:read_runs()
  ledger:read_disk()
  for id in pairs(ledger.accepted) do
    assert.is_true(ledger.known[id].done or ledger.known[id].dead, id)
    ledger.given_up = ledger.given_up + (ledger.known[id].dead and 1 or 0)
    assert.is_true(ledger.ended[id] or ledger.known[id].dead, id .. " has not run")
  end
end

describe("a host that is killed with thousands of accepted notifications", function()
  after_each(H.stop_all)

  it(("loses none, repeats none that was recorded, and keeps the order, over %d kills #long"):format(ROUNDS),
    function()
      assert(CRASHING, "HOOKWARD_CRASH names a binary with crash points (see the Makefile)")
      math.randomseed(tonumber(os.getenv("HOOKWARD_CRASH_SEED") or 1))
      local folder = lay_out()
      local gate, ledger, senders = make_gate(folder), new_ledger(folder), new_senders()
      local host = H.start { folder = folder }
      ledger:answered(senders.send(host.port, UNFINISHED).answered)
      host:kill()
      ledger:died()
      local unfinished = 0
      for _ = 1, ROUNDS do
        local by_point = math.random(3) > 1
        local point = POINTS[math.random(#POINTS)] .. ":" .. math.random(150)
        host = H.start { folder = folder, binary = by_point and CRASHING or nil, fails = by_point,
          env = by_point and "HOOKWARD_CRASH_AT=" .. point or nil }
        if by_point then
          H.wait_until(function() return host:log():find("listening on", 1, true) or not host:alive() end)
          host.port = tonumber(host:log():match("listening on http://[^\n]-:(%d+)/"))
        end
        local die_at, fed = math.random(400), 0
        local result = senders.send(host.port, 400, function(l)
          local wanted = l.count * 0.8 // 1 | 0
          if wanted > fed then
            gate:write(("x"):rep(wanted - fed))
            fed = wanted
          end
          if l.count < die_at or by_point then return false end
          socket.sleep(math.random() * 0.003)
          host:kill()
          return true
        end)
        if host:alive() then host:kill() else host:wait() end
        ledger:answered(result.answered)
        ledger:died()
        for _, known in pairs(ledger.known) do
          unfinished = unfinished + ((known.done or known.dead) and 0 or 1)
        end
      end
      host = H.start { folder = folder }
      ledger:answered(senders.send(host.port, 0).answered)
      gate:write(("x"):rep(ledger.total + 1000))
      work_off(folder, ledger)
      assert.is_true(ledger.repeats <= (WORKERS - 1) * (ROUNDS + 1))
      io.write(("\n%d kills, with %d unfinished on average: %d accepted, none lost, none repeated but %d "
        .. "runs under way; %d given up after three kills\n"):format(ROUNDS + 1, unfinished // ROUNDS,
        ledger.total, ledger.repeats, ledger.given_up))
      gate:close()
    end)
end)

-- ---- one point after another ----

local BODY = H.event("Crash.Accepted", '"Lane":1')

local function lines(folder)
  local all = {}
  for line in H.read(folder .. "/runs"):gmatch("begin ([^\n]+)") do all[#all + 1] = line end
  return all
end

local function states(folder)
  local all = {}
  for line in query(folder, "SELECT job_id, state, coalesce(error, '-') FROM notifications ORDER BY seq") do
    all[#all + 1] = line
  end
  return table.concat(all, ", ")
end

local function wait_states(folder, expected)
  H.wait_until(function() return states(folder) == expected end, expected)
end

local function crash(folder, at)
  return H.start { folder = folder, binary = CRASHING, env = "HOOKWARD_CRASH_AT=" .. at, fails = true }
end

describe("a host that dies with one that is to be accepted", function()
  after_each(H.stop_all)

  -- Before its commit nobody has heard of it. After that the host alone runs it: once, but when it
  -- dies after the run and before the commit of its outcome.
  local CASES = {
    ["after-begin"] = false, ["mid-batch"] = false, ["before-commit"] = false,
    ["after-commit"] = 1, ["before-answer"] = 1, ["after-accept"] = 1, ["after-answer:2"] = 1,
    ["before-handler"] = 1, ["after-handler"] = 2, ["after-begin:2"] = 2, ["mid-batch:2"] = 2,
    ["before-commit:2"] = 2, ["after-commit:2"] = 1,
  }
  for point, runs in pairs(CASES) do
    it(("at %s: %s"):format(point, runs and "runs it by itself, with " .. runs .. " in all"
      or "leaves it to its sender"), function()
      local folder = lay_out()
      local gate = make_gate(folder)
      gate:write(("x"):rep(9))
      local host = crash(folder, point)
      host.port = tonumber(host:wait_log("listening on http://[^\n]-:(%d+)/"))
      host:connect():send(H.request(BODY, { id = "one" }))
      if point == "after-answer:2" then
        -- its second answer is that of another one, of the same lane
        wait_states(folder, "one 1 -")
        host:connect():send(H.request("{", { id = "other" }))
      end
      host:wait()
      assert.equal(9, host.killed_by)
      host = H.start { folder = folder }
      if not runs then
        assert.equal("", states(folder))
        assert.equal(200, host:notify(BODY, { id = "one", attempt = 1 }).status)
      end
      H.wait_until(function() return states(folder):find("one 1 -", 1, true) end, "its end")
      assert.equal(200, host:notify(BODY, { id = "one", attempt = 2 }).status)
      local all = lines(folder)
      assert.equal(runs or 1, #all)
      if runs == 2 then assert.same({ "one 0 false", "one 0 true" }, all) end
      gate:close()
    end)
  end

  it("three times in its run: it is dead, and the next of its lane runs", function()
    local folder = lay_out()
    local gate = make_gate(folder)
    local host = H.start { folder = folder }
    for _, id in ipairs { "one", "two" } do
      assert.equal(200, host:notify(BODY, { id = id }).status)
    end
    H.wait_until(function() return #lines(folder) == 1 end, "the first to begin")
    host:kill()
    for _ = 1, 2 do crash(folder, "before-handler"):wait() end
    gate:write(("x"):rep(9))
    host = H.start { folder = folder }
    wait_states(folder, "one 4 host_lost, two 1 -")
    assert.equal(200, host:notify(BODY, { id = "three" }).status)
    wait_states(folder, "one 4 host_lost, two 1 -, three 1 -")
    assert.same({ "one 0 false", "two 0 false", "three 0 false" }, lines(folder))
    gate:close()
  end)
end)
