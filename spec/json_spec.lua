-- hook.json.encode with the tables that a handler gets, which are views that have a __pairs.

local cjson = require "cjson"
local H = require "spec.support.host"

describe("hook.json.encode", function()
  local host
  after_each(H.stop_all)

  -- Encodes a value in a handler; returns it decoded again, or nil and a reason.
  local function encode(value, config)
    host = H.start { config = config, handlers = { ["a.lua"] = [[
      local hook = require "hookward"
      hook.on("*", function(event, job)
        local text, why = hook.json.encode(]] .. value .. [[)
        if not text then return nil, why end
        local file <close> = io.open("encoded", "w")
        file:write(text)
      end)]] } }
    local answer = host:notify(H.event("A.B"), { id = "7", headers = { "X-Twice: a", "X-Twice: b" } })
    if answer.status ~= 200 then return nil, answer.message end
    return cjson.decode(H.read(host.folder .. "/encoded"))
  end

  it("encodes the settings as they are in hookward.lua", function()
    assert.same({ url = "x", list = { 1, { a = true } }, empty = {} }, encode("hook.config",
      "settings = { url = 'x', list = { 1, { a = true } }, empty = {} }"))
  end)

  it("encodes a part of them within another table", function()
    assert.same({ of = { "b" } }, encode("{ of = hook.config.a }", "settings = { a = { 'b' } }"))
  end)

  it("encodes a whole job, its headers too, even if none was read before", function()
    local job = encode("job")
    assert.equal("7", job.id)
    assert.equal(H.event("A.B"), job.body)
    assert.equal("a, b", job.headers["x-twice"])
  end)

  it("reports an error in __pairs, with its message and place", function()
    local value = "{ x = { setmetatable({}, { __pairs = function() error('no more', 0) end }) } }"
    assert.equal("cannot encode a table whose __pairs failed (no more) at x[1]", select(2, encode(value)))
  end)

  it("ends at handler_timeout when a __pairs does not end", function()
    encode("setmetatable({}, { __pairs = function(t) return function() return 1, 1 end, t end })",
      "handler_timeout = '200ms'")
    host:wait_log("error=handler_timeout")
  end)
end)
