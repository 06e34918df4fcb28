-- Several hosts with one ledger, and a sender that spreads notifications over them.
--
-- The sender does as Accredit behind a load balancer: it sends to any host that it knows to listen,
-- some notifications twice at once, and each copy again, elsewhere, until it is answered 200. All that
-- happens is noted in one journal (spec/support/journal.lua), which shows afterwards what was broken.

local H = require "spec.support.host"
local journal = require "spec.support.journal"
local postgres = require "spec.support.postgres"
local socket = require "socket"

local M = {}

M.EVENT = "Fleet.Tested"

---A run of 0 to 20 ms, one in twenty of 300 ms; one in twenty-five fails at the first attempt.
M.HANDLER = [[
  local number = tonumber(job.id:match "%d+$" or 0)
  socket.sleep(number % 20 == 3 and 0.3 or number % 5 * 0.005)
  if number % 25 == 7 and job.attempt == 0 then return nil, "not yet" end
]]

---@class hookward.spec.Fleet
local Fleet = {}
Fleet.__index = Fleet

---@class hookward.spec.FleetOptions
---@field ledger string a URL, or a file's name for one host
---@field lease? string
---@field config? string more lines of the configuration
---@field handlers? table<string, string> by default M.HANDLER for M.EVENT
---@field handler? string the body of another one
---@field handler_options? string
---@field before? string source before that handler
---@field binary? string
---@field binary_of? fun(at: integer): string?
---@field env? fun(at: integer): string more of the environment, as `NAME=value`
---@field wrap? fun(at: integer): string a command that then executes its arguments
---@field listen? fun(at: integer): string? an address, by default 127.0.0.1
---@field ledger_of? fun(at: integer): string? another way to the ledger

---A fleet without hosts yet.
---@param options hookward.spec.FleetOptions
---@return hookward.spec.Fleet
function M.new(options)
  local self = setmetatable({ options = options, hosts = {}, kills = 0 }, Fleet)
  self.folder = H.folder()
  self.journal = journal.new(self.folder .. "/journal")
  return self
end

M.LEASE = os.getenv "HOOKWARD_FLEET_LEASE" or "3s"

-- A host that is started listens a moment later.
local function find_port(host)
  host.port = host.port or tonumber(host:log():match "listening on https?://[%d.]+:(%d+)/")
  return host.port
end

-- By its lock a host that starts anew knows that it ended before (core/ledger/pg_place.h). Without it
-- others have to wait until the lease has run out.
local function forget_place(folder) os.remove(folder .. "/.hookward.sock.lock") end

---Starts the host number `at`, in its folder if it ran before; doesn't wait for it.
function Fleet:launch(at)
  local old = self.hosts[at]
  local o = self.options
  local starts = old and old.starts + 1 or 1
  local name = ("h%d.%d"):format(at, starts)
  local address = o.listen and o.listen(at) or "127.0.0.1"
  local host = H.start {
    folder = old and old.host.folder, listen = ('"%s:0"'):format(address),
    handlers = o.handlers or { ["a.lua"] = (o.before or "")
      .. self.journal:handler(M.EVENT, o.handler or M.HANDLER, o.handler_options) },
    ledger = o.ledger_of and o.ledger_of(at) or o.ledger, binary = o.binary_of and o.binary_of(at) or o.binary,
    config = ("workers = 8, %s host_name = \"h%d\", %s"):format(o.lease and ("lease = %q,"):format(o.lease) or "",
      at, o.config or ""),
    env = ("HOOKWARD_TEST=1 FLEET_HOST=%s %s"):format(name, o.env and o.env(at) or ""),
    wrap = o.wrap and o.wrap(at), fails = true,
  }
  self.hosts[at] = { host = host, name = name, starts = starts, at = at, address = address }
  return self.hosts[at]
end

---Starts hosts until there are `count`, and waits for all to listen.
function Fleet:start(count)
  for at = #self.hosts + 1, count do self:launch(at) end
  for at = 1, count do self:wait_for(at) end
  return self
end

function Fleet:wait_for(at)
  local one = self.hosts[at]
  H.wait_until(function()
    if not one.host:alive() then error("the host ended\n" .. one.host:log(), 0) end
    return find_port(one.host)
  end, "a host to listen")
end

---Kills one as kill -9 does. All that it had begun is noted as cut short.
function Fleet:kill(at)
  local one = self.hosts[at]
  one.host:kill()
  self.journal:note("killed", one.name)
  self.kills = self.kills + 1
  one.down = true
end

---Waits for one that was killed by itself.
function Fleet:wait_killed(at)
  local one = self.hosts[at]
  one.host:wait()
  self.journal:note("killed", one.name)
  one.down = true
end

