-- The examples that write to a database, on a real host with several VMs, and the one that posts to
-- services, with real services. spec/examples_readme_spec.lua runs each example and its own specs.

local luasql = require "luasql.sqlite3"
local socket = require "socket"
local H = require "spec.support.host"
local cli = require "spec.support.cli"

-- A copy of the example without what an earlier run left there.
local function copy_of(name)
  local folder = cli.folder {}
  assert(H.sh(("cp -r examples/%s/. %s && rm -f %s/hookward.db* %s/.hookward.sock && mkdir -p %s/keys"):format(
    H.quote(name), folder, folder, folder, folder)))
  local _, public = H.keys()
  H.write(folder .. "/keys/development.pem", H.read(public))
  return folder
end

describe("examples/", function()
  after_each(function()
    H.stop_all()
    cli.clean()
  end)

  -- Returns the first column of the first row.
  local function query(path, sql)
    local environment = luasql.sqlite3()
    local connection = assert(environment:connect(path))
    local cursor = assert(connection:execute(sql))
    local value = cursor:fetch()
    cursor:close()
    connection:close()
    environment:close()
    return value
  end

  local function start(name, variable)
    local folder = copy_of(name)
    local host = H.start { folder = folder, args = "--listen 127.0.0.1:0", env = variable .. "=written.db" }
    return host, folder .. "/written.db"
  end

  -- Sends all at once, each on its own connection; returns when all are answered 200.
  local function deliver_all(host, requests)
    local clients = {}
    for i, request in ipairs(requests) do clients[i] = host:connect():send(request) end
    for _, client in ipairs(clients) do
      local answer = client:receive()
      assert(answer and answer.status == 200, answer and answer.body or "no answer")
      client:close()
    end
  end

  it("database writes one row for each notification, from several VMs at once", function()
    local host, written = start("database", "BADGES_DATABASE")
    local requests = {}
    for i = 1, 5 do
      requests[i] = H.request(H.event("BadgeExportZipFile.Created",
        ('"BadgeExportZipFileId":"6f9619ff-8b86-d011-b42d-00cf4fc9640%d"'):format(i)))
    end
    deliver_all(host, requests)
    assert.equal(5, math.tointeger(query(written, "SELECT count(*) FROM exports")))
    deliver_all(host, requests) -- as a sender repeats them
    assert.equal(5, math.tointeger(query(written, "SELECT count(*) FROM exports")))
    assert.equal(0, host:stop())
  end)

  it("ordered keeps the newest state, from several VMs at once", function()
    local host, written = start("ordered", "PEOPLE_DATABASE")
    local requests = {}
    for i = 1, 5 do
      requests[i] = H.request(('{"Event":"Person.Updated","Timestamp":"2024-05-10T11:09:2%dZ","PersonId":1}')
        :format(i * 3 % 5))
    end
    deliver_all(host, requests)
    assert.equal("2024-05-10T11:09:24.000000000Z", query(written, "SELECT instant FROM states"))
    assert.equal(0, host:stop())
  end)

  -- ---- fan-out: the spec plays the services ----

  local listeners = {}
  after_each(function()
    for _, listener in ipairs(listeners) do listener:close() end
    listeners = {}
  end)

  -- A service: its address, and a function that takes a request and answers it if it has a status,
  -- which may be a function of the request.
  local function service()
    local listener = assert(socket.bind("127.0.0.1", 0))
    listener:settimeout(20)
    listeners[#listeners + 1] = listener
    local one = { url = ("http://127.0.0.1:%d"):format(select(2, listener:getsockname())) }

    function one.take(status)
      local client = assert(listener:accept(), "nothing was posted to " .. one.url)
      client:settimeout(20)
      listeners[#listeners + 1] = client
      local request = { line = client:receive("*l") }
      for line in function() return client:receive("*l") end do
        if line == "" then break end
        local name, value = line:match("^([^:]+): *(.*)$")
        request[name:lower()] = value
      end
      request.body = client:receive(tonumber(request["content-length"]))
      if type(status) == "function" then status = status(request) end
      if status then
        client:send(("HTTP/1.1 %d X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"):format(status))
        client:close()
      end
      return request
    end

    function one.is_silent() return #socket.select({ listener }, nil, 0) == 0 end

    return one
  end

  -- The example with the addresses of these targets.
  local function start_fan_out()
    local print_service, archive = service(), service()
    local folder = copy_of "fan-out"
    local text = H.read(folder .. "/hookward.lua"):gsub("https://print%.example%.com", print_service.url)
      :gsub("https://archive%.example%.com", archive.url)
    H.write(folder .. "/hookward.lua", text)
    local function run() return H.start { folder = folder, args = "--listen 127.0.0.1:0" } end
    return run, print_service, archive
  end

  local BODY = H.event("Person.Updated", '"PersonId": 7, "Name": "Zoë"')

  local function begin(host, attempt)
    return host:connect():send(H.request(BODY, { id = "fan-out", attempt = attempt }))
  end

  local function answer_to(delivery)
    local answer = assert(delivery:receive(), "no answer: somebody else was posted to, and is waited for")
    return ("%d %s"):format(answer.status, answer.message or "")
  end

  it("fan-out posts to every target, and again only to the one that failed", function()
    local run, print_service, archive = start_fan_out()
    local host = run()
    local delivery = begin(host, 0)
    local first, other = print_service.take(503), archive.take(202)
    assert.equal("POST /hooks HTTP/1.1", first.line)
    assert.equal(BODY, first.body)
    assert.equal(BODY, other.body)
    assert.equal("400 not delivered to print", answer_to(delivery))

    delivery = begin(host, 1)
    local again = print_service.take(200)
    assert.equal(first["idempotency-key"], again["idempotency-key"])
    assert.equal(BODY, again.body)
    assert.equal("200 ", answer_to(delivery))
    assert.is_true(archive.is_silent(), "archive had it before")

    assert.equal("200 ", answer_to(begin(host, 2)))
    assert.is_true(print_service.is_silent() and archive.is_silent(), "both had it before")
    assert.equal(0, host:stop())
  end)

  -- The example with the address of this service.
  local function start_outbox(crm)
    local folder = copy_of "outbox"
    local env = ("OUTBOX_URL=%s/orders"):format(crm.url)
    return function() return H.start { folder = folder, args = "--listen 127.0.0.1:0", env = env } end
  end

  local function order(id, customer)
    return H.event("Order.Created", ('"OrderId":%d,"CustomerId":%d'):format(id, customer))
  end

  it("outbox keeps the order of a customer across a kill and a failure, and holds up no other", function()
    local crm = service()
    local run = start_outbox(crm)
    local host = run()
    for id, customer in ipairs { 7, 7, 8 } do
      assert.equal(200, host:notify(order(id, customer), { id = "order" .. id }).status)
    end
    local first, other = crm.take(nil), crm.take(nil) -- both run, in any order
    if first.body ~= order(1, 7) then first, other = other, first end
    assert.equal(order(1, 7), first.body)
    assert.equal(order(3, 8), other.body)
    host:kill()
    host = run()
    assert.equal(200, host:notify(order(4, 7), { id = "order4" }).status)
    local ids, keys = {}, {}
    for _ = 1, 5 do
      local request = crm.take(function(request)
        return request.body == order(2, 7) and not keys[request.body] and 503 or 200
      end)
      keys[request.body] = request["idempotency-key"]
      local id, customer = request.body:match('"OrderId":(%d),"CustomerId":(%d)')
      ids[customer] = (ids[customer] or "") .. id
    end
    assert.same({ ["7"] = "1224", ["8"] = "3" }, ids)
    assert.equal(first["idempotency-key"], keys[order(1, 7)])
    assert.equal(other["idempotency-key"], keys[order(3, 8)])
    host:wait_log("succeeded event=Order.Created job=order4")
    host:wait_log("succeeded event=Order.Created job=order3")
    assert.is_true(crm.is_silent())
    assert.equal(0, host:stop())
  end)

  it("fan-out remembers across a kill which targets answered, and repeats the others", function()
    local run, print_service, archive = start_fan_out()
    local host = run()
    begin(host, 0)
    print_service.take(200)
    local lost = archive.take(nil)
    host:kill()
    host = run()
    local delivery = begin(host, 1)
    assert.equal(lost["idempotency-key"], archive.take(200)["idempotency-key"])
    assert.equal("200 ", answer_to(delivery))
    assert.is_true(print_service.is_silent(), "print had it before")
  end)
end)
