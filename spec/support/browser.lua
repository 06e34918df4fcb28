-- Drives a real Chromium for the specs of the admin page: a small W3C WebDriver client.
--
-- M.start() starts chromedriver on a free port and one browser with a profile of its own; M.stop_all()
-- ends both. Nothing here sleeps for a fixed time: whatever the page does, the spec waits for what is
-- to be seen, until a deadline. After each test Browser:check() finds what a user would not see: errors
-- in the console, and requests to another host.
--
-- A selector is CSS, or { name = "Replay", role = "button" }: the accessible name and role, which a
-- screen reader reads, as the browser computes them. `like` in place of `name` is a Lua pattern, and
-- `css` says where to look, which is faster.

local cjson = require "cjson"
local folders = require "spec.support.folders"
local http = require "socket.http"
local lfs = require "lfs"
local ltn12 = require "ltn12"
local mime = require "mime"
local socket = require "socket"
local H = require "spec.support.host"

local M = {}

-- Seconds until a wait is given up.
local PATIENCE = tonumber(os.getenv("HOOKWARD_SPEC_PATIENCE") or 20)

local SCREENSHOTS = lfs.currentdir() .. "/build/screenshots"

-- lua-cjson can't write an empty array; this text stands for one until the JSON is ready.
local NONE = "(an empty array)"

-- The key under which WebDriver hands over an element.
local ELEMENT = "element-6066-11e4-a52e-4f735466cecf"

-- Keys that are no characters, by the names that KeyboardEvent.key has.
local KEYS = {
  Backspace = "\u{E003}", Tab = "\u{E004}", Enter = "\u{E007}", Shift = "\u{E008}",
  Control = "\u{E009}", Escape = "\u{E00C}", PageUp = "\u{E00E}", PageDown = "\u{E00F}",
  End = "\u{E010}", Home = "\u{E011}", ArrowLeft = "\u{E012}", ArrowUp = "\u{E013}",
  ArrowRight = "\u{E014}", ArrowDown = "\u{E015}", Delete = "\u{E017}",
}

local RELEASED = "\u{E000}" -- lets go of keys that are held

local FLAGS = {
  "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
  "--disable-background-networking", "--disable-component-update", "--disable-sync",
  "--disable-extensions", "--disable-default-apps", "--disable-search-engine-choice-screen",
  "--force-device-scale-factor=1", "--force-color-profile=srgb", "--lang=en-GB",
  "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
}

---@class hookward.spec.Browser
local Browser = {}
Browser.__index = Browser

---@class hookward.spec.Element
local Element = {}
Element.__index = Element

local running = {}

-- ---- the protocol ----

local function encode(value)
  return (cjson.encode(value):gsub('"%(an empty array%)"', "[]"))
end

