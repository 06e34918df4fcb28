-- The sandbox: a stand-in for Accredit, as an app on hookward's own HTTP server (core/app/vm.h).
--
--   POST /token                                                    api.lua
--   GET  /api/webhookSubscription/events                           api.lua
--   POST /api/webhookSubscription                                  api.lua
--   POST /api/webhookSubscription/triggerSampleEventNotification   api.lua
--   GET  /api/printQueue                                           print_queue.lua
--   GET  /api/printQueue/ID, GET …/ID/file, PUT …/ID/status        print_queue.lua
--
-- delivery.lua signs and sends, screen.lua prints. Paths may be in any case, as in ASP.NET. Every
-- call but /token needs a Bearer token.

local app = require "hookward.app"
local answers = require "hookward.sandbox.answers"
local api = require "hookward.sandbox.api"
local faults = require "hookward.sandbox.faults"
local print_queue = require "hookward.sandbox.print_queue"
local screen = require "hookward.sandbox.screen"

local M = {}

local SLASH = ("/"):byte()

---@class hookward.sandbox.Route
---@field name string its name for --fail
---@field open? boolean needs no token
---@field GET? fun(request: hookward.AppRequest, id?: string): integer, table?, any
---@field POST? fun(request: hookward.AppRequest, id?: string): integer, table?, any
---@field PUT? fun(request: hookward.AppRequest, id?: string): integer, table?, any

---@type { [1]: string, [2]: hookward.sandbox.Route }[]
local routes = {
  { "^/token$", { name = "token", open = true, POST = api.token } },
  { "^/api/webhooksubscription/events$", { name = "events", GET = api.events } },
  { "^/api/webhooksubscription$", { name = "subscribe", POST = api.subscribe } },
  { "^/api/webhooksubscription/triggersampleeventnotification$",
    { name = "trigger", POST = api.trigger } },
  { "^/api/printqueue$", { name = "printQueue", GET = print_queue.list } },
  { "^/api/printqueue/([%x-]+)$", { name = "printQueue", GET = print_queue.show } },
  { "^/api/printqueue/([%x-]+)/file$", { name = "printQueue", GET = print_queue.file } },
  { "^/api/printqueue/([%x-]+)/status$",
    { name = "printQueue", PUT = print_queue.set_status, POST = print_queue.set_status } },
}

-- Without a pattern: "/+$" would take quadratic time for many slashes.
local function without_slashes_behind(path)
  local last = #path
  while path:byte(last) == SLASH do last = last - 1 end
  return path:sub(1, last)
end

local function find_route(path)
  path = without_slashes_behind(path:lower())
  for _, row in ipairs(routes) do
    local id = path:match(row[1])
    if id then return row[2], id end
  end
end

local function allowed_methods(route)
  local methods = {}
  for _, method in ipairs { "GET", "POST", "PUT" } do
    if route[method] then methods[#methods + 1] = method end
  end
  return table.concat(methods, ", ")
end

local function answer(request)
  local route, id = find_route(request.path)
  if not route then return answers.message(404, "There is nothing at this path.") end
  local status, headers, body = faults.answer(route.name)
  if status then return status, headers, body end
  local handle = route[request.method == "HEAD" and "GET" or request.method]
  if not handle then
    status, headers, body = answers.message(405, "This path does not take the method "
      .. request.method .. ".")
    headers.Allow = allowed_methods(route)
    return status, headers, body
  end
  if not route.open and not api.is_authorized(request) then return answers.unauthorized() end
  return handle(request, id)
end

---@param request hookward.AppRequest
function M.handle(request)
  local status, headers, body = answer(request)
  screen.called(request, status, type(body) == "table" and body or nil)
  return status, headers, body
end

---@param addresses string[]
function M.start(addresses)
  faults.plan(app.settings.fail)
  screen.started(addresses, app.settings)
end

return M
