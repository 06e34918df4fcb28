-- hookward jobs purge with a running host: the host removes the rows, and nothing of them is left.

local H = require "spec.support.host"
local lfs = require "lfs"

local SECRET = "a-name-that-has-to-go"
local HANDLER = [[require("hookward").on("*", function() return nil, "kept" end)]]

local function start(options)
  options = options or {}
  options.handlers = { ["a.lua"] = HANDLER }
  options.ledger = "hookward.db"
  return H.start(options)
end

local function jobs(host, arguments)
  return H.sh(("cd %s && %s jobs %s"):format(H.quote(host.folder), H.quote(H.binary), arguments))
end

local function holds(host, text)
  for _, name in ipairs { "hookward.db", "hookward.db-wal" } do
    if H.read(host.folder .. "/" .. name):find(text, 1, true) then return name end
  end
end

local function fail_some(host, count)
  for i = 1, count do
    host:notify(H.event("Purge.Tested", ('"n":%d,"name":"%s"'):format(i, SECRET)), { id = "p" .. i })
  end
end

describe("hookward jobs purge with a running host", function()
  after_each(H.stop_all)

  it("has the host remove them, and leaves no part of a body in its files", function()
    local host = start()
    fail_some(host, 30)
    assert.is_not_nil(holds(host, SECRET))
    assert.equal("30 notifications removed\n", jobs(host, "purge --event 'Purge.*' --yes"))
    assert.is_nil(holds(host, SECRET))
    assert.equal(0, lfs.attributes(host.folder .. "/hookward.db-wal", "size"))
    assert.equal("handler_refused", host:notify(H.event("Purge.Tested"), { id = "p1" }).error)
    assert.match('"deliveries":1', jobs(host, "list --json"))
  end)

  it("sends only as many rows at once as fit into max_body", function()
    local host = start { config = "max_body = 1024" }
    fail_some(host, 60)
    assert.equal("60 notifications removed\n", jobs(host, "purge --all --yes"))
  end)

  it("keeps a notification that has run again since it was selected", function()
    local host = start()
    fail_some(host, 2)
    local client = assert(H.connect_unix(host.folder .. "/.hookward.sock"))
    local body = assert(H.sh(("sqlite3 -separator ' ' %s/hookward.db "
      .. "'SELECT seq, settled_at FROM notifications ORDER BY seq'"):format(H.quote(host.folder))))
    host:notify(H.event("Purge.Tested", ('"n":1,"name":"%s"'):format(SECRET)), { id = "p1", attempt = 1 })
    client:send(("POST /purge HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n%s"):format(#body, body))
    assert.equal('{"status":"processed","message":"1 2"}', client:receive().body)
    assert.match('"p1"', jobs(host, "list --json"))
    client:close()
  end)

  it("refuses a body that is not a list of rows", function()
    local host = start()
    for _, body in ipairs { "1", "1 2", "x y\n", "1 2\n3\n", "1  2\n\n", ("1 1\n"):rep(501) } do
      local client = assert(H.connect_unix(host.folder .. "/.hookward.sock"))
      client:send(("POST /purge HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n%s"):format(#body, body))
      assert.equal("malformed_request", client:receive().error, body)
      client:close()
    end
    assert.equal("handler_refused", host:notify(H.event("A.B")).error)
  end)

  it("removes them itself when the host has no socket, or no host runs", function()
    local host = start()
    fail_some(host, 3)
    os.remove(host.folder .. "/.hookward.sock")
    assert.equal("1 notification removed\n", jobs(host, "purge --id p1 --yes"))
    host:stop()
    assert.equal("1 notification removed\n", jobs(host, "purge --id p2 --yes"))
    assert.is_not_nil(holds(host, SECRET))
    assert.equal("1 notification removed\n", jobs(host, "purge --id p3 --yes"))
    assert.is_nil(holds(host, SECRET))
  end)
end)
