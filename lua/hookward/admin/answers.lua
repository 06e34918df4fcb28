-- The answers of the admin page's server: JSON, errors, and the headers that all answers carry.

local M = {}

-- Nothing but the page's own files runs, and no other page can frame it, read it or send for it.
M.POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
  .. "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

local always = {
  ["Content-Security-Policy"] = M.POLICY,
  ["X-Content-Type-Options"] = "nosniff",
  ["X-Frame-Options"] = "DENY",
  ["Referrer-Policy"] = "same-origin", -- with "no-referrer" a form's Origin would be "null"
  ["Cross-Origin-Opener-Policy"] = "same-origin",
  ["Cross-Origin-Resource-Policy"] = "same-origin",
  ["Cache-Control"] = "no-store",
}

---Adds the headers that every answer has, unless it has them already.
---@param headers? table
---@return table headers the same table, or a new one
function M.complete(headers)
  headers = headers or {}
  for name, value in pairs(always) do headers[name] = headers[name] or value end
  return headers
end

---@param status integer
---@param code string for programs
---@param message string one line for people
---@param headers? table
function M.error(status, code, message, headers)
  return status, headers or {}, { error = code, message = message }
end

---@param path string on this server
---@param headers? table
function M.see_other(path, headers)
  headers = headers or {}
  headers.Location = path
  return 303, headers, ""
end

-- The first bytes that are no UTF-8 and then the next; each becomes a replacement character.
local REPLACEMENT = "\xEF\xBF\xBD"

---Makes any bytes a text that JSON can carry.
---@param text string?
---@return string? text valid UTF-8
function M.text(text)
  if not text or utf8.len(text) then return text end
  local parts, at = {}, 1
  while at <= #text do
    local _, bad = utf8.len(text, at)
    parts[#parts + 1] = text:sub(at, (bad or #text + 1) - 1)
    if bad then parts[#parts + 1] = REPLACEMENT end
    at = (bad or #text) + 1
  end
  return table.concat(parts)
end

return M
