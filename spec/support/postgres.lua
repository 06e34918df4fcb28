-- A PostgreSQL of the specs' own: in a temporary folder, on a Unix socket and a loopback port.
--
-- One server does for a run (spec/support/with_postgres.lua starts it, or the first spec that asks), with a
-- database for each spec. A spec that stops its server, or fills its disk, starts one for itself. The
-- system's own server is never used. A server ends when the process that started it does, however
-- that ends.

local socket = require "socket"

local M = {}

local function quote(text)
  return "'" .. tostring(text):gsub("'", "'\\''") .. "'"
end

-- Returns the output, without the last newline; nil and the output on a failure.
local function sh(command)
  local pipe = assert(io.popen("{ " .. command .. "\n} 2>&1"))
  local out = pipe:read("a"):gsub("\n$", "")
  if pipe:close() then return out end
  return nil, out
end

local function check(command)
  local out, err = sh(command)
  return out or error(command .. "\n" .. err, 3)
end

local bin

---The folder of PostgreSQL's programs; nil where it is not installed.
function M.installed()
  bin = bin or sh [[
    for folder in $(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V -r) "$(dirname "$(command -v initdb)")"; do
      [ -x "$folder/initdb" ] && [ -x "$folder/postgres" ] && echo "$folder" && exit 0
    done
    exit 1]]
  return bin
end

---A port of 127.0.0.1 that is free now.
function M.free_port()
  local tcp = assert(socket.bind("127.0.0.1", 0))
  local _, port = tcp:getsockname()
  tcp:close()
  return math.tointeger(tonumber(port))
end

---The output of SQL: a line a row, values apart by `|`, NULL as nothing. An error is raised.
---@param url string
---@param sql string several statements are one transaction
---@return string
function M.query(url, sql)
  local out, err = sh(("psql -X -q -At -v ON_ERROR_STOP=1 -d %s -c %s"):format(quote(url), quote(sql)))
  if not out then error(sql .. "\n" .. err, 2) end
  return out
end

-- ---- servers ----

-- PostgreSQL refuses to run as root.
local as_postgres = sh "id -u" == "0" and "runuser -u postgres -- " or ""

---@class hookward.spec.Postgres
---@field folder string
---@field data string the folder of its data
---@field port integer
---@field address string
local Server = {}
Server.__index = Server

---@class hookward.spec.PostgresOptions
---@field settings? table<string, string> lines of postgresql.conf
---@field hba? string lines of pg_hba.conf before those that trust everybody on this machine
---@field address? string another than 127.0.0.1
---@field initdb? string more options of initdb
---@field from? fun(data: string): string a command that makes the folder of the data, instead of initdb

---Starts a server.
---@param options? hookward.spec.PostgresOptions
---@return hookward.spec.Postgres
function M.start(options)
  options = options or {}
  assert(M.installed(), "PostgreSQL is not installed")
  local self = setmetatable({}, Server)
  self.folder = check "mktemp -d /tmp/hookward-postgres.XXXXXX"
  self.data = self.folder .. "/data"
  self.address = options.address or "127.0.0.1"
  -- Stops it when this process has ended, as the pipe's other end is closed then.
  self.keeper = assert(io.popen(([[
    trap '' INT TERM HUP
    exec >/dev/null 2>&1
    read -r _
    %s%s/pg_ctl stop -s -m immediate -D %s
    rm -rf %s]]):format(as_postgres, bin, quote(self.data), self.folder), "w"))
  if as_postgres ~= "" then check("chown postgres " .. self.folder) end
  check(as_postgres .. (options.from and options.from(self.data) or
    ("%s/initdb -D %s -U postgres -A trust -E UTF8 --locale=C.UTF-8 -N --no-instructions %s")
      :format(bin, quote(self.data), options.initdb or "")))
  local settings = {
    fsync = "off", full_page_writes = "off", max_connections = "300", shared_buffers = "64MB",
    unix_socket_directories = quote(self.folder), logging_collector = "off", log_min_messages = "log",
  }
  for name, value in pairs(options.settings or {}) do settings[name] = value end
  for name, value in pairs(settings) do self:set(name, value) end
  if options.hba then
    local path = self.data .. "/pg_hba.conf"
    local file = assert(io.open(path))
    local rest = file:read("a")
    file:close()
    file = assert(io.open(path, "w"))
    file:write(options.hba, "\n", rest)
    file:close()
  end
  self:up()
  return self
end

