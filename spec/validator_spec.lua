-- A schema is compiled into a check that names the first field that breaks it; an unsupported
-- schema is refused when it is compiled.

local cjson = require "cjson"

local arrays = {}
local function array(list) return setmetatable(list, arrays) end

-- A stand-in for the C functions that the validator uses; schema_spec.lua runs the host's own.
package.preload["hookward.core"] = function()
  return {
    json = { null = cjson.null, encode = cjson.encode, array = array },
    timestamp = function(text) return text:match("^%d+%-%d+%-%d+T.*Z$") and 0 or nil end,
  }
end
for name in pairs(package.loaded) do
  if name:find("^hookward") then package.loaded[name] = nil end
end
local validator = require "hookward.handlers.validator"
local catalogue = require "hookward.handlers.catalogue"
local null = cjson.null

local function violation(schema, value)
  return validator.violation(assert(validator.compile(schema)), value)
end

local function passes(schema, ...)
  for _, value in ipairs { ... } do assert.is_nil(violation(schema, value)) end
end

local function problem(schema)
  local check, why = validator.compile(schema)
  assert.is_nil(check, "it was accepted")
  assert.is_nil(why:find("\n", 1, true))
  return why
end

local UUID = "0f8fad5b-d9cb-469f-a165-70867728950e"

describe("a check", function()
  it("lets everything pass when the schema says nothing", function()
    passes({}, 1, "x", true, null, {}, { 1 }, { a = 1 })
    assert.is_nil(violation({}, false))
  end)

  it("distinguishes all types", function()
    local values = {
      object = { { a = 1 } }, array = { { 1, 2 } }, string = { "", "1" }, number = { 0.5, -1e300 },
      integer = { 1, 1.0, 9007199254740993 }, boolean = { true }, null = { null },
    }
    for type, good in pairs(values) do
      passes({ type = type }, table.unpack(good))
      for other, bad in pairs(values) do
        local is_number = type == "number" and other == "integer"
          or type == "integer" and bad[1] == -1e300
        for _, value in ipairs(bad) do
          if other ~= type and not is_number and not (type == "integer" and value == -1e300) then
            assert.match("^the event: expected .+, found .+", violation({ type = type }, value))
          end
        end
      end
    end
    assert.is_nil(violation({ type = "boolean" }, false))
    assert.equal("the event: expected an integer, found a number", violation({ type = "integer" }, 1.5))
    assert.equal("the event: expected a string, found false", violation({ type = "string" }, false))
  end)

  it("distinguishes an empty array from an empty object", function()
    passes({ type = "object" }, {})
    passes({ type = "array" }, array {})
    passes({ type = { "object", "array" } }, {}, array {})
    passes({ required = { "Id" } }, array {})
    assert.equal("the event: expected an array, found an empty object", violation({ type = "array" }, {}))
    assert.equal("the event: expected an object, found an empty array",
      violation({ type = "object" }, array {}))
    assert.equal("Id: is missing", violation({ required = { "Id" } }, {}))
    assert.equal("the event: expected an object, found an array", violation({ type = "object" }, array { 1 }))
  end)

  it("accepts one of several types", function()
    local schema = { type = { "string", "null" } }
    passes(schema, "x", null)
    assert.equal("the event: expected a string or null, found an array", violation(schema, { 1 }))
  end)

  it("names the field that is missing, and the path of the one that is wrong", function()
    local schema = {
      required = { "Id", "Owner" },
      properties = {
        Id = { type = "integer" },
        Owner = { required = { "Name" }, properties = { Tags = { items = { type = "string" } } } },
      },
    }
    passes(schema, { Id = 1, Owner = { Name = "x", Tags = { "a", "b" } } })
    assert.equal("Id: is missing", violation(schema, { Owner = {} }))
    assert.equal("Owner: is missing", violation(schema, { Id = 1 }))
    assert.equal("Owner.Name: is missing", violation(schema, { Id = 1, Owner = {} }))
    assert.equal("Id: expected an integer, found null", violation(schema, { Id = null, Owner = { Name = 1 } }))
    assert.equal("Owner.Tags[1]: expected a string, found a number",
      violation(schema, { Id = 1, Owner = { Name = "x", Tags = { "a", 2 } } }))
    assert.equal("[2].a: is missing", violation({ items = { required = { "a" } } },
      { { a = 1 }, { a = 1 }, {} }))
  end)

  it("ignores values of another type, which `type` is for", function()
    passes({ required = { "a" } }, "text", 5, { 1, 2 }, null)
    passes({ properties = { a = { type = "string" } } }, "text", { 1 })
    passes({ items = { type = "string" } }, "text", { a = 1 })
    passes({ format = "uuid" }, 5, {}, null)
    passes({ additionalProperties = false }, { 1 }, 7)
  end)

  it("supports an enumeration", function()
    local schema = { properties = { State = { enum = { "new", 1, true, null } } } }
    for _, value in ipairs { "new", 1, 1.0, true, null } do passes(schema, { State = value }) end
    assert.equal('State: expected one of "new", 1, true, null', violation(schema, { State = "old" }))
    assert.equal('State: expected one of "new", 1, true, null', violation(schema, { State = { 1 } }))
    assert.equal('State: expected "new"', violation({ properties = { State = { enum = { "new" } } } },
      { State = "" }))
  end)

  it("supports the formats uuid and date-time", function()
    local schema = { format = "uuid" }
    passes(schema, UUID, UUID:upper())
    for _, text in ipairs { "", "x", UUID .. "0", " " .. UUID, "{" .. UUID .. "}", UUID:gsub("%-", ""),
        UUID:gsub("0f", "0g"), UUID .. "\n" } do
      assert.equal("the event: expected a uuid", violation(schema, text), text)
    end
    passes({ format = "date-time" }, "2024-05-10T11:09:21Z")
    assert.equal("the event: expected a date-time", violation({ format = "date-time" }, "yesterday"))
  end)

  it("limits additional properties", function()
    local closed = { properties = { a = {} }, additionalProperties = false }
    passes(closed, { a = 1 }, {})
    assert.equal("b: is not expected here", violation(closed, { a = 1, c = 2, b = 3 }))
    local open = { properties = { a = {} }, additionalProperties = { type = "integer" } }
    passes(open, { a = "x", b = 1 })
    assert.equal("b: expected an integer, found a string", violation(open, { a = "x", c = "", b = "" }))
    passes({ additionalProperties = true }, { x = 1 })
  end)

  it("shows an unknown name in quotes, cut and escaped", function()
    local closed = { additionalProperties = false }
    assert.equal('["a?b?"]: is not expected here', violation(closed, { ['a\\b"'] = 1 }))
    assert.equal('["a b??"]: is not expected here', violation(closed, { ["a b\n\27"] = 1 }))
    local name = ("n"):rep(5000)
    assert.equal('["' .. ("n"):rep(60) .. '"]: is not expected here', violation(closed, { [name] = 1 }))
    assert.equal(("n"):rep(60) .. ": is not expected here", violation(closed, { [("n"):rep(60)] = 1 }))
    assert.equal('[""]: is not expected here', violation(closed, { [""] = 1 }))
  end)
end)

