-- Runs the real binary as a user would, and collects its output.

local folder_tools = require "spec.support.folders"
local lfs = require "lfs"
local socket = require "socket"

local M = {}

local binary = os.getenv("HOOKWARD") or "build/hookward"
if binary:sub(1, 1) ~= "/" then binary = lfs.currentdir() .. "/" .. binary end
M.binary = binary

local PATIENCE = tonumber(os.getenv("HOOKWARD_SPEC_PATIENCE") or 20)

local function quote(text)
  return "'" .. text:gsub("'", "'\\''") .. "'"
end
M.quote = quote

function M.read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read("a")
  file:close()
  return text
end

function M.write(path, text)
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
end

-- ---- folders ----

local folders = {}

---A fresh folder, removed by M.clean(), with files in it: { ["keys/a.pem"] = text }.
function M.folder(files)
  local path = os.tmpname()
  os.remove(path)
  assert(lfs.mkdir(path))
  folders[#folders + 1] = path
  for name, text in pairs(files or {}) do
    local sub = name:match("^(.*)/")
    if sub then os.execute("mkdir -p " .. quote(path .. "/" .. sub)) end
    M.write(path .. "/" .. name, text)
  end
  return path
end

---Removes the folders; every spec calls it in after_each.
function M.clean()
  for _, path in ipairs(folders) do folder_tools.remove(path) end
  folders = {}
end

---The permission bits as text: "600".
function M.mode(path)
  local letters, digits = lfs.attributes(path, "permissions"), {}
  for i = 1, 9, 3 do
    local bits = letters:sub(i, i + 2)
    digits[#digits + 1] = (bits:find("r") and 4 or 0) + (bits:find("w") and 2 or 0)
      + (bits:find("x") and 1 or 0)
  end
  return table.concat(digits)
end

-- ---- running ----

local Run = {}
Run.__index = Run

---True when it has ended and all of its output is in the files.
function Run:has_ended()
  return lfs.attributes(self.box .. "/ended", "mode") ~= nil
end

---Waits until it has ended: { code, out, err }.
function Run:wait()
  local give_up = socket.gettime() + PATIENCE
  while not self:has_ended() do
    assert(socket.gettime() < give_up, "still running: " .. self.command)
    socket.sleep(0.005)
  end
  return {
    code = tonumber(M.read(self.box .. "/code")),
    out = M.read(self.box .. "/out"),
    err = M.read(self.box .. "/err"),
  }
end

local function start(words, arguments)
  local box = M.folder { stdin = arguments.stdin or "" }
  for _, word in ipairs(arguments) do words[#words + 1] = quote(word) end
  local env = {}
  for name, value in pairs(arguments.env or {}) do env[#env + 1] = name .. "=" .. quote(value) end
  local command = ("cd %s && %s exec %s"):format(quote(arguments.cwd or box),
    table.concat(env, " "), table.concat(words, " "))
  os.execute(("{ ( %s ) <%s/stdin >%s/out 2>%s/err; echo $? >%s/code; : >%s/ended; } &")
    :format(command, box, box, box, box, box))
  return setmetatable({ box = box, command = command }, Run)
end

---Starts `hookward ARGUMENTS...`; further fields: cwd, stdin (text), env (a table).
function M.start(arguments)
  return start({ quote(M.binary) }, arguments)
end

---Runs another program to its end: `PROGRAM ARGUMENTS...`.
---@return { code: integer, out: string, err: string }
function M.program(arguments)
  return start({}, arguments):wait()
end

---Runs `hookward ARGUMENTS...` to its end; arguments as for M.start.
---@return { code: integer, out: string, err: string }
function M.run(arguments)
  -- The search for leaks takes a third of a command's time under ASan. Hosts, unit tests and commands
  -- that a shell runs (H.sh) are searched.
  local asan = os.getenv "ASAN_OPTIONS"
  if asan then
    arguments.env = arguments.env or {}
    arguments.env.ASAN_OPTIONS = asan .. ":detect_leaks=0"
  end
  return M.start(arguments):wait()
end

---The lines of a text, without empty ones.
function M.lines(text)
  local lines = {}
  for line in text:gmatch("[^\n]+") do lines[#lines + 1] = line end
  return lines
end

-- ---- a project, made once a run, since keys take a moment ----

local template

---A fresh copy of what `hookward init` makes, with `config` as its configuration if given.
function M.project(config)
  if not template then
    template = os.tmpname()
    os.remove(template)
    os.execute(("%s init %s >/dev/null"):format(quote(M.binary), quote(template)))
    local path = template .. "/hookward.lua" -- port 8080 may be taken
    M.write(path, (M.read(path):gsub("127%.0%.0%.1:8080", "127.0.0.1:0")))
  end
  local path = M.folder()
  os.execute(("cp -a %s/. %s"):format(quote(template), quote(path)))
  if config then M.write(path .. "/hookward.lua", config) end
  return path
end

---Removes the project; call it in a file's last teardown.
function M.finish()
  if template then folder_tools.remove(template) end
  template = nil
end

-- ---- a receiver with given answers ----

local Receiver = {}
Receiver.__index = Receiver

---Listens on a loopback port; `answers` are statuses, or { status, body }, in order.
function M.receiver(answers)
  local server = assert(socket.bind("127.0.0.1", 0))
  server:settimeout(PATIENCE)
  local _, port = server:getsockname()
  return setmetatable({ server = server, answers = answers, requests = {},
    url = ("http://127.0.0.1:%d"):format(port) }, Receiver)
end

-- One request: { line, headers (lower-case names), body }.
local function read_request(client)
  local request = { line = assert(client:receive("*l")), headers = {} }
  while true do
    local line = assert(client:receive("*l"))
    if line == "" then break end
    local name, value = line:match("^([^:]+):%s*(.-)%s*$")
    local before = request.headers[name:lower()]
    request.headers[name:lower()] = before and before .. ", " .. value or value
  end
  if request.headers.expect then client:send("HTTP/1.1 100 Continue\r\n\r\n") end
  request.body = client:receive(tonumber(request.headers["content-length"] or 0))
  return request
end

---Gives all of its answers, to one request a connection.
function Receiver:serve()
  for _, answer in ipairs(self.answers) do
    local client = assert(self.server:accept())
    client:settimeout(PATIENCE)
    self.requests[#self.requests + 1] = read_request(client)
    local status, body = answer, ""
    if type(answer) == "table" then status, body = answer[1], answer[2] end
    client:send(("HTTP/1.1 %d X\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s")
      :format(status, #body, body))
    client:close()
  end
  self.server:close()
  return self.requests
end

return M
