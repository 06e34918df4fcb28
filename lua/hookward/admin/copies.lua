-- Commands that deliver a notification again, to be copied into a shell.

local doors = require "hookward.host.doors"
local project = require "hookward.admin.project"

local M = {}

local BODY_MAX = 64 * 1024 -- bytes; a shell's argument may have 128 KB

local function quote(text)
  if text:find("^[%w%-%./:=_@]+$") then return text end
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

-- A new id, or the host would answer from its ledger.
local function another_id(row)
  return row.id .. "-again"
end

local function send(row)
  return ("hookward send --raw %s --job-id %s"):format(quote(row.body), quote(another_id(row)))
end

local function door()
  for _, one in ipairs(doors.all(project.settings())) do
    if one.url and not one.proxy_protocol then return one end
  end
end

-- The sender's signature stays valid for the body as long as the host has the sender's key.
local function curl(row, headers)
  local signature, to = headers["x-signature"], door()
  if not signature or not to then return nil end
  return ("curl -i%s -H 'Content-Type: application/json' -H %s -H %s --data-binary %s %s"):format(
    to.unix and " --unix-socket " .. quote(to.unix) or "", quote("X-Signature: " .. signature),
    quote("X-JobId: " .. another_id(row)), quote(row.body), quote(to.url))
end

-- Both commands take a leading "@" for a file's name. A terminal takes control characters for keys,
-- so a pasted body could type a command of its own.
local function is_safe(body)
  return body:sub(1, 1) ~= "@" and not body:find("[%z\1-\8\11\12\14-\31\127]")
    and not body:find("\xC2[\x80-\x9F]")
end

---@param row table of core.ledger's show, with a body that may be shown
---@param headers table<string, string> by lower-case name
---@return { send?: string, curl?: string }
function M.of(row, headers)
  local body = row.body
  if not body or #body > BODY_MAX or not utf8.len(body) or not is_safe(body)
    or not utf8.len(row.id) then
    return {}
  end
  return { send = send(row), curl = curl(row, headers) }
end

return M
