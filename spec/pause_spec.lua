-- A host that was stopped for a while (a suspended machine, SIGSTOP, a long stall) and goes on:
-- what arrived meanwhile counts as in time.

local H = require "spec.support.host"
local socket = require "socket"

local BODY = H.event("A.Done")

describe("after a pause the host", function()
  local host
  after_each(H.stop_all)

  -- Longer than every time-out of these specs.
  local function pause(meanwhile)
    host:signal("STOP")
    H.wait_until(function() return host:state() == "T" end, "the host to stop")
    meanwhile()
    socket.sleep(0.8)
    host:signal("CONT")
  end

  it("reads what has arrived before it applies its time-outs", function()
    host = H.start {
      handlers = { ["a.lua"] = 'require "hookward".on("*", function() end)' },
      config = "header_timeout = 0.5, body_timeout = 0.5, idle_timeout = 0.5",
    }
    local request = H.request(BODY)
    local clients = {}
    for i, sent in ipairs { 0, 10, #request - 1 } do -- nothing, part of a head, part of a body
      clients[i] = { tcp = host:connect(), rest = request:sub(sent + 1) }
      clients[i].tcp:send(request:sub(1, sent))
    end
    host:notify(BODY) -- so that those are read
    pause(function()
      for _, client in ipairs(clients) do client.tcp:send(client.rest) end
    end)
    for _, client in ipairs(clients) do assert.equal(200, client.tcp:receive().status) end
  end)

  it("takes the outcome of a handler before it applies handler_timeout", function()
    local gate = H.gate()
    host = H.start {
      handlers = { ["a.lua"] = gate.source .. 'require "hookward".on("*", function() wait() end)' },
      config = "handler_timeout = 0.5",
    }
    local client = host:connect()
    client:send(H.request(BODY))
    host:wait_log("begun")
    pause(function() gate:open() end)
    assert.equal(200, client:receive().status)
  end)
end)
