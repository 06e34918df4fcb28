local testing = require "hookward.testing"

describe("an event", function()
  local app
  before_each(function() app = testing.load("handlers") end)
  after_each(function() if app then app:unload() end end)

  local UUID = "6f9619ff-8b86-d011-b42d-00cf4fc964ff"

  for _, case in ipairs {
    { "BadgeExportZipFile.Created", "badges" }, -- exact
    { "Person.Updated", "people" }, -- Entity.*
    { "Person.Deleted", "people" }, -- Entity.* before *.Event
    { "Zone.Deleted", "deletions" }, -- *.Event
    { "BadgeExportZipFile.Deleted", "deletions" },
    { "Zone.Created", "rest" }, -- *
    { "Personnel.Updated", "rest" }, -- starts with "Person", but not with "Person."
    { "person.updated", "rest" }, -- names are case-sensitive
  } do
    local event, handler = case[1], case[2]
    it(event .. " goes to " .. handler, function()
      local result = app:deliver(event, { BadgeExportZipFileId = UUID, PersonId = 7 }):expect(200)
      assert.equal(1, #result.logs)
      assert.equal(handler, result:logged("handled", "info").fields.by)
    end)
  end

  it("that a handler refuses is logged with the reason", function()
    local result = app:deliver("Person.Updated", {}, { attempt = 3 }):expect(400, "handler_refused")
    local fields = result:logged("refused", "warn").fields
    assert.same({ by = "people", attempt = 3, reason = "PersonId is no whole number" }, fields)
  end)

  it("has its routes listed in the order in which they are tried", function()
    local patterns = {}
    for i, route in ipairs(app:routes()) do patterns[i] = route.pattern end
    assert.same({ "BadgeExportZipFile.Created", "Person.*", "*.Deleted", "*" }, patterns)
  end)
end)
