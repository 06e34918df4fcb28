-- Runs the real binary on a loopback port, with real keys, for the end-to-end specs.
--
-- A host has a folder of its own with hookward.lua, handlers/, keys/ and its log. Whatever a spec
-- starts is stopped by M.stop_all(), which each spec calls in after_each. A failed spec prints the
-- logs of its running hosts.

local folder_tools = require "spec.support.folders"
local lfs = require "lfs"
local mime = require "mime"
local socket = require "socket"

local M = {}

local binary = os.getenv("HOOKWARD") or "build/hookward"
if binary:sub(1, 1) ~= "/" then binary = lfs.currentdir() .. "/" .. binary end
M.binary = binary

-- The sanitizers and valgrind make everything slower, so that waits need a longer limit.
local PATIENCE = tonumber(os.getenv("HOOKWARD_SPEC_PATIENCE") or 20)

---@class hookward.spec.Host
local Host = {}
Host.__index = Host

local running = {}

-- A failed spec prints the logs of its hosts, before after_each stops them.
local function print_logs()
  for host in pairs(running) do
    io.stderr:write("---- log of ", host.folder, "\n", host:log(), "----\n")
  end
  return nil, true -- goes on to the next subscriber, the runner, which counts
end
for _, kind in ipairs { "failure", "error" } do
  require "busted".subscribe({ kind, "it" }, print_logs)
end

local function write(path, text)
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
end
M.write = write

local function read(path)
  local file = io.open(path, "rb")
  local text = file and file:read("a") or ""
  if file then file:close() end
  return text
end
M.read = read

local function quote(text)
  return "'" .. text:gsub("'", "'\\''") .. "'"
end
M.quote = quote

local function sh(command)
  local pipe = io.popen(command .. " 2>&1")
  local out = pipe:read("a")
  local ok, _, code = pipe:close()
  return ok and out, out, code
end
M.sh = sh

---Polls until `check` returns a true value, and returns that; it is an error if it takes too long.
function M.wait_until(check, what)
  local until_time = socket.gettime() + PATIENCE
  repeat
    local result = check()
    if result then return result end
    socket.sleep(0.003)
  until socket.gettime() > until_time
  error("waited in vain for " .. (what or "a condition"), 2)
end

