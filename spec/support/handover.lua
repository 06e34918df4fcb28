-- Listening sockets that a spec keeps open and hands over to hosts, as the service manager does.

local H = require "spec.support.host"
local socket = require "socket"
local unix = require "socket.unix"

local M = {}

---@class hookward.spec.Handover
---@field port? integer of the first TCP socket
---@field ports integer[] by the number of the socket
local Handover = {}
Handover.__index = Handover

local open = {}

local function listen(address)
  local path = address:match("^unix:(.*)$")
  local s = path and unix.stream() or socket.tcp4()
  if path then
    assert(s:bind(path))
  else
    assert(s:bind(address:match("^(.-):(%d+)$")))
  end
  assert(s:listen(4096))
  return s, not path and tonumber((select(2, s:getsockname())))
end

---Opens sockets: "127.0.0.1:0" or "unix:/path"; by default one of TCP. It stays open until
---M.close_all().
---@param addresses? string[]
---@param names? string[] one for each
---@return hookward.spec.Handover
function M.new(addresses, names)
  local self = setmetatable({ sockets = {}, ports = {}, names = names or {} }, Handover)
  for i, address in ipairs(addresses or { "127.0.0.1:0" }) do
    self.sockets[i], self.ports[i] = listen(address)
    self.port = self.port or self.ports[i]
  end
  open[#open + 1] = self
  return self
end

---A command that hands them over to the program that follows it, and nothing else of ours. For
---`wrap` of H.start.
---@param pid? string Perl for LISTEN_PID
function Handover:wrap(pid)
  local numbers = {}
  for i, s in ipairs(self.sockets) do numbers[i] = math.tointeger(s:getfd()) end
  return "perl -MPOSIX -e " .. H.quote(([[
    my @fds = (%s); my $n = @fds;
    POSIX::dup2($fds[$_], 200 + $_) for 0 .. $n - 1;
    POSIX::dup2(200 + $_, 3 + $_), POSIX::close(200 + $_) for 0 .. $n - 1;
    POSIX::close($_) for 3 + $n .. 199;
    $ENV{LISTEN_FDS} = $n; $ENV{LISTEN_PID} = %s; $ENV{LISTEN_FDNAMES} = "%s" if "%s";
    exec @ARGV or die]]):format(table.concat(numbers, ", "), pid or "$$",
      table.concat(self.names, ":"), table.concat(self.names, ":")))
end

---Closes every one; call it in after_each.
function M.close_all()
  for _, handover in ipairs(open) do
    for _, s in ipairs(handover.sockets) do s:close() end
  end
  open = {}
end

return M
