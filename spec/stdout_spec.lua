-- A command that can't write its output fails, and says so.

local cli = require "spec.support.cli"

describe("a standard output", function()
  after_each(cli.clean)
  teardown(cli.finish)

  local function shell(command, cwd)
    return cli.program { "sh", "-c", (command:gsub("hookward", function() return cli.quote(cli.binary) end)),
      cwd = cwd or cli.project() }
  end

  it("that is full is a failure, whatever the command", function()
    local project = cli.project()
    for _, command in ipairs { "hookward check --offline", "hookward --help", "hookward", "hookward --version",
      "hookward jobs list --help", "hookward help handlers", "hookward completion bash",
      "hookward check --offline --json" } do
      local result = shell(command .. " > /dev/full", project)
      assert.equal(1, result.code, command)
      assert.matches("^hookward: standard output: [^\n]+\n$", result.err, command)
    end
  end)

  it("that is full does not change the exit code of a failure or a misuse", function()
    local result = shell "hookward check -c none.lua > /dev/full"
    assert.equal(1, result.code)
    result = shell "hookward jobs list --limit x > /dev/full"
    assert.equal(2, result.code)
  end)

  it("whose reader has closed it is not a failure", function()
    local result = shell "{ hookward help handlers; echo $? >&2; } | head -n 1"
    assert.equal("0\n", result.err)
    assert.equal("# Handlers\n", result.out)
  end)

  it("that is closed from the start is not a failure", function()
    assert.equal(0, shell("hookward check --offline >&-").code)
  end)
end)