local function request(url, method, body)
  local out = {}
  local text = body and encode(body)
  local ok, status = http.request {
    url = url, method = method, sink = ltn12.sink.table(out),
    source = text and ltn12.source.string(text),
    headers = text and { ["Content-Type"] = "application/json", ["Content-Length"] = #text },
  }
  if not ok then return nil, { error = "unreachable", message = status } end
  local answer = cjson.decode(table.concat(out)).value
  if status ~= 200 then return nil, answer end
  return answer
end

-- One command of the session; nil and { error, message } if the driver refuses it.
function Browser:try(method, path, body)
  if method == "POST" and body == nil then body = cjson.decode("{}") end
  return request(("%s/session/%s%s"):format(self.driver, self.session, path), method, body)
end

function Browser:command(...)
  local answer, err = self:try(...)
  if err then error(("%s: %s"):format(err.error, err.message), 2) end
  return answer
end

---A command of Chromium's DevTools protocol.
function Browser:cdp(name, parameters)
  return self:command("POST", "/goog/cdp/execute",
    { cmd = name, params = parameters or cjson.decode("{}") })
end

-- ---- starting and stopping ----

---Starts the driver and a browser.
---@param options? { size?: integer[], dark?: boolean } size: of the page in CSS pixels, default 1280x800
function M.start(options)
  options = options or {}
  local self = setmetatable({ folder = H.folder(), expected = {} }, Browser)
  lfs.mkdir(SCREENSHOTS:match("^(.*)/"))
  lfs.mkdir(SCREENSHOTS)
  -- A process group of its own, so that no process of the browser can be left.
  self.pipe = io.popen(("HOME=%s TMPDIR=%s XDG_CONFIG_HOME=%s XDG_CACHE_HOME=%s "
    .. "exec setsid sh -c 'echo $$; exec chromedriver --port=0 >%s/driver.log 2>&1'")
    :format(self.folder, self.folder, self.folder, self.folder, self.folder), "r")
  self.pid = math.tointeger(self.pipe:read("n"))
  running[self] = true
  local port = H.wait_until(function()
    return H.read(self.folder .. "/driver.log"):match("successfully on port (%d+)")
  end, "chromedriver to listen")
  self.driver = "http://127.0.0.1:" .. port
  local flags = { table.unpack(FLAGS) }
  flags[#flags + 1] = "--user-data-dir=" .. self.folder .. "/profile"
  local made, err = request(self.driver .. "/session", "POST", { capabilities = { alwaysMatch = {
    browserName = "chrome",
    ["goog:chromeOptions"] = { args = flags },
    ["goog:loggingPrefs"] = { browser = "ALL", performance = "ALL" },
    unhandledPromptBehavior = "ignore",
  } } })
  if not made then error(err.message .. "\n" .. H.read(self.folder .. "/driver.log"), 2) end
  self.session = made.sessionId
  local size = options.size or { 1280, 800 }
  self:resize(size[1], size[2])
  self:dark(options.dark or false)
  return self
end

function Browser:stop()
  if not running[self] then return end
  running[self] = nil
  if self.session then self:try("DELETE", "") end
  os.execute(("kill -TERM %d 2>/dev/null"):format(self.pid))
  pcall(H.wait_until, function()
    return not H.read(("/proc/%d/stat"):format(self.pid)):find("^%d+ %b() [^Z]")
  end)
  os.execute(("kill -KILL -%d 2>/dev/null"):format(self.pid))
  self.pipe:close()
  -- The driver's temporary folders are below this one.
  folders.remove(self.folder)
end

function M.stop_all()
  for one in pairs(running) do one:stop() end
end

-- ---- the window ----

---Sets the page's size in CSS pixels; a window itself could not be as narrow as a telephone.
function Browser:resize(width, height)
  self:cdp("Emulation.setDeviceMetricsOverride",
    { width = width, height = height, deviceScaleFactor = 1, mobile = false })
end

---Prefers dark colours, or light ones.
function Browser:dark(on)
  self:cdp("Emulation.setEmulatedMedia", { features = {
    { name = "prefers-color-scheme", value = on and "dark" or "light" },
    { name = "prefers-reduced-motion", value = "reduce" },
  } })
end

---Writes build/screenshots/NAME.png; returns the PNG's bytes.
function Browser:screenshot(name)
  local bytes = mime.unb64(self:command("GET", "/screenshot"))
  H.write(("%s/%s.png"):format(SCREENSHOTS, name), bytes)
  return bytes
end

function Browser:open(url) self:command("POST", "/url", { url = url }) end

function Browser:url() return self:command("GET", "/url") end

function Browser:back() self:command("POST", "/back") end

function Browser:reload() self:command("POST", "/refresh") end

---The text of an alert that the page shows, or nil.
function Browser:alert() return (self:try("GET", "/alert/text")) end

---Runs the body of an async JavaScript function with these arguments; returns what it returns, nil for
---null. Elements go in and come out as elements.
function Browser:run(script, ...)
  local args = { ... }
  for i, value in ipairs(args) do
    if getmetatable(value) == Element then args[i] = { [ELEMENT] = value.id } end
  end
  local value = self:command("POST", "/execute/sync",
    { script = "return (async function() {" .. script .. "\n}).apply(null, arguments)",
      args = #args > 0 and args or NONE })
  if type(value) == "table" and value[ELEMENT] then return self:element(value) end
  if value == cjson.null then return nil end
  return value
end

-- ---- elements ----

function Browser:element(value)
  return setmetatable({ browser = self, id = value[ELEMENT] }, Element)
end

-- What may have a role and a name.
local NAMED = "a,button,input,select,textarea,summary,[role],img,svg,nav,main,table,dialog,h1,h2,h3,"
  .. "section,form"

-- All elements that a selector finds now.
local function all(browser, selector, below)
  local css = type(selector) == "string" and selector or selector.css or NAMED
  local path = below and "/element/" .. below.id .. "/elements" or "/elements"
  local found = {}
  for _, value in ipairs(browser:command("POST", path, { using = "css selector", value = css })) do
    local element = browser:element(value)
    if type(selector) == "string" or element:is_called(selector) then found[#found + 1] = element end
  end
  return found
end

local function describe(selector)
  if type(selector) == "string" then return selector end
  return ("%s %q"):format(selector.role or "element", selector.name or selector.like)
end

---The elements that a selector finds now, visible ones only.
function Browser:all(selector, below)
  local visible = {}
  for _, element in ipairs(all(self, selector, below)) do
    if element:is_visible() then visible[#visible + 1] = element end
  end
  return visible
end

---Waits until a visible element is found, and returns it. `below` limits it to an element's inside.
function Browser:find(selector, below)
  return self:wait_until(function() return self:all(selector, below)[1] end, describe(selector))
end

---Waits until no visible element is found.
function Browser:gone(selector)
  return self:wait_until(function() return #self:all(selector) == 0 end,
    "no more " .. describe(selector))
end

---Waits until an element's text (the page's, by default) has this in it; returns the whole text.
function Browser:see(text, selector)
  return self:wait_until(function()
    local now = self:text(selector)
    return now:find(text, 1, true) and now
  end, ("%q in %s"):format(text, selector or "the page"))
end

---The visible text of the first element that CSS finds now, "" if there is none.
function Browser:text(selector)
  return self:run("const e = document.querySelector(arguments[0]); return e ? e.innerText : ''",
    selector or "body") or ""
end

-- What an element says whose page, or part of a page, was replaced meanwhile.
local function is_about_what_is_gone(err)
  for _, text in ipairs { "stale element", "no such element", "does not belong to the document" } do
    if err:find(text, 1, true) then return true end
  end
end

---Polls until `check` returns a true value, and returns that. An error tells what is seen instead.
---An element that the page replaced meanwhile is no error: the check runs again.
function Browser:wait_until(check, what, patience)
  local until_time, err = socket.gettime() + (patience or PATIENCE)
  repeat
    local ok, result = pcall(check)
    if ok and result then return result end
    err = not ok and tostring(result)
    if err and not is_about_what_is_gone(err) then
      error(err, 2)
    end
    socket.sleep(0.02)
  until socket.gettime() > until_time
  self.failures = (self.failures or 0) + 1
  pcall(self.screenshot, self, ("failure-%d-%d"):format(self.pid, self.failures))
  local _, url = pcall(self.url, self)
  local _, text = pcall(self.text, self)
  error(("waited in vain for %s%s\n%s\n%s"):format(what or "a condition", err and ": " .. err or "",
    url, text), 2)
end

function Element:command(method, path, body)
  return self.browser:command(method, "/element/" .. self.id .. path, body)
end

function Element:role() return self:command("GET", "/computedrole") end

---The accessible name.
function Element:name() return self:command("GET", "/computedlabel") end

function Element:is_called(selector)
  local name = self:name()
  if selector.name and name ~= selector.name then return false end
  if selector.like and not name:find(selector.like) then return false end
  return not selector.role or self:role() == selector.role
end

function Element:is_visible() return self:command("GET", "/displayed") end

function Element:text() return self:command("GET", "/text") end

---A property as JavaScript sees it: value, checked, …
function Element:property(name)
  local value = self:command("GET", "/property/" .. name)
  return value ~= cjson.null and value or nil
end

function Element:attribute(name)
  local value = self:command("GET", "/attribute/" .. name)
  return value ~= cjson.null and value or nil
end

function Element:click() self:command("POST", "/click") end

---Types after what is there.
function Element:type(text) self:command("POST", "/value", { text = text }) end

---Finds a visible element, waits for it, and clicks it; once more if the page replaced it meanwhile.
function Browser:click(selector, below)
  self:wait_until(function()
    local element = self:all(selector, below)[1]
    if element then element:click() end
    return element
  end, describe(selector))
end

---Puts a text in place of a field's content, as a hand does: WebDriver's own way to clear a field tells
---the page nothing of it.
function Browser:fill(selector, text)
  return self:wait_until(function()
    local element = self:all(selector)[1]
    if element then
      element:type(KEYS.Control .. "a" .. RELEASED .. (text == "" and KEYS.Delete or text))
    end
    return element
  end, describe(selector))
end

---Presses and releases keys, one after another, wherever the focus is: names of KEYS, or characters.
---"Shift+Tab" holds the first.
function Browser:keys(...)
  local actions = {}
  local function add(kind, key) actions[#actions + 1] = { type = kind, value = KEYS[key] or key } end
  for _, key in ipairs { ... } do
    local held, pressed = key:match("^(%a+)%+(.+)$")
    if held then add("keyDown", held) end
    add("keyDown", pressed or key)
    add("keyUp", pressed or key)
    if held then add("keyUp", held) end
  end
  self:command("POST", "/actions", { actions = { { type = "key", id = "keyboard", actions = actions } } })
end

---The element that has the focus.
function Browser:focused()
  return self:element(self:command("GET", "/element/active"))
end

-- ---- what a user would not see ----

---The entries of a log since the last call: "browser" or "performance".
function Browser:log(kind) return self:command("POST", "/se/log", { type = kind }) end

---From now on errors in the console with this text are no failure: what the spec itself provokes.
function Browser:expect(text) self.expected[#self.expected + 1] = text end

local function is_expected(browser, message)
  for _, text in ipairs(browser.expected) do
    if message:find(text, 1, true) then return true end
  end
  return false
end

local function errors(browser, found)
  for _, entry in ipairs(browser:log("browser")) do
    if entry.level == "SEVERE" and not is_expected(browser, entry.message) then
      found[#found + 1] = "in the console: " .. entry.message
    end
  end
end

-- Requests are allowed to the hosts of `origins`, and to what needs no network.
local function requests(browser, origins, found)
  for _, entry in ipairs(browser:log("performance")) do
    local message = cjson.decode(entry.message).message
    local of = message.method == "Network.requestWillBeSent" and message.params.request
      or message.method == "Network.webSocketCreated" and message.params
    local url = of and of.url
    local allowed = not url or url:find("^data:") or url:find("^blob:") or url:find("^about:")
      or url:find("^chrome:") -- its own first page
    for _, origin in ipairs(origins) do allowed = allowed or (url .. "/"):sub(1, #origin + 1) == origin .. "/" end
    if not allowed then found[#found + 1] = "a request to another host: " .. url end
  end
end

---It is an error if since the last check an error was in the console, or a request went to another
---host than these ("http://127.0.0.1:9464").
function Browser:check(...)
  local found = {}
  errors(self, found)
  requests(self, { ... }, found)
  if #found > 0 then error(table.concat(found, "\n"), 2) end
end

-- ---- accessibility ----

local AUDIT = H.read("spec/support/audit.js")

-- Roles that need a name.
local CONTROLS = {
  button = true, link = true, textbox = true, searchbox = true, combobox = true, checkbox = true,
  radio = true, slider = true, listbox = true, spinbutton = true, tab = true, menuitem = true, image = true,
  img = true, DisclosureTriangle = true, dialog = true, table = true,
}

---What is wrong with the page as it is now: a list of sentences. The names are those that the browser
---computes, the rest is spec/support/audit.js.
function Browser:audit()
  local found = self:run(AUDIT)
  for _, node in ipairs(self:cdp("Accessibility.getFullAXTree").nodes) do
    local role, name = node.role and node.role.value, node.name and node.name.value or ""
    if not node.ignored and CONTROLS[role] and not name:find("%S") then
      found[#found + 1] = ("a %s has no name"):format(role)
    end
  end
  return found
end

---Walks through the page from its top with the tab key, at most `limit` times, and returns what had the focus:
---{ name, role, visible = whether it or what is around it looks different with the focus, on_screen }.
function Browser:walk(limit)
  local list, seen = {}, {}
  self:run "document.body.tabIndex = -1; document.body.focus(); document.body.removeAttribute('tabindex')"
  for _ = 1, limit or 100 do
    self:keys("Tab")
    local at = self:run([[
      const e = document.activeElement
      if (!e || e === document.body) return null
      const around = [e, e.parentElement, e.closest("tr, li, label, form")].filter(Boolean)
      const look = () => around.flatMap(x => [null, "::before", "::after"].map(part => {
        const s = getComputedStyle(x, part)
        return [s.outlineStyle, s.outlineWidth, s.outlineColor, s.boxShadow, s.borderColor].join()
      })).join()
      const box = e.getBoundingClientRect(), focused = look()
      e.blur()
      const blurred = look()
      e.focus({ focusVisible: true, preventScroll: true })
      return { visible: focused !== blurred,
        on_screen: box.width > 0 && box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth,
        html: e.outerHTML.slice(0, 120) }
    ]])
    if not at then break end
    local element = self:focused()
    if seen[element.id] then break end
    seen[element.id] = true
    at.name, at.role = element:name(), element:role()
    list[#list + 1] = at
  end
  return list
end

---Whether the page is wider than its window.
function Browser:scrolls_sideways()
  return self:run("return document.documentElement.scrollWidth > document.documentElement.clientWidth")
end

return M
