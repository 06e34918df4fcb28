-- An edit takes effect as a whole and without a restart, or not at all; a sender that delivers
-- meanwhile notices nothing.
--
-- HOOKWARD_RELOAD_EDITS=500 runs the long form (`make reload-storm`), 10 the short form for
-- ThreadSanitizer, which leaves out the tests tagged #alone. HOOKWARD_CRASH is a binary that has
-- stop points compiled in (core/base/crash.h).

local H = require "spec.support.host"
local lfs = require "lfs"
local load = require "spec.support.load"
local socket = require "socket"

local STOPPING = os.getenv("HOOKWARD_CRASH")
local EDITS = tonumber(os.getenv("HOOKWARD_RELOAD_EDITS") or 20)
local RELOADS = 2 * EDITS
local PAUSE = EDITS <= 20 and 0.005 -- the sender's, in the short form, beside other specs
local CONNECTIONS = 12

local BODY = H.event("Reload.Tested")

local function stopping()
  return assert(STOPPING, "HOOKWARD_CRASH names a binary with points to stop at (see the Makefile)")
end

-- ---- a set of scripts that carries its version in three files ----

-- The versions are compared while the files load, so that a half-written set is refused, and again
-- in every job: a late `require` must return the version that the job began with.
local HANDLER = [[
local hook = require "hookward"
local VERSION = %d
local function other(name)
  package.loaded[name] = nil
  return require(name)
end
for _, name in ipairs { "shared", "late" } do
  if other(name) ~= VERSION then error("half written: " .. name) end
end
local file = assert(io.open("runs", "a"))
file:setvbuf("no")
hook.on("Reload.Tested", function()
  if other("shared") ~= VERSION or other("late") ~= VERSION then return nil, "mixed" end
  file:write(VERSION .. "\n")
end)
]]

-- Pairs: the reason for the refusal, and the handler file that causes it.
local BROKEN = {
  { "a.lua:1: .*near", "local x = = %d" },
  { "a.lua:1: on purpose", "error('on purpose') -- %d" },
  { "registered twice", HANDLER .. "hook.on('Reload.Tested', print)" },
  { "handler_timeout", HANDLER .. "while true do end" },
  { "not enough memory", HANDLER .. "local t = {} for i = 1, 1e9 do t[i] = {} end" },
}

local function texts(version, handler)
  local value = ("return %d -- %s\n"):format(version, ("x"):rep(version % 7))
  return { ["a.lua"] = (handler or HANDLER):format(version), ["lib/shared.lua"] = value,
    ["lib/late.lua"] = value }
end

local function symlink(target, path)
  assert(lfs.link(target, path, true))
end

-- In one step, which `ln -sfn` can't do.
local function relink(target, path)
  os.remove(path .. ".new")
  symlink(target, path .. ".new")
  assert(os.rename(path .. ".new", path))
end

local function lay(folder, files)
  lfs.mkdir(folder)
  lfs.mkdir(folder .. "/lib")
  for name, text in pairs(files) do H.write(folder .. "/" .. name, text) end
end

local function configure(host, text)
  H.write(host.folder .. "/new.lua", ('return { listen = "127.0.0.1:0", ledger = "memory:", %s }'):format(text))
  assert(os.rename(host.folder .. "/new.lua", host.folder .. "/hookward.lua"))
end

