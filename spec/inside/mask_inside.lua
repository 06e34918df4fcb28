-- Whose bodies are hidden; run by spec/mask_spec.lua.

local mask = require "hookward.base.mask"

describe("mask", function()
  local function hidden(pattern, events)
    local found = {}
    for _, event in ipairs(events) do
      if mask.hides({ "Nothing.Else", pattern }, event) then found[#found + 1] = event end
    end
    return found
  end

  it("takes patterns as hook.on does", function()
    local all = { "Person.Made", "Person.Gone", "Personal.Made", "XPerson.Made", "Badge.Made", "person.Made" }
    assert.same({ "Person.Made" }, hidden("Person.Made", all))
    assert.same({ "Person.Made", "Person.Gone" }, hidden("Person.*", all))
    assert.same({ "Person.Made", "Personal.Made", "XPerson.Made", "Badge.Made", "person.Made" },
      hidden("*.Made", all))
    assert.same(all, hidden("*", all))
    assert.same({}, hidden("Per.on.*", { "Person.Made" })) -- no Lua pattern
    assert.same({}, hidden("*.Made", { "Made" }))
  end)

  it("hides what has no event as soon as anything is hidden", function()
    for _, event in ipairs { false, "" } do
      assert.is_true(mask.hides({ "Person.*" }, event or nil))
      assert.is_false(mask.hides({}, event or nil))
      assert.is_false(mask.hides(nil, event or nil))
    end
  end)

  it("reads the event of a body that is not authentic, and hides what has none", function()
    local patterns = { "Person.*" }
    assert.is_false(mask.hides_body(patterns, '{"Event":"Badge.Made"}'))
    assert.is_true(mask.hides_body(patterns, '{"Event":"Person.Made"}'))
    for _, body in ipairs { "", "{", "[]", "7", "null", '{"Event":7}', '{"event":"Badge.Made"}',
      '{"Event":"Badge.Made"', '\xEF\xBB\xBF{"Event":"Person.Made"}' } do
      assert.is_true(mask.hides_body(patterns, body), body)
      assert.is_false(mask.hides_body({}, body))
    end
  end)
end)
