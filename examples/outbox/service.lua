-- A service to try the example with: it is away until somebody starts it, and even then every
-- third request gets a 503. What it takes goes to received.txt. Needs luasocket: on Debian the
-- package lua-socket, elsewhere `luarocks install luasocket`.
--
--     lua5.4 service.lua

local socket = require "socket"

local host, port = dofile("hookward.lua").settings.url:match("^http://([^:/]+):(%d+)")
local listener = assert(socket.bind(host, port))

local function read_request(client)
  local length = 0
  for line in function() return client:receive("*l") end do
    length = tonumber(line:lower():match("^content%-length: *(%d+)")) or length
    if line == "" then break end
  end
  return client:receive(length)
end

local function take(body)
  local file = assert(io.open("received.txt", "a"))
  file:write(body, "\n")
  file:close()
  return "200 OK"
end

local count = 0
while true do
  local client = assert(listener:accept())
  client:settimeout(10)
  local body = read_request(client)
  if body then
    count = count + 1
    local status = count % 3 == 0 and "503 Service Unavailable" or take(body)
    print(status, body)
    client:send(("HTTP/1.1 %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"):format(status))
  end
  client:close()
end
