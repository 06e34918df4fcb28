-- Runs `hookward sandbox --json` as a process of its own, and talks to it as an API client.

local cjson = require "cjson"
local http = require "socket.http"
local ltn12 = require "ltn12"
local H = require "spec.support.host"

local M = {}

M.EVENT = "BadgeExportZipFile.Created"
M.API = "/api/webhookSubscription"
M.TRIGGER = M.API .. "/triggerSampleEventNotification"

---@class hookward.spec.Sandbox
local Sandbox = {}
Sandbox.__index = Sandbox

local running = {}

---Starts the sandbox with further arguments (shell text); returns once it listens. It signs with
---the specs' development key unless `key` is false.
function M.start(args, key)
  local self = setmetatable({ folder = H.folder() }, Sandbox)
  local private = H.keys()
  local command = ("cd %s && echo $$ && exec %s sandbox --json --listen 127.0.0.1:0 %s %s >out 2>log")
    :format(H.quote(self.folder), H.quote(H.binary), key == false and "" or "--key " .. private,
      args or "")
  self.pipe = io.popen(command, "r")
  self.pid = tonumber(self.pipe:read("l"))
  running[self] = true
  self.url = self:wait("listening").urls[1]:gsub("/$", "")
  return self
end

---The JSON objects that it has printed by now, or only those of one type.
function Sandbox:shown(kind)
  local list = {}
  for line in H.read(self.folder .. "/out"):gmatch("([^\n]+)\n") do
    local one = cjson.decode(line)
    if not kind or one.type == kind then list[#list + 1] = one end
  end
  return list
end

---Waits for the count-th object of a type, and returns it.
function Sandbox:wait(kind, count)
  local ok, found = pcall(H.wait_until, function() return self:shown(kind)[count or 1] end, kind)
  if not ok then
    error(("%s\n%s%s"):format(found, H.read(self.folder .. "/out"), H.read(self.folder .. "/log")), 2)
  end
  return found
end

function Sandbox:alive()
  local state = H.read(("/proc/%d/stat"):format(self.pid)):match("^%d+ %b() (%a)")
  return state ~= nil and state ~= "Z"
end

---Stops it; returns the exit code. It is an error if it does not end.
function Sandbox:stop(signal)
  os.execute(("kill -%s %d 2>/dev/null"):format(signal or "TERM", self.pid))
  local ended = pcall(H.wait_until, function() return not self:alive() end)
  if not ended then os.execute(("kill -KILL %d"):format(self.pid)) end
  local _, _, code = self.pipe:close()
  running[self] = nil
  assert(ended, ("the sandbox did not end at SIG%s"):format(signal or "TERM"))
  return code
end

function M.stop_all()
  for one in pairs(running) do one:stop("KILL") end
end

---Makes one call; returns status, body (decoded if it is JSON), headers. `body` may be a table.
function Sandbox:ask(method, path, body, headers)
  local out = {}
  if type(body) == "table" then body = cjson.encode(body) end
  headers = headers or {}
  if self.token then headers.Authorization = headers.Authorization or "Bearer " .. self.token end
  headers["Content-Length"] = body and #body or nil
  local _, status, got = http.request { method = method, url = self.url .. path, headers = headers,
    source = body and ltn12.source.string(body), sink = ltn12.sink.table(out) }
  local text = table.concat(out)
  local ok, value = pcall(cjson.decode, text)
  return status, ok and value or text, got
end

function Sandbox:sign_in()
  local _, answer = self:ask("POST", "/token", "grant_type=password&username=sandbox&password=sandbox")
  self.token = answer.access_token
  return self
end

---Subscribes a URL; returns the Signature Key.
function Sandbox:subscribe(url)
  local status, answer = self:ask("POST", M.API, { Event = M.EVENT, Url = url or "http://127.0.0.1:1/" })
  assert(status == 201, answer.Message)
  return answer.SignatureKey
end

---Triggers a sample; returns its job id.
function Sandbox:trigger(url, misbehave)
  local status, answer = self:ask("POST", M.TRIGGER, { Event = M.EVENT, Url = url, Misbehave = misbehave })
  assert(status == 200, answer.Message)
  return answer.JobId
end

return M
