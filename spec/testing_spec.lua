-- hookward.testing runs handlers by the host's own code, in busted and in plain Lua.
--
local inside = require "spec.support.inside"
local lfs = require "lfs"
local cli = require "spec.support.cli"

local run = cli.run
local root = lfs.currentdir()

after_each(cli.clean)
teardown(cli.finish)

local function has(text, part)
  assert.is_truthy(text:find(part, 1, true), ("%q is not in:\n%s"):format(part, text))
end

describe("hookward.testing:", function()
  inside.each(it, "testing")
end)

-- These get nothing but the rock's modules by their environment.
local rock = os.getenv "HOOKWARD_ROCK" or root .. "/build/rock/tree"
local share, lib = rock .. "/share/lua/5.4", rock .. "/lib/lua/5.4"
local env = { LUA_PATH = ("%s/?.lua;%s/?/init.lua;;"):format(share, share),
  LUA_CPATH = lib .. "/?.so;;" }

describe("a new project with the rock installed #rock", function()
  it("passes its specs with plain busted", function()
    local result = cli.program { "busted", cwd = cli.project(), env = env }
    has(result.out, "3 successes / 0 failures / 0 errors / 0 pending")
    assert.equal(0, result.code, result.out .. result.err)
  end)

  it("fails with plain busted when the handler is broken", function()
    local project = cli.project()
    local handler = project .. "/handlers/badges.lua"
    cli.write(handler, (cli.read(handler):gsub("return true", "return false, 'full'")))
    local result = cli.program { "busted", cwd = project, env = env }
    has(result.out, "1 success / 2 failures / 0 errors / 0 pending")
    has(result.out, "spec/badges_spec.lua:13: expected 200, but the answer was\n"
      .. "400 handler_refused: full\n  event: BadgeExportZipFile.Created\n")
    assert.equal(1, result.code)
  end)

  it("is made and tested by the rock's own command", function()
    local folder = cli.folder()
    local command = rock .. "/bin/hookward"
    local made = cli.program { command, "init", "demo", cwd = folder }
    assert.equal(0, made.code, made.err)
    assert.equal(cli.read("lua/hookward/_meta.lua"),
      cli.read(folder .. "/demo/.hookward/hookward.lua"))
    local result = cli.program { command, "test", cwd = folder .. "/demo" }
    has(result.out, "3 successes / 0 failures / 0 errors / 0 pending")
    assert.equal(0, result.code, result.err)
  end)

  it("can be tested by a plain Lua script", function()
    local project = cli.project()
    cli.write(project .. "/test.lua", [[
      local app = require "hookward.testing".load "handlers"
      app:deliver("BadgeExportZipFile.Created", { BadgeExportZipFileId = "7" }):expect(200)
      print "so far"
      app:deliver("BadgeExportZipFile.Created"):expect(200)]])
    local result = cli.program { "lua5.4", "test.lua", cwd = project, env = env }
    assert.equal("so far\n", result.out)
    has(result.err, "lua5.4: test.lua:4: expected 200, but the answer was\n400 ")
    assert.equal(1, result.code)
  end)
end)

describe("hookward test", function()
  it("says in one line that there are no specs", function()
    for _, arguments in ipairs { { "test" }, { "test", "no_spec.lua" }, { "test", "--filter", "x" } } do
      arguments.cwd = cli.folder { ["a.lua"] = "" }
      local result = run(arguments)
      assert.equal(1, result.code)
      assert.equal("", result.out)
      assert.matches("^there are no specs here: [^\n]+ has no folder spec/%. Go to a project's folder "
        .. "%(`hookward init DIR` [^\n]+\n$", result.err)
    end
    local named = run { "test", "a.lua", cwd = cli.folder { ["a.lua"] = "it('passes', function() end)" } }
    assert.equal(0, named.code)
  end)

  it("passes in a new project", function()
    local result = run { "test", cwd = cli.project() }
    has(result.out, "3 successes / 0 failures / 0 errors / 0 pending")
    assert.equal(0, result.code)
  end)

  it("fails when the handler is broken, and shows the outcome of the delivery", function()
    local project = cli.project()
    local handler = project .. "/handlers/badges.lua"
    cli.write(handler, (cli.read(handler):gsub('hook%.log%.info%(', "hook.log.inof(")))
    local result = run { "test", cwd = project }
    assert.equal(1, result.code)
    has(result.out, "1 success / 2 failures / 0 errors")
    has(result.out, "spec/badges_spec.lua:13: expected 200, but the answer was\n"
      .. "400 handler_error: the handler failed\n")
    has(result.out, "handlers/badges.lua:13: attempt to call a nil value (field 'inof')")
  end)

  it("reports one error for the suite when the handlers do not load", function()
    local project = cli.project()
    cli.write(project .. "/handlers/other.lua", "syntax error")
    local result = run { "test", cwd = project }
    assert.equal(1, result.code)
    has(result.out, "handlers/other.lua:1: syntax error near 'error'")
    has(result.out, "0 successes / 0 failures / 1 error ") -- one for all of them
  end)

  it("passes all of its arguments to busted", function()
    local project = cli.project()
    local result = run { "test", "spec/badges_spec.lua", "--filter", "refused", cwd = project }
    has(result.out, "1 success / 0 failures")
    result = run { "test", "--no-such-option", cwd = project }
    assert.equal(1, result.code)
    has(result.err, "busted: error: ")
  end)

  it("runs in this program, whatever interpreter the project's .busted names", function()
    local project = cli.project()
    cli.write(project .. "/.busted", 'return { default = { lua = "/nowhere/lua" } }')
    local result = run { "test", cwd = project }
    has(result.out, "3 successes / 0 failures")
    assert.equal(0, result.code)
  end)

  it("says how to get busted when it is not installed", function()
    local folder = cli.folder {
      ["argparse.lua"] = cli.read(assert(package.searchpath("argparse", package.path))) }
    local result = run { "test", cwd = cli.project(), env = { LUA_PATH_5_4 = folder .. "/?.lua" } }
    assert.equal(1, result.code)
    assert.equal("busted is not installed for Lua 5.4; get it with `apt install lua-busted` or "
      .. "`luarocks install busted`\n", result.err)
  end)
end)
