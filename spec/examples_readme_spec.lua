-- Each example is made by `hookward init --example NAME`, and the commands of its README run as
-- they are, in order. Those that keep running do so in the background, on ports of their own.

local lfs = require "lfs"
local socket = require "socket"
local H = require "spec.support.host"
local S = require "spec.support.sandbox"
local cli = require "spec.support.cli"
local rock = os.getenv("HOOKWARD_ROCK") or lfs.currentdir() .. "/build/rock/tree"

local examples = dofile "lua/hookward/cli/examples.lua"

-- The indented lines of a README, each a command.
local function commands_of(name)
  local list = {}
  for line in (H.read(("examples/%s/README.md"):format(name)) .. "\n"):gmatch("([^\n]*)\n") do
    local command = line:match("^    (%S.*)$")
    if command then list[#list + 1] = command end
  end
  return list
end

-- The shell for a README's commands, which keeps their folder, exports and processes.
local Shell = {}
Shell.__index = Shell

local function shell()
  return setmetatable({ folder = H.folder(), exports = {}, out = "" }, Shell)
end

-- Replaces the README's ports by those that the processes really have.
function Shell:exchange(command)
  local ports = { ["127.0.0.1:8080"] = self.host and "127.0.0.1:" .. self.host.port,
    ["127.0.0.1:8090"] = self.sandbox and self.sandbox.url:match("//(.*)$") }
  return (command:gsub("127%.0%.0%.1:%d+", ports))
end

function Shell:run(command)
  local ok, out = H.sh(("{ cd %s && hookward() { %s \"$@\"; } && %s\n%s\n}"):format(H.quote(self.folder),
    H.quote(H.binary), self:exchange(table.concat(self.exports, "\n")), self:exchange(command)))
  assert(ok, ("%s\n%s"):format(command, out))
  self.out = self.out .. out
end

local function free_port()
  local listener = assert(socket.bind("127.0.0.1", 0))
  local _, port = listener:getsockname()
  listener:close()
  return port
end

-- `hookward init --example NAME DIR && cd DIR`
function Shell:make(command, dir)
  self:run(command)
  self.folder = self.folder .. "/" .. dir
  local path = self.folder .. "/hookward.lua"
  H.write(path, (H.read(path):gsub("127%.0%.0%.1:8080", "127.0.0.1:0")
    :gsub("127%.0%.0%.1:8091", "127.0.0.1:" .. free_port())))
end

-- `lua5.4 service.lua`; ends with the spec.
function Shell:play_service()
  local pipe = assert(io.popen(("cd %s && { lua5.4 service.lua >service.log 2>&1 & echo $!; }"):format(
    H.quote(self.folder))))
  self.service = pipe:read("l")
  pipe:close()
end

-- Before a command whose result takes a moment.
function Shell:wait_for(command)
  if command:find("^ls ") then
    self.host:wait_log("succeeded event")
  elseif command:find("^hookward jobs list %-%-state dead") then
    self.host:wait_log("state=dead.*state=dead")
  elseif command == "cat received.txt" then
    H.wait_until(function()
      return select(2, (H.read(self.folder .. "/received.txt") or ""):gsub("\n", "")) == 3
    end, "three orders")
  end
end

function Shell:serve(env)
  -- The configuration has the sandbox's usual port by default.
  if self.sandbox then env = env .. " HOOKWARD_ACCREDIT_URL=" .. self.sandbox.url end
  self.host = H.start { folder = self.folder,
    env = self:exchange(table.concat(self.exports, "; ") .. (#self.exports > 0 and "; " or "") .. env) }
  local path = self.folder .. "/hookward.lua" -- in which `send` finds the address
  H.write(path, (H.read(path):gsub("127%.0%.0%.1:0", "127.0.0.1:" .. self.host.port)))
  return self.host
end

function Shell:type(command)
  local dir = command:match("^hookward init .* && cd (%S+)$")
  local env = command:match("^(%S-=?%S*) ?hookward serve$") or command:match("^()hookward serve$")
  if dir then
    self:make(command, dir)
  elseif env then
    self:serve(type(env) == "string" and env or "")
  elseif command == "hookward sandbox" then
    self.sandbox = S.start("", false)
  elseif command == "lua5.4 service.lua" then
    self:play_service()
  elseif command:find("^export ") then
    self.exports[#self.exports + 1] = command
  else
    self:wait_for(command)
    self:run(command)
  end
end

-- Checks that the example did what it is for.
local done = {
  hello = function(it) it.host:wait_log("succeeded event=BadgeExportZipFile.Created") end,
  router = function(it)
    it.host:wait_log("succeeded event=Person.Updated")
    it.host:wait_log("succeeded event=Order.Deleted")
  end,
  database = function(it) assert.matches("6f9619ff-8b86-4011-b42d-00cf4fc964ff|20", it.out, 1, true) end,
  outbox = function(it)
    local got = {}
    for event in H.read(it.folder .. "/received.txt"):gmatch('"Event":"Order%.(%a+)"') do
      got[#got + 1] = event
    end
    assert.same({ "Created", "Paid", "Shipped" }, got)
    assert.matches("dead", it.out, 1, true)
  end,
  ordered = function(it) assert.matches('"Name": "Ada"', it.out, 1, true) end,
  ["fan-out"] = function() end, -- nothing listens at its targets; see spec/examples_spec.lua
  ["print-queue"] = function(it)
    assert.matches("%x+%-%x+%.zip\n", it.out)
    it:type("hookward send BadgeExportZipFile.Created")
    it:type("ls zips/6f9619ff-8b86-4011-b42d-00cf4fc964ff.zip")
  end,
}

describe("an example #long", function()
  local current

  after_each(function()
    if current and current.service then assert(H.sh("kill " .. current.service)) end
    current = nil
    S.stop_all()
    H.stop_all()
    cli.clean()
  end)

  for _, example in ipairs(examples.list) do
    it(example.name .. " runs as its README says", function()
      local commands = commands_of(example.name)
      assert.matches("^hookward init %-%-example " .. example.name:gsub("%-", "%%-") .. " ", commands[1])
      assert.equal("hookward check", commands[2]:match("^hookward check"))
      local it = shell()
      current = it
      for _, command in ipairs(commands) do it:type(command) end
      assert.is_truthy(it.host)
      assert.matches("[1-9]%d* success", it.out) -- of the example's own specs
      assert.matches(" 0 failures / 0 errors", it.out, 1, true)
      done[example.name](it)
      assert.equal(0, it.host:stop())
    end)
  end

  it("has exactly the files that init copies", function()
    local listed = {}
    for _, example in ipairs(examples.list) do
      for _, file in ipairs(example.files) do
        listed[#listed + 1] = ("examples/%s/%s"):format(example.name, file)
      end
    end
    listed[#listed + 1] = "examples/run.sh"
    listed[#listed + 1] = "examples/admin.png" -- README's picture
    table.sort(listed)
    local there = {}
    for file in assert(H.sh("git ls-files examples")):gmatch("[^\n]+") do
      local project = not file:find("^examples/monitoring/") and not file:find("^examples/fleet/")
      if project then there[#there + 1] = file end
    end
    table.sort(there)
    assert.same(there, listed)
  end)

  it("is made the same by the rock's command as by the binary #rock", function()
    for _, example in ipairs(examples.list) do
      for _, file in ipairs(example.files) do
        local path = ("examples/%s/%s"):format(example.name, file)
        assert.equal(H.read(path), H.read(("%s/share/lua/5.4/hookward/%s"):format(rock, path)))
      end
    end
    local folder, made = H.folder(), {}
    for i, command in ipairs { H.binary, rock .. "/bin/hookward" } do
      made[i] = ("%s/%d"):format(folder, i)
      assert(H.sh(("%s init --example print-queue %s"):format(H.quote(command), made[i])))
    end
    assert(H.sh(("diff -r -x 'development.*' %s %s"):format(made[1], made[2])))
  end)

  it("that is unknown is a misuse; the nearest name is suggested", function()
    for word, said in pairs { ["print-que"] = "did you mean print-queue?", x = "there are hello, print-" } do
      local _, out, code = H.sh(("%s init --example %s /nowhere"):format(H.quote(H.binary), word))
      assert.equal(2, code)
      assert.matches(said, out, 1, true)
    end
  end)
end)
