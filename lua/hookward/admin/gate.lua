-- Who may do what.
--
-- Roles   "read" sees everything; "write" may also change something. Each token has one of them; a
--         login link gives "write".
-- Proof   a session's cookie, or Authorization: Bearer TOKEN. With both, only the token counts. A
--         browser adds cookies by itself, so a change with a session also needs the session's CSRF
--         token in X-CSRF-Token, and must come from a page of this server.
-- Limits  An address may try WRONG_PER_SECOND wrong tokens or codes a second. Beyond that none of
--         its tokens is looked at, not even a right one: otherwise the limit would not slow down
--         guessing. Sessions and valid links still work: nobody can guess those. A /64 of IPv6
--         counts as one address, since a client usually has all of it.

local app = require "hookward.app"
local core = require "hookward.core"
local answers = require "hookward.admin.answers"
local links = require "hookward.admin.links"
local sessions = require "hookward.admin.sessions"

local M = {}

M.WRONG_PER_SECOND = 5
local ADDRESSES_MAX = 1000 -- whose mistakes are counted apart; over it, all are counted together
local TOKEN_MAX = 1024 -- bytes

local crypto, settings = core.crypto, app.settings

---@class hookward.admin.Caller
---@field role "write"|"read"
---@field name string for the log
---@field session? hookward.admin.Session

-- ---- tokens ----

-- Compares hashes, so that the time tells neither a token's bytes nor its length.
local function hashed(token)
  return token and assert(crypto.hmac(settings.secret, token))
end

local write_hash, read_hash = hashed(settings.token), hashed(settings.read_token)

local function role_of(token)
  local hash = hashed(token:sub(1, TOKEN_MAX + 1))
  local writes = write_hash and crypto.same(hash, write_hash)
  local reads = read_hash and crypto.same(hash, read_hash)
  return writes and "write" or reads and "read" or nil
end

-- ---- mistakes ----

local mistakes, addresses, second = {}, 0, 0

