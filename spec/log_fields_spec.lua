-- How the fields that a handler gives to hook.log are written.

local cjson = require "cjson"
local H = require "spec.support.host"

describe("the fields of a handler's line", function()
  local host
  after_each(H.stop_all)

  -- Runs the code in a handler; returns the line with the message "said", decoded if it is JSON.
  local function said(format, code)
    host = H.start { config = ('log = { format = "%s" }'):format(format), handlers = {
      ["a.lua"] = 'local hook = require "hookward"\nhook.on("*", function(event) ' .. code .. " end)" } }
    assert.equal(200, host:notify(H.event("A.B", '"N":null,"E":[],"O":{}'), { id = "j" }).status)
    local line = host:wait_log("([^\n]*said[^\n]*)\n")
    if format == "text" then return line end
    local decoded = cjson.decode(line)
    assert.equal("A.B", decoded.event)
    assert.equal("j", decoded.job)
    assert.equal("said", decoded.message)
    return decoded.fields, line
  end

  it("are separate from the line's own fields in JSON", function()
    local fields, line = said("json", [[
      hook.log.info("said", { time = 1, level = "fatal", message = "m", event = "e", job = "x",
        fields = 2, ["a b"] = 1, a_b = 2 })]])
    assert.same({ time = 1, level = "fatal", message = "m", event = "e", job = "x", fields = 2, a_b = 1 },
      fields)
    for _, name in ipairs { "time", "level", "message", "event", "job", "fields" } do
      assert.equal(2, select(2, line:gsub('"' .. name .. '":', "")), name)
    end
    assert.equal(1, select(2, line:gsub('"a_b":', "")))
  end)

  it("are distinguished from the line's own fields in text", function()
    assert.matches("info  said event=A%.B job=j fields%.event=e fields%.job=x level=fatal$",
      said("text", [[hook.log.info("said", { event = "e", job = "x", level = "fatal" })]]))
  end)

  it("are absent when there are none", function()
    assert.is_nil((said("json", [[hook.log.info("said", {})]])))
  end)

  it("hold tables as JSON, and null as null", function()
    local fields, line = said("json", [[
      local date = setmetatable({}, { __tostring = function() return "today" end })
      hook.log.info("said", { null = event.N, list = { 1, "two", { x = true } }, empty = event.E,
        object = event.O, date = date, deep = { date, f = 1.5, s = "é\n\xff\"" }, view = { hook.config } })]])
    assert.equal(cjson.null, fields.null)
    assert.same({ 1, "two", { x = true } }, fields.list)
    assert.matches('"empty":%[%][,}]', line)
    assert.matches('"object":{}[,}]', line)
    assert.matches('"view":%[{}%]', line)
    assert.equal("today", fields.date)
    assert.same({ ["1"] = "today", f = 1.5, s = "é\n\u{FFFD}\"" }, fields.deep)
  end)

  it("hold tables as JSON in text, too", function()
    assert.matches([[ list="%[1,{\"a\":2,\"b\":3}%]" null=null$]], said("text",
      [[hook.log.info("said", { list = { 1, { b = 3, a = 2 } }, null = event.N })]]))
  end)

  it("hold values that JSON does not have as strings", function()
    local fields = said("json", [[hook.log.info("said", { t = { print, 0/0, 1/0, io.stdout,
      coroutine.create(print), { [1] = 1, [3] = 3 }, { [true] = 1, x = 2 } } })]])
    assert.matches("^function: ", fields.t[1])
    assert.equal(cjson.null, fields.t[2])
    assert.equal(cjson.null, fields.t[3])
    assert.matches("^file %(", fields.t[4])
    assert.matches("^thread: ", fields.t[5])
    assert.same({ ["1"] = 1, ["3"] = 3 }, fields.t[6])
    assert.same({ ["true"] = 1, x = 2 }, fields.t[7])
  end)

  it("are cut where a table contains itself or is nested too deep", function()
    local fields = said("json", [[
      local ring = { name = "ring" }
      ring.next = { ring }
      local deep = 1
      for _ = 1, 50 do deep = { deep } end
      hook.log.info("said", { ring = ring, deep = deep })]])
    assert.same({ name = "ring", next = { "a table inside itself" } }, fields.ring)
    local depth, deep = 0, fields.deep
    while type(deep) == "table" do depth, deep = depth + 1, deep[1] end
    assert.equal(8, depth)
    assert.equal("…", deep)
  end)

  it("are cut at their limits, and the line stays JSON", function()
    local fields = said("json", [[
      local wide, many, long = {}, {}, {}
      for i = 1, 101 do wide[i] = i end
      for i = 1, 101 do many["k" .. i] = i end
      for i = 1, 90 do long[i] = { { { { { { text = ("x\1"):rep(40) } } } } } } end
      hook.log.info("said", { wide = wide, many = many, a = long })]])
    assert.equal(101, #fields.wide)
    assert.equal(100, fields.wide[100])
    assert.equal("…", fields.wide[101])
    local count = 0
    for _ in pairs(fields.many) do count = count + 1 end
    assert.equal(101, count)
    assert.is_true(fields.many["…"])
    local item = fields.a[#fields.a]
    while type(item) == "table" do item = item[1] or item["…"] end
    assert.is_truthy(item == "…" or item == true)
    H.stop_all()
    fields = said("json", [[
      local fields = {}
      for i = 1, 40 do fields[("a%02d"):format(i)] = { "x" } end
      hook.log.info("said", fields)]])
    count = 0
    for _ in pairs(fields) do count = count + 1 end
    assert.equal(33, count)
    assert.equal("more", fields["..."])
    H.stop_all()
    fields = said("json", [[
      local fields = { a = ("é\""):rep(9000) }
      for i = 1, 20 do fields[("b%02d"):format(i)] = { ("\0"):rep(30) } end
      hook.log.info("said", fields)]])
    assert.is_true(#fields.a > 6000)
    H.stop_all()
    fields = said("json", [[
      hook.log.info("said", { object = { [("k"):rep(5000)] = { a = 1 } },
        list = { [("k"):rep(5000)] = { 1 } } })]])
    assert.same({ ["…"] = true }, select(2, next(fields.object)))
    assert.same({ "…" }, select(2, next(fields.list)))
    H.stop_all()
    fields = said("json", [[
      local view = setmetatable({}, { __pairs = function() return next, { v = ("v"):rep(240) } end })
      hook.log.info("said", { view = { [("k"):rep(5000)] = view } })]])
    assert.equal("string", type(select(2, next(fields.view))))
  end)

  it("that can't be written raise an error and write no broken line", function()
    host = H.start { config = 'log = { format = "json" }', handlers = { ["a.lua"] = [[
      local hook = require "hookward"
      local bad = setmetatable({}, { __tostring = function() error("no text", 0) end })
      hook.on("*", function() hook.log.info("said", { a = 1, b = { bad } }) end)]] } }
    assert.equal("handler_error", host:notify(H.event("A.B")).error)
    host:wait_log("no text")
    host:stop()
    for line in host:log():gmatch("[^\n]+") do cjson.decode(line) end
  end)
end)
