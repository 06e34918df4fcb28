-- The manual pages say all that --help and `hookward help configuration` say, and `man` and mandoc
-- have nothing to complain about.

local H = require "spec.support.host"

local function sh(format, ...)
  return assert(H.sh(format:format(...)))
end

local program = H.quote(H.binary)

-- Only these are used, so that a page can be read back.
local ESCAPES = { ["\\e"] = "\\", ["\\-"] = "-", ["\\(aq"] = "'", ["\\(dq"] = '"', ["\\(ha"] = "^",
  ["\\(ti"] = "~", ["\\(ga"] = "`", ["\\&"] = "", ["\\%"] = "", ["\\fB"] = "", ["\\fR"] = "" }

local function plain(text)
  return (text:gsub("\\%(..", ESCAPES):gsub("\\f.", ESCAPES):gsub("\\[^(f]", ESCAPES))
end

local pages = {}

local function page(name)
  pages[name] = pages[name] or sh("%s help --man %s", program, name)
  return pages[name]
end

-- Texts are compared without line ends, spaces and the marks of code.
local function bare(text) return (text:gsub("[%s`]", "")) end

-- The text of a subsection; nil if there is none.
local function section(name)
  local text = page "hookward"
  local _, at = text:find(('\n.SS "%s"\n'):format((name:gsub("%-", "\\-"))), 1, true)
  return at and text:sub(at, (text:find("\n.S[SH] ", at)))
end

-- What --help says in blocks: usage, description, then each option and argument.
local function blocks(help)
  local found = {}
  local usage, rest = help:match("^Usage: (.-)\n\n(.*)$")
  found[1] = usage
  for paragraph in (rest .. "\n\n"):gmatch("(.-)\n\n+") do
    local title, items = paragraph:match("^(%a+):\n(.*)$")
    if title == "Options" or title == "Arguments" then
      for item in ("\n" .. items):gsub("\n   (%S)", "\n\0%1"):gmatch("%z([^%z]+)") do
        if not item:find("^%-h, ") then found[#found + 1] = item end
      end
    elseif title ~= "Commands" then
      found[#found + 1] = paragraph
    end
  end
  return found
end

describe("hookward(1)", function()
  it("has every command, with all that its --help says", function()
    local count = 0
    local function check(name)
      local help = sh("%s %s --help", program, name)
      local text = assert(section(name), "no section " .. name)
      text = bare(plain(text:gsub("\n%.%u%u[^\n\"]*", "\n")))
      for _, block in ipairs(blocks(help)) do
        count = count + 1
        assert(text:find(bare(block), 1, true), ("%s: the page lacks: %s\n%s"):format(name, block, text))
      end
      for action in (help:match("\nCommands:\n(.-)\n\n") or ""):gmatch("%f[^\n%z]   (%S+)") do
        check(name .. " " .. action)
      end
    end
    for name in sh("%s --help", program):match("\nCommands:(\n.-)\n\n"):gmatch("\n   (%l+)") do check(name) end
    assert.is_true(count > 150)
  end)

  it("has every variable that hookward reads from the environment", function()
    local text, count = plain(page "hookward"), 0
    for path in sh("find core lua -name '*.c' -o -name '*.lua'"):gmatch("%S+") do
      local text_of_file = H.read(path):gsub("HW_CRASH_SWITCH%b()", "") -- for specs only
      for name in text_of_file:gmatch('"(HOOKWARD_%u[%u_]+)"') do
        if name ~= "HOOKWARD_TEST" then -- for specs, too
          count = count + 1
          assert(text:find("\n.TP\n" .. name .. "\n", 1, true), name)
        end
      end
    end
    assert.is_true(count > 3)
  end)
end)

describe("hookward.lua(5)", function()
  it("has every key, with all that the guide says of it", function()
    local text, count = page "hookward.lua", 0
    local function check(entries, prefix)
      for _, entry in ipairs(entries) do
        count = count + 1
        local name = prefix .. entry.key
        local item = plain(text):match("\n%.TP\n" .. name:gsub("%.", "%%.") .. "\n(.-)\n%.[TS]")
        assert(item and bare(item):find(bare(entry.doc), 1, true), name)
        check(entry.fields or {}, name .. ".")
      end
    end
    check(dofile "lua/hookward/config/schema.lua", "")
    assert.is_true(count > 40)
  end)

  it("has the guide's text about the configuration", function()
    local text = bare(plain(page "hookward.lua"):gsub("\n%.%u%u[^\n]*", "\n"))
    for paragraph in H.read("lua/hookward/guide/configuration.md"):gsub("\n```[^\n]*", "\n"):gmatch("[^\n]+") do
      local is_text = not paragraph:find("^[#<]")
      assert(not is_text or text:find(bare(paragraph), 1, true), paragraph)
    end
  end)
end)

describe("both pages", function()
  local NAMES = { "hookward", "hookward.lua" }

  -- A command that prints nothing if there is nothing to complain about.
  local function silent(needed, command)
    if not H.sh("command -v " .. needed) then return pending(needed .. " is not installed") end
    for _, name in ipairs(NAMES) do
      local path = H.folder() .. "/page." .. page(name):match("^%.TH %S+ (%d)")
      H.write(path, page(name))
      assert.equal("", sh(command, path))
    end
  end

  after_each(H.stop_all)

  it("have nothing that `man` warns of", function()
    silent("man", "LC_ALL=C.UTF-8 MANWIDTH=80 man --warnings -E UTF-8 -l %s 2>&1 >/dev/null")
  end)

  it("have nothing that mandoc warns of", function()
    silent("mandoc", "mandoc -Tlint -Wstyle %s 2>&1")
  end)

  it("are made with the date that a reproducible build sets", function()
    for _, name in ipairs(NAMES) do
      local out = sh("SOURCE_DATE_EPOCH=86400 %s help --man %s", program, name)
      assert.matches("^%.TH %S+ [15] 1970%-01%-02 ", (plain(out)))
    end
  end)

  it("are the only ones", function()
    local _, out, code = H.sh(("%s help --man intro"):format(program))
    assert.equal(2, code)
    assert.matches("must be one of 'hookward', 'hookward.lua'", out, 1, true)
  end)
end)
