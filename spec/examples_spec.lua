-- Every folder of examples/ is a project that runs as it is: `hookward check` likes it and its own
-- specs pass, in a copy that trusts the development key. examples/database also meets a real host.

local lfs = require "lfs"
local luasql = require "luasql.sqlite3"
local H = require "spec.support.host"
local cli = require "spec.support.cli"

local function names()
  local list = {}
  for name in lfs.dir("examples") do
    if name:sub(1, 1) ~= "." and lfs.attributes("examples/" .. name, "mode") == "directory" then
      list[#list + 1] = name
    end
  end
  table.sort(list)
  return list
end

-- A copy of the files alone: what a run has left in the example stays out.
local function copy_of(name)
  local folder = cli.folder {}
  assert(H.sh(("cp -r examples/%s/. %s && rm -f %s/hookward.db* %s/.hookward.sock && mkdir -p %s/keys"):format(
    H.quote(name), folder, folder, folder, folder)))
  local _, public = H.keys()
  H.write(folder .. "/keys/development.pem", H.read(public))
  return folder
end

local function assert_ends_well(result)
  if result.code ~= 0 then
    error(("exit %s\n%s%s"):format(result.code, result.out, result.err), 0)
  end
end

describe("examples/", function()
  after_each(function()
    H.stop_all()
    cli.clean()
  end)

  it("has the examples that the documentation speaks of", function()
    local there = {}
    for _, name in ipairs(names()) do there[name] = true end
    for _, name in ipairs { "database", "fan-out", "hello", "router" } do
      assert(there[name], "examples/" .. name .. " is not there")
    end
  end)

  for _, name in ipairs(names()) do
    it(name .. " is a project: a configuration, a README, handlers that load, specs that pass", function()
      local folder = copy_of(name)
      assert(lfs.attributes(folder .. "/README.md"), "it has no README.md")
      assert_ends_well(cli.run { "check", cwd = folder })
      local tests = cli.run { "test", "--output=plainTerminal", cwd = folder }
      assert_ends_well(tests)
      local passed = tonumber(tests.out:match("(%d+) success"))
      assert(passed and passed > 0, "it has no specs\n" .. tests.out)
      assert(not tests.err:find("Sanitizer"), tests.err)
    end)
  end

  local function rows(path)
    local environment = luasql.sqlite3()
    local connection = assert(environment:connect(path))
    local cursor = assert(connection:execute("SELECT count(*) FROM exports"))
    local count = cursor:fetch()
    cursor:close()
    connection:close()
    environment:close()
    return math.tointeger(count)
  end

  it("database writes one row for each notification, from several VMs at once", function()
    local folder = copy_of("database")
    local host = H.start { folder = folder, args = "--listen 127.0.0.1:0", env = "BADGES_DATABASE=written.db" }
    local requests, clients = {}, {}
    for i = 1, 8 do
      requests[i] = H.request(H.event("BadgeExportZipFile.Created",
        ('"BadgeExportZipFileId":"6f9619ff-8b86-d011-b42d-00cf4fc9640%d"'):format(i)))
    end
    for i, request in ipairs(requests) do clients[i] = host:connect():send(request) end
    for _, client in ipairs(clients) do assert.equal(200, client:receive().status) end
    assert.equal(8, rows(folder .. "/written.db"))
    assert.equal(200, host:connect():send(requests[1]):receive().status) -- the sender's repeat
    assert.equal(8, rows(folder .. "/written.db"))
    assert.equal(0, host:stop())
  end)
end)
