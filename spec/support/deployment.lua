-- For the units that are installed and the guide's page of deployment: reads a unit and runs its
-- commands as systemd would, and runs a server block in an nginx of its own. Paths and ports are
-- replaced.

local H = require "spec.support.host"

local M = {}

---The path of a program, or nil.
function M.program(name)
  local path = H.sh("PATH=$PATH:/usr/sbin:/sbin command -v " .. name)
  return path and path:gsub("\n", "")
end

---Replaces plain text; it is an error if the text is missing.
function M.exchange(text, exchanges)
  for from, to in pairs(exchanges) do
    local count
    text, count = text:gsub(from:gsub("%p", "%%%0"), (to:gsub("%%", "%%%%")))
    assert(count > 0, from .. " is not there:\n" .. text)
  end
  return text
end

-- ---- systemd ----

-- The directives that a unit may have, each with its reason. Others are an error.
local DIRECTIVES = {
  Unit = {
    Description = "for people",
    Documentation = "for people",
    After = "an address is there before it listens",
    StartLimitIntervalSec = "systemd never gives up",
  },
  Socket = { ListenStream = "connections wait while the host restarts" },
  Service = {
    Type = "READY=1 comes when it listens",
    User = "no root",
    WorkingDirectory = "the folder of the project",
    ExecStart = "run by the spec",
    ExecReload = "run by the spec",
    WatchdogSec = "a host that is stuck is started again",
    Restart = "a crash is not the end",
    RestartSec = "a cause may need a moment to go away",
    KillMode = "SIGTERM is for the host; what handlers started ends after it",
    TimeoutStopSec = "above drain_timeout: checked by the spec",
    LimitNOFILE = "above max_connections: checked by the spec",
    EnvironmentFile = "secrets for os.getenv; may be missing",
    AmbientCapabilities = "ports below 1024",
    CapabilityBoundingSet = "and nothing else",
    RuntimeDirectory = "where its control socket is",
    RuntimeDirectoryPreserve = "the lock in it outlives a restart, so that a host knows its last start",
    StateDirectory = "the one folder that it writes: the ledger's",
    StateDirectoryMode = "the ledger has personal data",
    ReadWritePaths = "what handlers write",
    UMask = "what handlers write is for its user alone, as the ledger is",
    NoNewPrivileges = "no set-uid program gives a handler more",
    ProtectSystem = "nothing is written but the state",
    ProtectHome = "nothing is read of people's homes",
    PrivateTmp = "no meeting others in /tmp",
    PrivateMounts = "it mounts nothing that others see",
    PrivateDevices = "it needs none",
    ProtectProc = "nothing is seen of other users' processes",
    ProcSubset = "nor of the kernel",
    ProtectClock = "it sets none",
    ProtectHostname = "it sets none",
    ProtectKernelTunables = "it changes none",
    ProtectKernelModules = "it loads none",
    ProtectKernelLogs = "it reads none",
    ProtectControlGroups = "it changes none",
    RestrictAddressFamilies = "TCP and Unix sockets are all it opens",
    RestrictNamespaces = "it makes none",
    RestrictRealtime = "it needs no such priority",
    RestrictSUIDSGID = "it makes no such file",
    LockPersonality = "it needs no other one",
    RemoveIPC = "nothing is left behind",
    KeyringMode = "it needs none of the user's keys",
    MemoryDenyWriteExecute = "Lua does not compile to machine code",
    SystemCallArchitectures = "one is enough",
    SystemCallFilter = "what a service needs",
    SystemCallErrorNumber = "a handler's program gets an error, and is not killed",
  },
  Install = { WantedBy = "started at boot" },
}

---The text of a unit as `make install` installs it.
---@param name string "hookward.service"
---@param bindir? string the folder of the program, default /usr/local/bin
function M.shipped(name, bindir)
  return (H.read("rockspec/systemd/" .. name):gsub("@BINDIR@", bindir or "/usr/local/bin"))
end

