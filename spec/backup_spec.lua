-- hookward ledger: a backup is complete, and so is a ledger restored from it.

local H = require "spec.support.host"
local lfs = require "lfs"

local HANDLER = [[
  local hook = require "hookward"
  hook.on("Backup.Tested", function(event) hook.log.info("ran", { n = event.n }) end)
  hook.on("Backup.Failed", function() return nil, "kept" end)
]]

local function start(folder)
  return H.start { handlers = { ["a.lua"] = HANDLER }, ledger = "hookward.db", folder = folder }
end

-- Returns exit code and output.
local function hookward(host, arguments)
  local _, out, code = H.sh(("cd %s && %s %s </dev/null"):format(H.quote(host.folder),
    H.quote(H.binary), arguments))
  return code or 0, out
end

local function deliver(host, first, last)
  for i = first, last do
    local body = H.event("Backup.Tested", '"n":' .. i)
    assert.equal(200, host:notify(body, { id = "b" .. i }).status)
  end
end

local function ran(host) return host:count(" ran event=") end

describe("hookward ledger", function()
  after_each(H.stop_all)

  it("copies a ledger in use, and restores the copy without the old log", function()
    local host = start()
    deliver(host, 1, 10)
    local code, out = hookward(host, "ledger backup copy.db")
    assert.equal("copy.db: 10 notifications\n", out)
    assert.equal(0, code)
    assert.equal("rw-------", lfs.attributes(host.folder .. "/copy.db", "permissions"))
    deliver(host, 11, 15)
    host:kill() -- its write-ahead log is left
    assert.is_not_nil(lfs.attributes(host.folder .. "/hookward.db-wal"))
    code, out = hookward(host, "ledger restore copy.db --yes")
    assert.equal("hookward.db: 10 notifications\n", out)
    assert.equal(0, code)
    assert.is_nil(lfs.attributes(host.folder .. "/hookward.db-wal"))
    assert.is_nil(lfs.attributes(host.folder .. "/hookward.db-shm"))
    host = start(host.folder)
    deliver(host, 1, 15)
    assert.equal(5, ran(host))
  end)

  it("copies the history and the headers too", function()
    local host = start()
    assert.equal(400, host:notify(H.event("Backup.Failed"), { id = "f", headers = { "X-Kept: 1" } }).status)
    assert.equal(0, (hookward(host, "ledger backup copy.db")))
    assert.equal(0, host:stop())
    assert.equal(0, (hookward(host, "ledger restore copy.db --yes")))
    local _, out = hookward(host, "jobs show f --json")
    assert.match('"x-kept":"1"', out, 1, true)
    assert.match('"history":%[{"began_at":"[^"]+Z","attempt":0,.*"reason":"kept"', out)
  end)

  it("copies while notifications arrive, and the copy is intact", function()
    local host = start()
    local clients = {}
    for i = 1, 200 do
      clients[i] = host:connect()
      clients[i]:send(H.request(H.event("Backup.Tested", '"n":1'), { id = "c" .. i }))
    end
    for i = 1, 3 do assert.equal(0, (hookward(host, "ledger backup copy" .. i))) end
    for _, client in ipairs(clients) do assert.equal(200, client:receive().status) end
    for i = 1, 3 do
      assert.equal("ok\n", H.sh(("sqlite3 %s/copy%d 'PRAGMA integrity_check'"):format(
        H.quote(host.folder), i)))
    end
  end)

  it("overwrites nothing, and leaves nothing behind when it fails", function()
    local host = start()
    deliver(host, 1, 1)
    H.write(host.folder .. "/there", "mine")
    local code, out = hookward(host, "ledger backup there")
    assert.equal(1, code)
    assert.equal("there: it is there already; name a file that is not\n", out)
    assert.equal("mine", H.read(host.folder .. "/there"))
    assert.equal(1, (hookward(host, "ledger backup nowhere/copy.db")))
    assert.equal(1, (hookward(host, "ledger backup hookward.db")))
    for name in lfs.dir(host.folder) do
      assert.is_nil(name:find("^there%.") or name:find("^hookward%.db%.%w+$"), name)
    end
  end)

  it("restores nothing while a host runs, and asks before it replaces anything", function()
    local host = start()
    deliver(host, 1, 3)
    assert.equal(0, (hookward(host, "ledger backup copy.db")))
    local code, out = hookward(host, "ledger restore copy.db --yes")
    assert.equal(1, code)
    assert.match("a host is running with .*hookward%.db: stop it first", out)
    deliver(host, 4, 4)
    host:stop()
    code, out = hookward(host, "ledger restore copy.db")
    assert.equal(2, code)
    assert.match("Replace hookward%.db %(4 notifications%)%? There is no terminal", out)
    assert.equal(0, (hookward(host, "ledger restore copy.db --ledger new.db")))
    assert.equal("3", H.sh(("sqlite3 %s/new.db 'SELECT count(*) FROM notifications'"):format(
      H.quote(host.folder))):match("%d+"))
  end)

  it("refuses a file that is not a copy, and leaves the ledger as it was", function()
    local host = start()
    deliver(host, 1, 3)
    host:kill()
    local before = H.read(host.folder .. "/hookward.db-wal")
    H.write(host.folder .. "/text", ("no ledger "):rep(100))
    H.sh(("sqlite3 %s/foreign 'CREATE TABLE t (x)'"):format(H.quote(host.folder)))
    local cases = { text = "not a database", foreign = "not a hookward ledger",
      missing = "No such file", ["hookward.db"] = "the ledger itself" }
    for name, why in pairs(cases) do
      local code, out = hookward(host, ("ledger restore %s --yes"):format(name))
      assert.equal(1, code)
      assert.is_not_nil(out:find(why, 1, true), out)
    end
    assert.is_true(before == H.read(host.folder .. "/hookward.db-wal"))
    assert.equal(1, (hookward(host, "ledger restore text --ledger fresh.db")))
    assert.is_nil(lfs.attributes(host.folder .. "/fresh.db"))
    host = start(host.folder)
    deliver(host, 1, 3)
    assert.equal(0, ran(host))
  end)

  it("restores nothing while a program has the ledger open", function()
    local host = start()
    deliver(host, 1, 3)
    assert.equal(0, (hookward(host, "ledger backup copy.db")))
    host:stop()
    local db = require("luasql.sqlite3").sqlite3():connect(host.folder .. "/hookward.db")
    local cursor = db:execute("SELECT count(*) FROM notifications")
    local code, out = hookward(host, "ledger restore copy.db --yes")
    assert.equal(1, code)
    assert.match("another program has it open; close that first", out)
    cursor:close()
    db:close()
    assert.equal(0, (hookward(host, "ledger restore copy.db --yes")))
  end)

  it("compacts a ledger", function()
    local host = start()
    local body = H.event("Backup.Failed", ('"x":"%s"'):format(("x"):rep(200000)))
    for i = 1, 10 do host:notify(body, { id = "f" .. i }) end
    assert.equal(0, (hookward(host, "jobs purge --all --yes")))
    host:stop()
    local before = lfs.attributes(host.folder .. "/hookward.db", "size")
    assert.equal(0, (hookward(host, "ledger backup small.db")))
    assert.equal(0, (hookward(host, "ledger restore small.db")))
    assert.is_true(lfs.attributes(host.folder .. "/hookward.db", "size") < before / 10)
  end)
end)