---Sets a line of postgresql.conf; a running server takes it with its next start, or `reload`.
function Server:set(name, value)
  local file = assert(io.open(self.data .. "/postgresql.conf", "a"))
  file:write(name, " = ", value, "\n")
  file:close()
end

function Server:control(words)
  return check(("%s%s/pg_ctl -s -w -t 60 -D %s -l %s/log %s"):format(as_postgres, bin, quote(self.data),
    self.folder, words))
end

---Starts it again, on the port that it had.
function Server:up()
  for attempt = 1, 5 do
    self.port = self.port or M.free_port()
    local ok, err = pcall(self.control, self, ("-o '-p %d -c listen_addresses=%s' start"):format(self.port,
      self.address))
    if ok then return end
    if attempt == 5 or self.ran then error(err .. "\n" .. self:log(), 2) end
    self.port = nil -- somebody was faster
  end
  self.ran = true
end

---@param mode? "fast"|"immediate"|"smart"
function Server:down(mode) self:control("stop -m " .. (mode or "fast")) end

function Server:reload() self:control("reload") end

function Server:log()
  local file = io.open(self.folder .. "/log")
  local text = file and file:read("a") or ""
  if file then file:close() end
  return text
end

---@param database? string
---@param way? "socket"
function Server:url(database, way)
  if way == "socket" then
    return ("postgres://postgres@/%s?host=%s&port=%d"):format(database or "postgres", self.folder, self.port)
  end
  return ("postgres://postgres@%s:%d/%s"):format(self.address, self.port, database or "postgres")
end

function Server:query(sql, database) return M.query(self:url(database), sql) end

---Ends all connections of hosts.
function Server:terminate()
  return self:query [[SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
    WHERE application_name LIKE 'hookward/%']]
end

---Stops it for good.
function Server:close()
  if not self.keeper then return end
  self.keeper:close() -- waits
  self.keeper = nil
end

-- ---- the run's server ----

local shared

---The URL of a superuser at the server of this run.
---@return string
function M.url()
  local given = os.getenv "HOOKWARD_TEST_POSTGRES"
  if given and given ~= "" then return given end
  shared = shared or M.start()
  return shared:url()
end

local last = 0

---A fresh database at the server of this run.
---@return string url
function M.database()
  last = last + 1
  local name = ("spec_%d_%x"):format(last, math.floor(socket.gettime() * 1e6))
  local server = M.url()
  M.query(server, ("CREATE DATABASE %s"):format(name))
  return (server:gsub("/postgres%f[?\0]", "/" .. name, 1))
end

-- ---- a pooler ----

---@class hookward.spec.Pooler
---@field url string
local Pooler = {}
Pooler.__index = Pooler

local poolers = {} -- one that nobody has any more would be closed

---Starts pgbouncer before a database: in transaction mode, so that a connection changes hands after each
---transaction.
---@param url string postgres://postgres@ADDRESS:PORT/DATABASE
---@param size? integer connections to the server
function M.pooler(url, size)
  local address, port, database = url:match "^postgres://postgres@([^:/]+):(%d+)/([%w_]+)"
  local self = setmetatable({ folder = check "mktemp -d /tmp/hookward-pooler.XXXXXX" }, Pooler)
  self.port = M.free_port()
  local file = assert(io.open(self.folder .. "/ini", "w"))
  file:write(([[
[databases]
%s = host=%s port=%s dbname=%s user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %d
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = %d
max_client_conn = 200
logfile = %s/log
pidfile = %s/pid
]]):format(database, address, port, database, self.port, size or 6, self.folder, self.folder))
  file:close()
  if as_postgres ~= "" then check("chown -R postgres " .. self.folder) end
  self.keeper = assert(io.popen(([[
    trap '' INT TERM HUP
    exec >/dev/null 2>&1
    %spgbouncer -q %s/ini &
    read -r _
    kill -TERM "$(cat %s/pid)"; wait
    rm -rf %s]]):format(as_postgres, self.folder, self.folder, self.folder), "w"))
  self.url = ("postgres://postgres@127.0.0.1:%d/%s"):format(self.port, database)
  for attempt = 1, 200 do
    if pcall(M.query, self.url, "SELECT 1") then
      poolers[#poolers + 1] = self
      return self
    end
    if attempt == 200 then error("pgbouncer does not answer", 2) end
    socket.sleep(0.02)
  end
end

Pooler.close = Server.close

M.sh, M.quote, M.as_postgres = sh, quote, as_postgres

return M