-- Each way to bring a set of files into a folder. The helpers get out of the folder by a link.
local WAYS = {}
local function way(name, fn) WAYS[#WAYS + 1] = { name = name, fn = fn } end

way("in place", function(folder, files)
  for name, text in pairs(files) do H.write(folder .. "/" .. name, text) end
end)

way("written beside it and renamed over it", function(folder, files)
  for name, text in pairs(files) do
    local path = folder .. "/" .. name
    H.write(path .. ".tmp", text)
    assert(os.rename(path .. ".tmp", path))
  end
end)

way("with a backup, as vim does", function(folder, files)
  for name, text in pairs(files) do
    local path = folder .. "/" .. name
    H.write(path:gsub("([^/]+)$", ".%1.swp"), "swap")
    assert(os.rename(path, path .. "~"))
    H.write(path, text)
    os.remove(path .. "~")
    os.remove((path:gsub("([^/]+)$", ".%1.swp")))
  end
end)

way("removed and written anew, as git does, among many", function(folder, files, version)
  for i = 1, 30 do
    local path = ("%s/lib/many_%d.lua"):format(folder, i)
    os.remove(path)
    H.write(path, ("return %d"):format(version))
  end
  for name, text in pairs(files) do
    os.remove(folder .. "/" .. name)
    H.write(folder .. "/" .. name, text)
  end
end)

way("by sed -i", function(folder, files)
  for name, text in pairs(files) do
    H.write(folder .. "/.new", text)
    assert(H.sh(("cd %s && sed -i -e '1r .new' -e d %s && rm .new"):format(H.quote(folder), name)))
  end
end)

way("by git pull, or git checkout", function(folder, files, version)
  local upstream = folder:gsub("[^/]+$", "upstream")
  local prefix = ([[
    git() { command git -c user.name=spec -c user.email=spec@localhost -c init.defaultBranch=main "$@"; }
    there=%s up=%s; cd $there/ && rm -rf .git $up &&
    git init -q && git add . && git commit -qm before && git clone -q . $up && ]]):format(
    H.quote(folder), H.quote(upstream))
  assert(H.sh(prefix .. "true"))
  lay(upstream, files)
  assert(H.sh(("cd %s && git add . && git -c user.name=x -c user.email=x@localhost commit -qm after"):format(
    H.quote(upstream))))
  assert(H.sh(("cd %s/ && %s"):format(H.quote(folder), version % 2 == 0
    and "git pull -q --ff-only ../upstream main"
    or "git fetch -q ../upstream main && git checkout -q FETCH_HEAD")))
end)

way("with a handler file and a sub-folder added", function(folder, files, version)
  for name, text in pairs(files) do H.write(folder .. "/" .. name, text) end
  H.write(folder .. "/added.lua", "require 'hookward'.on('Added.One', function() end)")
  lfs.mkdir(folder .. "/sub")
  H.write(folder .. "/sub/deep.lua", ("return %d"):format(version))
end)

way("with files removed", function(folder, files)
  os.remove(folder .. "/added.lua")
  H.sh("rm -rf " .. H.quote(folder .. "/sub"))
  for name, text in pairs(files) do H.write(folder .. "/" .. name, text) end
end)

way("of another folder, by its link", function(folder, files, version)
  local set = folder:gsub("[^/]+$", "set-" .. version)
  lay(set, files)
  relink("set-" .. version, folder)
end)

way("of a folder that is deleted and made again", function(folder, files, version)
  local set = folder:gsub("[^/]+$", "again-" .. version)
  os.remove(folder)
  lay(set, files)
  symlink("again-" .. version, folder)
end)

-- ---- a sender, and an editor at the same time ----

-- Runs `edit` as a coroutine during the load; it calls wait(check). Every answer must be 200.
local function under_load(host, edit)
  local n, over = 0, false
  local function wait(check, what)
    local until_time = socket.gettime() + 30
    while not check() do
      if socket.gettime() > until_time then error("waited in vain for " .. what .. "\n" .. host:log()) end
      coroutine.yield()
    end
  end
  local editor = coroutine.create(function() edit(wait) end)
  local result = load.run {
    port = host.port, connections = CONNECTIONS,
    request = function(id) return H.request(BODY, { id = id }) end,
    next_id = function()
      n = n + 1
      if not over then return ("load-%d"):format(n) end
    end,
    stop = function()
      if over then return false end
      local ok, why = coroutine.resume(editor)
      if not ok then error(why, 0) end
      over = coroutine.status(editor) == "dead"
      if PAUSE then socket.sleep(PAUSE) end
      return false
    end,
  }
  assert.is_false(result.broken, "a connection was lost")
  for _, id in ipairs(result.sent) do
    if result.answered[id] ~= 200 then
      error(("%s: %s\n%s"):format(id, result.answered[id], host:log()))
    end
  end
  return result.count
end

-- The log from this offset on: the whole log is long.
local function log_since(host, from)
  local file = assert(io.open(host.log_path, "rb"))
  file:seek("set", from)
  local text = file:read("a")
  file:close()
  return text
end

-- The version that ran last.
local function last_run(host)
  local file = io.open(host.folder .. "/runs", "rb")
  if not file then return end
  local size = file:seek("end")
  file:seek("set", math.max(0, size - 64))
  local tail = file:read("a")
  file:close()
  return tonumber(tail:match("(%d+)\n[^\n]*$"))
end

local function ran(host)
  local versions = {}
  for line in io.lines(host.folder .. "/runs") do versions[tonumber(line)] = true end
  return versions
end

local CONFIG = 'workers = 4, handler_timeout = 1, vm_memory = "8MB",'

describe("an edit under load", function()
  after_each(H.stop_all)

  it(("takes effect as a whole, or not at all (%d edits)"):format(EDITS), function()
    local host = H.start { handlers = texts(0), config = CONFIG }
    local folder, good, slowest = host.folder .. "/handlers", { [0] = true }, 0
    assert(os.rename(folder, host.folder .. "/set-0"))
    symlink("set-0", folder)
    local answers = under_load(host, function(wait)
      wait(function() return last_run(host) == 0 end, "the first version")
      for version = 1, EDITS do
        local broken = version % 10 == 0 and BROKEN[version // 10 % #BROKEN + 1]
        local by = WAYS[version % #WAYS + 1]
        local from = lfs.attributes(host.log_path, "size")
        by.fn(folder, texts(version, broken and broken[2]), version)
        local since = socket.gettime()
        if broken then
          wait(function()
            return log_since(host, from):find("not reloaded, the old version goes on: [^\n]*" .. broken[1])
          end, broken[1])
        else
          good[version] = true
          wait(function() return last_run(host) == version end,
            ("version %d, %s"):format(version, by.name))
          slowest = math.max(slowest, socket.gettime() - since)
        end
      end
    end)
    local versions = ran(host)
    for version = 0, EDITS do assert.equal(good[version], versions[version], version) end
    assert.equal(0, host:stop())
    io.write(("\n%d edits under %d notifications; live after %.2f s at the latest\n"):format(EDITS,
      answers, slowest))
  end)
end)

-- ---- one thing at a time ----

local function answering(text)
  return ([[
    local hook = require "hookward"
    hook.on("Reload.Tested", function() return nil, %q end)
  ]]):format(text)
end

-- The version that answers, read from the reason that its refusal leaves in the log.
local function version_of(host)
  local from = lfs.attributes(host.log_path, "size")
  host:notify(BODY)
  local version
  H.wait_until(function()
    version = log_since(host, from):match("handler_refused reason=(%w+)")
    return version
  end, "the refusal in the log")
  return version
end

local function reload(host)
  local out, all, code = H.sh(("cd %s && %s reload"):format(H.quote(host.folder), H.quote(H.binary)))
  return code, out or all
end

describe("the handlers folder", function()
  after_each(H.stop_all)

  it("may be a ConfigMap, whose files change when a link is replaced", function()
    local host = H.start { handlers = { ["a.lua"] = "" } }
    local folder = host.folder .. "/handlers"
    local function publish(version)
      local name = ("..2024_%d"):format(version)
      lfs.mkdir(folder .. "/" .. name)
      H.write(folder .. "/" .. name .. "/a.lua", answering("v" .. version))
      relink(name, folder .. "/..data")
    end
    publish(1)
    relink("..data/a.lua", folder .. "/a.lua")
    host:wait_log("reloaded: version 2")
    assert.equal("v1", version_of(host))
    publish(2)
    host:wait_log("reloaded: version 3")
    assert.equal("v2", version_of(host))
  end)

  it("may link to a file elsewhere, whose edits cause no event #alone", function()
    local host = H.start { handlers = { ["a.lua"] = answering("v1") } }
    H.write(host.folder .. "/elsewhere.lua", answering("v2"))
    relink("../elsewhere.lua", host.folder .. "/handlers/a.lua")
    host:wait_log("reloaded: version 2")
    H.write(host.folder .. "/elsewhere.lua", answering("v3"))
    host:wait_log("reloaded: version 3")
    assert.equal("v3", version_of(host))
  end)

  it("may be removed, and come back #alone", function()
    local host = H.start { handlers = { ["a.lua"] = answering("v1") } }
    local folder, away = host.folder .. "/handlers", host.folder .. "/away"
    assert(os.rename(folder, away))
    host:wait_log("not reloaded[^\n]*handlers: no such folder")
    assert.equal("v1", version_of(host))
    assert(os.rename(away, folder))
    host:wait_log("in order again: version 1")
    H.write(folder .. "/a.lua", answering("v2"))
    host:wait_log("reloaded: version 2")
    assert(os.rename(folder, away))
    host:wait_log_count("not reloaded[^\n]*handlers: no such folder", 2)
    H.write(away .. "/a.lua", answering("v3"))
    assert(os.rename(away, folder))
    host:wait_log("reloaded: version 3")
    assert.equal("v3", version_of(host))
  end)

  it("is in order again once a dangling or circular link is removed #alone", function()
    local host = H.start { handlers = { ["a.lua"] = answering("v1") } }
    local link = host.folder .. "/handlers/link"
    for i, case in ipairs {
      { "nowhere", ".lua", "link.lua: No such file" }, { "link.lua", ".lua", "link.lua: Too many levels" },
      { ".", "", "nested more than 16 deep" },
    } do
      symlink(case[1], link .. case[2])
      host:wait_log("not reloaded[^\n]*" .. case[3])
      assert.equal("v1", version_of(host))
      os.remove(link .. case[2])
      host:wait_log_count("in order again: version 1", i)
    end
  end)

  it("may hold at most 2,000 scripts, in more folders than can be watched #alone", function()
    local host = H.start { handlers = { ["h0000.lua"] = "" }, config = "workers = 2," }
    local folder = host.folder .. "/handlers"
    for i = 1, 600 do
      lfs.mkdir(("%s/d%04d"):format(folder, i))
      H.write(("%s/d%04d/m.lua"):format(folder, i), "return 'v1'")
    end
    for i = 1, 1399 do H.write(("%s/h%04d.lua"):format(folder, i), ("local n = %d"):format(i)) end
    H.write(folder .. "/h0000.lua", [[
      require "hookward".on("Reload.Tested", function() return nil, require "d0600.m" end) ]])
    local first = tonumber(host:wait_log("reloaded: version (%d+) [^\n]* 2000 scripts"))
    host:wait_log("warn +edits of some folders show only every 500 ms: there are more than 512 folders")
    assert.equal("v1", version_of(host))
    H.write(folder .. "/d0600/m.lua", "return 'v2'")
    host:wait_log("reloaded: version " .. first + 1)
    assert.equal("v2", version_of(host))
    H.write(folder .. "/one_more.lua", "")
    host:wait_log("not reloaded[^\n]*handlers/one_more.lua: more than 2000 scripts")
    os.remove(folder .. "/one_more.lua")
    host:wait_log("in order again: version " .. first + 1)
    assert.equal("v2", version_of(host))
    assert.equal(1, host:count_log("edits of some folders show only"))
  end)

  it("is checked regularly: a write through a hard link outside it causes no event", function()
    local host = H.start { handlers = { ["a.lua"] = answering("v1") } }
    assert(lfs.link(host.folder .. "/handlers/a.lua", host.folder .. "/outside.lua"))
    H.write(host.folder .. "/outside.lua", answering("v2"))
    host:wait_log("reloaded: version 2")
    assert.equal("v2", version_of(host))
  end)
end)

describe("a job that is waiting while its scripts are replaced", function()
  after_each(H.stop_all)

  it("ends on the code that it began with; the next job runs the new code", function()
    local gate = H.gate()
    local old = gate.source .. [[
      require "hookward".on("Reload.Tested", function() wait() return nil, require "lib.answer" end)
    ]]
    local host = H.start { handlers = { ["a.lua"] = old, ["lib/answer.lua"] = "return 'old'" } }
    local client = host:connect()
    client:send(H.request(BODY))
    host:wait_log("begun")
    H.write(host.folder .. "/handlers/lib/answer.lua", "return 'new'")
    H.write(host.folder .. "/handlers/a.lua", answering("new"))
    host:wait_log("reloaded: version 2")
    assert.equal("new", version_of(host))
    gate:open()
    client:receive()
    host:wait_log("handler_refused reason=old")
  end)
end)

describe("the version that ran", function()
  after_each(H.stop_all)

  it("is in the log's lines and in the ledger", function()
    local host = H.start { handlers = texts(0), ledger = "hookward.db" }
    host:notify(BODY, { id = "first" })
    H.write(host.folder .. "/handlers/a.lua", answering("v1"))
    local second = host:wait_log("reloaded: version 2 %((%x+)%)")
    host:notify(BODY, { id = "second" })
    local first = host:wait_log("job=first [^\n]*version=(%x+)")
    assert.equal(second, host:wait_log("job=second [^\n]*version=(%x+)"))
    assert.not_equal(first, second)
    for id, version in pairs { first = first, second = second } do
      local out = H.sh(("cd %s && %s jobs show %s"):format(H.quote(host.folder), H.quote(H.binary), id))
      assert.truthy(out and out:find("version%s+" .. version), out)
    end
  end)
end)

-- How many of each the process has open.
local function belongings(host)
  local function count(name)
    local n = 0
    for entry in lfs.dir(("/proc/%d/%s"):format(host.pid, name)) do
      if not entry:find("^%.") then n = n + 1 end
    end
    return n
  end
  local watches = 0
  for fd in lfs.dir(("/proc/%d/fd"):format(host.pid)) do
    local info = H.read(("/proc/%d/fdinfo/%s"):format(host.pid, fd))
    watches = watches + select(2, info:gsub("inotify wd:", ""))
  end
  return ("%d threads, %d files, %d watches"):format(count("task"), count("fd"), watches)
end

local function memory_kb(host)
  return tonumber(H.read(("/proc/%d/status"):format(host.pid)):match("VmRSS:%s+(%d+)"))
end

describe("many reloads", function()
  after_each(H.stop_all)

  it(("leave nothing behind (%d reloads)"):format(RELOADS), function()
    local host = H.start { handlers = texts(0), config = "workers = 4," }
    local client, version = host:connect(), 0
    local function round()
      version = version + 1
      for name, text in pairs(texts(version)) do H.write(host.folder .. "/handlers/" .. name, text) end
      host:signal("HUP")
      H.wait_until(function()
        client:send(H.request(BODY))
        assert.equal(200, client:receive().status)
        return last_run(host) == version
      end, "version " .. version)
    end
    for _ = 1, math.min(EDITS, 20) do round() end
    assert.equal(0, (reload(host))) -- once this is answered, the folders are watched anew
    local before
    H.wait_until(function() -- and its connection is closed
      local now = belongings(host)
      if now == before then return true end
      before = now
      socket.sleep(0.02)
    end, "calm")
    local kb = memory_kb(host)
    for _ = 1, RELOADS do round() end
    H.wait_until(function() return belongings(host) == before end, before)
    local grown = memory_kb(host) - kb
    io.write(("\n%d reloads: %d kB, then %+d kB; %s\n"):format(RELOADS, kb, grown, before))
    if not os.getenv("HOOKWARD_SPEC_PATIENCE") then assert.is_true(grown < 4096, grown) end
    assert.equal(0, host:stop())
  end)
end)

describe("the keys", function()
  after_each(H.stop_all)

  local function key(name)
    local private, public = H.keys(name)
    return private, H.read(public)
  end

  it("rotate without a gap under load: one is added, then the other removed", function()
    local _, old = key()
    local new_private, new = key("second")
    local host = H.start { handlers = texts(0), config = CONFIG, keys = { ["old.pem"] = old } }
    under_load(host, function(wait)
      H.write(host.folder .. "/keys/new.pem", new)
      wait(function() return host:log():find("reloaded: version 2[^\n]*2 keys") end, "two keys")
      assert.equal(200, host:notify(BODY, { key = new_private }).status)
    end)
    os.remove(host.folder .. "/keys/old.pem")
    host:wait_log("reloaded: version 3[^\n]*1 key\n")
    assert.equal(200, host:notify(BODY, { key = new_private }).status)
    assert.equal("invalid_signature", host:notify(BODY).error)
  end)

  -- Stops the host at a point of core/reload/attempt.c, between listing the key files and loading
  -- them, and adds a second key there.
  local function add_key_at(point, to, edit)
    local _, old = key()
    local new_private, new = key("second")
    local points = H.folder()
    local host = H.start { handlers = texts(0), keys = { ["old.pem"] = old },
      binary = stopping(), env = "HOOKWARD_STOP_AT=" .. points }
    host:signal("HUP")
    host:wait_log("nothing has changed") -- the check after the start is done
    H.write(points .. "/" .. point, "")
    edit(host, old)
    H.wait_until(function() return host:state() == "T" end, "the host to stand still")
    H.write(host.folder .. to .. "/new.pem", new)
    os.remove(points .. "/" .. point)
    host:signal("CONT")
    host:wait_log("reloaded[^\n]*2 keys")
    assert.equal(200, host:notify(BODY, { key = new_private }).status)
  end

  it("lose none that is added while they are read #alone", function()
    add_key_at("config-signed", "/keys", function(host) lay(host.folder .. "/handlers", texts(1)) end)
  end)

  it("lose none that is added while they move to another folder #alone", function()
    add_key_at("config-read", "/moved", function(host, old)
      lfs.mkdir(host.folder .. "/moved")
      H.write(host.folder .. "/moved/old.pem", old)
      configure(host, 'keys = "moved/*"')
    end)
  end)

  it("stay as they were, all of them, when one can't be read #alone", function()
    local _, old = key()
    local new_private, new = key("second")
    local host = H.start { handlers = texts(0), keys = { ["old.pem"] = old } }
    H.write(host.folder .. "/keys/a.pem", new)
    H.write(host.folder .. "/keys/broken.pem", "no key")
    os.remove(host.folder .. "/keys/old.pem")
    host:wait_log("not reloaded[^\n]*keys/broken.pem")
    assert.equal(200, host:notify(BODY).status)
    assert.equal("invalid_signature", host:notify(BODY, { key = new_private }).error)
    os.remove(host.folder .. "/keys/broken.pem")
    host:wait_log("reloaded: version 2")
    assert.equal(200, host:notify(BODY, { key = new_private }).status)
  end)

  it("stay as they were when none is left #alone", function()
    local host = H.start { handlers = texts(0) }
    os.remove(host.folder .. "/keys/public.pem")
    host:wait_log("not reloaded[^\n]*keys/%*")
    assert.equal(200, host:notify(BODY).status)
  end)
end)

describe("hook.on_unload", function()
  after_each(H.stop_all)

  local UNLOADING = [[
    local hook = require "hookward"
    local file = assert(io.open("unloads", "a"))
    file:setvbuf("no")
    local jobs = 0
    hook.on("Reload.Tested", function() jobs = jobs + 1 return nil, "jobs" .. jobs end)
    hook.on_unload(function() file:write("%s\n") end)
  ]]

  local function unloads(host)
    local times = {}
    for name in H.read(host.folder .. "/unloads"):gmatch("%w+") do times[name] = (times[name] or 0) + 1 end
    return times
  end

  it("is called once in each Lua state, idle or not, and at the stop", function()
    local host = H.start { handlers = { ["a.lua"] = UNLOADING:format("one") }, config = "workers = 3," }
    assert.equal("jobs1", version_of(host))
    assert.equal("jobs2", version_of(host))
    H.write(host.folder .. "/handlers/a.lua", UNLOADING:format("two"))
    H.wait_until(function() return unloads(host).one == 3 end, "three to be unloaded")
    assert.is_nil(unloads(host).two)
    assert.equal("jobs1", version_of(host))
    assert.equal(0, host:stop())
    assert.same({ one = 3, two = 3 }, unloads(host))
  end)

  it("waits for the last job on that state", function()
    local gate = H.gate()
    local host = H.start { config = "workers = 2,", handlers = { ["a.lua"] = gate.source
      .. UNLOADING:format("one") .. "hook.on('Reload.Waits', function() wait() end)" } }
    local client = host:connect()
    client:send(H.request(H.event("Reload.Waits")))
    host:wait_log("begun")
    H.write(host.folder .. "/handlers/a.lua", answering("new"))
    H.wait_until(function() return unloads(host).one == 1 end, "the idle state to be unloaded")
    gate:open()
    assert.equal(200, client:receive().status)
    H.wait_until(function() return unloads(host).one == 2 end, "the other one to be unloaded")
  end)

  it("does no harm when it raises or never ends #alone", function()
    local host = H.start { config = "workers = 2, handler_timeout = 1,", handlers = { ["a.lua"] = [[
      local hook = require "hookward"
      hook.on_unload(function() while true do pcall(error) end end)
      hook.on_unload(function() error("on purpose") end)
    ]] } }
    H.write(host.folder .. "/handlers/a.lua", answering("new"))
    host:wait_log("hook.on_unload: handlers/a.lua:3: on purpose")
    host:wait_log_count("hook.on_unload did not finish", 2)
    assert.equal("new", version_of(host))
    assert.equal(0, host:stop())
  end)
end)

describe("the configuration of a running host", function()
  after_each(H.stop_all)

  local SETTING = [[
    local hook = require "hookward"
    hook.on("Reload.Tested", function() return nil, hook.config.word end)
  ]]

  it("changes limits, settings, min_key_bits, log level; names the rest #alone", function()
    local host = H.start { handlers = { ["a.lua"] = SETTING }, args = "--log-level info",
      config = 'settings = { word = "one" },' }
    assert.equal("one", version_of(host))
    configure(host, 'settings = { word = "two" }, max_body = 1024, workers = 3')
    host:wait_log("take effect at the next start: workers")
    host:wait_log("reloaded: version 2")
    assert.equal("two", version_of(host))
    assert.equal(413, host:notify(H.event("Reload.Tested", '"x":"' .. ("x"):rep(2000) .. '"')).status)
    configure(host, 'settings = { word = "two" }')
    host:wait_log_count("reloaded: version 2", 2)
    assert.equal(400, host:notify(H.event("Reload.Tested", '"x":"' .. ("x"):rep(2000) .. '"')).status)
    configure(host, "min_key_bits = 4096")
    host:wait_log("not reloaded[^\n]*public.pem")
    assert.equal("two", version_of(host))
    configure(host, 'log = { level = "error" }') -- the flag still overrides the file
    host:wait_log("reloaded: version 3")
  end)

  it("stays as it was if the new one is broken, loops, or names a missing file #alone", function()
    local host = H.start { handlers = { ["a.lua"] = answering("v1") } }
    configure(host, "workers = 'many'")
    host:wait_log("not reloaded[^\n]*workers")
    configure(host, "nonsense")
    host:wait_log("not reloaded[^\n]*hookward.lua")
    configure(host, "handlers = 'elsewhere'")
    host:wait_log("not reloaded[^\n]*elsewhere: no such folder")
    assert.equal("v1", version_of(host))
    lfs.mkdir(host.folder .. "/elsewhere")
    host:wait_log("not reloaded[^\n]*no handler file")
    H.write(host.folder .. "/elsewhere/a.lua", answering("v2"))
    host:wait_log("reloaded: version 2")
    assert.equal("v2", version_of(host))
  end)

  it("can't use up the memory of the host #alone", function()
    local host = H.start { handlers = { ["a.lua"] = answering("v1") } }
    H.write(host.folder .. "/hookward.lua",
      "local t = {} for i = 1, 200 do t[i] = ('x'):rep(1e6) .. i end return {}")
    host:wait_log("not reloaded[^\n]*hookward.lua: not enough memory")
    assert.equal("v1", version_of(host))
  end)

  it("admits waiting connections when it raises max_connections #alone", function()
    local host = H.start { handlers = { ["a.lua"] = answering("v1") }, config = "max_connections = 1," }
    local inside = host:connect()
    inside:send(H.request(BODY))
    assert.equal(400, inside:receive().status)
    local outside = host:connect()
    outside:send(H.request(BODY))
    configure(host, "max_connections = 2")
    assert.equal(400, outside:receive().status)
  end)

  it("may shorten handler_timeout, but not for a running job #alone", function()
    local gate = H.gate()
    local host = H.start { handlers = { ["a.lua"] = gate.source
      .. "require 'hookward'.on('Reload.Tested', function() wait() end)" },
      config = "handler_timeout = 600, workers = 2," }
    local first, second = host:connect(), host:connect()
    first:send(H.request(BODY))
    host:wait_log("begun")
    configure(host, "handler_timeout = '50ms', workers = 2")
    host:wait_log("reloaded: version 2")
    second:send(H.request(BODY))
    assert.equal("handler_timeout", second:receive().error)
    assert.is_true(first:is_silent())
    gate:open(2)
    assert.equal(200, first:receive().status)
  end)

  it("may be shared by several folders, with a link to the current one #alone", function()
    local folder, public = H.folder(), select(2, H.keys())
    H.write(folder .. "/shared.lua", 'return { listen = "127.0.0.1:0", ledger = "memory:", keys = "../*.pem" }')
    H.write(folder .. "/public.pem", H.read(public))
    for i = 1, 2 do
      local release = ("%s/release-%d"):format(folder, i)
      lfs.mkdir(release)
      lfs.mkdir(release .. "/handlers")
      H.write(release .. "/handlers/a.lua", answering("v" .. i))
      symlink("../shared.lua", release .. "/hookward.lua")
    end
    relink("release-1", folder .. "/current")
    local host = H.start { folder = folder, args = "-c current/hookward.lua" }
    host:signal("HUP")
    host:wait_log("nothing has changed") -- the check after the start is done
    assert.equal("v1", version_of(host))
    relink("release-2", folder .. "/current")
    host:wait_log("reloaded: version 2")
    assert.equal("v2", version_of(host))
  end)

  it("is watched although the ledger and a key are in the same folder #alone", function()
    local _, public = H.keys()
    local files = texts(0)
    files["../key.pem"] = H.read(public)
    local host = H.start { handlers = files, config = 'workers = 4, keys = "key.pem",',
      ledger = "hookward.db" }
    under_load(host, function(wait)
      for version = 1, 3 do
        for name, text in pairs(texts(version)) do
          H.write(host.folder .. "/handlers/" .. name, text)
        end
        wait(function() return last_run(host) == version end, "version " .. version)
      end
    end)
    assert.equal(3, host:count("reloaded: version"))
  end)
end)

describe("a set that loops while it loads", function()
  after_each(H.stop_all)

  local LOOPING = [[
    local file <close> = assert(io.open("loads", "a"))
    file:write("x"):flush()
    while true do pcall(error) end ]]

  local function loads(host) return #H.read(host.folder .. "/loads") end

  it("is given up for the edit that fixes it, long before its deadline", function()
    local host = H.start { handlers = { ["a.lua"] = answering("v1") }, config = "handler_timeout = 600," }
    H.write(host.folder .. "/handlers/a.lua", LOOPING)
    H.wait_until(function() return loads(host) == 1 end, "the loop")
    H.write(host.folder .. "/handlers/a.lua", answering("v2"))
    host:wait_log("reloaded: version 2")
    assert.equal("v2", version_of(host))
    H.write(host.folder .. "/hookward.lua", LOOPING)
    H.wait_until(function() return loads(host) == 2 end, "the configuration's loop")
    H.write(host.folder .. "/hookward.lua", "return {")
    host:wait_log("not reloaded[^\n]*hookward.lua:1:")
    assert.is_nil(host:log():find("longer than", 1, true))
  end)

  it("answers a reload that was asked for meanwhile at the same deadline #alone", function()
    local host = H.start { handlers = { ["a.lua"] = answering("v1") }, config = "handler_timeout = 1," }
    H.write(host.folder .. "/handlers/a.lua", LOOPING)
    H.wait_until(function() return loads(host) == 1 end, "the loop")
    local code, out = reload(host)
    assert.equal(1, code)
    assert.truthy(out:find("handlers/a.lua:3: it ran longer than handler_timeout (1000 ms)", 1, true), out)
    assert.equal(1, loads(host))
  end)
end)

-- The process's CPU time shows it: an idle host uses none.
local function wait_until_it_computes(host)
  local function ticks()
    local fields = {}
    for field in H.read(("/proc/%d/stat"):format(host.pid)):match("%b() (.*)"):gmatch("%S+") do
      fields[#fields + 1] = field
    end
    return tonumber(fields[12])
  end
  local before = ticks()
  H.wait_until(function() return ticks() > before + 5 end, "the loop")
end

describe("SIGHUP", function()
  after_each(H.stop_all)

  it("is answered although it came before the host had started completely", function()
    local points = H.folder()
    H.write(points .. "/host-started", "")
    local host = H.start { handlers = texts(0), fails = true,
      binary = stopping(), env = "HOOKWARD_STOP_AT=" .. points }
    H.wait_until(function() return host:state() == "T" end, "the host to stand still")
    host:signal("HUP")
    host:signal("CONT")
    host:wait_log("nothing has changed")
  end)

  it("is answered in the log even if the files are being read anyway", function()
    local host = H.start { handlers = texts(0), config = "path = (function() "
      .. "for _ = 1, 5e7 do end return '/baseWebhookNotification' end)()," }
    reload(host) -- so the files of the start have been read
    local path = host.folder .. "/hookward.lua"
    local said = host:count("nothing has changed")
    assert(lfs.touch(path, os.time() - 60))
    wait_until_it_computes(host)
    host:signal("HUP")
    H.wait_until(function() return host:count("nothing has changed") > said end, "an answer")
  end)
end)

describe("a reload that is asked for during another one", function()
  after_each(H.stop_all)

  it("reads everything again: the configuration may read further files", function()
    local gate = H.gate()
    local host = H.start { config = "settings = dofile('more.lua'), workers = 1,", handlers = {
      ["../more.lua"] = "return { word = 'one' }",
      ["a.lua"] = [[
        local hook = require "hookward"
        hook.on("Reload.Tested", function() return nil, hook.config.word end)
      ]] } }
    H.write(host.folder .. "/handlers/b.lua", gate.source .. "wait()")
    host:wait_log("begun")
    H.write(host.folder .. "/more.lua", "return { word = 'two' }")
    host:signal("HUP")
    assert.equal("one", version_of(host)) -- by now the leader has the signal
    gate:open(2)
    host:wait_log("reloaded: version 3")
    assert.equal("two", version_of(host))
  end)
end)

describe("a host that is told to stop", function()
  after_each(H.stop_all)

  it("ends although neither a handler nor a script that is loading ever returns #alone", function()
    local gate = H.gate()
    local host = H.start { config = "drain_timeout = 0, workers = 2,", handlers = { ["a.lua"] = gate.source
      .. "require 'hookward'.on('Reload.Tested', function() wait() end)" } }
    host:connect():send(H.request(BODY))
    host:wait_log("begun")
    H.write(host.folder .. "/handlers/a.lua", gate.source .. "wait()")
    host:wait_log_count("begun", 2)
    assert.equal(1, host:stop())
    assert.truthy(host:log():find("a handler never came back", 1, true))
  end)

  it("stops although a script, or the configuration, loops while it is read", function()
    for name, text in pairs { ["handlers/a.lua"] = "while true do end", ["hookward.lua"] = "while true do end" } do
      local host = H.start { handlers = texts(0) }
      H.write(host.folder .. "/" .. name, text)
      host:signal("HUP")
      local before = socket.gettime()
      wait_until_it_computes(host)
      assert.equal(0, host:stop(), name)
      assert.is_true(socket.gettime() - before < 9)
    end
  end)

  it("may be told to reload while it drains", function()
    local gate = H.gate()
    local host = H.start { handlers = { ["a.lua"] = gate.source
      .. "require 'hookward'.on('Reload.Tested', function() wait() end)" } }
    local client = host:connect()
    client:send(H.request(BODY))
    host:wait_log("begun")
    host:signal("TERM")
    host:wait_log("stopping")
    H.write(host.folder .. "/handlers/a.lua", answering("new"))
    host:signal("HUP")
    host:wait_log("reloaded: version 2")
    gate:open()
    assert.equal(200, client:receive().status)
    assert.equal(0, host:wait())
  end)
end)

describe("hookward reload", function()
  after_each(H.stop_all)

  it("exits 0 and says what is live, or exits 1 and says why not #alone", function()
    local host = H.start { handlers = { ["a.lua"] = answering("v1") } }
    local code, out = reload(host)
    assert.equal(0, code)
    assert.truthy(out:find("nothing has changed: version 1", 1, true), out)
    H.write(host.folder .. "/handlers/a.lua", answering("v2"))
    code, out = reload(host)
    assert.equal(0, code)
    assert.truthy(out:find("version 2", 1, true), out)
    assert.equal("v2", version_of(host))
    H.write(host.folder .. "/handlers/a.lua", "local local")
    code, out = reload(host)
    assert.equal(1, code)
    assert.truthy(out:find("handlers/a.lua:1:", 1, true), out)
    H.write(host.folder .. "/hookward.lua", "return {")
    code, out = reload(host)
    assert.equal(1, code)
    assert.truthy(out:find("hookward.lua:1:", 1, true), out)
    assert.equal("v2", version_of(host))
  end)

  it("names what waits for the next start, and not \"nothing has changed\" #alone", function()
    local host = H.start { handlers = { ["a.lua"] = answering("v1") } }
    H.write(host.folder .. "/hookward.lua",
      (H.read(host.folder .. "/hookward.lua"):gsub("return {", "return { workers = 3,")))
    for _ = 1, 2 do
      local code, out = reload(host)
      assert.equal(0, code)
      assert.matches("version 1 [^\n]*; these take effect at the next start: workers\n", out)
      assert.is_nil(out:find("nothing has changed", 1, true))
    end
    host:stop()
  end)

  it("says so when no host is running #alone", function()
    local host = H.start { handlers = texts(0) }
    host:stop()
    local code, out = reload(host)
    assert.equal(1, code)
    assert.truthy(out:find("no host is running", 1, true), out)
  end)

  it("answers several callers at once #alone", function()
    local host = H.start { handlers = texts(0) }
    local out = H.sh(("cd %s && for i in 1 2 3 4 5 6; do %s reload & done; wait"):format(
      H.quote(host.folder), H.quote(H.binary)))
    assert.equal(6, select(2, out:gsub("version 1", "")), out)
  end)
end)
