local testing = require "hookward.testing"

describe("a notification", function()
  local PRINT, ARCHIVE = "https://print.test/hooks", "https://archive.test/hooks"
  local path, app

  local function load_app(database, clock)
    return testing.load("handlers", { clock = clock, settings = {
      targets = {
        { name = "print", url = PRINT, timeout = 3 },
        { name = "archive", url = ARCHIVE },
      },
      delivered = database or path,
      remember_days = 30,
    } })
  end

  before_each(function()
    path = os.tmpname()
    app = load_app()
  end)
  after_each(function()
    if app then app:unload() end
    os.remove(path)
  end)

  local function targets_of(result)
    local urls = {}
    for i, call in ipairs(result.http_calls) do urls[i] = call.url end
    return urls
  end

  it("goes to every target, byte for byte, with the same key", function()
    app:stub_http("POST", "https://*", { status = 202 })
    local result = app:deliver("Person.Updated", { PersonId = 7 }):expect(200)
    assert.same({ PRINT, ARCHIVE }, targets_of(result))
    local first, second = result.http_calls[1], result.http_calls[2]
    assert.equal(result.sent.body, first.body)
    assert.equal("application/json", first.headers["content-type"])
    assert.equal(3, first.timeout)
    assert.equal(result.id .. "-" .. result.digest, first.headers["idempotency-key"])
    assert.equal(first.headers["idempotency-key"], second.headers["idempotency-key"])
  end)

  it("is repeated only for the target that failed", function()
    app:stub_http("POST", PRINT, { { status = 503 }, { status = 200 } })
    app:stub_http("POST", ARCHIVE, { status = 200 })
    local first = app:deliver("Person.Updated"):expect(400, "handler_refused")
    assert.equal("not delivered to print", first.reason)
    assert.equal("answered 503", first:logged("failed", "warn").fields.reason)
    assert.same({ PRINT, ARCHIVE }, targets_of(first))
    assert.same({ PRINT }, targets_of(app:redeliver(first):expect(200)))
  end)

  it("is remembered across restarts", function()
    app:stub_http("POST", PRINT, { status = 200 })
    app:stub_http("POST", ARCHIVE, { error = "connection refused", kind = "connect" })
    local first = app:deliver("Person.Updated"):expect(400)
    local restarted <close> = load_app()
    restarted:stub_http("POST", ARCHIVE, { status = 200 })
    assert.same({ ARCHIVE }, targets_of(restarted:redeliver(first):expect(200)))
  end)

  it("is forgotten after remember_days", function()
    app:clock("2024-05-10T11:09:21Z")
    app:stub_http("POST", "*", { status = 200 })
    local first = app:deliver("Person.Updated"):expect(200)
    for days, calls in pairs { [29] = 0, [31] = 2 } do
      local later <close> = load_app(path, app:clock() + days * 86400)
      later:stub_http("POST", "*", { status = 200 })
      assert.equal(calls, #later:redeliver(first):expect(200).http_calls)
    end
  end)

  it("tells the sender which targets failed, but not their addresses", function()
    app:stub_http("POST", "*", { error = "could not connect to 10.0.0.7", kind = "connect" })
    local result = app:deliver("Person.Updated"):expect(400)
    assert.equal("not delivered to print, archive", result.message)
  end)

  it("counts as another one when the body differs under the same job id", function()
    app:stub_http("POST", "*", { status = 200 })
    app:deliver("Person.Updated", { PersonId = 7 }, { id = "1" }):expect(200)
    local other = app:deliver("Person.Updated", { PersonId = 8 }, { id = "1" }):expect(200)
    assert.equal(2, #other.http_calls)
  end)

  it("is not posted while the database can't be written", function()
    local broken <close> = load_app("/no/such/folder/delivered.db")
    local result = broken:deliver("Person.Updated"):expect(400)
    assert.equal("the database failed", result.reason)
    assert.equal(0, #result.http_calls)
  end)
end)
