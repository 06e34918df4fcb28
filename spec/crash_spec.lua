-- No notification that was answered 200 is lost or run twice, whenever the process dies.
--
-- HOOKWARD_CRASH_ROUNDS=200 runs the long form (`make crash`). HOOKWARD_CRASH is a binary that has
-- crash points compiled in (core/base/crash.h).

local H = require "spec.support.host"
local load = require "spec.support.load"
local socket = require "socket"

local ROUNDS = tonumber(os.getenv("HOOKWARD_CRASH_ROUNDS") or 6)
local CRASHING = os.getenv("HOOKWARD_CRASH")

local BODY = H.event("Crash.Tested")

-- Every run of the handler appends its job's id to a file, in one write.
local HANDLER = [[
local hook = require "hookward"
local file = io.open("runs", "a")
file:setvbuf("no")
hook.on("Crash.Tested", function(event, job)
  file:write(job.id .. (job.redelivered and " again" or "") .. "\n")
end)
]]

local function runs_of(host)
  local runs = {}
  for line in (H.read(host.folder .. "/runs")):gmatch("[^\n]+") do
    local id = line:match("^%S+")
    runs[id] = (runs[id] or 0) + 1
  end
  return runs
end

local function counter(prefix, most)
  local n = 0
  return function()
    n = n + 1
    if n <= most then return prefix .. n end
  end
end

local function request(attempt)
  return function(id) return H.request(BODY, { id = id, attempt = attempt }) end
end

describe("a host that is killed", function()
  after_each(H.stop_all)

  -- The start of a sender's last attempt is recorded before its handler runs; meanwhile the host after
  -- the killed one runs by itself what was under way.
  for _, attempts in ipairs { { 0, 1 }, { 5, 5 } } do
    it(("loses and repeats nothing that it answered, over %d kills in attempt %d"):format(ROUNDS,
      attempts[1]), function()
      math.randomseed(tonumber(os.getenv("HOOKWARD_CRASH_SEED") or 1))
      local host = H.start { handlers = { ["a.lua"] = HANDLER }, ledger = "hookward.db" }
      local answered, unanswered, twice = 0, 0, 0
      for round = 1, ROUNDS do
        -- Die after a random number of answers, at whatever the others are just doing.
        local die_at = math.random(0, 400)
        local before = load.run {
          port = host.port, connections = 16, next_id = counter(("r%d-"):format(round), 5000),
          request = request(attempts[1]),
          stop = function(l)
            if l.count < die_at then return false end
            socket.sleep(math.random() * 0.003)
            host:kill()
            return true
          end,
        }
        local at_death = runs_of(host)
        host = H.start { folder = host.folder }
        local at = 0
        local after = load.run {
          port = host.port, connections = 16, request = request(attempts[2]),
          next_id = function() at = at + 1 return before.sent[at] end,
        }
        local runs = runs_of(host)
        for _, id in ipairs(before.sent) do
          assert.equal(200, after.answered[id], id .. " was not answered after the restart")
          if before.answered[id] then
            answered = answered + 1
            assert.equal(200, before.answered[id])
            assert.equal(1, runs[id], id .. " was answered 200, and ran " .. (runs[id] or 0) .. " times")
          else
            unanswered = unanswered + 1
            -- The window between a handler's end and its record, and nothing beyond it.
            assert.is_true(runs[id] == 1 or (runs[id] == 2 and at_death[id] == 1), id)
            if runs[id] == 2 then twice = twice + 1 end
          end
        end
      end
      io.write(("\n%d kills: %d answered, none lost, none run twice; %d unanswered, %d of them run twice\n")
        :format(ROUNDS, answered, unanswered, twice))
    end)
  end
end)

describe("a host that dies at a named point", function()
  after_each(H.stop_all)

  -- point -> total runs of the handler
  local POINTS = {
    ["before-handler"] = 1, ["after-handler"] = 2, ["after-begin"] = 2, ["mid-batch"] = 2,
    ["before-commit"] = 2, ["after-commit"] = 1, ["before-answer"] = 1, ["after-answer"] = 1,
  }
  for point, expected in pairs(POINTS) do
    it(("%s: the handler runs %d in total, the retry gets 200"):format(point,
      expected), function()
      assert(CRASHING, "HOOKWARD_CRASH names a binary with crash points (see the Makefile)")
      local host = H.start {
        handlers = { ["a.lua"] = HANDLER }, ledger = "hookward.db", binary = CRASHING,
        env = "HOOKWARD_CRASH_AT=" .. point,
      }
      local client = host:connect()
      client:send(H.request(BODY, { id = "one" }))
      local answer = client:receive()
      host:wait()
      assert.equal(9, host.killed_by)
      assert.equal(point == "after-answer" and 200 or nil, answer and answer.status)
      host = H.start { folder = host.folder }
      assert.equal(200, host:notify(BODY, { id = "one", attempt = 1 }).status)
      assert.equal(expected, runs_of(host).one)
      assert.equal(200, host:notify(BODY, { id = "one", attempt = 2 }).status)
      assert.equal(expected, runs_of(host).one)
    end)
  end

  -- The first commit is that of its start.
  local LAST = { ["before-handler"] = 1, ["after-handler"] = 2, ["after-commit"] = 1,
    ["before-answer"] = 1, ["after-answer"] = 1 }
  for point, expected in pairs(LAST) do
    it(("%s of the sender's last attempt: the handler runs %d in all, by itself"):format(point, expected),
      function()
        local host = H.start {
          handlers = { ["a.lua"] = HANDLER }, ledger = "hookward.db", binary = CRASHING,
          env = "HOOKWARD_CRASH_AT=" .. point,
        }
        host:connect():send(H.request(BODY, { id = "one", attempt = 5 }))
        host:wait()
        assert.equal(9, host.killed_by)
        host = H.start { folder = host.folder }
        H.wait_until(function()
          return H.sh(("sqlite3 %s/hookward.db 'SELECT state, count(*) FROM notifications'"):format(
            H.quote(host.folder))) == "1|1\n"
        end, "it to succeed")
        assert.equal(expected, runs_of(host).one)
        assert.equal(200, host:notify(BODY, { id = "one", attempt = 5 }).status)
        assert.equal(expected, runs_of(host).one)
      end)
  end
end)
