-- Finds the public key in an answer, as a text that core reads from a key file.
--
-- core reads every form of a key file (core/signing/keys.h). An answer may wrap that text again:
-- in an object of numbers, in entities, in URL-safe Base64, or in a longer text.

local core = require "hookward.core"

local M = {}

local TEXT_MIN = 64 -- bytes; the shortest acceptable key takes more
local TEXT_MAX = 64 * 1024 -- HW_KEY_FILE_MAX

local entities = { lt = "<", gt = ">", quot = '"', apos = "'", amp = "&" }

local function member(object, name)
  for key, value in pairs(object) do
    if type(key) == "string" and key:lower() == name and type(value) == "string" then
      return value
    end
  end
end

-- Returns a JWK as it is, and .NET's RSAParameters in JSON as the XML that .NET writes for them.
local function text_of_object(object)
  if member(object, "kty") then return (core.json.encode(object)) end
  local modulus, exponent = member(object, "modulus"), member(object, "exponent")
  if modulus and exponent then
    return ("<RSAKeyValue><Modulus>%s</Modulus><Exponent>%s</Exponent></RSAKeyValue>")
      :format(modulus, exponent)
  end
end

-- The ways in which a text may hold a key, the most likely first.
local function readings(text)
  local plain = text:gsub("&(%a+);", entities):gsub("&#13;", ""):gsub("&#xD;", "")
  local block = plain:match("%-%-%-%-%-BEGIN [%u%d ]+%-%-%-%-%-.-%-%-%-%-%-END [%u%d ]+%-%-%-%-%-")
  local all = { text, plain, plain:match("<RSAKeyValue.-</RSAKeyValue>") or false, block or false }
  if not text:find("[^%w_=%s-]") then
    local standard = text:gsub("[%s=]", ""):gsub("-", "+"):gsub("_", "/")
    all[#all + 1] = standard .. ("="):rep(-#standard % 4)
  end
  return all
end

local function recognise_text(text, min_bits)
  local first_why
  for _, reading in ipairs(readings(text)) do
    local key, why
    if reading then key, why = core.crypto.key(reading, min_bits) end
    if key then
      key.text = reading
      return key
    end
    first_why = first_why or why
  end
  return nil, first_why
end

---@param value any a value from an answer
---@param min_bits integer
---@return { text: string, form: string, bits: integer, fingerprint: string }? key
---@return string? why one line; nil when the value could not be a key at all
function M.recognise(value, min_bits)
  if type(value) == "table" then value = text_of_object(value) end
  if type(value) ~= "string" or value == "" then return nil end
  if #value < TEXT_MIN then return nil, ("%d bytes, too few for a key"):format(#value) end
  if #value > TEXT_MAX then return nil, ("%d bytes, too many for a key"):format(#value) end
  return recognise_text(value, min_bits)
end

return M
