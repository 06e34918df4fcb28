-- How the page looks: at each width, in dark and light, for somebody who does not see it well. Each
-- view is kept as a picture in build/screenshots/, to be looked at.

local A = require "spec.support.admin"
local B = require "spec.support.browser"
local H = require "spec.support.host"

local HANDLERS = { ["badges.lua"] = [[
local hook = require "hookward"
hook.on("Badge.Printed", function() end)
hook.on("Badge.Spoiled", function() return nil, "the printer is offline" end)
hook.on("Badge.Lost", function(event) return event.Badge.Id end)
]] }

local LONG = "VeryLongEntityNameThatNoColumnWasMadeFor.AndItsEventIsNotShorterEither"

describe("the page's look:", function()
  local host, browser

  setup(function()
    host = A.start { handlers = HANDLERS, args = "--dev",
      config = 'unhandled = "accept", retries = {}, keep_bodies = true' }
    H.write(host.folder .. "/development.key", H.read((H.keys())))
    for i = 1, 20 do host:notify(H.event("Badge.Printed"), { id = "printed-" .. i }) end
    host:notify(H.event(LONG, ('"Text":"%s"'):format(("long"):rep(200))), { id = ("j"):rep(100) })
    host:notify(H.event("Badge.Spoiled"), { id = "spoiled" })
    host:notify(H.event("Badge.Lost"), { id = "lost", attempt = 5 })
    host:notify(H.event("Badge.Printed"), { id = "stranger", key = (H.keys("other")) })
    browser = B.start()
    A.log_in(browser, host)
  end)

  teardown(function()
    B.stop_all()
    H.stop_all()
  end)

  after_each(function() browser:check(host.admin) end)

  -- Opens a view and waits for what it has to show.
  local function go(place)
    A.go(browser, host, place)
  end

  local VIEWS = {
    deliveries = function() go "#/deliveries" browser:find "tr[data-seq]" end,
    nothing = function() go "#/deliveries?event=No.Such" browser:see "No delivery matches" end,
    one = function()
      go "#/deliveries?id=lost"
      browser:click "tr[data-seq] a"
      browser:see("attempt to index", "main")
    end,
    long = function()
      go("#/deliveries?event=" .. LONG)
      browser:click "tr[data-seq] a"
      browser:see("longlong", "main")
    end,
    purge = function()
      go "#/deliveries?id=spoiled"
      browser:click "tr[data-seq] a"
      browser:click { name = "Purge", role = "button", css = "main button" }
      browser:find "dialog[open]"
    end,
    refused = function()
      go "#/refused"
      browser:click "details.refused summary"
      browser:see("What was found", "details.refused[open]")
    end,
    overview = function() go "#/overview" browser:see("Events since the start", "main") end,
    test = function() go "#/test" browser:find "textarea" end,
    bulk = function() go "#/bulk?state=dead" browser:see("1 notification", "main") end,
  }

  local names = {}
  for name in pairs(VIEWS) do names[#names + 1] = name end
  table.sort(names)

  for _, name in ipairs(names) do
    it(name .. " is fit for everybody in light and dark, wide and narrow", function()
      local faults = {}
      -- Colours don't depend on the width, so each of both is seen once.
      for dark, size in pairs { [false] = { 1280, 800 }, [true] = { 360, 740 } } do
        browser:dark(dark)
        browser:resize(size[1], size[2])
        VIEWS[name]()
        local look = ("%s-%s-%d"):format(name, dark and "dark" or "light", size[1])
        browser:screenshot(look)
        for _, fault in ipairs(browser:audit()) do faults[#faults + 1] = look .. ": " .. fault end
        if browser:scrolls_sideways() then faults[#faults + 1] = look .. ": it scrolls sideways" end
      end
      browser:dark(false)
      browser:resize(1280, 800)
      assert(#faults == 0, table.concat(faults, "\n"))
    end)
  end

  for _, name in ipairs(names) do
    it(name .. " can be walked through by keyboard, and shows where one is", function()
      VIEWS[name]()
      local walk = browser:walk(60)
      assert.is_true(#walk >= 1)
      for _, at in ipairs(walk) do
        assert.is_true(at.visible and at.on_screen and at.name ~= "", ("%s %q: %s"):format(at.role, at.name, at.html))
      end
    end)
  end

  it("dark is dark, and light is light", function()
    local function brightness()
      VIEWS.deliveries()
      return browser:run [[
        const at = document.createElement("canvas").getContext("2d")
        at.fillStyle = getComputedStyle(document.documentElement).backgroundColor
        at.fillRect(0, 0, 1, 1)
        return at.getImageData(0, 0, 1, 1).data[0]
      ]]
    end
    assert.is_true(brightness() > 200)
    browser:dark(true)
    assert.is_true(brightness() < 50)
    browser:dark(false)
  end)
end)
