-- The page of the deliveries, as somebody uses it in a browser.

local A = require "spec.support.admin"
local B = require "spec.support.browser"
local H = require "spec.support.host"

local SPOILED = [[
local hook = require "hookward"
hook.on("Badge.Printed", function() end)
hook.on("Badge.Spoiled", function(event) return nil, "the printer is offline: " .. event.Printer end)
hook.on("Badge.Lost", function(event)
  local badge = nil
  return badge.id == event.BadgeId
end)
]]

local MENDED = [[
local hook = require "hookward"
hook.on("Badge.Printed", function() end)
hook.on("Badge.Spoiled", function() end)
]]

-- What a stranger may write, to run in a page that shows it.
local SCRIPT = [[<script>alert('script')</script><img src=x onerror=alert('image')>]]
local TURNED = "a\u{202E}gnp.exe\u{200F}b"

describe("the page of the deliveries", function()
  local host, browser

  setup(function()
    host = A.start { handlers = { ["badges.lua"] = SPOILED }, config = 'retries = { "1h" }',
      admin = ("token = %q"):format(A.TOKEN) }
    for i = 1, 12 do host:notify(H.event("Badge.Printed", ('"BadgeId":"%d"'):format(i)), { id = "printed-" .. i }) end
    for i = 1, 3 do
      host:notify(H.event("Badge.Spoiled", '"Printer":"north"'), { id = "spoiled-" .. i })
    end
    host:notify(H.event("Badge.Lost", '"BadgeId":"9"'), { id = "lost-1" })
    browser = B.start()
  end)

  teardown(function()
    B.stop_all()
    H.stop_all()
  end)

  before_each(function()
    browser:resize(1280, 800)
    browser:dark(false)
    A.log_in(browser, host)
  end)

  after_each(function() browser:check(host.admin) end)

  local function rows() return #browser:all("tr[data-seq]") end

  local function open(id)
    A.go(browser, host, "#/deliveries?id=" .. id)
    browser:click("tr[data-seq] a")
    browser:find("main .headline")
    browser:see(id, "main")
  end

  local function state() return browser:text("main .headline .state") end

  it("is reached by a link that works once", function()
    local link = A.link(host)
    browser:open(link)
    browser:see("Deliveries", "main h1")
    assert.equal(host.admin .. "/", (browser:url():gsub("#.*", "")))
    assert.equal(16, browser:wait_until(function() return rows() > 0 and rows() end))
    browser:command("DELETE", "/cookie")
    browser:expect "401"
    browser:expect "403"
    browser:open(link)
    browser:find { name = "Token", role = "textbox" }
  end)

  it("shows the newest first, and a new one without a reload", function()
    A.go(browser, host, "#/deliveries")
    assert.match("Badge.Lost", browser:find("tr[data-seq]"):text())
    host:notify(H.event("Badge.Printed", '"BadgeId":"new"'), { id = "arrived-live" })
    browser:see("arrived-live", "tr[data-seq]")
  end)

  it("filters, has the filter in its address, and keeps it over a reload and a way back", function()
    browser:click { like = "^failed", css = "button.chip" }
    browser:wait_until(function() return rows() == 4 end, "4 rows")
    assert.match("state=failed", browser:url())
    browser:fill({ name = "Event", css = "input" }, "Badge.Spoiled")
    browser:wait_until(function() return rows() == 3 end, "3 rows")
    assert.match("event=Badge.Spoiled", browser:url(), 1, true)

    browser:reload()
    browser:wait_until(function() return rows() == 3 end, "3 rows after a reload")
    assert.equal("true", browser:find({ like = "^failed", css = "button.chip" }):attribute("aria-pressed"))
    assert.equal("Badge.Spoiled", browser:find({ name = "Event", css = "input" }):property("value"))

    browser:click("tr[data-seq] a")
    browser:see("the printer is offline", "main")
    assert.match("#/deliveries/%d+$", browser:url())
    browser:back()
    browser:wait_until(function() return rows() == 3 end, "3 rows after the way back")
    assert.match("state=failed&event=Badge.Spoiled", browser:url(), 1, true)

    browser:fill({ name = "Text in the error", css = "input" }, "no such text")
    browser:see("No delivery matches this filter")
    browser:click { name = "Clear the filter", role = "button" }
    browser:wait_until(function() return rows() > 12 end, "all rows")
  end)

  it("shows one delivery: body, headers, history, the handler's lines and what happens next", function()
    open("lost-1")
    local text = browser:text("main")
    for _, part in ipairs { "Badge.Lost", "failed", "handler_error", "BadgeId", "x-jobid", "badges.lua",
      "attempt to index a nil value", "return badge.id == event.BadgeId", "public.pem" } do
      assert.is_truthy(text:find(part, 1, true), part .. " is not in\n" .. text)
    end
  end)

  it("runs one again once its handler is mended, and shows it succeed", function()
    open("spoiled-2")
    browser:see("the printer is offline: north")
    H.write(host.folder .. "/handlers/badges.lua", MENDED)
    host:wait_log("reload")
    browser:wait_until(function()
      return #host:notify(H.event("Badge.Spoiled", '"Printer":"x"')).body == 0
        or host:notify(H.event("Badge.Spoiled", '"Printer":"x"')).status == 200
    end, "the mended handler")
    browser:click { name = "Replay", role = "button" }
    browser:wait_until(function() return state() == "succeeded" end, "it to succeed")
    browser:see("a replay of attempt 0", ".runs")
    A.go(browser, host, "#/deliveries?id=spoiled-2")
    browser:see("succeeded", "tr[data-seq]")
    H.write(host.folder .. "/handlers/badges.lua", SPOILED)
  end)

  it("purges one after a question, and nothing without", function()
    open("spoiled-3")
    browser:click { name = "Purge", role = "button", css = "main button" }
    browser:find "dialog[open]"
    assert.equal("Cancel", browser:focused():text())
    browser:keys "Escape"
    browser:gone "dialog[open]"
    assert.equal("failed", state())
    local place = browser:url():match "#.*"
    browser:click { name = "Purge", role = "button", css = "main button" }
    browser:click("dialog[open] button.danger")
    browser:see "It was removed"
    browser:expect "404"
    A.go(browser, host, place)
    browser:see("This delivery is gone", "main h1")
    browser:screenshot "gone"
    assert.equal(0, #browser:all "main button")
    browser:click { name = "Back to the deliveries", role = "link" }
    browser:see("Deliveries", "main h1")
    A.go(browser, host, "#/deliveries?id=spoiled-3")
    browser:see("No delivery matches this filter")
  end)

  it("shows scripts and marks that turn text as text only", function()
    local body = H.event("Badge.Lost", ('"BadgeId":%q,"Turned":%q'):format(SCRIPT, TURNED))
    host:notify(body, { id = "harmful" })
    browser:expect "nothing is expected here"
    open("harmful")
    local text = browser:text("main")
    assert.is_truthy(text:find(SCRIPT, 1, true), text)
    assert.is_truthy(text:find("U+202E", 1, true), text)
    assert.is_nil(text:find("\u{202E}", 1, true))
    assert.is_nil(browser:alert())
    assert.equal(0, browser:run("return document.querySelectorAll('main script, main img').length"))
  end)

  it("works by keyboard alone: Tab to the list, Enter opens, Escape comes back", function()
    A.go(browser, host, "#/deliveries?event=Badge.Printed")
    browser:find "tr[data-seq]"
    for _ = 1, 40 do
      browser:keys "Tab"
      if browser:run("return document.activeElement.matches('tr[data-seq] a')") then break end
    end
    browser:keys("ArrowDown", "Enter")
    browser:wait_until(function() return browser:url():find("#/deliveries/%d+$") end, "one delivery")
    browser:see("Badge.Printed", "main")
    browser:keys "Escape"
    browser:wait_until(function() return browser:url():find("event=Badge.Printed", 1, true) end, "the list")
    browser:wait_until(function()
      return browser:run("return document.activeElement.matches('tr[data-seq] a')")
    end, "the focus where it was")
  end)
end)
