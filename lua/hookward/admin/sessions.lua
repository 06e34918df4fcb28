-- Who is logged in: sessions in memory, which end with the host.
--
-- A session is found by the hash of its id, so that the time of the look-up tells nothing about an
-- id.

local core = require "hookward.core"

local M = {}

M.COOKIE = "hookward_session"
M.SESSIONS_MAX = 100 -- of each role, so that "read" logins can't push out "write" sessions
M.IDLE = 12 * 3600 -- seconds without a request
M.LIFE = 7 * 86400 -- seconds
local ID_BYTES = 32

---@class hookward.admin.Session
---@field key string the hash of its id
---@field number integer for the log
---@field role "write"|"read"
---@field csrf string
---@field began number seconds since 1970
---@field used number seconds since 1970

local sessions = {} ---@type table<string, hookward.admin.Session>
local counts, last_number = { read = 0, write = 0 }, 0
local on_end = function() end

---Sets what is called with each session that has ended.
---@param fn fun(session: hookward.admin.Session)
function M.on_end(fn) on_end = fn end

local function key_of(id)
  return assert(core.crypto.sha256(id))
end

local function drop(session)
  if not sessions[session.key] then return end
  sessions[session.key] = nil
  counts[session.role] = counts[session.role] - 1
  on_end(session)
end

local function is_over(session, now)
  return now - session.used > M.IDLE or now - session.began > M.LIFE
end

local function make_room(role, now)
  local oldest
  for _, session in pairs(sessions) do
    if is_over(session, now) then
      drop(session)
    elseif session.role == role and (not oldest or session.number < oldest.number) then
      oldest = session
    end
  end
  if counts[role] >= M.SESSIONS_MAX then drop(oldest) end
end

---@param role "write"|"read"
---@return string id for the cookie
---@return hookward.admin.Session session
function M.begin(role)
  local now = core.sys.now()
  make_room(role, now)
  local id = assert(core.crypto.random(ID_BYTES))
  last_number = last_number + 1
  local session = { key = key_of(id), number = last_number, role = role, began = now, used = now,
    csrf = assert(core.crypto.random(ID_BYTES)) }
  sessions[session.key] = session
  counts[role] = counts[role] + 1
  return id, session
end

---The session of a request's Cookie header.
---@param cookies? string
---@return hookward.admin.Session?
function M.find(cookies)
  local now = core.sys.now()
  for pair in (cookies or ""):gmatch("[^;]+") do
    local name, id = pair:match("^ ?([^=%s]+)=(%x+)$")
    local session = name == M.COOKIE and sessions[key_of(id)]
    if session and is_over(session, now) then
      drop(session)
    elseif session then
      session.used = now
      return session
    end
  end
end

---@param session hookward.admin.Session
function M.finish(session)
  drop(session)
end

---@param session hookward.admin.Session
function M.end_if_over(session)
  if is_over(session, core.sys.now()) then drop(session) end
end

---The value of Set-Cookie.
---@param id string "" takes the cookie away
---@param secure boolean
---@return string
function M.cookie(id, secure)
  return ("%s=%s; Path=/; HttpOnly; SameSite=Strict%s%s"):format(M.COOKIE, id,
    secure and "; Secure" or "", id == "" and "; Max-Age=0" or "")
end

return M
