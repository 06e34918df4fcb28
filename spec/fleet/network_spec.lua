-- The network between one host and PostgreSQL drops everything, in both directions or in one, for less
-- and for longer than the lease. The host is in a network namespace of its own; its sender reaches it
-- by another way.

local F = require "spec.support.fleet"
local H = require "spec.support.host"
local journal = require "spec.support.journal"
local postgres = require "spec.support.postgres"

if not postgres.installed() then return end

local LEASE_S = tonumber((F.LEASE:gsub("s$", "")))
local SPACE = ("hw%x"):format(os.time() % 0xfffff)

describe("a host that is cut off from PostgreSQL", function()
  local server

  -- Two links: a for the sender, b for the database.
  local function lay_links()
    if H.sh "id -u" ~= "0\n" then return end
    return H.sh(([[set -e
      ip netns add SPACE
      for link in a b; do
        ip link add SPACE$link type veth peer name SPACEx$link
        ip link set SPACEx$link netns SPACE
        ip link set SPACE$link up
        ip -n SPACE link set SPACEx$link up
      done
      ip -n SPACE link set lo up
      ip addr add 10.231.1.1/24 dev SPACEa; ip -n SPACE addr add 10.231.1.2/24 dev SPACExa
      ip addr add 10.231.2.1/24 dev SPACEb; ip -n SPACE addr add 10.231.2.2/24 dev SPACExb]]):gsub("SPACE", SPACE))
  end

  local function drop_links()
    H.sh((("ip netns del SPACE; ip link del SPACEa; ip link del SPACEb"):gsub("SPACE", SPACE)))
  end

  after_each(function()
    H.stop_all()
    drop_links()
    if server then server:close() end
    server = nil
  end)

  -- Packets to an address that nobody has get lost without a word.
  local function lose(space, device, address)
    assert(H.sh(("ip %s neigh replace %s lladdr 02:00:00:00:00:99 dev %s nud permanent"):format(space, address,
      device)))
  end
  local function find(space, device, address)
    assert(H.sh(("ip %s neigh del %s dev %s"):format(space, address, device)))
  end

  local WAYS = {
    ["in both directions"] = {
      function() lose("", SPACE .. "b", "10.231.2.2") lose("-n " .. SPACE, SPACE .. "xb", "10.231.2.1") end,
      function() find("", SPACE .. "b", "10.231.2.2") find("-n " .. SPACE, SPACE .. "xb", "10.231.2.1") end,
    },
    ["in what it sends"] = {
      function() lose("-n " .. SPACE, SPACE .. "xb", "10.231.2.1") end,
      function() find("-n " .. SPACE, SPACE .. "xb", "10.231.2.1") end,
    },
    ["in what it gets"] = {
      function() lose("", SPACE .. "b", "10.231.2.2") end,
      function() find("", SPACE .. "b", "10.231.2.2") end,
    },
  }
  for name, way in pairs(WAYS) do
    for what, share in pairs { ["less than"] = 0.4, ["longer than"] = 2 } do
      it(("%s, for %s the lease: nothing is lost, and nothing runs side by side"):format(name, what), function()
        if not lay_links() then return pending "network namespaces take root and iproute2" end
        server = postgres.start { address = "0.0.0.0", hba = "host all all 10.231.0.0/16 trust" }
        local near = ("postgres://postgres@127.0.0.1:%d/postgres"):format(server.port)
        local far = ("postgres://postgres@10.231.2.1:%d/postgres"):format(server.port)
        local fleet = F.new {
          ledger = near, lease = F.LEASE,
          ledger_of = function(at) return at == 1 and far or near end,
          listen = function(at) return at == 1 and "10.231.1.2" or nil end,
          wrap = function(at) return at == 1 and "ip netns exec " .. SPACE or "" end,
        }:start(3)
        local sender = F.sender(fleet, { width = 16 })
        sender:run(1)
        way[1]()
        sender:run(LEASE_S * share)
        way[2]()
        sender:run(2)
        sender:finish()
        local found = fleet:findings()
        F.tell(fleet, sender, found, "cut off " .. name .. ", " .. what .. " the lease")
        -- What ended while it was cut off for long was not recorded in time: that is the window.
        journal.assert_kept(found, { again = share > 1 })
        H.wait_until(function() return fleet:states() == "1 " .. #sender.sent end, "all to be recorded")
        assert.equal("", fleet:forgotten())
      end)
    end
  end
end)
