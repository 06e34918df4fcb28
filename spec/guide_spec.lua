-- What the guide says is true: its blocks compile, load and run, its commands have these options, and
-- `hookward help` prints it.

local H = require "spec.support.host"
local S = require "spec.support.sandbox"
local lfs = require "lfs"

local GUIDE = "lua/hookward/guide/"
local rock = os.getenv("HOOKWARD_ROCK") or lfs.currentdir() .. "/build/rock/tree"
local program = H.quote(H.binary)

local topics = {}
for name in lfs.dir(GUIDE) do topics[#topics + 1] = name:match("^(.*)%.md$") end
table.sort(topics)

local function text_of(topic) return H.read(GUIDE .. topic .. ".md") end

local function blocks(topic, language)
  local found = {}
  for text in text_of(topic):gmatch("```" .. language .. "\n(.-)```") do found[#found + 1] = text end
  return found
end

-- All of it writes into what is returned.
local function try(format, ...)
  return H.sh("{ " .. format:format(...) .. "\n}")
end

local function sh(format, ...)
  local ok, out = try(format, ...)
  assert(ok, out)
  return out
end

local printed = {}

-- `hookward help TOPIC`
local function help(topic)
  printed[topic] = printed[topic] or sh("%s help %s", program, topic)
  return printed[topic]
end

-- A project of `hookward init` (made once, then copied), with a prefix for shell commands in it.
local template

local function project()
  if not template then
    template = os.tmpname()
    os.remove(template)
    sh("%s init %s", program, template)
    local path = template .. "/hookward.lua"
    H.write(path, (H.read(path):gsub("127%.0%.0%.1:8080", "127.0.0.1:0")))
  end
  local folder = H.folder() .. "/demo"
  sh("cp -r %s %s", template, folder)
  return folder, ("cd %s && hookward() { %s \"$@\"; } && "):format(H.quote(folder), program)
end

teardown(function()
  if template then sh("rm -r %s", template) end
end)

describe("hookward help", function()
  after_each(H.stop_all)

  it("lists every topic", function()
    local out = sh("%s help", program)
    local listed = {}
    for name in out:gmatch("\n  (%l+) +%a") do listed[#listed + 1] = name end
    table.sort(listed)
    assert.same(topics, listed)
  end)

  it("prints a topic as its file has it", function()
    for _, topic in ipairs(topics) do
      if topic ~= "configuration" then assert.equal(text_of(topic), help(topic)) end
    end
  end)

  it("prints the same where the rock is installed", function()
    for _, topic in ipairs { "handlers", "configuration" } do
      assert.equal(help(topic), sh("%s/bin/hookward help %s", rock, topic))
    end
  end)

  it("is readable as it is: no line over 100 columns", function()
    for _, topic in ipairs(topics) do
      for line in help(topic):gmatch("[^\n]+") do
        assert.is_true(#line <= 100, topic .. ": " .. line)
      end
    end
  end)

  it("prints a command's help, an action's too", function()
    assert.equal(sh("%s send --help", program), sh("%s help send", program))
    assert.equal(sh("%s jobs replay --help", program), sh("%s help jobs replay", program))
    assert.matches("^Usage: hookward help ", sh("%s help help", program))
  end)

  it("suggests the topic or command that was meant, with exit 2", function()
    for word, meant in pairs { handlrs = "handlers", serv = "serve", configuraton = "configuration" } do
      local ok, out, code = H.sh(program .. " help " .. word)
      assert.is_nil(ok)
      assert.equal(2, code)
      assert.equal(("hookward help: no topic '%s'; did you mean %s?\nSee `hookward help --help`.\n")
        :format(word, meant), out)
    end
    local _, out, code = H.sh(program .. " help bananas")
    assert.equal(2, code)
    assert.matches("^hookward help: no topic 'bananas'\n", out)
  end)

  it("is known to completion", function()
    for _, shell in ipairs { "bash", "zsh", "fish" } do
      assert.matches("%f[%w]help%f[%W]", sh("%s completion %s", program, shell))
    end
  end)
end)

describe("the reference of the configuration", function()
  local function show(value)
    if type(value) == "string" then return '"' .. value .. '"' end
    if type(value) ~= "table" then return tostring(value) end
    local list = {}
    for i, item in ipairs(value) do list[i] = show(item) end
    return #list == 0 and "{}" or "{ " .. table.concat(list, ", ") .. " }"
  end

  it("names every key with its default, and what this version refuses", function()
    local out = help "configuration"
    assert.is_nil(out:find("<!--", 1, true))
    local function check(entries, prefix)
      for _, entry in ipairs(entries) do
        local name = ("- `%s%s`: "):format(prefix, entry.key)
        local at = assert(out:find(name, 1, true), name)
        local item = out:sub(at + 2, (out:find("\n- ", at, true))):gsub("\n *", " ")
        if entry.default ~= nil then
          assert.matches("default `" .. show(entry.default) .. "`", item, 1, true)
        end
        assert.equal(entry.not_yet or false, item:find("Not%s+built%s+into") ~= nil, name)
        check(entry.fields or {}, prefix .. entry.key .. ".")
      end
    end
    check(dofile("lua/hookward/schema.lua"), "")
  end)
end)

describe("the guide's", function()
  after_each(function()
    S.stop_all()
    H.stop_all()
  end)

  it("Lua blocks compile", function()
    local count = 0
    for _, topic in ipairs(topics) do
      for _, block in ipairs(blocks(topic, "lua")) do
        count = count + 1
        assert(load(block, "=" .. topic .. ".md", "t"))
      end
    end
    assert.is_true(count >= 7)
  end)

  it("handlers load, and do what is said of them", function()
    local folder, at = project()
    for i, block in ipairs(blocks("handlers", "lua")) do
      H.write(folder .. "/handlers/badges.lua", block)
      local pattern = block:match('hook%.on%("([^"]+)"')
      assert.matches(pattern, sh("%shookward check", at), 1, true)
      if i == 1 then
        local host = H.start { handlers = { ["badges.lua"] = block } }
        local event = "BadgeExportZipFile.Created"
        assert.equal(200, host:notify(H.event(event, '"BadgeExportZipFileId":"1"')).status)
        assert.equal("no id in the event", host:notify(H.event(event)).message)
      end
    end
  end)

  it("configurations are accepted", function()
    for _, topic in ipairs { "configuration", "deployment" } do
      local folder, at = project()
      local text = blocks(topic, "lua")[1]:gsub("/var/lib/hookward/", folder .. "/")
      H.write(folder .. "/hookward.lua", text)
      sh("%shookward check", at)
    end
  end)

  it("spec passes in a new project", function()
    local folder, at = project()
    local spec = blocks("testing", "lua")[1]
    H.write(folder .. "/spec/badges_spec.lua", spec)
    local out = sh("%shookward test -o TAP", at)
    assert.equal(3, select(2, out:gsub("%f[%w]ok %d", "")), out)
    sh("%s%s", at, (blocks("testing", "sh")[2]:gsub("\n", "")))
  end)

  it("program with a host in it runs", function()
    local folder = project()
    H.write(folder .. "/app.lua", blocks("library", "lua")[1])
    local out = sh("cd %s && LUA_PATH='%s/share/lua/5.4/?.lua;%s/share/lua/5.4/?/init.lua;;' "
      .. "LUA_CPATH='%s/lib/lua/5.4/?.so;;' lua5.4 app.lua 2>log", folder, rock, rock, rock)
    assert.matches("^127%.0%.0%.1:%d+\n0\n", out)
  end)

  it("commands have the options that it shows", function()
    local count, helps = 0, {}
    for _, topic in ipairs(topics) do
      for _, block in ipairs(blocks(topic, "sh")) do
        sh("sh -n -c %s", H.quote(block))
        for line in ("\n" .. block:gsub("\\\n", "")):gmatch("\nhookward ([^\n]+)") do
          count = count + 1
          local command = line:match("^jobs %l+") or line:match("^%l+")
          helps[command] = helps[command] or sh("%s %s --help", program, command)
          for option in line:gsub("'[^']*'", "''"):gmatch(" (%-%-?[%l%-]+)") do
            local known = command == "test" and option == "--filter" -- busted's
              or helps[command]:find("%f[-]" .. option:gsub("%-", "%%-") .. "%f[^%w%-]")
            assert.is_truthy(known, ("%s: hookward %s"):format(topic, line))
          end
        end
      end
    end
    assert.is_true(count >= 30)
  end)

  it("commands for what failed work in that order", function()
    local folder, at = project()
    local host = H.start { folder = folder }
    local to = ("http://127.0.0.1:%d"):format(host.port)
    local send = "hookward send BadgeExportZipFile.Created --job-id 8812 --data '{\"Event\":"
      .. "\"BadgeExportZipFile.Created\"}' --to " .. to
    local _, out, code = try("%s%s", at, send)
    assert.equal(1, code, out)
    -- What still fails makes replay exit with 1, so every block goes on.
    local said = ""
    for _, block in ipairs { blocks("ledger", "sh")[1], blocks("ledger", "sh")[2],
      blocks("ledger", "sh")[3], blocks("debugging", "sh")[3] } do
      said = said .. select(2, try("%strue; %s", at, block))
    end
    assert.matches("8812", said, 1, true)
    assert.matches("handler_refused: BadgeExportZipFileId is missing", said, 1, true)
    assert.is_nil(said:find("See `hookward", 1, true), said)
  end)

  it("walk through the sandbox ends in a notification that was handled", function()
    local folder, at = project()
    local host, sandbox = H.start { folder = folder },
      S.start(assert(blocks("accredit", "sh")[2]:match("^hookward sandbox (%-%-speed %d+)\n$")))
    local walk = blocks("accredit", "sh")[3]
      :gsub("http://127%.0%.0%.1:8090", (sandbox.url:gsub("%%", "%%%%")))
      :gsub("127%.0%.0%.1:8080", "127.0.0.1:" .. host.port)
    assert.matches("Signature Key", sh("%s%s", at, walk), 1, true)
    host:wait_log("succeeded event=BadgeExportZipFile.Created")
  end)

  it("commands for signatures say with which key it verifies", function()
    local folder, at = project()
    local body = H.event("Person.Updated")
    H.write(folder .. "/body.json", body)
    H.write(folder .. "/signature.txt", H.sign(body))
    local _, public = H.keys()
    H.write(folder .. "/keys/accredit.pem", H.read(public))
    assert.matches("accredit.pem", sh("%s%s", at, blocks("debugging", "sh")[3 + 1]:gsub("\n", "")), 1, true)
  end)

  it("files of core/ are there", function()
    for name in text_of("internals"):gmatch("`(core/[^`]+)`") do
      assert.is_truthy(lfs.attributes(name), name)
    end
  end)
end)