describe("a schema", function()
  it("is refused with the mistake and its place", function()
    for _, case in ipairs {
      { "x", "a schema is a table, not a string" },
      { { minimum = 1 }, "minimum: is not supported; known are type, enum, format, required, "
        .. "properties, additionalProperties, items" },
      { { properties = { Id = { minLength = 1 } } }, "properties.Id.minLength: is not supported; known" },
      { { items = { type = "text" } }, "items.type: the type text is not known; known are array, boolean" },
      { { type = {} }, "type: a list of types was expected, not an empty one" },
      { { type = 7 }, "type: a list of types was expected" },
      { { type = { "string", 7 } }, "type: the type 7 is not known" },
      { { required = "Id" }, "required: a list of names was expected" },
      { { required = { Id = true } }, "required: a list of names was expected" },
      { { required = { "a", x = 1 } }, "required: a list of names was expected" },
      { { required = { 1 } }, "required: a list of names was expected" },
      { { properties = { "Id" } }, "properties: the name of a member is a string" },
      { { properties = 1 }, "properties: a table of schemas by name was expected" },
      { { properties = { Id = true } }, "properties.Id: a schema is a table, not a boolean" },
      { { additionalProperties = "no" }, "additionalProperties: a schema is a table, not a string" },
      { { items = { { type = "string" } } }, "items: the name of a member is a string" },
      { { enum = {} }, "enum: a list of values was expected, not an empty one" },
      { { enum = { { 1 } } }, "enum: its values are strings, numbers, booleans or hook.null" },
      { { format = "email" }, "format: the format email is not known; known are date-time and uuid" },
      { { [1] = "type" }, "the name of a member is a string" },
    } do
      local why = problem(case[1])
      assert.equal(case[2], why:sub(1, #case[2]))
    end
  end)

  it("is accepted 100 deep, refused 101 deep, and refused when it contains itself", function()
    local function nested(depth)
      local schema = {}
      for _ = 2, depth do schema = { items = schema } end
      return schema
    end
    assert.is_function((validator.compile(nested(100))))
    assert.match("schemas nested more than 100 deep$", problem(nested(101)))
    local circle = {}
    circle.properties = { Circle = circle }
    assert.match("schemas nested more than 100 deep$", problem(circle))
  end)

  it("can be changed without changing a check compiled from it", function()
    local schema = { enum = { "a" }, type = { "string" } }
    local check = assert(validator.compile(schema))
    schema.enum[1], schema.type[1] = "b", "null"
    assert.is_nil(check("a"))
    local open = { required = { "a" }, properties = { a = {} }, additionalProperties = false }
    check = assert(validator.compile(open))
    open.required[1], open.properties.b = "z", {}
    assert.is_nil(check { a = 1 })
    assert.equal("b", (check { a = 1, b = 1 }))
  end)
end)

describe("the catalogue", function()
  it("has schemas that compile, each with a description", function()
    for event, entry in pairs(catalogue) do
      assert.match("^%w+%.%w+$", event)
      assert.match("^%u.+%.$", entry.description)
      assert.is_function((validator.compile(entry.schema)))
    end
  end)

  it("accepts the documented badge export, and refuses it without one of its fields", function()
    local schema = catalogue["BadgeExportZipFile.Created"].schema
    local function event() return { Event = "BadgeExportZipFile.Created",
      Timestamp = "2024-05-10T11:09:21.248Z", BadgeExportZipFileId = UUID, More = 1 } end
    passes(schema, event())
    for _, name in ipairs { "Event", "Timestamp", "BadgeExportZipFileId" } do
      local bad = event()
      bad[name] = nil
      assert.equal(name .. ": is missing", violation(schema, bad))
      bad[name] = 7
      assert.equal(name .. ": expected a string, found a number", violation(schema, bad))
    end
    local bad = event()
    bad.BadgeExportZipFileId = "7"
    assert.equal("BadgeExportZipFileId: expected a uuid", violation(schema, bad))
  end)
end)
