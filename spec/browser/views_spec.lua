-- The page's other views: what was refused, the overview, a test, and the replay of all that match.

local A = require "spec.support.admin"
local B = require "spec.support.browser"
local H = require "spec.support.host"

local HANDLERS = [[
local hook = require "hookward"
local socket = require "socket"
hook.on("Badge.Printed", function(event) if event.Fails then return nil, "no" end end)
hook.on("Badge.Spoiled", function()
  if io.open("mended") then return true end
  return nil, "the printer is offline"
end)
]]

local COUNT = 12 -- notifications that a replay of all runs again

describe("the page's view of", function()
  local host, browser

  setup(function()
    local public = select(2, H.keys())
    host = A.start { handlers = { ["badges.lua"] = HANDLERS }, args = "--dev",
      config = 'keys = { "keys/*" }', keys = { ["public.pem"] = H.read(public) } }
    local development = H.keys()
    H.write(host.folder .. "/development.key", H.read(development))
    for i = 1, COUNT do host:notify(H.event("Badge.Spoiled"), { id = "spoiled-" .. i }) end
    host:notify(H.event("Badge.Printed"), { id = "printed" })
    -- One signed with another key, and one whose body was changed on its way.
    host:notify(H.event("Badge.Printed"), { id = "stranger", key = (H.keys("other")) })
    host:notify(H.event("Badge.Printed") .. "\n", { id = "changed", signature = H.sign(H.event("Badge.Printed")) })
    browser = B.start()
  end)

  teardown(function()
    B.stop_all()
    H.stop_all()
  end)

  before_each(function() A.log_in(browser, host) end)

  after_each(function() browser:check(host.admin) end)

  it("what was refused says why, and tries again with today's keys", function()
    A.go(browser, host, "#/refused")
    browser:wait_until(function() return #browser:all("details.refused") == 2 end, "two requests")
    assert.match("127.0.0.1", browser:text("details.refused"), 1, true)
    browser:click("details.refused summary") -- the newest: the changed one
    browser:see("would verify with key public.pem if the body had no newline", ".refused-details")
    assert.match("#/refused/%d+$", browser:url())
    browser:reload()
    browser:see("What was found", "details.refused[open]")

    local stranger = browser:all("details.refused")[2]
    stranger:click()
    browser:wait_until(function() return stranger:text():find("What was found") end)
    H.write(host.folder .. "/keys/other.pem", H.read((select(2, H.keys("other")))))
    host:wait_log("reloaded: .- 2 keys")
    browser:click({ name = "Try again with today's keys", role = "button" }, stranger)
    browser:wait_until(function() return stranger:text():find("It verifies with the key", 1, true) end)
    os.remove(host.folder .. "/keys/other.pem")
  end)

  it("the overview has plots, counts, handlers, keys and the scripts' version", function()
    A.go(browser, host, "#/overview")
    local text = browser:see("Events since the start", "main")
    for _, part in ipairs { "Badge.Spoiled", "Badge.Printed", "public.pem", "badges.lua", "Dead letters",
      "Notifications by outcome", "How long handlers take", "Backlog" } do
      assert.is_truthy(text:find(part, 1, true), part .. " is not in\n" .. text)
    end
    assert.equal(3, #browser:all "main svg.plot-picture")
    browser:click { name = "Day", css = "main button, main label" }
    browser:wait_until(function() return browser:url():find("range=day", 1, true) end, "the address")
    browser:click(".tile[href='#/deliveries?state=failed']")
    browser:see("Deliveries", "main h1")
    browser:see("Badge.Spoiled", "tr[data-seq]")
  end)

  it("a plot is read with the arrow keys, by pointing, and as a table", function()
    A.go(browser, host, "#/overview")
    local plot = browser:find "main svg.plot-picture"
    local function value() return plot:attribute "aria-valuetext" end
    browser:wait_until(function() return (value() or ""):find("succeeded %d") end, "the numbers")
    assert.equal("slider", plot:role())
    assert.equal("Notifications by outcome, over time", plot:name())
    assert.match("^%d%d:%d%d: succeeded %d%S*, duplicates %d%S*, .*refused %d", value())
    browser:run("arguments[0].focus()", plot)
    local latest = value()
    browser:keys("ArrowLeft", "ArrowLeft")
    local before = value()
    assert.not_equal(latest:match("^%S+"), before:match("^%S+"))
    assert.equal(before:match("^%d%d:%d%d"), browser:text ".plot-when")
    browser:keys("End")
    assert.equal(latest:match("^%d%d:%d%d"), value():match("^%d%d:%d%d"))
    browser:run([[const box = arguments[0].getBoundingClientRect();
      arguments[0].dispatchEvent(new PointerEvent("pointermove", { clientX: box.left + box.width / 2,
        clientY: box.top + 40, bubbles: true }));]], plot)
    assert.equal(1, browser:run "return document.querySelectorAll('.plot-cursor').length")
    assert.not_equal(latest:match("^%S+"), value():match("^%S+"))
    browser:keys("Tab", "Enter")
    browser:wait_until(function() return #browser:all "figure.plot tbody tr" == 60 end, "the table")
    assert.equal("Time", browser:text "figure.plot thead th")
  end)

  it("a broken edit shows where it is, and that the version before goes on", function()
    H.write(host.folder .. "/handlers/broken.lua", "local hook = = 1\n")
    host:wait_log("broken.lua:1")
    A.go(browser, host, "#/overview")
    local text = browser:see("broken.lua:1", "main")
    assert.match("do not load", text)
    os.remove(host.folder .. "/handlers/broken.lua")
  end)

  it("a test signs an edited sample, sends it, and shows the answer and the delivery", function()
    A.go(browser, host, "#/test")
    local body = browser:find "textarea"
    assert.match('"Event": "', body:property("value"), 1, true)
    browser:fill("textarea", '{"Event":"Badge.Printed","Timestamp":"2024-05-10T11:09:21.248Z","Fails":true}')
    browser:click { name = "Sign and send", role = "button" }
    browser:see("handler_refused", ".answer")
    browser:fill("textarea", "{")
    browser:see("This is not JSON", "#test-problem")
    browser:fill("textarea", '{"Event":"Badge.Printed","Timestamp":"2024-05-10T11:09:21.248Z"}')
    browser:click { name = "Sign and send", role = "button" }
    browser:see("200", ".answer")
    browser:click(".answer a")
    browser:see("succeeded", "tr[data-seq]")
  end)

  it("a delivery's body can be edited and sent as a new job", function()
    host:notify(H.event("Badge.Printed", '"Fails":true'), { id = "edited" })
    A.go(browser, host, "#/deliveries?id=edited")
    browser:click "tr[data-seq] a"
    browser:click { name = "Edit and send", role = "button" }
    browser:see("Send a test", "main h1")
    assert.equal(H.event("Badge.Printed", '"Fails":true'), browser:find("textarea"):property "value")
    assert.equal("Badge.Printed", browser:find("#test-event"):property "value")
    browser:fill("textarea", H.event("Badge.Printed"))
    browser:click { name = "Sign and send", role = "button" }
    browser:see("200", ".answer")
    assert.not_equal("Job edited", browser:text ".answer a")
  end)

  it("a replay of all counts first, shows how far it is, and stops half-way", function()
    A.go(browser, host, "#/overview")
    A.go(browser, host, "#/bulk?state=failed&event=Badge.Spoiled")
    browser:see(COUNT .. " notifications can run again", "main")
    H.write(host.folder .. "/mended", "")
    browser:fill("#bulk-rate", "2")
    browser:click { name = ("Replay %d notifications"):format(COUNT), role = "button" }
    browser:click("dialog[open] button.primary")
    browser:see("running", ".bulk-numbers")
    browser:wait_until(function()
      local done = tonumber(browser:text(".bulk-numbers"):match("^(%d+) of"))
      return done and done >= 2
    end, "two that ran")
    browser:click { name = "Stop", role = "button" }
    local done = tonumber(browser:see("stopped", ".bulk-numbers"):match("^(%d+) of " .. COUNT))
    assert.is_true(done >= 2 and done < COUNT, "done: " .. done)
    local _, left = H.sh(("cd %s && %s jobs list --state failed --event Badge.Spoiled --json | grep -c spoiled-")
      :format(H.quote(host.folder), H.quote(H.binary)))
    assert.equal(COUNT - done, tonumber(left))
  end)
end)
