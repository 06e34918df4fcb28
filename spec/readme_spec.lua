-- What the README shows works exactly as it is written there.

local H = require "spec.support.host"
local S = require "spec.support.sandbox"

local readme = H.read("README.md")

-- Each block is taken by a test that runs it; the last test finds those that no test took.
local taken = {}

-- The one block that contains this text.
local function block(language, part)
  local found
  for text in readme:gmatch("```" .. language .. "\n(.-)```") do
    if text:find(part, 1, true) then
      assert(not found, "twice: " .. part)
      found = text
    end
  end
  taken[assert(found, "no block has " .. part)] = true
  return found
end

-- Runs the lines of a block in a folder, with this `hookward`; `exchange` replaces addresses.
local function run(folder, commands, exchange)
  for from, to in pairs(exchange or {}) do
    local count
    commands, count = commands:gsub(from:gsub("%p", "%%%0"), (to:gsub("%%", "%%%%")))
    assert(count > 0, from .. " is not there")
  end
  local ok, all = H.sh(("set -e; cd %s; hookward() { %s \"$@\"; }; %s"):format(H.quote(folder),
    H.quote(H.binary), commands))
  return ok or error(all, 2)
end

local HANDLER = function() return block("lua", "-- handlers/badges.lua") end

describe("the README's", function()
  after_each(function()
    S.stop_all()
    H.stop_all()
  end)

  it("handler handles, and refuses as its comment says", function()
    local host = H.start { handlers = { ["badges.lua"] = HANDLER() } }
    local event = "BadgeExportZipFile.Created"
    assert.equal(200, host:notify(H.event(event, '"BadgeExportZipFileId":"1"')).status)
    local answer = host:notify(H.event(event))
    assert.equal(400, answer.status)
    assert.equal("no id in the event", answer.message)
  end)

  it("configuration is accepted, and says what the defaults are", function()
    local folder = H.folder()
    local text = block("lua", 'ledger = "hookward.db"')
    H.write(folder .. "/hookward.lua", text)
    -- Only the missing key and handlers may be reported, not the configuration.
    local _, out = H.sh(("cd %s && %s check"):format(folder, H.quote(H.binary)))
    assert.is_nil(out:find("hookward.lua:", 1, true), out)
    local given, seen = load(text)(), 0
    for _, entry in ipairs(dofile "lua/hookward/config/schema.lua") do
      for _, field in ipairs(entry.fields or {}) do
        if given[entry.key] then assert.same(field.default, given[entry.key][field.key]) end
      end
      if not entry.fields and given[entry.key] ~= nil then
        assert.same(entry.default, given[entry.key], entry.key)
        seen = seen + 1
      end
    end
    assert.is_true(seen > 20)
    for _, entry in ipairs(dofile "lua/hookward/config/schema.lua") do
      local named = entry.key == "accredit" -- accredit has no default
      assert(named or text:find("%f[%w_]" .. entry.key .. " = "), entry.key .. " is not among the defaults")
    end
  end)

  it("spec of the handler passes", function()
    local folder = H.folder()
    run(folder, "mkdir handlers spec")
    H.write(folder .. "/handlers/badges.lua", HANDLER())
    H.write(folder .. "/spec/badges_spec.lua", block("lua", "-- spec/badges_spec.lua"))
    assert.match("1 success / 0 failures", run(folder, "hookward test"), 1, true)
  end)

  -- Taken here, since the #rock tests have a make target of their own.
  local PROGRAM = block("lua", 'require "hookward"\n\nlocal host')

  it("program runs a host #rock", function()
    local host = H.start { handlers = { ["badges.lua"] = HANDLER() } } -- for its folder
    assert.equal(0, host:stop())
    H.write(host.folder .. "/app.lua", PROGRAM)
    local rock = os.getenv("HOOKWARD_ROCK") or require "lfs".currentdir() .. "/build/rock/tree"
    local out = run(host.folder, ("LUA_PATH='%s/share/lua/5.4/?.lua;%s/share/lua/5.4/?/init.lua;;' "
      .. "LUA_CPATH='%s/lib/lua/5.4/?.so;;' lua5.4 app.lua"):format(rock, rock, rock))
    assert.match("listening on\t127%.0%.0%.1:%d+", out)
    assert.match("handled so far\t0", out, 1, true)
  end)

  it("project commands work in that order, and so do those of the sandbox", function()
    local folder = H.folder()
    local project = folder .. "/badges"
    run(folder, (block("sh", "hookward init badges"):gsub("hookward serve.*", "")))
    local path = project .. "/hookward.lua"
    H.write(path, (H.read(path):gsub("127%.0%.0%.1:8080", "127.0.0.1:0")))
    local host = H.start { folder = project }
    local to = ("http://127.0.0.1:%d"):format(host.port)
    run(project, ("%s --to %s/baseWebhookNotification"):format(
      block("sh", "hookward send BadgeExportZipFile.Created\n"):gsub("\n$", ""), to))
    host:wait_log("succeeded event=BadgeExportZipFile.Created")
    local arguments = block("sh", "hookward sandbox --speed"):match("^hookward sandbox (%-%-speed %d+)\n$")
    local sandbox = S.start(assert(arguments), false)
    run(project, block("sh", "hookward events"):gsub("hookward jobs.*", ""),
      { ["http://127.0.0.1:8090"] = sandbox.url, ["http://127.0.0.1:8080"] = to })
    host:wait_log_count("succeeded event=BadgeExportZipFile.Created", 2)
    local list = run(project, block("sh", "hookward events"):match("hookward jobs list"))
    assert.equal(2, select(2, list:gsub("succeeded", "")), list)
  end)

  it("commands for TLS in a minute work in that order", function()
    local folder = H.folder()
    run(folder, (block("sh", "hookward init --tls"):gsub("hookward serve.*", "")))
    local path = folder .. "/secure/hookward.lua"
    H.write(path, (H.read(path):gsub("127%.0%.0%.1:8443", "127.0.0.1:0")))
    local host = H.start { folder = folder .. "/secure" }
    run(folder .. "/secure", ("%s --to https://localhost:%s"):format(block("sh", "--ca tls/cert.pem"):gsub("\n$", ""),
      host:log():match("https://127%.0%.0%.1:(%d+)/")))
    host:wait_log("succeeded event=BadgeExportZipFile.Created")
  end)

  it("make commands are targets of the Makefile", function() -- `make install`: program_spec.lua
    local help = assert(H.sh("make help"))
    for _, text in ipairs { block("sh", "make run"), block("sh", "make deb"), block("sh", "make install") } do
      for target in text:gmatch("make (%l%S*)") do
        assert.match("make " .. target .. " ", help, 1, true)
      end
    end
    for target in readme:gmatch("`make (%S+)`") do
      assert.match("make " .. target .. " ", help, 1, true)
    end
    for target in ("all run test lint format asan tsan fuzz bench top install clean"):gmatch("%S+") do
      assert.match("make " .. target .. " ", help, 1, true)
    end
  end)

  it("table of commands is complete", function()
    local listed = {}
    for row in readme:match("\n## Commands\n(.-)\n## "):gmatch("\n| (`[^|]+) |") do
      for name in row:gmatch("`(%a+)") do listed[name] = true end
    end
    local names, count = assert(H.sh(H.binary .. " --help")):match("Commands:(\n.-)\n\n"), 0
    for name in names:gmatch("\n   (%a+) ") do
      assert.is_true(listed[name], name)
      count = count + 1
    end
    assert.is_true(count > 10)
  end)

  it("picture is there, 1280 by 800 pixels, and under 200 KB", function()
    local png = H.read(assert(readme:match("!%[[^%]]+%]%((examples/[%w%-]+%.png)%)")))
    assert.equal("\137PNG\r\n", png:sub(1, 6))
    local width, height = string.unpack(">I4I4", png, 17)
    assert.same({ 1280, 800 }, { width, height })
    assert.is_true(#png < 200 * 1024, ("%d bytes"):format(#png))
  end)

  it("list of examples is complete", function()
    for name in require "lfs".dir("examples") do
      if require "lfs".attributes("examples/" .. name .. "/hookward.lua") then
        assert.match("`" .. name .. "`", readme, 1, true)
      end
    end
  end)

  it("blocks are all run here", function()
    for language, text in readme:gmatch("```(%a+)\n(.-)```") do
      assert.is_true(taken[text], language .. ": " .. text)
    end
  end)
end)
