-- GET /login (a page, or a login link), POST /login, POST /logout, GET /api/session.

local app = require "hookward.app"
local core = require "hookward.core"
local answers = require "hookward.admin.answers"
local form = require "hookward.base.form"
local gate = require "hookward.admin.gate"
local project = require "hookward.admin.project"
local sessions = require "hookward.admin.sessions"
local static = require "hookward.admin.static"

local M = {}

local FORM_MAX = 4096 -- bytes; whoever is not logged in can send one
local STARTED_AT = core.sys.now()

local function wants_json(request)
  return (request.headers.accept or ""):find("application/json", 1, true) ~= nil
end

-- A failed login shows the login page again, which tells why (page/login.js).
local function refuse(request, status, headers, body)
  if wants_json(request) then return status, headers, body end
  local wrong = status == 429 and "busy" or body.error:match("^link") or "token"
  return answers.see_other("/login?wrong=" .. wrong)
end

---@param request hookward.AppRequest
function M.show(request)
  local code = form.read(request.query).code
  if not code then return static.answer(request, "login.html") end
  if request.method == "HEAD" then return 200, {}, "" end -- a preview must not use the link up
  local headers, status, error_headers, body = gate.log_in_by_code(request, code)
  if headers then return answers.see_other("/", headers) end
  return refuse(request, status, error_headers, body)
end

---@param request hookward.AppRequest
function M.enter(request)
  local good, status, error_headers, body = gate.check_origin(request)
  if not good then return status, error_headers, body end
  if #request.body > FORM_MAX then
    return answers.error(413, "form_too_long", "the login form may contain only a token")
  end
  local headers
  headers, status, error_headers, body =
    gate.log_in_by_token(request, form.read(request.body).token or "")
  if not headers then return refuse(request, status, error_headers, body) end
  if wants_json(request) then return 200, headers, { ok = true } end
  return answers.see_other("/", headers)
end

---@param request hookward.AppRequest
---@param caller hookward.admin.Caller
function M.leave(request, caller)
  if caller.session then sessions.finish(caller.session) end
  core.log(1, "somebody logged out of the admin page", { who = caller.name, peer = request.peer })
  return 200, { ["Set-Cookie"] = sessions.cookie("", false) }, { ok = true }
end

---@param _ hookward.AppRequest
---@param caller hookward.admin.Caller
function M.session(_, caller)
  return 200, nil, {
    role = caller.role, csrf = caller.session and caller.session.csrf,
    dev = app.settings.dev or false, version = core.version, ledger = project.has_rows(),
    mask = core.json.array(table.move(project.masks(), 1, #project.masks(), 1, {})),
    started_at = STARTED_AT,
  }
end

M.routes = {
  { "^/login$", GET = M.show, POST = M.enter, open = true },
  { "^/logout$", POST = M.leave, own = true },
  { "^/api/session$", GET = M.session },
}

return M
