-- What a refusal tells its sender: the reason, or only the code.

local H = require "spec.support.host"

local HANDLERS = { ["a.lua"] = [[
  require "hookward".on("A.Refused", function() return nil, "no disk at 10.0.0.7" end)
]] }

describe("answers", function()
  after_each(H.stop_all)

  local function start(config)
    return H.start { handlers = HANDLERS, ledger = "hookward.db", config = config }
  end

  it('are "reasons" by default: a handler\'s words reach the sender', function()
    local host = start()
    local answer = host:notify(H.event("A.Refused"))
    assert.equal('{"error":"handler_refused","message":"no disk at 10.0.0.7"}', answer.body)
  end)

  it('have code and fixed text with "codes"; log, ledger and replay have the reason', function()
    local host = start 'answers = "codes"'
    local answer = host:notify(H.event("A.Refused"), { id = "1" })
    assert.equal('{"error":"handler_refused","message":"the handler refused the notification"}', answer.body)
    host:wait_log('error=handler_refused reason="no disk at 10%.0%.0%.7"')
    assert.equal('{"error":"invalid_json","message":"the body is not valid JSON"}',
      host:notify('{"Event":').body)
    local client = host:connect()
    client:send("POST /baseWebhookNotification HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n")
    assert.equal("the request is not valid HTTP/1.1", client:receive().message)
    client:close()
    for _, command in ipairs { "jobs show 1", "jobs replay 1" } do
      assert.matches("no disk at 10.0.0.7",
        select(2, H.sh(("cd %s && %s %s"):format(host.folder, H.binary, command))), 1, true)
    end
  end)

  it("change with the configuration, without a restart", function()
    local host = start()
    H.write(host.folder .. "/hookward.lua",
      (H.read(host.folder .. "/hookward.lua"):gsub("return {", 'return { answers = "codes",')))
    host:wait_log("reloaded")
    assert.equal("the handler refused the notification", host:notify(H.event("A.Refused")).message)
  end)
end)
