-- Who may see and change what on the page, and what it says when the session or the host is gone.

local A = require "spec.support.admin"
local socket = require "socket"
local B = require "spec.support.browser"
local H = require "spec.support.host"

local HANDLERS = { ["badges.lua"] = [[
require "hookward".on("Badge.*", function() return nil, "the printer is offline" end)
]] }

describe("a session of the page", function()
  local host, browser

  -- A port that is free now, since the page comes back to the one that it knows.
  local function free_port()
    local probe = assert(socket.bind("127.0.0.1", 0))
    local _, port = probe:getsockname()
    probe:close()
    return math.tointeger(port)
  end

  local port = free_port()

  local function start()
    host = A.start { handlers = HANDLERS, args = "--dev", folder = host and host.folder, port = port,
      admin = ("token = %q, read_token = %q"):format(A.TOKEN, A.READ_TOKEN) }
  end

  setup(function()
    start()
    host:notify(H.event("Badge.Printed"), { id = "one" })
    browser = B.start()
  end)

  teardown(function()
    B.stop_all()
    H.stop_all()
  end)

  before_each(function() browser:try("DELETE", "/cookie") end)

  after_each(function() browser:check(host.admin) end)

  local function log_in(token)
    browser:open(host.admin .. "/")
    browser:fill({ name = "Token", role = "textbox" }, token)
    browser:click { name = "Log in", role = "button" }
  end

  it("begins with the token, and not with a wrong one", function()
    browser:expect "401"
    browser:expect "403"
    log_in "wrong"
    browser:see "That token is wrong"
    log_in(A.TOKEN)
    browser:see("Deliveries", "main h1")
    assert.is_nil(browser:run("return document.cookie || null"))
    assert.equal(0, #browser:all ".role")
    assert.equal(1, #browser:all { name = "Send a test", role = "link" })
  end)

  it("with the token for reading shows no button that changes something, and the host refuses it", function()
    browser:expect "403"
    log_in(A.READ_TOKEN)
    browser:see("Deliveries", "main h1")
    browser:see("Read only")
    assert.equal(0, #browser:all { name = "Send a test", role = "link" })
    browser:click "tr[data-seq] a"
    browser:see("the printer is offline", "main")
    for _, name in ipairs { "Replay", "Purge" } do assert.equal(0, #browser:all { name = name, role = "button" }) end
    local status = browser:run([[
      const seq = location.hash.match(/\d+/)[0]
      const session = await (await fetch("/api/session")).json()
      return (await fetch(`/api/deliveries/${seq}/replay`, { method: "POST", body: "{}",
        headers: { "Content-Type": "application/json", "X-CSRF-Token": session.csrf } })).status
    ]])
    assert.equal(403, status)
    A.go(browser, host, "#/bulk?state=failed")
    browser:see("You may only look", "main")
    assert.equal(0, #browser:all "main button")
  end)

  it("refuses a change without the session's own token", function()
    browser:expect "403"
    A.log_in(browser, host)
    assert.equal(403, browser:run([[
      return (await fetch("/api/deliveries/1/replay", { method: "POST", body: "{}",
        headers: { "Content-Type": "application/json" } })).status
    ]]))
  end)

  it("that has ended leads to the login, and back to where one was", function()
    browser:expect "401"
    A.log_in(browser, host, "#/deliveries?state=failed")
    browser:find "tr[data-seq]"
    browser:command("DELETE", "/cookie")
    browser:click { like = "^dead", css = "button.chip" }
    browser:find { name = "Token", role = "textbox" }
    browser:fill({ name = "Token", role = "textbox" }, A.TOKEN)
    browser:click { name = "Log in", role = "button" }
    browser:wait_until(function() return browser:url():find("state=failed", 1, true) end, "the place of before")
  end)

  it("ends when one logs out", function()
    A.log_in(browser, host)
    browser:click { name = "Log out", role = "button" }
    browser:find { name = "Token", role = "textbox" }
    browser:open(host.admin .. "/")
    browser:find { name = "Token", role = "textbox" }
  end)

  it("says that the host does not answer, and recovers once it is back", function()
    browser:expect "ERR_CONNECTION_REFUSED"
    browser:expect "ERR_INCOMPLETE_CHUNKED_ENCODING"
    browser:expect "ERR_EMPTY_RESPONSE"
    browser:expect "ERR_CONNECTION_RESET"
    browser:expect "401"
    A.log_in(browser, host, "#/deliveries")
    browser:wait_until(function() return browser:text("#link-state") == "Live" end, "the stream")
    host:stop()
    browser:wait_until(function() return browser:text("#link-state") ~= "Live" end, "the page to say so")
    start()
    -- Sessions are in the host's memory: the page asks to log in again, and comes back to its place.
    browser:fill({ name = "Token", role = "textbox" }, A.TOKEN)
    browser:click { name = "Log in", role = "button" }
    browser:wait_until(function() return browser:text("#link-state") == "Live" end, "the stream again")
    browser:see("Badge.Printed", "tr[data-seq]")
  end)
end)
