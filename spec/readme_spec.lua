-- What the README shows works as it stands there.

local H = require "spec.support.host"

local readme = H.read("README.md")

local function blocks(language)
  local found = {}
  for text in readme:gmatch("```" .. language .. "\n(.-)```") do found[#found + 1] = text end
  return found
end

describe("the README's", function()
  after_each(H.stop_all)

  it("handler handles, and refuses as its comment says", function()
    local handler = blocks("lua")[1]
    assert.match("^%-%- handlers/badges%.lua", handler)
    local host = H.start { handlers = { ["badges.lua"] = handler } }
    local event = "BadgeExportZipFile.Created"
    assert.equal(200, host:notify(H.event(event, '"BadgeExportZipFileId":"1"')).status)
    local answer = host:notify(H.event(event))
    assert.equal(400, answer.status)
    assert.equal("no id in the event", answer.message)
  end)

  it("configuration is accepted, and says what the defaults are", function()
    local folder = H.folder()
    H.write(folder .. "/hookward.lua", blocks("lua")[2])
    local given = load(blocks("lua")[2])()
    -- There is no key and no handler yet, and that is all there is to say.
    local _, out = H.sh(("cd %s && %s check"):format(folder, H.quote(H.binary)))
    assert.is_nil(out:find("hookward.lua:", 1, true), out)
    assert.equal(8, given.workers)
  end)

  it("project commands work in that order", function()
    local folder = H.folder()
    local commands = blocks("sh")[2]
    assert.match("hookward init badges && cd badges", commands, 1, true)
    local prefix = ("cd %s && hookward() { %s \"$@\"; } && "):format(folder, H.quote(H.binary))
    assert(H.sh(prefix .. "hookward init badges && cd badges && hookward check"))
    local path = folder .. "/badges/hookward.lua"
    H.write(path, (H.read(path):gsub("127%.0%.0%.1:8080", "127.0.0.1:0")))
    local host = H.start { folder = folder .. "/badges" }
    local to = ("http://127.0.0.1:%d/baseWebhookNotification"):format(host.port)
    assert(H.sh(prefix .. "cd badges && hookward send BadgeExportZipFile.Created --to " .. to))
    host:wait_log("succeeded event=BadgeExportZipFile.Created")
    assert(H.sh(prefix .. "cd badges && hookward test"))
  end)

  it("list of make targets is what the Makefile has", function()
    local help = assert(H.sh("make help"))
    for target in ("all run test lint format asan tsan fuzz bench top install clean"):gmatch("%S+") do
      assert.match("make " .. target .. " ", help, 1, true)
    end
  end)
end)
