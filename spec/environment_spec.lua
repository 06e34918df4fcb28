-- HOOKWARD_CONFIG names the configuration for every command that reads one; -c overrides it.

local H = require "spec.support.host"
local cli = require "spec.support.cli"

local function has(text, part)
  assert.is_truthy(text:find(part, 1, true), ("%q is not in:\n%s"):format(part, text))
end

describe("HOOKWARD_CONFIG", function()
  teardown(cli.finish)
  after_each(function()
    H.stop_all()
    cli.clean()
  end)

  -- Runs a command in an empty folder.
  local function run(config, ...)
    return cli.run { env = { HOOKWARD_CONFIG = config }, cwd = cli.folder(), ... }
  end

  it("is used by every command that has -c", function()
    local project = cli.project('return { listen = "127.0.0.1:1", control = "here.sock", path = "/named", '
      .. 'accredit = { url = "http://127.0.0.1:1" } }')
    local config = project .. "/hookward.lua"
    has(run(config, "check").out, "ok: 1 key, 1 route")
    has(run(config, "send", "A.B", "--job-id", "1").out, "127.0.0.1:1/named")
    has(run(config, "reload").err, "no host is running with " .. config)
    has(run(config, "jobs", "list").err, project .. "/hookward.db")
    has(run(config, "events", "--retries", "0", "--token", "t").err, "http://127.0.0.1:1/api")
    has(run(config, "verify", "--body", config, "--signature", "AAAA").out, "development.pem")
    has(run(config, "keygen", project .. "/keys").err, "the host reads keys/*")
  end)

  it("is used by serve", function()
    local host = H.start { handlers = { ["a.lua"] = "" } }
    assert.equal(0, host:stop())
    local out = assert(H.sh(("cd / && HOOKWARD_CONFIG=%s/hookward.lua timeout -s TERM 20 sh -c '%s serve 2>&1 & "
      .. "until %s reload; do sleep 0.05; done; kill $!; wait $!'"):format(host.folder, H.binary, H.binary)))
    has(out, "listening on")
    has(out, "nothing has changed")
  end)

  it("is overridden by -c, and ignored when it is empty", function()
    local project = cli.project()
    local result = run("/nowhere/hookward.lua", "check", "-c", project .. "/hookward.lua")
    has(result.out, "ok: 1 key, 1 route")
    has(run("/nowhere/hookward.lua", "check").err, "/nowhere/hookward.lua")
    local empty = cli.run { "check", env = { HOOKWARD_CONFIG = "" }, cwd = project }
    has(empty.out, "ok: 1 key, 1 route")
  end)
end)
