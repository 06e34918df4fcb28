local luasql = require "luasql.sqlite3"
local testing = require "hookward.testing"

describe("a badge export", function()
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

  local EVENT = "BadgeExportZipFile.Created"
  local FIELDS = { BadgeExportZipFileId = "6f9619ff-8b86-d011-b42d-00cf4fc964ff",
    Timestamp = "2024-05-10T11:09:21.248Z" }

  local function rows()
    local environment = luasql.sqlite3()
    local connection = environment:connect(path)
    local cursor = assert(connection:execute("SELECT * FROM exports ORDER BY job_id"))
    local list = {}
    repeat
      local row = cursor:fetch({}, "a")
      list[#list + 1] = row
    until not row
    cursor:close()
    connection:close()
    environment:close()
    return list
  end

  it("is written as a row", function()
    local result = app:deliver(EVENT, FIELDS, { id = "it's 7" }):expect(200)
    local row = rows()[1]
    assert.equal("it's 7", row.job_id)
    assert.equal(result.digest, row.digest)
    assert.equal(FIELDS.BadgeExportZipFileId, row.export_id)
    assert.equal(FIELDS.Timestamp, row.happened_at)
  end)

  it("is still one row when it runs again after a crash", function()
    local first = app:deliver(EVENT, FIELDS):expect(200)
    local after_crash <close> = load_app() -- with an empty ledger
    local again = after_crash:redeliver(first):expect(200)
    assert.is_false(again.duplicate)
    assert.equal(1, #rows())
    assert.equal(1, math.tointeger(rows()[1].attempt))
  end)

  it("is another row when the body differs under the same job id", function()
    app:deliver(EVENT, FIELDS, { id = "7" }):expect(200)
    app:deliver(EVENT, { BadgeExportZipFileId = FIELDS.BadgeExportZipFileId }, { id = "7" })
      :expect(200)
    assert.equal(2, #rows())
  end)

  it("is refused when the database can't be written, so that it comes again", function()
    local broken <close> = load_app("/no/such/folder/badges.db")
    local result = broken:deliver(EVENT, FIELDS):expect(400, "handler_refused")
    assert.equal("the database failed", result.reason)
    assert.match("unable to open", result:logged("not written", "error").fields.reason)
  end)

  it("is refused if its id is not a UUID", function()
    app:deliver(EVENT, { BadgeExportZipFileId = "7" }):expect(400, "schema_violation")
  end)
end)
