-- A stand-in for the Accredit API. It runs in the spec's own process and gives the answers that the
-- spec names, while the command that calls it runs.

local mime = require "mime"
local socket = require "socket"
local cli = require "spec.support.cli"

local M = {}

local PATIENCE = tonumber(os.getenv("HOOKWARD_SPEC_PATIENCE") or 20)

---@class hookward.spec.ApiAnswer
---@field [1] integer status
---@field [2] string? body
---@field headers table<string, string>?
---@field hold true? no answer at all, and the connection stays open
---@field drop true? no answer, and the connection is closed

---@class hookward.spec.ApiRequest
---@field method string
---@field path string
---@field headers table<string, string> names in lower case
---@field body string

-- One request of a connection.
local function read_request(client)
  local line = client:receive("*l")
  if not line then return nil end
  local request = { headers = {} }
  request.method, request.path = line:match("^(%u+) (%S+) HTTP/1%.1$")
  while true do
    line = client:receive("*l")
    if line == "" or not line then break end
    local name, value = line:match("^([^:]+):%s*(.-)%s*$")
    request.headers[name:lower()] = value
  end
  local length = tonumber(request.headers["content-length"] or 0)
  request.body = length > 0 and client:receive(length) or "" -- receive(0) waits for a byte
  return request
end

local function send(client, answer)
  local body = answer[2] or ""
  local lines = { ("HTTP/1.1 %d X"):format(answer[1]), ("Content-Length: %d"):format(#body),
    "Connection: close" }
  local headers = answer.headers or { ["Content-Type"] = "application/json" }
  for name, value in pairs(headers) do lines[#lines + 1] = name .. ": " .. value end
  client:send(table.concat(lines, "\r\n") .. "\r\n\r\n" .. body)
end

local listener, port

---The address of the API.
function M.url()
  if not listener then
    listener = assert(socket.bind("127.0.0.1", 0))
    local _
    _, port = listener:getsockname()
    port = math.tointeger(tonumber(port))
  end
  return "http://127.0.0.1:" .. port
end

---Runs a command and gives these answers in order, one a connection; a further request gets a 418.
---`arguments` as for cli.run; `--api` is added unless they name one, or no_api.
---@return { code: integer, out: string, err: string } result
---@return hookward.spec.ApiRequest[] requests
function M.run(arguments, answers)
  local url = M.url()
  local needs_api = not arguments.no_api and not table.concat(arguments, " "):find("--api", 1, true)
  arguments = table.move(arguments, 1, #arguments, 1, { cwd = arguments.cwd, env = arguments.env,
    stdin = arguments.stdin })
  if needs_api then
    arguments[#arguments + 1], arguments[#arguments + 2] = "--api", url
  end
  local requests, held = {}, {}
  local running = cli.start(arguments)
  local give_up = socket.gettime() + PATIENCE
  listener:settimeout(0.004) -- a connection ends it; the command's end is seen this late
  while not running:has_ended() do
    assert(socket.gettime() < give_up, "still running: " .. running.command)
    local client = listener:accept()
    if client then
      client:settimeout(PATIENCE)
      local request = read_request(client)
      if request then
        requests[#requests + 1] = request
        local answer = (answers or {})[#requests] or { 418, "one call too many" }
        if answer.hold then held[#held + 1] = client
        elseif not answer.drop then send(client, answer) end
        if not answer.hold then client:close() end
      end
    end
  end
  for _, client in ipairs(held) do client:close() end
  return running:wait(), requests
end

---The fields of a form post.
function M.form(body)
  local fields = {}
  for name, value in body:gmatch("([^&=]+)=([^&]*)") do
    fields[name] = value:gsub("%+", " "):gsub("%%(%x%x)", function(hex)
      return string.char(tonumber(hex, 16))
    end)
  end
  return fields
end

-- ---- keys in every form, made only by openssl ----

local function sh(command)
  local pipe = io.popen(command .. " 2>/dev/null")
  local out = pipe:read("a")
  pipe:close()
  return out
end

local made = {}

---The public half of a key pair in the forms that Accredit may use, as a table from name to text.
---@param pem string the file of the public key
function M.key_forms(pem)
  if made[pem] then return made[pem] end
  local file = cli.quote(pem)
  local hex = sh(("openssl rsa -pubin -in %s -noout -modulus"):format(file)):match("=(%x+)")
  local modulus = mime.b64((hex:gsub("%x%x", function(two)
    return string.char(tonumber(two, 16))
  end)))
  made[pem] = {
    pem = cli.read(pem),
    pkcs1 = sh("openssl rsa -pubin -RSAPublicKey_out -in " .. file),
    base64 = sh(("openssl rsa -pubin -in %s -outform DER | base64 -w0"):format(file)),
    xml = ("<RSAKeyValue><Modulus>%s</Modulus><Exponent>AQAB</Exponent></RSAKeyValue>")
      :format(modulus),
    modulus = modulus,
    jwk_n = (modulus:gsub("%+", "-"):gsub("/", "_"):gsub("=", "")),
  }
  return made[pem]
end

return M
