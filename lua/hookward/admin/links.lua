-- One-time login links: EXPIRY-NONCE-HMAC.
--
-- Why     `hookward dash` and `serve --dev` print an address that logs in by itself. Whoever can
--         open the control socket (0600) may make one; a leaked link is soon worthless.
-- How     The HMAC-SHA-256 of expiry and nonce under the secret that the host drew at its start. So
--         the server need not know a code beforehand; it remembers only those that were used.

local core = require "hookward.core"

local M = {}

M.LIFE = 300 -- seconds
local NONCE_BYTES = 8
local MAC_DIGITS = 32 -- of 64: 128 bits can't be guessed in five minutes, and the link stays short
local FORM = "^(%d+)%-(%x+)%-(%x+)$"
local LENGTH_MAX = 200

local function mac(secret, expiry, nonce)
  local whole = assert(core.crypto.hmac(secret, ("login link %s %s"):format(expiry, nonce)))
  return whole:sub(1, MAC_DIGITS)
end

---@param secret string
---@param now? number seconds since 1970
---@return string code
function M.code(secret, now)
  local expiry = ("%d"):format(math.floor((now or core.sys.now()) + M.LIFE))
  local nonce = assert(core.crypto.random(NONCE_BYTES))
  return ("%s-%s-%s"):format(expiry, nonce, mac(secret, expiry, nonce))
end

-- A browser can't be relied on to connect to the wildcard address: the link has the loopback one.
local function callable(url)
  return (url:gsub("//0%.0%.0%.0", "//127.0.0.1"):gsub("//%[::%]", "//[::1]"):gsub("/+$", ""))
end

---@param url string where the page is, as in "http://127.0.0.1:9464"
---@param secret string
---@return string link
function M.link(url, secret)
  return ("%s/login?code=%s"):format(callable(url), M.code(secret))
end

local used = {} -- nonce -> expiry

local function forget_expired(now)
  for nonce, expiry in pairs(used) do
    if expiry < now then used[nonce] = nil end
  end
end

---Checks a code; it counts as used from then on.
---@param secret string
---@param code string
---@param now? number seconds since 1970
---@return boolean? good
---@return "forged"|"expired"|"used"|nil why
function M.use(secret, code, now)
  now = now or core.sys.now()
  local expiry, nonce, given = code:sub(1, LENGTH_MAX):match(FORM)
  if not expiry or not core.crypto.same(given, mac(secret, expiry, nonce)) then
    return nil, "forged"
  end
  local ends = tonumber(expiry)
  if ends < now then return nil, "expired" end
  forget_expired(now)
  if used[nonce] then return nil, "used" end
  used[nonce] = ends
  return true
end

return M
