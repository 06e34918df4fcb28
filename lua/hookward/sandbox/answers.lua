-- Builds the answers of the sandbox's API: JSON in PascalCase, and Accredit's error codes.
--
-- An error is { Code = "ACR_…", Message = "…" }; an error without a documented code is
-- { Message = "…" }, as in ASP.NET.

local core = require "hookward.core"

local M = {}

---@type table<string, { status: integer, message: string }> as documented
M.codes = {
  ["ACR_00.000.000"] = { status = 500, message = "Internal server error." },
  ["ACR_00.000.001"] = { status = 503, message = "Service unavailable." },
  ["ACR_00.001.001"] = { status = 401, message = "User is not enabled." },
  ["ACR_00.001.002"] = { status = 401, message = "User is not an API user." },
  ["ACR_00.001.003"] = { status = 401, message = "User has no data permissions." },
  ["ACR_00.001.004"] = { status = 401, message = "User is not linked to an integration partner." },
  ["ACR_01.000.000"] = { status = 400, message = "Invalid parameters." },
  ["ACR_01.000.001"] = { status = 400, message = "A mandatory value is missing." },
  ["ACR_01.000.002"] = { status = 400, message = "A value can't be mapped." },
  ["ACR_01.000.003"] = { status = 400, message = "Invalid contents." },
  ["ACR_01.000.004"] = { status = 400, message = "Invalid length." },
  ["ACR_01.000.005"] = { status = 400, message = "Invalid country code." },
  ["ACR_01.000.006"] = { status = 400, message = "Invalid email." },
  ["ACR_01.000.007"] = { status = 400, message = "Invalid tenant." },
  ["ACR_02.003.000"] = { status = 400, message = "No subscription found." },
  ["ACR_02.003.001"] = { status = 400, message = "No notification event found." },
  ["ACR_02.003.002"] = { status = 400,
    message = "A subscription with the same values already exists." },
  ["ACR_02.003.003"] = { status = 400, message = "No signature key exists for this user." },
}

---@param status integer
---@param body table sent as JSON
function M.json(status, body)
  return status, {}, body
end

---@param code string ACR_…
---@param detail? string
function M.error(code, detail)
  local known = M.codes[code]
  return M.json(known.status, { Code = code,
    Message = detail and ("%s %s"):format(known.message, detail) or known.message })
end

---@param status integer
---@param text string
function M.message(status, text)
  return M.json(status, { Message = text })
end

function M.unauthorized()
  return 401, { ["WWW-Authenticate"] = "Bearer" },
    { Message = "Authorization has been denied for this request." }
end

---Reads a JSON body: an object whose member names may be in any case.
---@param text string
---@return table? fields by lower-case name; null is left out
function M.fields(text)
  local value = core.json.decode(text)
  if type(value) ~= "table" or not text:find("^\xEF?\xBB?\xBF?%s*{") then return nil end
  local fields = {}
  for name, one in pairs(value) do
    if one ~= core.json.null then fields[name:lower()] = one end
  end
  return fields
end

return M
