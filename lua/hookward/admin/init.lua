-- The admin page's server: an app on a listener of its own (core/app/vm.h, core/host/admin.h).
--
--   GET  /, /style.css, …         the page's files                             static.lua
--   GET  /login, POST /login …    logging in                                   login.lua, gate.lua
--   GET  /api/…                   what the page shows, as JSON; POST changes something
--
-- A route is { pattern, GET = fn, POST = fn }; fn(request, caller, captures…) returns status,
-- headers and body, and may wait (async.lua). `open`: needs no login. `own`: the change concerns
-- only the caller's session. GET never changes anything in the host.

local app = require "hookward.app"
local core = require "hookward.core"
local answers = require "hookward.admin.answers"
local async = require "hookward.admin.async"
local gate = require "hookward.admin.gate"
local links = require "hookward.admin.links"
local project = require "hookward.admin.project"
local static = require "hookward.admin.static"

local M = {}

local routes = {}
for _, name in ipairs { "login", "deliveries", "delivery", "stream", "overview", "refused", "test",
  "bulk" } do
  for _, route in ipairs(require("hookward.admin." .. name).routes) do
    routes[#routes + 1] = route
  end
end

-- ---- the page's files ----

-- The files are no secret, but a visitor without a session is sent to the login. When a link on
-- another site led here, the browser withholds the session's cookie, so the page is shown all the
-- same: it asks the API itself whether there is a session.
local function show_page(request)
  local is_led = request.headers["sec-fetch-site"] == "cross-site"
  if not is_led and not gate.has_session(request) then return answers.see_other("/login") end
  return static.answer(request, "index.html")
end

local function file_route(path)
  if path == "/" then return { GET = show_page, open = true } end
  local name = path:sub(2)
  if not static.has(name) then return nil end
  return { open = true, GET = function(request) return static.answer(request, name) end }
end

-- ---- finding what answers ----

local function find(path)
  for _, route in ipairs(routes) do
    local captures = table.pack(path:match(route[1]))
    if captures[1] then return route, captures end
  end
  return file_route(path), {}
end

local function not_allowed(route)
  local methods = {}
  if route.GET then methods = { "GET", "HEAD" } end
  if route.POST then methods[#methods + 1] = "POST" end
  return answers.error(405, "method_not_allowed", "this path does not take this method",
    { Allow = table.concat(methods, ", ") })
end

local function answer(request)
  local route, captures = find(request.path)
  if not route then return answers.error(404, "not_found", "there is nothing at this path") end
  local handle = route[request.method == "HEAD" and "GET" or request.method]
  if not handle then return not_allowed(route) end
  if route.open then return handle(request) end
  local caller, status, headers, body = gate.caller(request)
  if not caller then return status, headers, body end
  if request.method == "POST" then
    local good
    good, status, headers, body = gate.check_change(request, caller, route.own)
    if not good then return status, headers, body end
  end
  return handle(request, caller, table.unpack(captures))
end

local function failed(why)
  core.log(3, "a request to the admin page failed", { detail = why })
  return 500, answers.complete(), { error = "admin_failed", message = "this request failed: the "
    .. "host's log says why" }
end

local function handle(request)
  local status, headers, body = answer(request)
  if type(status) ~= "number" then return status end -- the answer comes later
  return status, answers.complete(headers), body
end

---@param request hookward.AppRequest
function M.handle(request)
  return async.run(handle, failed, request)
end

-- A developer gets to the page with one click.
local function offer_login(url)
  core.log(1, ("to log in to the admin page, open %s (works once, within %d minutes; "
    .. "`hookward dash` prints another)"):format(links.link(url, app.settings.secret),
      links.LIFE // 60))
end

---@param addresses string[]
function M.start(addresses)
  project.settings() -- read now, before the file can be edited
  local url = app.settings.url or addresses[1] and addresses[1]:gsub("/$", "")
  app.settings.url = url
  if app.settings.dev and url and url:find("^http") then offer_login(url) end
end

return M
