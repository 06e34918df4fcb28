local luasql = require "luasql.sqlite3"
local testing = require "hookward.testing"

describe("the state of a person", function()
  local path, app

  local function load_app(database)
    return testing.load("handlers", { settings = { database = database or path } })
  end

  before_each(function()
    path = os.tmpname()
    app = load_app()
  end)
  after_each(function()
    if app then app:unload() end
    os.remove(path)
  end)

  local function state(person)
    local environment = luasql.sqlite3()
    local connection = environment:connect(path)
    local cursor = assert(connection:execute(
      ("SELECT event, body FROM states WHERE entity = 'Person %d'"):format(person)))
    local row = cursor:fetch({}, "a")
    cursor:close()
    connection:close()
    environment:close()
    return row and { event = row.event, name = row.body:match('"Name":"(.-)"') }
  end

  local function at(fraction) return "2024-05-10T11:09:21" .. fraction .. "Z" end

  local function update(person, stamp, name, event)
    return app:deliver(event or "Person.Updated", { PersonId = person, Timestamp = stamp,
      Name = name }):expect(200)
  end

  -- All permutations of a list.
  local function orders(list)
    if #list < 2 then return { list } end
    local all = {}
    for i, first in ipairs(list) do
      local rest = table.move(list, 1, #list, 1, {})
      table.remove(rest, i)
      for _, order in ipairs(orders(rest)) do
        table.insert(order, 1, first)
        all[#all + 1] = order
      end
    end
    return all
  end

  it("is the newest, in whatever order the updates arrive", function()
    local steps = { { at "", "A" }, { at ".5", "B" }, { at ".50001", "C" } }
    for person, order in ipairs(orders(steps)) do
      for _, step in ipairs(order) do update(person, step[1], step[2]) end
      assert.equal("C", state(person).name)
    end
  end)

  it("is kept for each person", function()
    update(1, at ".9", "A")
    update(2, at ".1", "B")
    assert.equal("A", state(1).name)
    assert.equal("B", state(2).name)
  end)

  it("is not changed by an older update, which is answered 200 and logged", function()
    update(1, at ".9", "new")
    local late = update(1, at ".1", "old")
    assert.equal(1, late:logged("left out", "info").fields.person)
    assert.equal("new", state(1).name)
  end)

  it("stays deleted when an older update arrives after the deletion", function()
    update(1, at ".5", "gone", "Person.Deleted")
    update(1, at ".4", "late")
    assert.equal("Person.Deleted", state(1).event)
  end)

  it("is the same for two updates of the same instant, whichever arrives first", function()
    local kept = {}
    for i, names in ipairs { { "A", "B" }, { "B", "A" } } do
      os.remove(path)
      local fresh <close> = load_app()
      for _, name in ipairs(names) do
        fresh:deliver("Person.Updated", { PersonId = 1, Timestamp = at ".5", Name = name })
          :expect(200)
      end
      kept[i] = state(1).name
    end
    assert.equal(kept[1], kept[2])
  end)

  it("is not set back by a retry or by a run after a crash", function()
    local first = update(1, at ".1", "old")
    update(1, at ".9", "new")
    local after_crash <close> = load_app() -- with an empty ledger
    assert.is_false(after_crash:redeliver(first):expect(200).duplicate)
    assert.equal("new", state(1).name)
  end)

  for _, stamp in ipairs {
    "2024-05-10T11:09:21", "2024-05-10T11:09:21+02:00", "2024-05-10T11:09:21.Z",
    "2024-05-10T11:09:215Z", "2024-05-10T11:09:21.0123456789Z", "10.05.2024", "", 1715339361,
  } do
    it(("is not recorded with the Timestamp %q"):format(stamp), function()
      local result = app:deliver("Person.Updated", { PersonId = 1, Timestamp = stamp })
      result:expect(400, "handler_refused")
      assert.match("^Timestamp is no UTC time", result.reason)
    end)
  end

  it("is not recorded when the database can't be written, and the update is refused", function()
    local broken <close> = load_app("/no/such/folder/people.db")
    local result = broken:deliver("Person.Updated", { PersonId = 1 }):expect(400)
    assert.equal("the database failed", result.reason)
  end)
end)
