-- The rooms of core/ and of lua/hookward keep to their order; `make lint` names a line of core/
-- that does not.

local H = require "spec.support.host"

local function sh(command, ...)
  local pipe = assert(io.popen(command:format(...) .. " 2>&1; echo exit $?"))
  local out = pipe:read("a")
  pipe:close()
  local text, code = out:match("^(.-)exit (%d+)\n$")
  return text, tonumber(code)
end

-- A copy of core/ with one more line at the top of some files.
local function changed(lines)
  local folder = H.folder()
  assert.equal(0, select(2, sh("cp -r core %s", folder)))
  for path, line in pairs(lines) do
    H.write(folder .. "/" .. path, line .. "\n" .. H.read(folder .. "/" .. path))
  end
  return sh("lua5.4 spec/rooms.lua %s", folder)
end

describe("the rooms of core/", function()
  after_each(H.stop_all)

  it("are in order", function()
    assert.same({ "", 0 }, { sh("lua5.4 spec/rooms.lua") })
  end)

  it("are checked by `make lint`", function()
    assert.matches("lua5.4 spec/rooms.lua\n", sh("make -n lint"), 1, true)
  end)

  it("may not include from a room above", function()
    local out, code = changed { ["core/http/line.c"] = '#include "trip/crew.h"' }
    assert.equal('core/http/line.c:1: #include "trip/crew.h" goes upwards: trip stands above http\n', out)
    assert.equal(1, code)
  end)

  it("have no files that include each other in a circle", function()
    local out, code = changed { ["core/base/str.h"] = '#include "base/log.h"' }
    assert.matches('core/base/str.h:1: #include "base/log.h" is part of a circle\n', out, 1, true)
    assert.matches('core/base/log.c:%d+: #include "base/error.h" is part of a circle\n', out)
    assert.equal(1, code)
  end)

  it("are named by each include", function()
    local out, code = changed { ["core/http/line.c"] = '#include "http.h"' }
    assert.matches('^core/http/line.c:1: #include "http.h" names no file below core/; ', out)
    assert.equal(1, code)
  end)

  it("are all in the list", function()
    local folder = H.folder()
    assert.equal(0, select(2, sh("mkdir -p %s/core/attic && touch %s/core/attic/a.c", folder, folder)))
    local out, code = sh("lua5.4 spec/rooms.lua %s", folder)
    assert.equal("core/attic/a.c: no room is called attic (spec/rooms.lua has the list)\n", out)
    assert.equal(1, code)
  end)
end)

-- The lowest first.
local LUA_ROOMS = { "base", "config", "handlers", "host", "guide", "cli", "accredit", "jobs", "ledger",
  "sandbox", "testing", "doctor", "admin", "commands" }

describe("the rooms of lua/hookward", function()
  it("are in order", function()
    local rank, count = {}, 0
    for i, room in ipairs(LUA_ROOMS) do rank[room] = i end
    for path in sh("find lua/hookward -mindepth 2 -name '*.lua'"):gmatch("%S+") do
      local own = assert(rank[path:match("^lua/hookward/(%l+)/")], path)
      local text = path:find("templates", 1, true) and "" or H.read(path) -- they hold other files
      for room in text:gmatch('local %w+ = require "hookward%.(%l+)') do
        count = count + 1
        assert(not rank[room] or rank[room] <= own, path .. " requires hookward." .. room)
      end
    end
    assert.is_true(count > 100)
  end)
end)