---Reads a unit file into a table of its sections, each with the last value of each key. A directive
---that is not in DIRECTIVES is an error, also in a comment.
function M.unit(text)
  local unit, section = {}, nil
  for line in text:gmatch("[^\n]+") do
    local name, key, value = line:match("^%[(%a+)%]$"), line:match("^#?(%a+)=(.*)$")
    if line:find("^#") then
      assert(not key or DIRECTIVES[section][key], line)
    elseif name then
      section, unit[name] = name, {}
    else
      assert(key and section and DIRECTIVES[section], "not a line of a unit: " .. line)
      assert(DIRECTIVES[section][key], ("[%s] %s is not in spec/support/deployment.lua"):format(
        section, key))
      unit[section][key] = value
    end
  end
  return unit
end

---The output of `systemd-analyze verify` for unit files by name; empty if they are valid.
function M.verify(units)
  local folder, paths = H.folder(), {}
  for name, text in pairs(units) do
    paths[#paths + 1] = folder .. "/" .. name
    H.write(paths[#paths], text)
  end
  return select(2, H.sh("systemd-analyze verify --man=no " .. table.concat(paths, " ")))
end

---The exposure that `systemd-analyze security` computes for a service, from 0 to 10.
---@param text string the unit
---@return number
function M.exposure(text)
  local path = H.folder() .. "/hookward.service"
  H.write(path, text)
  local _, out = H.sh("systemd-analyze security --no-pager --offline=true " .. path)
  return assert(tonumber(out:match("exposure level for hookward%.service: ([%d.]+)")), out)
end

-- A prefix for a command that gets a socket as fd 3.
local function with_socket(socket)
  local address = socket.Socket.ListenStream:match("^(.-):%d+$")
  local perl = ([[$^F = 10; my $s = IO::Socket::INET->new(LocalAddr => "%s:0", Listen => 64) or die $!;
    POSIX::dup2(fileno($s), 3) if fileno($s) != 3;
    $ENV{LISTEN_FDS} = 1; $ENV{LISTEN_PID} = $$; exec @ARGV or die]]):format(address)
  return " perl -MIO::Socket::INET -MPOSIX -e " .. H.quote(perl)
end

---Starts a service as systemd does: with its limits, and its socket, if any, already open as fd 3.
---@param options table service (a unit), socket (a unit, or nil), folder (the project), args (what
--- follows `hookward serve`)
function M.start(options)
  local service = options.service.Service
  local shell = ('umask %s; ulimit -n %s; exec "$@"'):format(service.UMask, service.LimitNOFILE)
  local run = options.folder .. "/" .. service.RuntimeDirectory
  H.sh("mkdir -p " .. run)
  return H.start { folder = options.folder, args = options.args, env = "RUNTIME_DIRECTORY=" .. run,
    wrap = ("sh -c %s sh"):format(H.quote(shell)) .. (options.socket and with_socket(options.socket) or "") }
end

-- ---- nginx ----

local servers = {}

local AROUND = [[
daemon off;
pid %s/nginx.pid;
error_log %s/error.log;
events { worker_connections 64; }
http {
  access_log off;
  client_body_temp_path %s/body_temp;
  proxy_temp_path %s/proxy_temp;
  fastcgi_temp_path %s/fastcgi_temp;
  uwsgi_temp_path %s/uwsgi_temp;
  scgi_temp_path %s/scgi_temp;
%s
}
]]

---Has nginx check a server block and run it; returns once it listens. M.stop_all() ends it.
---@param folder string for its files
---@param server string the block, which listens at `socket`
---@param socket string the path of a Unix socket
function M.nginx(folder, server, socket)
  local conf = folder .. "/nginx.conf"
  H.write(conf, (AROUND:gsub("%%s\n}", function() return server .. "\n}" end):gsub("%%s", folder)))
  local command = ("%s -e %s/error.log -p %s -c %s"):format(M.program "nginx", folder, folder, conf)
  local ok, out = H.sh(command .. " -t")
  assert(ok, out)
  local pipe = io.popen(("echo $$; exec %s 2>%s/stderr"):format(command, folder))
  servers[#servers + 1] = { pid = pipe:read("n"), pipe = pipe }
  H.wait_until(function() return H.connect_unix(socket) end, "nginx to listen")
end

---Ends every nginx; call it in after_each.
function M.stop_all()
  for _, server in ipairs(servers) do
    H.sh("kill -TERM " .. server.pid)
    server.pipe:close()
  end
  servers = {}
end

return M
