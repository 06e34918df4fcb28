-- A stand-in for the service manager (systemd): reads what a host tells it at NOTIFY_SOCKET.

local H = require "spec.support.host"
local socket = require "socket"
local unix = require "socket.unix"

local M = {}

---@class hookward.spec.Manager
---@field env string the variables that it gives the service, for the `env` of H.start
---@field all table[] the messages so far: { text =, at = (seconds), KEY = "value"… }
local Manager = {}
Manager.__index = Manager

local open = {}

---@param options? table watchdog (an interval in seconds), path (of its socket)
---@return hookward.spec.Manager
function M.new(options)
  local path = options and options.path or H.folder() .. "/notify"
  local dgram = unix.dgram()
  assert(dgram:bind(path))
  local env = "NOTIFY_SOCKET=" .. path
  if options and options.watchdog then
    env = env .. (" WATCHDOG_USEC=%d"):format(options.watchdog * 1000000)
  end
  local self = setmetatable({ socket = dgram, env = env, all = {} }, Manager)
  open[#open + 1] = self
  return self
end

---Closes every one; call it in after_each.
function M.stop_all()
  for _, manager in ipairs(open) do manager.socket:close() end
  open = {}
end

---Reads what has come, without waiting.
function Manager:read()
  self.socket:settimeout(0)
  for text in function() return self.socket:receive(8192) end do
    local message = { text = text, at = socket.gettime() }
    for key, value in text:gmatch("([%u_]+)=([^\n]*)") do message[key] = value end
    self.all[#self.all + 1] = message
  end
end

---Waits for a message with this line (a Lua pattern for the whole of it), after the `after`th;
---returns its number and the message.
function Manager:wait(pattern, after)
  local number, found
  H.wait_until(function()
    self:read()
    for i = (after or 0) + 1, #self.all do
      for line in self.all[i].text:gmatch("[^\n]+") do
        if line:find("^" .. pattern .. "$") then
          number, found = i, self.all[i]
          return true
        end
      end
    end
  end, ("the message %s; there were:\n%s"):format(pattern, self:describe()))
  return number, found
end

---All messages but pings, one a line.
function Manager:describe()
  local lines = {}
  for _, message in ipairs(self.all) do
    if message.text ~= "WATCHDOG=1" then lines[#lines + 1] = message.text:gsub("\n", " ") end
  end
  return table.concat(lines, "\n")
end

---Waits until there were no pings for `seconds`.
function Manager:wait_for_silence(seconds)
  H.wait_until(function()
    self:read()
    local last = 0
    for _, message in ipairs(self.all) do
      if message.WATCHDOG then last = message.at end
    end
    return socket.gettime() - last > seconds
  end, "the pings to end")
end

---Waits for `count` more pings.
function Manager:wait_for_pings(count)
  local at = #self.all
  for _ = 1, count do at = self:wait("WATCHDOG=1", at) end
end

return M
