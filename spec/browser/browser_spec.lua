-- The browser of the specs itself, on pages with known faults: what finds nothing proves nothing.

local B = require "spec.support.browser"
local H = require "spec.support.host"

local GOOD = [[<!doctype html><html lang="en"><head><title>Good</title><meta charset="utf-8">
<link rel="icon" href="data:,"></head><body>
<main><h1>One</h1><h2>Two</h2><p id="p">Text</p><button id="b">Press</button>
<label>Name <input id="i"></label><img alt="a dot" src="data:image/gif;base64,R0lGODlhAQABAAAAACw=">
<p id="out"></p></main>
<script>b.onclick = () => setTimeout(() => { out.textContent = "pressed " + i.value }, 50)</script>
</body></html>]]

local BAD = [[<!doctype html><html><head><link rel="icon" href="data:,"></head><body>
<h1>One</h1><h3>Three</h3><p style="color:#999;background:#fff">pale</p>
<p style="color:#fff;opacity:0.3">paler</p><button></button><input placeholder="none">
<img src="data:image/gif;base64,R0lGODlhAQABAAAAACw="><i id="x"></i><i id="x"></i>
<svg width="9" height="9"></svg><table><tr><td>1</td></tr></table>
<button style="outline:none" id="unseen">No ring</button><div style="width:2000px">wide</div>
</body></html>]]

describe("the browser of the specs", function()
  local browser, folder

  setup(function() browser = B.start() end)
  teardown(B.stop_all)

  before_each(function() folder = H.folder() end)

  local function page(html)
    H.write(folder .. "/page.html", html)
    browser:open("file://" .. folder .. "/page.html")
  end

  -- Whether a list has a sentence that begins with this.
  local function has(list, begin)
    for _, text in ipairs(list) do
      if text:sub(1, #begin) == begin then return true end
    end
    return false
  end

  it("finds by CSS and by accessible name, types, clicks and waits", function()
    page(GOOD)
    browser:fill({ name = "Name", role = "textbox" }, "one")
    browser:click { name = "Press", role = "button" }
    assert.match("Two%s+Text%s+Press Name", browser:see("pressed one"))
    assert.equal(0, #browser:all { name = "Depress" })
    browser:check("file://")
  end)

  it("has no complaint about a good page, in both schemes", function()
    page(GOOD)
    assert.same({}, browser:audit())
    browser:dark(true)
    assert.same({}, browser:audit())
    browser:dark(false)
    assert.is_false(browser:scrolls_sideways())
  end)

  it("names each fault of a bad page", function()
    page(BAD)
    local found = browser:audit()
    for _, fault in ipairs {
      "the page's language", "the page has no title", "the page has not exactly one main", "an id is there twice",
      "a level of headings", "an image has no alt", "a drawing is neither", "a table has no headings",
      "a field has no label", "a button has no name", "contrast 2.85", "contrast 1.00",
    } do
      assert.is_true(has(found, fault), fault .. " is not among\n" .. table.concat(found, "\n"))
    end
    assert.is_true(browser:scrolls_sideways())
  end)

  it("walks with the tab key, and sees where the focus is not shown", function()
    page(BAD)
    local walk = browser:walk()
    assert.equal(3, #walk)
    assert.is_true(walk[1].visible)
    assert.same({ "No ring", "button", false }, { walk[3].name, walk[3].role, walk[3].visible })
  end)

  it("fails for an error in the console and for a request to another host", function()
    page(GOOD)
    browser:check("file://")
    browser:run("setTimeout(() => { throw new Error('thrown') })")
    browser:wait_until(function()
      local ok, err = pcall(browser.check, browser, "file://")
      return not ok and err:find("in the console: .*thrown")
    end)
    browser:run("fetch('http://other.example/x').catch(() => 1)")
    browser:wait_until(function()
      local ok, err = pcall(browser.check, browser, "file://")
      return not ok and err:find("a request to another host: http://other.example/x", 1, true)
    end)
  end)

  it("sees an alert, keys by name, and takes pictures", function()
    page(GOOD)
    assert.is_nil(browser:alert())
    browser:find("#i"):click()
    browser:keys("a", "b", "Backspace", "Shift+Tab")
    assert.equal("a", browser:find("#i"):property("value"))
    assert.equal("Press", browser:focused():name())
    assert.equal("\137PNG", browser:screenshot("browser"):sub(1, 4))
    browser:run("setTimeout(() => alert('hello'))")
    assert.equal("hello", browser:wait_until(function() return browser:alert() end))
    browser:command("POST", "/alert/accept")
  end)

  it("leaves no process and no file behind", function()
    local other = B.start()
    local pid, kept = other.pid, other.folder
    other:stop()
    -- Those that have ended may wait for the system's first process to notice.
    local _, left = H.sh("ps axo pgid=,stat=,args=")
    assert.is_nil(left:match("\n *" .. pid .. " [^Z]"), left)
    assert.equal("", H.read(kept .. "/driver.log"))
  end)
end)
