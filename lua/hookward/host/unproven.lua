-- Gets the requests that a running host refused as not authentic, and finds what was wrong.

local control = require "hookward.host.control"
local core = require "hookward.core"
local time = require "hookward.base.time"

local M = {}

local TIMEOUT = 30 -- seconds

---@class hookward.Unproven
---@field number integer
---@field at string ISO 8601
---@field peer? string
---@field error string the error code of the refusal
---@field headers { name: string, value: string }[] names in lower case
---@field body? string nil if it was too long to be kept
---@field body_length integer
---@field digest? string SHA-256 in hex, of a body that was not kept

-- The host has checked the syntax of each line. A pattern that looked for the end of a value and
-- its blanks at once would take quadratic time for many blanks within it.
local function read_headers(head)
  local headers = {}
  for line in head:gsub("^\r?\n", ""):gmatch("\n([^\r\n]+)") do
    local name, rest = line:match("^([^:]+):%s*(.*)$")
    if name then
      headers[#headers + 1] = { name = name:lower(), value = rest:match("^.*%S") or "" }
    end
  end
  return headers
end

---@param answer hookward.http.Answer the host's, of GET /unproven
---@return hookward.Unproven
function M.read(answer)
  local function field(name) return answer.headers["x-hookward-" .. name] or "" end
  local function whole(name) return math.tointeger(tonumber(field(name))) end
  local head_len, digest = whole "head", field "digest"
  return { number = whole "number", at = time.iso(tonumber(field "at")),
    peer = field "peer" ~= "" and field "peer" or nil, error = field "error",
    headers = read_headers(answer.body:sub(1, head_len)), body_length = whole "body",
    body = digest == "" and answer.body:sub(head_len + 1) or nil,
    digest = digest ~= "" and digest or nil }
end

---The latest requests, the newest first.
---@param host hookward.Control
---@param count integer at most so many
---@return hookward.Unproven[]? requests
---@return string? why
function M.newest(host, count)
  local requests, before = {}, nil
  while #requests < count do
    local answer, why, absent = control.ask(host, { method = "GET", path = "/unproven",
      headers = { ["X-Hookward-Before"] = before }, timeout = TIMEOUT })
    if absent then return nil, control.absence(host) end
    if not answer then return nil, ("the host gave no answer (%s)"):format(why) end
    if answer.status == 404 then break end
    if answer.status ~= 200 then return nil, ("the host answered %d"):format(answer.status) end
    requests[#requests + 1] = M.read(answer)
    before = requests[#requests].number
  end
  return requests
end

---All values of a header.
---@param request hookward.Unproven
---@param name string in lower case
---@return string[]
function M.header(request, name)
  local values = {}
  for _, header in ipairs(request.headers) do
    if header.name == name then values[#values + 1] = header.value end
  end
  return values
end

local function names_of(request)
  local names = {}
  for i, header in ipairs(request.headers) do names[i] = header.name end
  return #names > 0 and table.concat(names, ", ") or "none"
end

-- Without the body: a signature still reveals the digest that was signed.
local function without_body(request, paths, bits, signature, findings)
  findings[#findings + 1] = ("its body of %d bytes was too long to be kept; its SHA-256 is %s")
    :format(request.body_length, request.digest)
  for _, line in ipairs(core.crypto.diagnose(paths, bits, "", signature) or {}) do
    local key, hash, digest = line:match("^key (.-) did sign something.* the signed (%S+) is (%x+)")
    if key and digest == request.digest then
      findings[#findings + 1] = ("key %s did sign this body"):format(key)
    elseif key then
      findings[#findings + 1] = ("key %s did sign something, but not this body: the signed %s is "
        .. "%s"):format(key, hash, digest)
    elseif not line:find("if the body", 1, true) then
      findings[#findings + 1] = line
    end
  end
end

-- Adds what the header says of a compression, unless the body's first bytes have shown it already.
local function add_encoding(request, findings)
  for _, coding in ipairs(M.header(request, "content-encoding")) do
    local said = findings[#findings] and findings[#findings]:find("the body is compressed", 1, true)
    if coding:lower() ~= "identity" and not said then
      findings[#findings + 1] = ("Content-Encoding: %s: the body arrived compressed, but the "
        .. "signature covers the uncompressed body"):format(coding)
    end
  end
end

-- With the body, and one signature.
local function with_body(request, paths, bits, signature, findings)
  local key = core.crypto.verify(paths, bits, request.body, signature)
  if key then
    findings[#findings + 1] = ("it verifies now, with key %s"):format(key)
    return key
  end
  for _, line in ipairs(core.crypto.diagnose(paths, bits, request.body, signature) or {}) do
    findings[#findings + 1] = line
  end
end

---@param request hookward.Unproven
---@param paths string[] of the keys
---@param bits integer the least bits of a key
---@return string? key the key that verifies it now
---@return string[] findings
function M.diagnose(request, paths, bits)
  local findings, signatures, key = {}, M.header(request, "x-signature"), nil
  if #signatures == 0 then
    findings[#findings + 1] = ("there is no X-Signature; the headers that came: %s")
      :format(names_of(request))
  elseif #signatures > 1 then
    findings[#findings + 1] = ("X-Signature came %d times"):format(#signatures)
  elseif request.body then
    key = with_body(request, paths, bits, signatures[1], findings)
  else
    without_body(request, paths, bits, signatures[1], findings)
  end
  if not key then add_encoding(request, findings) end
  return key, findings
end

return M
