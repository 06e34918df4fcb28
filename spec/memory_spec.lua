-- An allocation that fails refuses one request at most: the 1st, the 2nd, the 3rd… allocation fails
-- while a request runs, until the request needs no more of them, and the host goes on each time.

local H = require "spec.support.host"
local preload = require "spec.support.preload"

local HANDLER = [[
  local hook = require "hookward"
  hook.on("A.Done", function(event, job)
    local names = {}
    for i, name in ipairs(event.Names) do names[i] = name:upper() .. job.id end
    hook.log.info("names", { length = #table.concat(names, ",") })
  end)
  hook.on("A.No", function() return nil, "no" end)
  hook.on("A.Fail", function() error { Why = ("because "):rep(1000) } end)
]]

-- Errors that a sender retries.
local REFUSED = { overloaded = true, ledger_unavailable = true }

local MISSES = 3 -- in a row, since other threads allocate at times too

describe("an allocation that fails", function()
  after_each(H.stop_all)
  if not preload.is_possible() then return end

  -- The two numbers in a file that the preloaded library shares with this spec.
  local function shared()
    local path = H.folder() .. "/memory"
    H.write(path, ("\0"):rep(16))
    local file = assert(io.open(path, "r+b"))
    file:setvbuf("no")
    local self = { path = path }
    function self.fail(at)
      file:seek("set", 0)
      file:write(string.pack("<i8", at))
    end
    function self.failed()
      file:seek("set", 8)
      return (string.unpack("<i8", file:read(8)))
    end
    return self
  end

  local function start(options)
    local memory = shared()
    options.env = preload.env("memory", { HOOKWARD_MEMORY = memory.path,
      HOOKWARD_MEMORY_TRACE = os.getenv "HOOKWARD_MEMORY_TRACE" })
    options.handlers = options.handlers or { ["a.lua"] = HANDLER }
    options.config = "workers = 1" .. (options.config and ", " .. options.config or "")
    return H.start(options), memory
  end

  -- Lets the n-th allocation fail while `send(prepare(n))` runs, for each n until no n-th is
  -- reached. `send` returns an answer, or nil if the connection was closed. Returns how many n were
  -- reached.
  local function for_each(host, memory, prepare, send, check)
    local n, misses, reached = 0, 0, 0
    while misses < MISSES do
      n = n + 1
      local before, bytes = memory.failed(), prepare(n)
      memory.fail(n)
      local answer = send(host, bytes)
      memory.fail(0)
      local ok, err = pcall(check, answer, n)
      assert(ok and host:alive(), ("the allocation %d: %s\n%s"):format(n, err or "the host is gone", host:log()))
      if memory.failed() > before then misses, reached = 0, reached + 1 else misses = misses + 1 end
    end
    return reached
  end

  local BODY = H.event("A.Done", '"Names":["' .. ("x"):rep(1000) .. '","b","c"]')
  local LARGE = H.event("A.Done", ('"Names":["%s"]'):format(("name"):rep(30000):gsub("name", '%0","', 2000)))

  -- What is sent, and the expected status if memory suffices.
  local kinds = {
    { "a notification", BODY },
    { "a large one", LARGE },
    { "one in chunks", BODY, chunked = true },
    { "one without an id", BODY, id = false },
    { "one that its handler refuses", H.event("A.No"), expected = 400 },
    { "one whose handler fails", H.event("A.Fail"), expected = 400 },
    { "a repeat", BODY, id = "first" },
    { "one on a new connection", BODY, anew = true },
  }

  local function bytes_of(kind, n)
    local id = kind.id == nil and ("%s-%d"):format(kind[1]:gsub(" ", "-"), n) or kind.id
    local body, headers = kind[2], nil
    if id == false then body = body:gsub("}$", (" "):rep(n) .. "}") end -- a unique body
    if kind.chunked then headers = { "Transfer-Encoding: chunked" } end
    local bytes = H.request(body, { id = id, headers = headers, chunked = kind.chunked, key = kind.key })
    if not kind.chunked then return bytes end
    return bytes .. ("%x\r\n%s\r\n1\r\n%s\r\n0\r\n\r\n"):format(#body - 1, body:sub(1, -2), body:sub(-1))
  end

  local kept

  -- Returns the answer on a connection that is kept, or nil if it was closed.
  local function deliver(host, bytes)
    kept = kept or host:connect()
    local answer = kept:send(bytes) and kept:receive()
    if not answer or answer.headers.connection == "close" then kept = nil end
    return answer
  end

  -- The same on a connection of its own, which stays open.
  local open = {}
  local function deliver_anew(host, bytes)
    kept = nil
    local answer = deliver(host, bytes)
    open[#open + 1] = kept
    return answer
  end

  local function assert_refusal(answer)
    if not answer then return end
    assert.equal(400, answer.status)
    assert.is_true(REFUSED[answer.error], answer.body)
  end

  local function has_answer(kind, answer)
    return answer and answer.status == (kind.expected or 200) and not REFUSED[answer.error]
  end

  -- Returns how many allocations were reached, and how many of them caused a refusal.
  local function try(host, memory, kind)
    local refused, send = 0, kind.anew and deliver_anew or deliver
    local function prepare(n) return bytes_of(kind, n) end
    local reached = for_each(host, memory, prepare, send, function(answer, n)
      if has_answer(kind, answer) then return end
      refused = refused + 1
      assert_refusal(answer)
      assert.is_true(has_answer(kind, send(host, bytes_of(kind, n))), "its retry was not taken")
    end)
    return reached, refused
  end

  local function try_all(options, sent)
    local host, memory = start(options)
    kept = nil
    assert.equal(200, deliver(host, bytes_of({ "", BODY, id = "first", key = sent[1].key })).status)
    local sum = 0 -- a single kind may have no refusal at all
    for _, kind in ipairs(sent) do
      local reached, refused = try(host, memory, kind)
      assert.is_true(reached > 0, kind[1])
      sum = sum + refused
    end
    assert.is_true(sum >= #sent, ("%d refused"):format(sum))
    assert.equal(0, host:stop())
  end

  it("refuses one notification at most", function()
    try_all({}, kinds)
  end)

  it("refuses one notification at most with a ledger on disk", function()
    try_all({ ledger = "hookward.db" }, { kinds[1], kinds[6], kinds[7] })
  end)

  it("is never reported as a signature that does not match", function()
    local private, public = H.keys("large", 3072)
    try_all({ keys = { ["large.pem"] = H.read(public) } },
      { { "a large key", BODY, key = private }, { "once more", BODY, key = private } })
  end)
end)
