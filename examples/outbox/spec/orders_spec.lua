local testing = require "hookward.testing"

local URL = "http://service.test/orders"

describe("an order", function()
  local app

  before_each(function()
    app = testing.load("handlers", { settings = { url = URL }, clock = "2024-05-10T11:00:00Z" })
  end)
  after_each(function() if app then app:unload() end end)

  -- What the service answers to one request after another; the last one is repeated.
  local function answers(...) app:stub_http("POST", URL, { ... }) end

  local function order(id, customer)
    return app:deliver("Order.Created", { OrderId = id, CustomerId = customer },
      { id = tostring(id) })
  end

  -- The ids of what was posted, in that order.
  local function posted()
    local ids = {}
    for i, call in ipairs(app.http_calls) do ids[i] = call.body:match('"OrderId":(%d+)') end
    return table.concat(ids, " ")
  end

  local OK, AWAY = { status = 200 }, { error = "nobody is there", kind = "connect" }

  it("is accepted, and posted once, as it was signed", function()
    answers(OK)
    local first = order(1, 7):expect(200)
    assert.is_true(first.accepted)
    assert.equal("succeeded", first.state)
    assert.equal(first.sent.body, app.http_calls[1].body)
    assert.is_true(app:redeliver(first):expect(200).duplicate)
    assert.equal("1", posted())
  end)

  it("is accepted while the service is away, and posted again later, with the same key", function()
    answers(AWAY, { status = 503 }, OK)
    local first = order(1, 7):expect(200, "handler_refused")
    assert.equal(app:clock() + 60, first.next_run_at)
    local runs = app:advance("1h")
    assert.equal("the service answered 503", runs[1].reason)
    assert.equal("succeeded", runs[2].state)
    local calls = app.http_calls
    assert.equal(calls[1].headers["idempotency-key"], calls[3].headers["idempotency-key"])
  end)

  it("waits behind an earlier one of its customer, but not behind others", function()
    answers(AWAY, OK)
    order(1, 7)
    assert.equal("queued", order(2, 7):expect(200).state)
    assert.equal("succeeded", order(3, 8):expect(200).state)
    app:advance("1m")
    assert.equal("1 3 1 2", posted())
  end)

  it("is dead at once if the service will never take it, and the next one goes on", function()
    answers({ status = 422 }, OK)
    assert.equal("dead", order(1, 7):expect(200, "given_up").state)
    assert.equal("succeeded", order(2, 7):expect(200).state)
  end)

  it("is dead after the last retry, and the next one goes on", function()
    answers(AWAY)
    local first, second = order(1, 7), order(2, 7)
    app:advance("1d")
    assert.equal("1 1 1 1 1 1 2 2 2 2 2 2", posted())
    for _, result in ipairs { first, second } do
      assert.equal("dead", app:redeliver(result):expect(200).state)
    end
  end)

  it("comes back when the service says so, within a day", function()
    for i, said in ipairs { { "120", 120 }, { "86401", 60 }, { "-1", 60 }, { "soon", 60 } } do
      answers { status = 429, headers = { ["Retry-After"] = said[1] } }
      assert.equal(app:clock() + said[2], order(i, i).next_run_at, said[1])
    end
  end)

  it("is refused without a customer, so that Accredit delivers it again", function()
    app:deliver("Order.Created", { OrderId = 1 }):expect(400, "schema_violation")
    app:deliver("Order.Created", { OrderId = 1, CustomerId = "x" }):expect(400, "schema_violation")
    assert.equal("", posted())
  end)
end)
