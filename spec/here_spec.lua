-- hookward jobs replay ID --here: runs one recorded notification in the terminal, for debugging.

local cjson = require "cjson"
local cli = require "spec.support.cli"
local host = require "spec.support.host"

local HANDLERS = [[
local hook = require "hookward"
local helper = {}
function helper.fail(event) error("no stock of " .. event.Item) end
hook.on("Order.Paid", function(event, job)
  print("paid", event.Item, job.id, job.attempt, job.redelivered)
  hook.log.debug("looking", { item = event.Item })
  helper.fail(event)
end)
hook.on("Order.Held", function(event)
  local mine = event.Item
  debug.debug()
  return mine ~= "x", "held " .. mine
end)
hook.on("Order.Fine", function() end)
]]

local folder

-- A project whose ledger has three notifications: "paid", "held" failed, "fine" succeeded.
local function record_some(config)
  local running = host.start { ledger = "hookward.db", config = config or "keep_bodies = true,",
    handlers = { ["orders.lua"] = HANDLERS:gsub("debug%.debug%(%)", "mine = 'x'") } }
  folder = running.folder
  for id, event in pairs { paid = "Order.Paid", held = "Order.Held", fine = "Order.Fine" } do
    running:notify(host.event(event, '"Item":"soap"'), { id = id })
  end
  return running
end

local function record_and_stop(config)
  assert.equal(0, record_some(config):stop())
  host.write(folder .. "/handlers/orders.lua", HANDLERS)
end

local function replay(arguments, stdin)
  local words = { "jobs", "replay", cwd = folder, stdin = stdin }
  for word in arguments:gmatch("%S+") do words[#words + 1] = word end
  return cli.run(words)
end

local function row(id)
  return cjson.decode(cli.run({ "jobs", "show", id, "--json", cwd = folder }).out)[1]
end

local function fails(result, code, part)
  assert.equal(code, result.code, result.out .. result.err)
  assert.is_truthy(result.err:find(part, 1, true), result.err)
  assert.is_nil(result.err:find("traceback", 1, true), result.err)
end

after_each(function()
  host.stop_all()
  cli.clean()
end)

describe("hookward jobs replay --here", function()
  it("prints to the terminal, and shows the whole traceback", function()
    record_and_stop()
    local result = replay "paid --here"
    assert.equal(1, result.code)
    assert.match("^paid\tsoap\tpaid\t0\ttrue\nhandler_error: handlers/orders.lua:3: no stock of soap\n"
      .. "stack traceback:\n", result.out)
    assert.match("\n%s+handlers/orders.lua:3: in [^\n]*fail'\n%s+handlers/orders.lua:7: in ", result.out)
    assert.equal("Order.Paid, attempt 0, 75 bytes; nothing will be recorded\n", result.err)
  end)

  it("lets debug.debug() read from the terminal", function()
    record_and_stop()
    local result = replay("held --here", "local _, v = debug.getlocal(3, 2) print('mine is', v)\ncont\n")
    assert.equal("mine is\tsoap\nsucceeded\n", result.out, result.err)
    assert.match("lua_debug> ", result.err)
    assert.equal(0, result.code)
  end)

  it("is not interrupted by handler_timeout", function()
    record_and_stop 'keep_bodies = true, handler_timeout = "50ms",'
    host.write(folder .. "/handlers/orders.lua", [[require "hookward".on("*", function()
      local stop = os.clock() + 0.2
      while os.clock() < stop do end
    end)]])
    assert.equal("succeeded\n", replay("held --here").out)
  end)

  it("records nothing, can be repeated, and works while a host is running", function()
    local running = record_some()
    local before = row "paid"
    for _ = 1, 2 do assert.equal(1, replay("paid --here").code) end
    assert.equal(0, replay("fine --here").code)
    assert.same(before, row "paid")
    assert.equal("failed", row("held").state)
    assert.is_true(running:alive())
  end)

  it("runs what nobody would deliver again, too", function()
    local running = record_some()
    running:notify(host.event("Order.Paid", '"Item":"ink"'), { id = "ink", attempt = 5 })
    assert.equal(0, running:stop())
    local before = row "ink"
    local result = replay "ink --here"
    assert.match("^paid\tink\tink\t5\ttrue\nhandler_error: ", result.out)
    assert.equal(1, result.code)
    assert.same(before, row "ink")
    replay "ink --here --record"
    assert.equal(before.runs + 1, row("ink").runs)
  end)

  it("records the outcome with --record, when no host is running", function()
    local running = record_some()
    fails(replay "paid --here --record", 1, "a host is running with this ledger: leave --record out, or stop it")
    running:stop()
    assert.equal(1, replay("paid --here --record").code)
    assert.equal(2, row("paid").runs)
    host.write(folder .. "/handlers/orders.lua", [[require "hookward".on("*", function() print "fixed" end)]])
    local result = replay "paid --here --record"
    assert.equal("fixed\nsucceeded\n", result.out)
    assert.equal("succeeded", row("paid").state)
    fails(replay "paid --here --record", 1, "it succeeded; --force runs and records it again")
    assert.equal("fixed\nsucceeded\n", replay("paid --here --record --force").out)
  end)

  it("says what it can't do, in one line", function()
    local running = record_some "keep_bodies = false,"
    running:notify(host.event("Order.Held", '"Item":"other"'), { id = "held" })
    running:stop()
    fails(replay "--here", 2, "--here runs one notification: name its id")
    fails(replay "paid held --here", 2, "name its id")
    fails(replay "paid --here --json", 2, "it can't be combined with --json")
    fails(replay "--here --state failed", 2, "it can't be combined with --state")
    fails(replay "paid --record", 2, "--record needs --here")
    fails(replay "nobody --here", 1, "no notification nobody is in the ledger")
    fails(replay "fine --here", 1, "the body of fine was not kept")
    fails(replay "held --here", 1, "2 notifications have the id held; say which one with --digest")
    local digest = row("held").digest:sub(1, 12)
    assert.is_truthy(replay("held --here --digest " .. digest).out:find("handler_refused: held ", 1, true))
    host.write(folder .. "/handlers/orders.lua", "syntax error")
    fails(replay "paid --here", 1, "handlers/orders.lua:1: syntax error near 'error'")
  end)
end)
