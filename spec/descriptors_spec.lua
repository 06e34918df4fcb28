-- The host's file descriptors: none is 0, 1 or 2, and programs that handlers start inherit none.

local H = require "spec.support.host"
local lfs = require "lfs"
local rock = require "spec.support.rock"

local CLOSED = "sh -c 'exec \"$@\" <&- >&- 2>&-' sh"

-- Closes the spec's own descriptors, so that the host does not inherit them.
local ALONE = [[bash -c 'for f in /proc/self/fd/*; do n=${f##*/}; if [ $n -gt 2 ]; then eval "exec $n>&-"; fi; done;
  exec "$@"' bash]]

-- Prints more than a page of a database file, in every possible way.
local CHATTY = [[
  require "hookward".on("*", function()
    io.write(("x"):rep(20000), "\n")
    io.stdout:flush()
    io.stderr:write(("x"):rep(20000), "\n")
    print "done"
    os.execute "echo from a child; echo from a child >&2"
  end)
]]

local EVENT = H.event("A.B")

local function files_of(pid)
  local files = {}
  for name in lfs.dir(("/proc/%d/fd"):format(pid)) do
    local fd = tonumber(name)
    local to = fd and H.sh(("readlink /proc/%d/fd/%d"):format(pid, fd))
    if to then files[fd] = to:gsub("\n$", "") end
  end
  return files
end

describe("a host without its standard streams", function()
  after_each(H.stop_all)

  -- Without stdout it can't say where it listens, so it gets a Unix socket.
  local function start(options)
    local socket = H.folder() .. "/socket"
    options.listen = ("'unix:%s'"):format(socket)
    options.ledger, options.fails = "hookward.db", true
    options.handlers = { ["a.lua"] = CHATTY }
    local host = H.start(options)
    local client = H.wait_until(function() return H.connect_unix(socket) end, "the host to listen")
    for id = 1, 3 do
      client:send(H.request(EVENT, { id = tostring(id) }))
      assert.equal(200, client:receive().status)
    end
    client:close()
    return host
  end

  local function assert_intact(host)
    for fd, file in pairs(files_of(host.pid)) do
      if fd <= 2 then assert.equal("/dev/null", file) end
    end
    assert.equal(0, host:stop())
    local database = H.quote(host.folder .. "/hookward.db")
    assert.equal("ok\n", H.sh("sqlite3 " .. database .. " 'PRAGMA integrity_check'"))
    assert.equal("3\n", H.sh("sqlite3 " .. database .. " 'SELECT count(*) FROM notifications'"))
  end

  it("has them on /dev/null, and no output gets into its ledger", function()
    assert_intact(start { wrap = CLOSED })
  end)

  it("does the same in a program #rock", function()
    local app = H.folder() .. "/app.lua"
    H.write(app, [[
      local host = assert(require "hookward".start { config = "hookward.lua", signals = true })
      host:wait()
    ]])
    assert_intact(start { binary = app, wrap = CLOSED .. " lua5.4", env = rock.env })
  end)
end)

describe("a program that a handler starts", function()
  after_each(H.stop_all)

  local LISTING = [[
    local hook = require "hookward"
    local LIST = "for f in /proc/self/fd/*; do echo ${f##*/} $(readlink $f); done"
    hook.on("A.Call", function(event)
      assert(hook.http.get(event.Url))
    end)
    hook.on("A.List", function(event)
      local pipe = io.popen(LIST)
      local by_popen = pipe:read "a"
      pipe:close()
      os.execute("exec >" .. event.To .. "; " .. LIST)
      hook.log.info("listed", { popen = by_popen })
    end)
  ]]

  local function inherited(listing)
    local found = {}
    for fd, file in listing:gmatch("(%d+) ([^\n]+)") do
      -- except the shell's own, of the folder that it lists
      if tonumber(fd) > 2 and not file:find("^/proc/%d+/fd$") then found[#found + 1] = fd .. " " .. file end
    end
    return table.concat(found, "\n")
  end

  it("inherits the standard streams and nothing else", function()
    local host = H.start { wrap = ALONE, ledger = "hookward.db", handlers = { ["a.lua"] = LISTING },
      config = "workers = 2, listen = { '127.0.0.1:0', 'unix:socket' }" }
    local url = ("http://127.0.0.1:%d/"):format(host.port)
    local idle = host:connect()
    for _ = 1, 4 do assert.equal(200, host:notify(H.event("A.Call", ('"Url":"%s"'):format(url))).status) end
    local to = host.folder .. "/listing"
    assert.equal(200, host:notify(H.event("A.List", ('"To":"%s"'):format(to))).status)
    local listing = H.read(to)
    assert.matches("0 ", listing)
    assert.equal("", inherited(listing))
    assert.equal("", inherited((host:wait_log("listed [^\n]*popen=(\"[^\n]*)"):gsub("\\n", "\n"))))
    -- the host has many open, which a leak would show
    assert.is_true(#files_of(host.pid) > 10)
    idle:close()
  end)
end)
