-- The overview of a ledger that hosts share: who shares it, and that PostgreSQL is away.

local A = require "spec.support.admin"
local B = require "spec.support.browser"
local H = require "spec.support.host"
local postgres = require "spec.support.postgres"

if not postgres.installed() then return end

local OK = { ["a.lua"] = 'require "hookward".on("*", function() end)' }

describe("the page of a fleet", function()
  local server

  after_each(function()
    B.stop_all()
    H.stop_all()
    server:close()
  end)

  it("lists the hosts, and says since when PostgreSQL is away", function()
    server = postgres.start()
    local function start(name, with)
      return with { handlers = OK, ledger = server:url(), env = "HOOKWARD_TEST=1",
        config = ('lease = "2s", host_name = "%s",'):format(name) }
    end
    start("web-2", H.start):stop()
    local host = start("web-1", A.start)
    start("web-3", H.start)
    assert.equal(200, host:notify(H.event "A.Good").status)
    H.wait_until(function()
      return postgres.query(server:url(), "SELECT count(*) FROM hookward.hosts WHERE scripts IS NOT NULL") >= "2"
    end, "the versions of the scripts")
    local browser = B.start()
    browser:resize(1280, 1400)
    A.log_in(browser, host, "#/overview")
    browser:see("web-1 (2)")
    browser:see("gone since")
    browser:see("can be used")
    browser:screenshot "fleet"
    server:down "immediate"
    H.wait_until(function() return host:notify(H.event "A.Good").error == "ledger_unavailable" end, "a refusal")
    browser:reload()
    browser:see("away since")
    browser:screenshot "fleet-away"
  end)
end)