---A fresh folder; removed by stop_all.
local folders = {}
function M.folder()
  local path = os.tmpname()
  os.remove(path)
  path = path .. ".hookward"
  assert(lfs.mkdir(path))
  folders[#folders + 1] = path
  return path
end

-- ---- keys and signatures, made only by openssl ----

-- Making a key pair takes a moment, so they are kept in build/ for all specs and the next run. A
-- pair is made in a folder of its own and then renamed, since several runs may make it at once.
local key_folder = os.getenv("HOOKWARD_SPEC_KEYS") or lfs.currentdir() .. "/build/spec-keys"

---A development key pair: the files of its private and its public half.
---@param name? string of another pair than the usual one
---@param bits? integer of its modulus, by default 2048
function M.keys(name, bits)
  local pair = key_folder .. "/" .. (name or "development")
  local private, public = pair .. "/private.pem", pair .. "/public.pem"
  if not lfs.attributes(public) then
    assert(sh(("mkdir -p %s && new=$(mktemp -d %s.XXXXXX) && "
      .. "openssl genpkey -quiet -algorithm RSA -pkeyopt rsa_keygen_bits:%d -out $new/private.pem && "
      .. "openssl pkey -in $new/private.pem -pubout -out $new/public.pem && "
      .. "{ mv -T $new %s 2>/dev/null || rm -r $new; }"):format(quote(key_folder), quote(pair),
        bits or 2048, quote(pair))))
  end
  return private, public
end

local signatures = {}

---Base64 of the RSASSA-PKCS1-v1_5 SHA-256 signature of `body`, by `openssl dgst`.
function M.sign(body, private)
  private = private or M.keys()
  local id = private .. "\0" .. body
  if not signatures[id] then
    local path = os.tmpname()
    write(path, body)
    local bytes = assert(sh(("openssl dgst -sha256 -sign %s %s"):format(private, path)))
    os.remove(path)
    signatures[id] = mime.b64(bytes)
  end
  return signatures[id]
end

-- ---- starting and stopping ----

local function lay_out(folder, options)
  lfs.mkdir(folder .. "/handlers")
  lfs.mkdir(folder .. "/keys")
  for name, text in pairs(options.handlers or {}) do
    local sub = name:match("^(.*)/")
    if sub then sh("mkdir -p " .. quote(folder .. "/handlers/" .. sub)) end
    write(folder .. "/handlers/" .. name, text)
  end
  if options.keys then
    for name, text in pairs(options.keys) do write(folder .. "/keys/" .. name, text) end
  else
    local _, public = M.keys()
    write(folder .. "/keys/public.pem", read(public))
  end
  write(folder .. "/hookward.lua", ("return { listen = %s,\n ledger = %q,\n %s }\n"):format(
    options.listen or '"127.0.0.1:0"', options.ledger or "memory:", options.config or ""))
end

---Lays out a project as M.start does, for a host that is not started, or not yet.
---@return string folder
function M.project(options)
  local folder = M.folder()
  lay_out(folder, options)
  return folder
end

-- Whether the log names a listener, and each of those two that `listen` (source text) has. The lines
-- may come in several writes.
local function names_all(log, listen)
  for _, host in ipairs { "127.0.0.1", "127.0.0.2" } do
    local wanted = listen:find(host .. ":0", 1, true)
    if wanted and not log:find("://" .. host .. ":", 1, true) then return false end
  end
  return log:find("listening on", 1, true) ~= nil
end

---Lays out a project and starts `hookward serve` in it; returns once it listens.
---@param options table handlers = { ["a.lua"] = text }, config = "key = value, …", keys, listen, args,
--- env, wrap (a command that then executes its arguments), folder (of an earlier host, to start
--- again with its files), fails = true: it must not start, or not at once
function M.start(options)
  local self = setmetatable({ folder = options.folder or M.project(options) }, Host)
  self.log_path = self.folder .. "/log"
  write(self.log_path, "")
  local command = ("cd %s && echo $$ && %s exec %s %s serve %s >out 2>log"):format(
    quote(self.folder), options.env or "", options.wrap or "", quote(options.binary or binary),
    options.args or "")
  self.pipe = io.popen(command, "r")
  self.pid = tonumber(self.pipe:read("l"))
  running[self] = true
  if options.fails then return self end
  local ok, err = pcall(M.wait_until, function()
    return names_all(self:log(), options.listen or "") or not self:alive()
  end, "the host to listen")
  if not ok or not self:alive() then
    error((ok and "the host did not start" or err) .. "\n" .. self:log(), 2)
  end
  local pattern = "listening on https?://%s:(%%d+)/"
  self.port = tonumber(self:log():match(pattern:format("127%.0%.0%.1"))
    or self:log():match(pattern:format("[^\n]-")))
  return self
end

function Host:log() return read(self.log_path) end

---The process's state as /proc shows it: "S", "T" when it is stopped, nil when it is gone…
function Host:state()
  return read(("/proc/%d/stat"):format(self.pid)):match("^%d+ %b() (%a)")
end

function Host:alive()
  local state = self:state()
  return state ~= nil and state ~= "Z"
end

---Waits for a line of the log that matches a Lua pattern; returns the pattern's first capture.
function Host:wait_log(pattern)
  local ok, result = pcall(M.wait_until, function() return self:log():match(pattern) end, pattern)
  if not ok then error(result .. "\n" .. self:log(), 2) end
  return result
end

function Host:signal(name)
  os.execute(("kill -%s %d 2>/dev/null"):format(name, self.pid))
end

---Waits for a line of the log that matches a Lua pattern to be there `count` times.
function Host:wait_log_count(pattern, count)
  local ok, result = pcall(M.wait_until, function() return self:count_log(pattern) >= count end,
    ("%d times %s"):format(count, pattern))
  if not ok then error(result .. "\n" .. self:log(), 2) end
end

---How many times a Lua pattern is found in the log.
function Host:count_log(pattern)
  return select(2, self:log():gsub(pattern, ""))
end

---The same, after waiting until all earlier lines are written: the log is written after the
---answers. It needs a free worker.
local last_mark = 0
function Host:count(pattern)
  last_mark = last_mark + 1
  local id = ("mark-%d."):format(last_mark)
  self:notify("a mark in the log", { id = id }) -- signed, so always logged
  M.wait_until(function() return self:log():find(id, 1, true) end, "the mark in the log")
  return self:count_log(pattern)
end

---Waits for the process to end; returns its exit code, or nil and the signal's number. One that
---does not end is a failure.
function Host:wait()
  if not self.pipe then return self.code, self.killed_by end
  local ok, err = pcall(M.wait_until, function() return not self:alive() end, "the host to end")
  if not ok then
    self:signal("KILL")
    err = err .. "\n" .. self:log()
  end
  local _, how, code = self.pipe:close()
  self.pipe = nil
  running[self] = nil
  if how == "signal" or (code and code > 128) then
    self.killed_by = how == "signal" and code or code - 128
  end
  self.code = code
  if not ok then error(err, 2) end
  return code
end

---Drains; returns the exit code.
function Host:stop()
  self:signal("TERM")
  return self:wait()
end

function Host:kill()
  self:signal("KILL")
  return self:wait()
end

-- A sanitizer's report in a host's log. The exit code does not show it if the host is killed at the
-- end.
local function sanitizer_finding(log)
  log = log:match("^(.-)ending without it") or log -- abandoned threads are no leak
  local at = log:find("Sanitizer", 1, true) or log:find("runtime error:", 1, true)
    or log:find("hookward: bug at", 1, true)
  return at and log:sub(math.max(1, at - 200), at + 6000)
end

---Kills the hosts that still run and removes the folders; call it in after_each.
function M.stop_all()
  for host in pairs(running) do
    host:signal("KILL")
    host:wait()
  end
  local finding
  for _, folder in ipairs(folders) do
    finding = finding or sanitizer_finding(read(folder .. "/log"))
    folder_tools.remove(folder)
  end
  folders = {}
  if finding then error(finding, 0) end
end

-- ---- talking HTTP ----

---@class hookward.spec.Client
local Client = {}
Client.__index = Client

---Opens a connection that sends exactly the bytes that the spec gives it.
---@param address? string by default 127.0.0.1
---@param port? integer
---@param room? integer bytes that the socket may hold unread
---@param tcp? userdata a socket that is already bound
function Host:connect(address, port, room, tcp)
  address = address or "127.0.0.1"
  tcp = tcp or address:find(":", 1, true) and socket.tcp6() or socket.tcp4()
  if room then tcp:setoption("recv-buffer-size", room) end
  assert(tcp:connect(address, port or self.port))
  tcp:settimeout(PATIENCE)
  tcp:setoption("tcp-nodelay", true)
  return setmetatable({ tcp = tcp }, Client)
end

---For `listen`: a plain listener, and one for connect_as.
M.WITH_PROXY = '"127.0.0.1:0", { "127.0.0.2:0", proxy_protocol = true }'

---The line of the PROXY protocol for a client of this address.
function M.proxy_line(address)
  local v6 = address:find(":", 1, true)
  return ("PROXY %s %s %s 4711 80\r\n"):format(v6 and "TCP6" or "TCP4", address,
    v6 and "2001:db8::1" or "192.0.2.1")
end

---Opens a connection as a load balancer does for a client of this address; see M.WITH_PROXY. Without
---an address nothing is sent.
function Host:connect_as(address)
  local port = self:log():match("listening on https?://127%.0%.0%.2:(%d+)")
  local client = self:connect("127.0.0.2", math.tointeger(port))
  return address and client:send(M.proxy_line(address)) or client
end

---The same over a Unix socket; nil and a reason if nothing listens there.
function M.connect_unix(path)
  local stream = require "socket.unix".stream()
  local ok, err = stream:connect(path)
  if not ok then return nil, err end
  stream:settimeout(PATIENCE)
  return setmetatable({ tcp = stream }, Client)
end

function Client:send(bytes)
  local sent, err = self.tcp:send(bytes)
  return sent and self or nil, err
end

---Reads one answer: { status, line, headers (lower-case names), body, error, message },
---or nil and "closed".
function Client:receive()
  local line, err = self.tcp:receive("*l")
  if not line then return nil, err end
  local answer = { line = line, status = tonumber(line:match("^HTTP/1%.1 (%d%d%d) ")), headers = {} }
  while true do
    line, err = self.tcp:receive("*l")
    if not line then return nil, err end
    if line == "" then break end
    local name, value = line:match("^([^:]+): (.*)$")
    answer.headers[name:lower()] = value
  end
  local length = tonumber(answer.headers["content-length"] or 0)
  answer.body = length > 0 and answer.status ~= 100 and not self.head and self.tcp:receive(length) or ""
  answer.error = answer.body:match('"error":"([^"]*)"')
  answer.message = answer.body:match('"message":"(.*)"}$')
  return answer
end

---Tells the host that nothing more will be sent; the answer can still be read.
function Client:half_close() self.tcp:shutdown("send") end

---True when there is no byte to be read now.
function Client:is_silent()
  local readable = socket.select({ self.tcp }, nil, 0)
  return #readable == 0
end

---True when the host has closed the connection and sent nothing more.
function Client:is_closed()
  local byte, err = self.tcp:receive(1)
  return byte == nil and (err == "closed" or err:find("reset") ~= nil)
end

function Client:close() self.tcp:close() end

---The bytes of a signed notification. `options`: id (default: a fresh one; false: none), attempt,
---signature (false: none), headers = { "Name: value" }, path, key (private key file), close.
local last_id = 0
function M.request(body, options)
  options = options or {}
  local lines = { ("POST %s HTTP/1.1"):format(options.path or "/baseWebhookNotification"), "Host: h" }
  local function add(name, value)
    if value then lines[#lines + 1] = ("%s: %s"):format(name, value) end
  end
  if options.id == nil then
    last_id = last_id + 1
    options.id = ("spec-%d"):format(last_id)
  end
  add("X-JobId", options.id)
  add("X-JobAttempt", options.attempt)
  if options.signature == nil then add("X-Signature", M.sign(body, options.key))
  else add("X-Signature", options.signature) end
  for _, line in ipairs(options.headers or {}) do lines[#lines + 1] = line end
  if options.close then add("Connection", "close") end
  if not options.chunked then add("Content-Length", #body) end
  return table.concat(lines, "\r\n") .. "\r\n\r\n" .. (options.chunked and "" or body)
end

---Delivers one signed notification on a connection of its own and returns the answer.
function Host:notify(body, options)
  local client = self:connect()
  client:send(M.request(body, options))
  local answer, err = client:receive()
  client:close()
  if not answer then error(("no answer (%s)\n%s"):format(err, self:log()), 2) end
  return answer
end

---Sends raw bytes on a connection of their own and returns the first answer (or nil).
function Host:raw(bytes)
  local client = self:connect()
  client:send(bytes)
  local answer, err = client:receive()
  return answer, client, err
end

-- ---- handlers that wait for the spec ----

---@class hookward.spec.Gate a FIFO; a handler that waits at it blocks in read(2), as in any C call
local Gate = {}
Gate.__index = Gate

---Makes a gate. `gate.source` is Lua source for a handler file: it defines `wait()`, which says
---"begun" in the log and then blocks until the spec lets it through.
function M.gate()
  local path = M.folder() .. "/gate"
  assert(sh("mkfifo " .. quote(path)))
  local file = assert(io.open(path, "r+")) -- "r+": opening does not block
  file:setvbuf("no")
  return setmetatable({ file = file, source = ([=[
    local function wait()
      local gate <close> = assert(io.open(%q, "r"))
      gate:setvbuf("no")
      require "hookward".log.info("begun")
      gate:read(1)
    end
  ]=]):format(path) }, Gate)
end

---Lets `count` waiting handlers, now or later, go on.
function Gate:open(count) self.file:write(("x"):rep(count or 1)) end

---A body of an event, with fields added: '{"Event":"A.B","Timestamp":"…",…}'.
function M.event(name, fields)
  return ('{"Event":"%s","Timestamp":"2024-05-10T11:09:21.248Z"%s}'):format(name,
    fields and "," .. fields or "")
end

return M