-- "2001:db8::1" -> "2001:db8:0:0". One with an IPv4 address in it stays as it is.
local function network_of(ipv6)
  if ipv6:find(".", 1, true) then return ipv6 end
  local groups = {}
  local head, tail = ipv6:match("^(.-)::(.*)$")
  for group in (head or ipv6):gmatch("%x+") do groups[#groups + 1] = group end
  local _, after = (tail or ""):gsub("%x+", "")
  for _ = #groups + after + 1, 8 do groups[#groups + 1] = "0" end
  for group in (tail or ""):gmatch("%x+") do groups[#groups + 1] = group end
  return table.concat(groups, ":", 1, 4)
end

-- The key of the counts. It has no port, because that changes with each connection.
local function address_of(request)
  local address = request.peer:gsub(":%d+$", "")
  local ipv6 = address:match("^%[(.*)%]$")
  address = ipv6 and network_of(ipv6) or address
  if mistakes[address] or addresses < ADDRESSES_MAX then return address end
  return "*"
end

local function start_second()
  local now = math.floor(core.sys.now())
  if now ~= second then mistakes, addresses, second = {}, 0, now end
end

local function has_too_many(request)
  start_second()
  return (mistakes[address_of(request)] or 0) >= M.WRONG_PER_SECOND
end

local function note_mistake(request, what)
  start_second()
  local address = address_of(request)
  if not mistakes[address] then addresses = addresses + 1 end
  mistakes[address] = (mistakes[address] or 0) + 1
  core.log(2, "a login to the admin page was refused", { why = what, peer = request.peer })
end

local function too_many()
  return answers.error(429, "too_many_attempts", "too many wrong tokens from this address: try "
    .. "again in a second", { ["Retry-After"] = 1 })
end

-- ---- logging in ----

-- Behind a proxy with TLS the cookie must not travel without it either.
local function is_secure(request)
  return settings.tls == true or (settings.url or ""):find("^https:") ~= nil
    or request.headers["x-forwarded-proto"] == "https"
end

local function log_in(request, role, how)
  local id, session = sessions.begin(role)
  core.log(1, "somebody logged in to the admin page", { who = M.session_name(session), how = how,
    peer = request.peer })
  return { ["Set-Cookie"] = sessions.cookie(id, is_secure(request)) }
end

---@param session hookward.admin.Session
---@return string
function M.session_name(session)
  return ("session %d (%s)"):format(session.number, session.role)
end

---@param request hookward.AppRequest
---@param token string
---@return table? headers with the cookie; or nil and the answer
function M.log_in_by_token(request, token)
  if has_too_many(request) then return nil, too_many() end
  local role = role_of(token)
  if role then return log_in(request, role, "token") end
  note_mistake(request, "wrong_token")
  return nil, answers.error(401, "wrong_token", "this token is wrong")
end

local code_errors = {
  forged = "this login link is not from this host, or the host has been restarted since",
  expired = ("a login link is valid for %d minutes"):format(links.LIFE // 60),
  used = "a login link works once",
}

---@param request hookward.AppRequest
---@param code string of a login link
---@return table? headers with the cookie; or nil and the answer
function M.log_in_by_code(request, code)
  local good, why = links.use(settings.secret, code)
  if good then return log_in(request, "write", "link") end
  if has_too_many(request) then return nil, too_many() end
  note_mistake(request, "link_" .. why)
  return nil, answers.error(401, "link_" .. why,
    code_errors[why] .. ": get a new one with `hookward dash`")
end

-- ---- each request ----

-- Is it from a page of this server? No page can set these two headers itself. Older browsers send
-- only Origin; clients that are no browsers send neither.
local function is_ours(request)
  local site, origin = request.headers["sec-fetch-site"], request.headers.origin
  if site then return site == "same-origin" or site == "none" end
  if not origin then return true end
  local host = origin:match("^%a+://(.+)$")
  return host ~= nil and host:lower() == (request.headers.host or ""):lower()
end

local function login_required()
  return answers.error(401, "login_required", "log in first: `hookward dash` prints a link",
    { ["WWW-Authenticate"] = "Bearer" })
end

local function by_token(request, token)
  if has_too_many(request) then return nil, too_many() end
  local role = role_of(token)
  if role then return { role = role, name = role .. " token" } end
  note_mistake(request, "wrong_token")
  return nil, answers.error(401, "wrong_token", "this token is wrong",
    { ["WWW-Authenticate"] = 'Bearer error="invalid_token"' })
end

local function by_session(request)
  local session = sessions.find(request.headers.cookie)
  if not session then return nil, login_required() end
  return { role = session.role, name = M.session_name(session), session = session }
end

---Finds out who sent a request.
---@param request hookward.AppRequest
---@return hookward.admin.Caller? caller or nil and the answer
function M.caller(request)
  local given = request.headers.authorization or ""
  local token = given:match("^[Bb][Ee][Aa][Rr][Ee][Rr] +([^ ]+)$")
  if token then return by_token(request, token) end
  return by_session(request) -- another scheme is a proxy's own
end

---Is somebody logged in? Counts no mistake.
---@param request hookward.AppRequest
---@return boolean
function M.has_session(request)
  return sessions.find(request.headers.cookie) ~= nil
end

---May this page have sent it? For a form without a session.
---@param request hookward.AppRequest
---@return boolean? good or nil and the answer
function M.check_origin(request)
  if is_ours(request) then return true end
  return nil, answers.error(403, "wrong_origin", "this request comes from another site's page")
end

---May the caller change something with this request?
---@param request hookward.AppRequest
---@param caller hookward.admin.Caller
---@param own? boolean it changes nothing but the caller's own session
---@return boolean? good or nil and the answer
function M.check_change(request, caller, own)
  if caller.role ~= "write" and not own then
    return nil, answers.error(403, "read_only", "read_token may look, but change nothing")
  end
  if not caller.session then return true end
  if not is_ours(request) then return M.check_origin(request) end
  if not crypto.same(request.headers["x-csrf-token"] or "", caller.session.csrf) then
    return nil, answers.error(403, "wrong_csrf_token", "the header X-CSRF-Token is missing or "
      .. "belongs to another session: load the page again")
  end
  return true
end

return M
