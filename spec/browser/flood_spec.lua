-- The page while notifications arrive much faster than anybody reads: it leaves some out, says so, and
-- stays usable.

local socket = require "socket"
local A = require "spec.support.admin"
local B = require "spec.support.browser"
local H = require "spec.support.host"
local sql = require "spec.support.sql"

local SECONDS = 10
local AT_LEAST = 500 -- a second; a page shows at most 160

-- Seconds that the page may take for what the user does, on a machine that is busy with the flood.
local SOON = 5 * (tonumber(os.getenv("HOOKWARD_SPEC_PATIENCE") or 20) / 20)

describe("the page under a flood of notifications", function()
  local host, browser, wrk

  setup(function()
    host = A.start { handlers = { ["a.lua"] = 'require "hookward".on("*", function() end)' },
      config = 'log = { level = "info" }' }
    -- From here on not a line each. That it listens is told at the level of before.
    local file = host.folder .. "/hookward.lua"
    H.write(file, (H.read(file):gsub('"info"', '"warn"')))
    H.wait_until(function()
      local before = #host:log()
      return host:notify(H.event "A.B").status == 200 and #host:log() == before
    end, "the log's new level")
    browser = B.start()
    A.log_in(browser, host, "#/deliveries")
  end)

  teardown(function()
    if wrk then wrk:close() end
    B.stop_all()
    H.stop_all()
  end)

  local function flood()
    local body = H.event "A.B"
    H.write(host.folder .. "/body", body)
    wrk = io.popen(("SIGNATURE=%s BODY=%s/body SALT=flood exec wrk -t1 -c32 -d%ds -s spec/bench/notify.lua "
      .. "http://127.0.0.1:%d 2>&1"):format(H.quote(H.sign(body)), host.folder, SECONDS, host.port))
  end

  -- Waits for it, not longer than SOON.
  local function soon(check, what) browser:wait_until(check, what, SOON) end

  -- Asked within the page, since an element that is found may be replaced by the next flood.
  local function has_rows() return browser:run "return document.querySelector('tr[data-seq]') !== null" end

  it("says what it leaves out, filters and opens at once, and has the newest in the end", function()
    flood()
    browser:see("arrive too fast to be read", ".missed")
    browser:click { like = "^failed", css = "button.chip" }
    soon(function() return browser:text("main"):find("No delivery matches", 1, true) end, "the filter")
    browser:click { like = "^failed", css = "button.chip" }
    soon(has_rows, "all of them")
    browser:click "tr[data-seq] a"
    soon(function() return browser:text("main"):find("Verified by", 1, true) end, "one delivery")
    browser:back()
    soon(has_rows, "the list")

    local figures = wrk:read("a")
    wrk:close()
    wrk = nil
    local rate, failed = figures:match("figures: (%d+) %S+ %S+ (%d+)")
    assert.equal("0", failed, figures)
    assert.is_true(tonumber(rate) > AT_LEAST, figures)
    local newest = sql(host, "SELECT max(seq) FROM notifications")
    local began = socket.gettime()
    browser:reload()
    browser:find(("tr[data-seq='%s']"):format(newest))
    assert.is_true(socket.gettime() - began < SOON)
    browser:check(host.admin)
  end)
end)
