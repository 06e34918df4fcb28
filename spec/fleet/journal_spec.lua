-- The checker of the fleet's specs itself, on journals with known faults: what finds nothing proves
-- nothing.

local journal = require "spec.support.journal"

local function check(lines, ...) return journal.check(table.concat(lines, "\n") .. "\n", ...) end

describe("the checker of journals", function()
  it("has no complaint about runs one after another, and counts them", function()
    local found = check {
      "begin a h1 1 1.0", "end a h1 1.1", "answered a 1.2", "answered a 1.3",
      "begin b h1 1 2.0", "fail b h1 2.1", "begin b h2 2 2.2", "end b h2 2.3", "answered b 2.4",
      "begin c h1 1 3.0", "killed h1 3.1", "begin c h2 2 3.2", "end c h2 3.3", "answered c 3.4",
      "begin d h2 1 4.0", "end d h2 4.1", "killed h2 4.2", "begin d h3 2 4.3", "end d h3 4.4", "answered d 4.5",
    }
    journal.assert_kept(found)
    assert.same({ 7, 1, 3, 1 }, { found.runs, found.cut_short, found.twice, found.window })
    assert.same({ a = true, b = true, c = true, d = true }, found.answered)
  end)

  local FAULTS = {
    overlaps = { "begin a h1 1 1.0", "begin a h2 2 1.1", "end a h1 1.2" },
    after = { "begin a h1 1 1.0", "end a h1 1.1", "answered a 1.2", "killed h1 1.3", "begin a h2 2 1.4" },
    early = { "begin a h1 1 1.0", "answered a 1.2" },
    again = { "begin a h1 1 1.0", "end a h1 1.1", "killed h2 1.2", "begin a h2 2 1.3" },
    backwards = { "begin a h1 2 1.0", "fail a h1 1.1", "begin a h2 2 1.2" },
  }
  for list, lines in pairs(FAULTS) do
    it("finds " .. list, function()
      local found = check(lines)
      assert.equal(1, #found[list])
      local ok, err = pcall(journal.assert_kept, found)
      assert.is_false(ok)
      assert.match("a: ", err, 1, true)
      assert.is_true(pcall(journal.assert_kept, found, { [list] = true }))
    end)
  end

  it("finds runs out of the order of a lane", function()
    local function lane_of(id) return id:sub(1, 1) end
    local before = { "sent a1 1.0", "answered a1 1.1", "sent a2 1.2", "answered a2 1.3", "sent b1 1.4",
      "begin b1 h1 1 1.5" }
    local function with(...)
      return check(table.move({ ... }, 1, select("#", ...), #before + 1, table.move(before, 1, #before, 1, {})), true,
        lane_of).lanes
    end
    assert.same({}, with("begin a1 h1 1 2.0", "end a1 h1 2.1", "begin a2 h2 1 2.2"))
    assert.same({ "a2 began at 2.0 on h2, before a1" }, with("begin a2 h2 1 2.0", "end a2 h2 2.1", "begin a1 h2 1 2.2"))
    assert.equal("a2 began at 2.1 on h2, while a1 ran", with("begin a1 h1 1 2.0", "begin a2 h2 1 2.1")[1])
  end)

  it("lets what was accepted run after its 200, but not twice", function()
    local found = check({ "answered a 1.0", "begin a h1 1 1.1", "end a h1 1.2", "begin a h1 2 1.3" }, true)
    assert.same({ 0, 0, 1 }, { #found.after, #found.early, #found.again })
  end)
end)
