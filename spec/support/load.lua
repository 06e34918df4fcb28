-- A sender with many connections at once. Each sends a notification, waits for its answer, and
-- sends the next.

local socket = require "socket"

local M = {}

---@class hookward.spec.Load
---@field answered table<string, integer> job id -> status
---@field sent string[] job ids, in order
---@field broken boolean a connection was lost
---@field reopened integer connections that were opened anew, since an answer was their last

-- Returns the status of a complete answer, the bytes that follow it, and whether it is the last one.
local function parse(buffer)
  local head_end = select(2, buffer:find("\r\n\r\n", 1, true))
  if not head_end then return end
  local length = tonumber(buffer:match("[Cc]ontent%-[Ll]ength: (%d+)") or 0)
  if #buffer < head_end + length then return end
  return tonumber(buffer:match("^HTTP/1%.1 (%d+)")), buffer:sub(head_end + length + 1),
    buffer:sub(1, head_end):find("\r\nConnection: close\r\n", 1, true) ~= nil
end

local function open(port)
  local tcp = socket.connect("127.0.0.1", port)
  if not tcp then return end
  tcp:settimeout(0)
  tcp:setoption("tcp-nodelay", true)
  return { tcp = tcp, buffer = "" }
end

---Sends until `next_id` returns nil and all is answered, until a connection breaks, or until
---`stop(load)` is true.
---@class hookward.spec.LoadOptions
---@field port integer
---@field connections integer
---@field next_id fun(connection: integer): string? for a connection, counted from 1
---@field request fun(id: string, connection: integer): string the bytes that deliver it
---@field reopens? boolean a connection that the host ends after an answer is opened anew
---@field stop? fun(load: hookward.spec.Load): boolean
---@field on_answer? fun(id: string) before the connection's next one

---@param options hookward.spec.LoadOptions
---@return hookward.spec.Load
function M.run(options)
  local load = { answered = {}, count = 0, sent = {}, broken = false, reopened = 0 }
  local by_socket, sockets = {}, {}

  local function send(connection)
    connection.id = options.next_id(connection.number)
    if not connection.id then return end
    load.sent[#load.sent + 1] = connection.id
    if not connection.tcp:send(options.request(connection.id, connection.number)) then load.broken = true end
  end

  local function connect(number)
    local connection = open(options.port)
    if connection then
      connection.number = number
      by_socket[connection.tcp] = connection
      sockets[#sockets + 1] = connection.tcp
      send(connection)
    else
      load.broken = true
    end
  end

  local function reopen(connection)
    load.reopened = load.reopened + 1
    by_socket[connection.tcp] = nil
    for i, tcp in ipairs(sockets) do
      if tcp == connection.tcp then table.remove(sockets, i) break end
    end
    connection.tcp:close()
    connect(connection.number)
  end

  for number = 1, options.connections do connect(number) end

  local function pending()
    for _, connection in pairs(by_socket) do if connection.id then return true end end
  end

  local function receive(connection)
    local data, err, partial = connection.tcp:receive(65536)
    data = data or partial
    if err == "closed" and data == "" then load.broken = true end
    connection.buffer = connection.buffer .. data
    local status, rest, is_last = parse(connection.buffer)
    if status then
      connection.buffer = rest
      load.answered[connection.id] = status
      load.count = load.count + 1
      if options.on_answer then options.on_answer(connection.id) end
      connection.id = nil
      if is_last and options.reopens then reopen(connection) else send(connection) end
    end
  end

  local last = socket.gettime()
  while pending() and not load.broken and not (options.stop and options.stop(load)) do
    local ready = socket.select(sockets, nil, 0.05)
    for _, tcp in ipairs(ready) do receive(by_socket[tcp]) end
    if #ready > 0 then last = socket.gettime() end
    if socket.gettime() - last > 60 then error("no answer for 60 s") end
  end
  -- Answers that the kernel has already received count too.
  if load.broken or options.stop then
    for _, tcp in ipairs(socket.select(sockets, nil, 0)) do
      local connection = by_socket[tcp]
      if connection.id then receive(connection) end
    end
  end
  for _, tcp in ipairs(sockets) do tcp:close() end
  return load
end

return M
