-- GET /timeline and GET /admin of the control socket: the past by the minute, and where the page is.

local H = require "spec.support.host"
local clock = require "spec.support.clock"
local json = require "cjson"
local socket = require "socket"

local HANDLERS = { ["a.lua"] = [[
  local hook = require "hookward"
  hook.on("Good.Made", function() end)
  hook.on("Bad.Made", function() return nil, "no" end)
]] }

describe("the timeline", function()
  teardown(H.stop_all)

  local function get(host, path, range)
    local client = assert(H.connect_unix(host.folder .. "/.hookward.sock"))
    client:send(("GET %s HTTP/1.1\r\nHost: h\r\n%s\r\n"):format(path,
      range and ("X-Hookward-Range: %s\r\n"):format(range) or ""))
    local answer = assert(client:receive())
    client:close()
    return answer.status == 200 and json.decode(answer.body), answer
  end

  local function sum(timeline)
    local all = {}
    for _, point in ipairs(timeline.points) do
      for name, value in pairs(point) do all[name] = (all[name] or 0) + value end
    end
    return all
  end

  describe("of a host with an admin listener", function()
    local host

    setup(function()
      host = H.start { handlers = HANDLERS, config = 'admin = "unix:admin.sock"' }
      for i = 1, 3 do host:notify(H.event("Good.Made"), { id = "good-" .. i }) end
      for _ = 1, 2 do host:notify(H.event("Bad.Made"), { id = "bad" }) end
      host:notify(H.event("Good.Made"), { id = "good-1" })
      host:notify("{}", { id = "forged", signature = H.sign("something else") })
    end)

    it("has what was counted, also in the minute that has not ended", function()
      for range, step in pairs { hour = 60, day = 300, week = 2400 } do
        local timeline = get(host, "/timeline", range)
        assert.equal(step, timeline.step)
        assert.equal(timeline.start, timeline.points[1].t)
        local last = timeline.points[#timeline.points]
        assert.is_true(last.t <= socket.gettime() and last.t > socket.gettime() - step - 5)
        local all = sum(timeline)
        assert.same({ 3, 2, 0, 1, 1 },
          { all.succeeded, all.failed, all.unhandled, all.duplicates, all.refused })
        assert.is_true(all.p50 > 0 and all.p50 <= all.p99 and all.p99 < 5)
      end
      assert.equal(60, get(host, "/timeline").step)
    end)

    it("has no other ranges", function()
      local _, answer = get(host, "/timeline", "year")
      assert.equal(404, answer.status)
      assert.matches("hour, day or week", answer.message)
    end)

    it("is beside the page's address and what makes a login link", function()
      local admin = get(host, "/admin")
      assert.equal("unix:" .. host.folder .. "/admin.sock", admin.url)
      assert.matches("^" .. ("%x"):rep(64) .. "$", admin.secret)
    end)
  end)

  -- The clock is set so that a minute ends soon.
  it("is saved with the ledger at the end of a minute, and read at the next start #long", function()
    local time = clock.new()
    time.set(60 - socket.gettime() % 60 - 8)
    local function start(folder)
      return H.start { folder = folder, handlers = HANDLERS, ledger = "hookward.db", env = time.env,
        config = 'admin = "unix:admin.sock"' }
    end
    local host = start()
    for i = 1, 3 do host:notify(H.event("Good.Made"), { id = "good-" .. i }) end
    host:notify(H.event("Bad.Made"), { id = "bad" })
    H.wait_until(function()
      return H.sh(("sqlite3 %s/hookward.db 'SELECT count(*) FROM minutes'"):format(host.folder)) ~= "0\n"
    end, "the minute to be saved")
    host:kill()
    host = start(host.folder)
    local all = sum(get(host, "/timeline", "day"))
    assert.same({ 3, 1 }, { all.succeeded, all.failed })
    assert.is_true(all.p50 > 0)
  end)

  it("is not there without an admin listener", function()
    local host = H.start { handlers = HANDLERS }
    for _, path in ipairs { "/timeline", "/admin" } do
      local _, answer = get(host, path)
      assert.equal(404, answer.status)
      assert.matches("no admin listener", answer.message)
    end
  end)
end)
