-- PostgreSQL's primary dies, and its synchronous standby is promoted: nothing that was answered is lost.

local F = require "spec.support.fleet"
local H = require "spec.support.host"
local journal = require "spec.support.journal"
local postgres = require "spec.support.postgres"

if not postgres.installed() then return end

describe("a failover to a synchronous standby", function()
  local primary, standby

  after_each(function()
    H.stop_all()
    for _, server in pairs { standby, primary } do server:close() end
    primary, standby = nil, nil
  end)

  it("forgets nothing, and repeats nothing", function()
    primary = postgres.start { hba = "local replication all trust\nhost replication all 127.0.0.1/32 trust",
      settings = { wal_level = "replica", max_wal_senders = "4" } }
    standby = postgres.start {
      from = function(data)
        return ("%s/pg_basebackup -D %s -R -c fast -d %s"):format(postgres.installed(), postgres.quote(data),
          postgres.quote(primary:url() .. "?application_name=standby"))
      end,
    }
    primary:set("synchronous_standby_names", "'*'")
    primary:reload()
    H.wait_until(function()
      return primary:query "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'" == "1"
    end, "the standby to be synchronous")
    local both = ("postgres://postgres@127.0.0.1:%d,127.0.0.1:%d/postgres"):format(primary.port, standby.port)
    local fleet = F.new { ledger = both, lease = F.LEASE }:start(3)
    local sender = F.sender(fleet)
    sender:run(1.5)
    primary:down "immediate"
    sender:run(0.5)
    standby:control "promote"
    sender:run(1.5)
    sender:finish()
    fleet.options.ledger = standby:url()
    local found = fleet:findings()
    F.tell(fleet, sender, found, "failover")
    journal.assert_kept(found)
    assert.equal(0, found.window + found.cut_short)
    H.wait_until(function() return fleet:states() == "1 " .. #sender.sent end, "all to be recorded")
  end)
end)