---The hosts that listen.
function Fleet:alive()
  local list = {}
  for _, one in ipairs(self.hosts) do
    if not one.down and find_port(one.host) then list[#list + 1] = one end
  end
  return list
end

---@param sql string
---@return string
function Fleet:query(sql) return postgres.query(self.options.ledger, sql) end

---How many rows the ledger has by state, as lines of `STATE COUNT`. 1 is succeeded, 6 running.
function Fleet:states()
  return (self:query "SELECT state, count(*) FROM hookward.notifications GROUP BY 1":gsub("|", " "))
end

---Rows that run as the ledger has it, at a host whose rows have been let go: there must be none.
function Fleet:forgotten()
  return self:query([[SELECT n.seq, n.job_id, h.id, h.name, h.low_seq
    FROM hookward.notifications n JOIN hookward.hosts h ON h.id = n.owner
    WHERE n.state = 6 AND h.swept_at IS NOT NULL]])
end

---Waits until what the killed hosts left behind was let go.
function Fleet:wait_swept()
  H.wait_until(function()
    return self:query "SELECT count(*) FROM hookward.hosts WHERE swept_at IS NULL" == tostring(#self:alive())
  end, "the sweep of all that are gone")
end

---Ends all in order.
function Fleet:stop()
  for _, one in ipairs(self.hosts) do
    if not one.down then one.host:signal "TERM" end
  end
  for _, one in ipairs(self.hosts) do
    if not one.down then
      one.code = one.host:wait()
      self.journal:note("killed", one.name)
      one.down = true
    end
  end
end

---What the journal shows by now.
---@param accepted? boolean
---@param lane_of? fun(id: string): any
function Fleet:findings(accepted, lane_of) return journal.check(H.read(self.journal.path), accepted, lane_of) end

-- ---- the sender ----

---@class hookward.spec.Sender
---@field sent string[] job ids
---@field answered table<string, boolean>
---@field statuses table<string, integer> by status and error, and those without an answer
---@field longest number seconds until a notification had its 200
local Sender = {}
Sender.__index = Sender

---@class hookward.spec.SenderOptions
---@field prefix? string of the job ids
---@field width? integer notifications under way at once
---@field doubled? number the share that is sent twice at once
---@field attempt? integer of the first attempt; the last one is 5, and those after it are 5 too
---@field last_attempt? integer
---@field body? fun(number: integer): string of the last number of its job id
---@field patience? number seconds to wait for an answer
---@field targets? fun(): { port: integer, address: string? }[] instead of the hosts that listen

---@param fleet hookward.spec.Fleet
---@param options? hookward.spec.SenderOptions
---@return hookward.spec.Sender
function M.sender(fleet, options)
  options = options or {}
  return setmetatable({
    fleet = fleet, prefix = options.prefix or "n", width = options.width or 24, doubled = options.doubled or 0.3,
    body = options.body or function() return H.event(M.EVENT) end, attempt = options.attempt or 0,
    last_attempt = options.last_attempt or 4, patience = options.patience or 30, targets = options.targets,
    sent = {}, answered = {}, statuses = {}, longest = 0, longest_of = "", under_way = 0, by_socket = {},
    waiting = {}, most = math.huge,
  }, Sender)
end

local function count(self, what) self.statuses[what] = (self.statuses[what] or 0) + 1 end

-- Sends a copy, or puts it off while no host listens.
local function deliver(self, copy)
  local hosts = self.targets and self.targets() or self.fleet:alive()
  local at = #hosts > 0 and hosts[math.random(#hosts)]
  local tcp = at and socket.tcp4()
  if tcp then
    tcp:settimeout(at.address and 1 or 0.2)
    if not tcp:connect(at.address or "127.0.0.1", at.port or at.host.port) then
      tcp:close()
      tcp = nil
    end
  end
  if not tcp then
    count(self, "not connected")
    self.waiting[#self.waiting + 1] = { copy = copy, at = socket.gettime() + 0.05 }
    return
  end
  tcp:settimeout(0)
  copy.at, copy.buffer, copy.since = at, "", socket.gettime()
  tcp:send(H.request(self.body(copy.number), { id = copy.id, attempt = copy.attempt, close = true }))
  self.by_socket[tcp] = copy
end

local function finish(self, copy)
  local n = copy.notification
  n.copies = n.copies - 1
  if n.copies == 0 then self.under_way = self.under_way - 1 end
end

local function settle(self, tcp, copy, status)
  self.by_socket[tcp] = nil
  tcp:close()
  local what = status and ("%d %s"):format(status, copy.buffer:match '"error":"([^"]*)"' or "") or "no answer"
  count(self, what)
  if self.on_answer then self.on_answer(copy, status, what) end
  if status == 200 then
    self.fleet.journal:note("answered", copy.id)
    if not self.answered[copy.id] then
      self.answered[copy.id] = true
      local took = socket.gettime() - copy.notification.since
      if took > self.longest then self.longest, self.longest_of = took, copy.id end
    end
    finish(self, copy)
  else
    copy.attempt = math.min(copy.attempt + 1, math.max(self.last_attempt, self.attempt))
    self.waiting[#self.waiting + 1] = { copy = copy, at = socket.gettime() + 0.02 + math.random() * 0.15 }
  end
end

local function read(self, tcp)
  local copy = self.by_socket[tcp]
  local data, err, part = tcp:receive(65536)
  copy.buffer = copy.buffer .. (data or part or "")
  local head_end = select(2, copy.buffer:find("\r\n\r\n", 1, true))
  local length = head_end and tonumber(copy.buffer:match "[Cc]ontent%-[Ll]ength: (%d+)" or 0)
  if head_end and #copy.buffer >= head_end + length then
    settle(self, tcp, copy, tonumber(copy.buffer:match "^HTTP/1%.1 (%d+)"))
  elseif err == "closed" then
    settle(self, tcp, copy)
  end
end

---Sends a new notification; with a share of them, or as `copies` says, twice at once.
---@return string id
function Sender:send(copies)
  local number = #self.sent + 1
  local id = ("%s-%d"):format(self.prefix, number)
  self.sent[number] = id
  self.fleet.journal:note("sent", id)
  local n = { copies = copies or math.random() < self.doubled and 2 or 1, since = socket.gettime() }
  self.under_way = self.under_way + 1
  for _ = 1, n.copies do deliver(self, { id = id, number = number, attempt = self.attempt, notification = n }) end
  return id
end

---Sends what is to be sent, and reads what was answered. Returns false once nothing is left to do.
---@param seconds? number how long to wait at most
function Sender:step(seconds)
  while self.under_way < self.width and #self.sent < self.most do self:send() end
  local now = socket.gettime()
  local due, rest = {}, {}
  for _, one in ipairs(self.waiting) do table.insert(one.at <= now and due or rest, one) end
  self.waiting = rest
  for _, one in ipairs(due) do deliver(self, one.copy) end
  local sockets = {}
  for tcp, copy in pairs(self.by_socket) do
    if now - copy.since > self.patience then settle(self, tcp, copy) else sockets[#sockets + 1] = tcp end
  end
  if #sockets == 0 then socket.sleep(math.min(seconds or 0.02, 0.02)) end
  for _, tcp in ipairs((socket.select(sockets, nil, seconds or 0.02))) do read(self, tcp) end
  return self.under_way > 0
end

---Goes on for so many seconds.
function Sender:run(seconds)
  local ends = socket.gettime() + seconds
  while socket.gettime() < ends do self:step() end
end

---Sends nothing new, and waits until each has its 200.
---@param seconds? number
function Sender:finish(seconds)
  self.most = #self.sent
  local ends = socket.gettime() + (seconds or 60)
  while self:step() do
    if socket.gettime() > ends then
      local missing = {}
      for _, id in ipairs(self.sent) do
        if not self.answered[id] then missing[#missing + 1] = id end
      end
      error(("%d of %d have no 200: %s\n%s"):format(#missing, #self.sent, table.concat(missing, " ", 1,
        math.min(#missing, 20)), self:summary()), 2)
    end
  end
end

---What was answered, in a line.
function Sender:summary()
  local lines = {}
  for what, number in pairs(self.statuses) do lines[#lines + 1] = ("%d x %s"):format(number, what) end
  table.sort(lines)
  return table.concat(lines, ", ")
end

-- ---- rounds ----

---@class hookward.spec.RoundOptions
---@field kills integer
---@field between? number[] seconds, the least and the most
---@field down? number[] seconds that a host stays away
---@field each? fun() called after each kill
---@field tick? fun() called often

---Kills hosts one after another under the sender's load, and starts them again; then lets the sender finish.
---@param fleet hookward.spec.Fleet
---@param sender hookward.spec.Sender
---@param options hookward.spec.RoundOptions
function M.rounds(fleet, sender, options)
  local between, down = options.between or { 0.3, 1.5 }, options.down or { 0, 0.6 }
  local function pick(range) return range[1] + math.random() * (range[2] - range[1]) end
  local kills, next_kill = 0, socket.gettime() + pick(between)
  local back = {}
  while kills < options.kills or next(back) do
    sender:step()
    if options.tick then options.tick() end
    local now = socket.gettime()
    for at, time in pairs(back) do
      if now >= time then
        back[at] = nil
        if math.random(2) == 1 then forget_place(fleet.hosts[at].host.folder) end
        fleet:launch(at)
      end
    end
    if now >= next_kill and kills < options.kills then
      next_kill = now + pick(between)
      local alive = fleet:alive()
      if #alive > 0 then
        local victim = alive[math.random(#alive)]
        fleet:kill(victim.at)
        back[victim.at] = socket.gettime() + pick(down)
        kills = kills + 1
        if options.each then options.each() end
      end
    end
  end
  for at = 1, #fleet.hosts do fleet:wait_for(at) end
  sender:finish()
end

---One line of what a test saw.
function M.tell(fleet, sender, found, name)
  io.write(("\n%s: %d kills, %d notifications, %d runs; %d cut short, %d ended and not recorded yet, "
    .. "%d begun more than once; %d side by side, %d after a 200; longest wait %.1f s (%s); %s\n"):format(name,
    fleet.kills, #sender.sent, found.runs, found.cut_short, found.window, found.twice, #found.overlaps,
    #found.after, sender.longest, sender.longest_of, sender:summary()))
end

return M
