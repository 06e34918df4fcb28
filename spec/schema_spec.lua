-- An event that breaks its schema is refused before the handler runs, with the path of the field.

local H = require "spec.support.host"

local UUID = "0f8fad5b-d9cb-469f-a165-70867728950e"
local BADGE = "BadgeExportZipFile.Created"
local HOOK = 'local hook = require "hookward"\n'

describe("a schema", function()
  local host
  after_each(H.stop_all)

  local function start(text, config)
    host = H.start { handlers = { ["a.lua"] = HOOK .. text }, config = config }
  end

  local function start_error(files)
    if type(files) == "string" then files = { ["a.lua"] = HOOK .. files } end
    local failed = H.start { handlers = files, fails = true }
    assert.equal(1, failed:wait())
    assert.is_nil(failed:log():find("traceback"), failed:log())
    return failed:log()
  end

  local function passes(event, fields)
    local answer = host:notify(H.event(event, fields))
    assert.equal(200, answer.status, answer.body)
  end

  local function refuses(message, event, fields)
    local answer = host:notify(H.event(event, fields))
    assert.equal(400, answer.status, answer.body)
    assert.equal("schema_violation", answer.error)
    assert.equal(message, answer.message)
  end

  it("from the catalogue is used with schema = true", function()
    start(("hook.on(%q, { schema = true }, function() hook.log.info('ran') end)"):format(BADGE))
    passes(BADGE, ('"BadgeExportZipFileId":"%s"'):format(UUID))
    refuses("BadgeExportZipFileId: is missing", BADGE)
    refuses("BadgeExportZipFileId: expected a uuid", BADGE, '"BadgeExportZipFileId":"7"')
    refuses("BadgeExportZipFileId: expected a string, found null", BADGE, '"BadgeExportZipFileId":null')
    host:wait_log("failed event=BadgeExportZipFile%.Created job=[^\n]+ error=schema_violation "
      .. 'reason="BadgeExportZipFileId: is missing"')
    assert.equal(1, host:count("info  ran"))
  end)

  it("checks a Timestamp by the host's own rules", function()
    start(("hook.on(%q, { schema = true }, print)"):format(BADGE))
    local function body(timestamp)
      return ('{"Event":"%s","Timestamp":%s,"BadgeExportZipFileId":"%s"}'):format(BADGE, timestamp, UUID)
    end
    for _, good in ipairs { "2024-05-10T11:09:21Z", "2024-02-29T23:59:60.1234567+14:00",
        "2024-05-10T11:09:21.248" } do
      assert.equal(200, host:notify(body(('"%s"'):format(good))).status, good)
    end
    for _, bad in ipairs { "2024-05-10", "2023-02-29T00:00:00Z", "10.5.2024 11:09", "" } do
      assert.equal("Timestamp: expected a date-time", host:notify(body(('"%s"'):format(bad))).message, bad)
    end
    assert.equal("Timestamp: expected a string, found a number", host:notify(body("1715339361")).message)
  end)

  it("is checked only where a handler asks for it", function()
    start(("hook.on(%q, print) hook.on('*.Off', { schema = false }, print)"):format(BADGE))
    passes(BADGE)
    passes("A.Off")
  end)

  it("may be registered after the handler that asks for it", function()
    start [[
      hook.on("Person.Updated", { schema = true }, function() end)
      hook.schema("Person.Updated", { required = { "PersonId" }, properties = {
        PersonId = { type = "integer" }, Tags = { type = "array", items = { type = "string" } } } })
    ]]
    passes("Person.Updated", '"PersonId":9007199254740993,"Tags":[]')
    refuses("PersonId: is missing", "Person.Updated")
    refuses("PersonId: expected an integer, found a number", "Person.Updated", '"PersonId":1.5')
    refuses("Tags[1]: expected a string, found null", "Person.Updated", '"PersonId":1,"Tags":["a",null]')
  end)

  it("may be given in hook.on, for all events of a pattern", function()
    start [[
      hook.on("Person.*", { schema = { required = { "PersonId" } } }, function() end)
    ]]
    passes("Person.Created", '"PersonId":1')
    refuses("PersonId: is missing", "Person.Deleted")
  end)

  it("is the event's own if a pattern has schema = true; an event without one passes", function()
    start [[
      hook.on("*", { schema = true }, function() end)
      hook.schema("A.B", { required = { "X" } })
    ]]
    refuses("X: is missing", "A.B")
    refuses("BadgeExportZipFileId: is missing", BADGE)
    passes("C.D")
    passes("__index")
  end)

  it("is checked everywhere with validate = true, except for schema = false", function()
    start([[
      hook.on("*", function() end)
      hook.on("A.B", function() end)
      hook.on("C.D", function() end)
      hook.on("E.F", { schema = false }, function() end)
      for _, event in ipairs { "A.B", "E.F", "G.H" } do hook.schema(event, { required = { "X" } }) end
    ]], "validate = true")
    refuses("X: is missing", "A.B")
    refuses("X: is missing", "G.H")
    refuses("BadgeExportZipFileId: is missing", BADGE)
    passes("C.D")
    passes("E.F")
  end)

  it("names an unknown field of the sender, cut and escaped", function()
    start [[hook.on("A.B", { schema = { additionalProperties = false,
      properties = { Event = {}, Timestamp = {} } } }, function() end)]]
    passes("A.B")
    local answer = host:notify(H.event("A.B", ('"%s\\u001b[31m":1'):format(("x"):rep(5000))))
    assert.equal("schema_violation", answer.error)
    assert.equal('[\\"' .. ("x"):rep(60) .. '\\"]: is not expected here', answer.message)
  end)

  it("does not apply to an event without a handler", function()
    start([[hook.on("A.B", print) hook.schema("C.D", { required = { "X" } })]], "validate = true")
    assert.equal("no_handler", host:notify(H.event("C.D")).error)
  end)

  it("records a refusal as failed, so that a corrected retry can pass", function()
    local folder = H.folder()
    host = H.start { handlers = { ["a.lua"] = HOOK .. ("hook.on(%q, { schema = true }, print)"):format(BADGE) },
      ledger = folder .. "/l.db" }
    host:notify(H.event(BADGE), { id = "42" })
    local out = assert(H.sh(("cd %s && %s jobs list --json"):format(host.folder, H.quote(H.binary))))
    assert.match('"id":"42".*"state":"failed".*"error":"schema_violation"', out)
  end)

  it("takes effect with the edit that adds it", function()
    start("hook.on('A.B', function() end)")
    passes("A.B")
    H.write(host.folder .. "/handlers/a.lua", HOOK .. "hook.on('A.B', { schema = { required = { 'X' } } }, print)")
    H.sh(("cd %s && %s reload"):format(host.folder, H.quote(H.binary)))
    refuses("X: is missing", "A.B")
    local config = H.read(host.folder .. "/hookward.lua")
    H.write(host.folder .. "/handlers/a.lua", HOOK .. ("hook.on(%q, print)"):format(BADGE))
    H.sh(("cd %s && %s reload"):format(host.folder, H.quote(H.binary)))
    passes(BADGE)
    H.write(host.folder .. "/hookward.lua", (config:gsub("return {", "return { validate = true,")))
    H.sh(("cd %s && %s reload"):format(host.folder, H.quote(H.binary)))
    refuses("BadgeExportZipFileId: is missing", BADGE)
  end)

  describe("that is malformed is a load error that names the line:", function()
    for text, message in pairs {
      ["hook.on('A.B', { schema = true }, print)"] =
        'handlers/a.lua:2: hook.on("A.B", { schema = true }): no schema is known for this event; register '
        .. 'one with hook.schema("A.B", { ... }), or write it in place of true',
      ["\nhook.schema('A.B', {}) hook.schema('A.B', {})"] =
        'handlers/a.lua:3: hook.schema("A.B"): registered twice, at handlers/a.lua:3 and at handlers/a.lua:3',
      ["hook.schema('A.B', { properties = { Id = { maximum = 3 } } })"] =
        'handlers/a.lua:2: hook.schema("A.B"): properties.Id.maximum: is not supported; known are type',
      ["hook.on('A.B', { schema = { type = 'text' } }, print)"] =
        'handlers/a.lua:2: hook.on("A.B"): schema: type: the type text is not known',
      ["hook.on('A.B', { schema = 'yes' }, print)"] =
        'handlers/a.lua:2: hook.on("A.B"): schema: true, false or a schema was expected, not a string',
      ["hook.on('A.B', { schemas = true }, print)"] =
        'a.lua:2: hook.on("A.B"): the option \'schemas\' is not supported by this version; did you mean schema?',
      ["hook.on('A.B', 'schema', print)"] =
        'handlers/a.lua:2: hook.on("A.B"): a table of options was expected before the function, got string',
      ["hook.schema('A.*', {})"] =
        'handlers/a.lua:2: hook.schema: the event must be an exact name, such as "Entity.Event"',
      ["hook.schema('A.B', { additionalProperties = false })"] =
        'handlers/a.lua:2: hook.schema("A.B"): additionalProperties = false excludes Event, which '
        .. 'every notification has: name it in properties',
      [("hook.schema(%q, {})"):format(BADGE)] =
        ('handlers/a.lua:2: hook.schema(%q): hookward has a schema for this event; give another one to '
          .. 'hook.on(%q, { schema = { ... } }, ...)'):format(BADGE, BADGE),
    } do
      it(text, function()
        local log = start_error(text)
        assert.is_truthy(log:find(message, 1, true), log)
      end)
    end
  end)

  it("can't be registered by a running handler", function()
    start "hook.on('*', function() hook.schema('A.B', {}) end)"
    assert.equal("handler_error", host:notify(H.event "A.B").error)
    host:wait_log('hook%.schema%("A%.B"%): schemas are registered while their file loads, not later')
  end)
end)
