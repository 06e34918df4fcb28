-- Tests the handler with recorded answers of the API; run it with `hookward test`.

local lfs = require "lfs" -- busted depends on it
local testing = require "hookward.testing"

local API = "https://accredit.example"
local EVENT = "BadgeExportZipFile.Created"
local ID = "6f9619ff-8b86-d011-b42d-00cf4fc964ff"
local ZIP = API .. "/api/printQueue/" .. ID
local BYTES = "PK\3\4 and so on \0\xff"

local function read(path)
  local file <close> = io.open(path, "rb")
  return file and file:read "a"
end

describe("a badge zip", function()
  local app, folder

  before_each(function()
    folder = os.tmpname()
    os.remove(folder)
    assert(lfs.mkdir(folder))
    app = testing.load(nil, { config = "hookward.lua",
      settings = { url = API .. "/", user = "a b", folder = folder } })
    app:stub_http("POST", API .. "/token", { body = { access_token = "t1" } })
    app:stub_http("GET", ZIP, { body = { Size = #BYTES, PrintStatus = "Pending" } })
    app:stub_http("GET", ZIP .. "/file", { body = BYTES })
    app:stub_http("PUT", ZIP .. "/status", {})
  end)

  after_each(function()
    if app then app:unload() end
    os.remove(folder .. "/" .. ID .. ".zip")
    assert(lfs.rmdir(folder), "something was left in the folder")
  end)

  local function deliver(id, options)
    return app:deliver(EVENT, { BadgeExportZipFileId = id or ID }, options)
  end

  local function stored() return read(folder .. "/" .. ID .. ".zip") end

  local function paths(calls)
    local list = {}
    for i, call in ipairs(calls) do list[i] = call.method .. " " .. call.url:sub(#API + 1) end
    return list
  end

  local SHOW, FILE, STATUS = "GET /api/printQueue/" .. ID, "GET /api/printQueue/" .. ID .. "/file",
    "PUT /api/printQueue/" .. ID .. "/status"

  it("is stored, and then marked as Printed", function()
    local calls = deliver():expect(200).http_calls
    assert.equal(BYTES, stored())
    assert.same({ "POST /token", SHOW, FILE, STATUS }, paths(calls))
    assert.match("^grant_type=password&username=a%%20b&password=.", calls[1].body)
    assert.equal("Bearer t1", calls[3].headers.authorization)
    assert.equal('{"PrintStatus":"Printed"}', calls[4].body)
  end)

  it("leaves its token for the next one", function()
    deliver():expect(200)
    assert.same({ SHOW, FILE, STATUS }, paths(deliver():expect(200).http_calls))
  end)

  it("gets a new token, once, when the old one has expired", function()
    deliver():expect(200)
    app:stub_http("GET", ZIP, { { status = 401 }, { body = { size = #BYTES } } })
    app:stub_http("POST", API .. "/token", { body = { Access_Token = "t2" } })
    local calls = deliver():expect(200).http_calls
    assert.same({ SHOW, "POST /token", SHOW, FILE, STATUS }, paths(calls))
    assert.equal("Bearer t2", calls[5].headers.authorization)
    app:stub_http("GET", ZIP, { status = 401 })
    assert.same({ SHOW, "POST /token", SHOW }, paths(deliver():expect(400).http_calls))
    assert.same({ "POST /token", SHOW }, paths(deliver():expect(400).http_calls))
  end)

  it("is not fetched again when only the status failed", function()
    app:stub_http("PUT", ZIP .. "/status", { { status = 503 }, {} })
    local first = deliver():expect(400, "handler_refused")
    assert.match("status: answered 503$", first.reason)
    assert.equal(BYTES, stored())
    assert.same({ SHOW, STATUS }, paths(app:redeliver(first):expect(200).http_calls))
  end)

  it("is not touched when everything was done before", function()
    deliver():expect(200)
    app:stub_http("GET", ZIP, { body = { Size = #BYTES, PrintStatus = "Printed" } })
    assert.same({ SHOW }, paths(deliver(ID, { attempt = 1 }):expect(200).http_calls))
  end)

  it("is fetched again when the stored one has another size", function()
    local file = assert(io.open(folder .. "/" .. ID .. ".zip", "wb"))
    file:write("PK\3\4")
    file:close()
    deliver(ID, { attempt = 1 }):expect(200)
    assert.equal(BYTES, stored())
  end)

  it("is refused when the download was incomplete, so that it comes again", function()
    for _, answer in ipairs { { body = BYTES:sub(1, -2) }, { body = BYTES .. "x" },
      { body = ("x"):rep(#BYTES) }, { body = "" }, { status = 404 },
      { error = "it took too long", kind = "timeout" } } do
      app:stub_http("GET", ZIP .. "/file", answer)
      local result = deliver():expect(400, "handler_refused")
      assert.equal("GET " .. FILE:sub(5), paths(result.http_calls)[#result.http_calls])
      assert.is_nil(stored())
    end
  end)

  it("is refused when it can't be stored, so that it comes again", function()
    local path = folder .. "/" .. ID .. ".zip"
    assert(lfs.mkdir(path)) -- nothing can be renamed to it
    local result = deliver():expect(400, "handler_refused")
    assert.same(FILE, paths(result.http_calls)[#result.http_calls])
    assert(lfs.rmdir(path))
  end)

  it("is refused without a valid id, before any call", function()
    for _, id in ipairs { "", "../../etc/passwd", ID .. "/..", ID:gsub("f", "g"), ID .. "\n", 7 } do
      assert.same({}, deliver(id):expect(400).http_calls)
    end
    assert.same({}, app:deliver(EVENT):expect(400).http_calls)
  end)

  it("is stored under one name, in whatever case its id is written", function()
    deliver(ID:upper()):expect(200)
    assert.equal(BYTES, stored())
  end)

  it("is refused without revealing a secret when there is no token", function()
    for _, answer in ipairs { { status = 400, body = { error = "invalid_grant" } }, { body = "{}" },
      { body = "<html>" }, { body = { access_token = "a\nb" } }, { error = "refused" } } do
      app:stub_http("POST", API .. "/token", answer)
      local result = deliver():expect(400, "handler_refused")
      assert.match("^POST /token: ", result.reason)
      assert.is_nil(result.reason:find("password=", 1, true))
    end
  end)
end)

describe("the settings", function()
  local function load_with(settings)
    local ok, why = pcall(testing.load, nil, { config = "hookward.lua", settings = settings })
    if ok then why:unload() end
    return ok or why
  end

  it("do not send the password over a network without TLS", function()
    local function with(url) return load_with { url = url, user = "u", folder = "f" } end
    for _, url in ipairs { "https://a.example/api", "http://127.0.0.1:8090", "http://[::1]:1/",
      "http://localhost" } do
      assert.is_true(with(url))
    end
    for _, url in ipairs { "http://a.example", "http://127.0.0.1.example", "ftp://a", "",
      "http://localhost.example", "http://127.0.0.1@a.example" } do
      assert.match("settings.url: ", with(url))
    end
  end)

  it("are reported as missing while the handlers load, not later", function()
    assert.match("settings.url: ", load_with { user = "u", folder = "f" })
    assert.match("settings.user: ", load_with { url = API, folder = "f" })
    assert.match("settings.folder: ", load_with { url = API, user = "u" })
  end)
end)
