-- The admin page's server (lua/hookward/admin/) over its real listener: who gets in, what changes
-- something and what never does, and what its files and its API answer.

local dkjson = require "dkjson"
local lfs = require "lfs"
local socket = require "socket"
local H = require "spec.support.host"
local inside = require "spec.support.inside"

local TOKEN, READ_TOKEN = "write-token-of-the-spec", "read-token-of-the-spec"
local PAGE = "lua/hookward/admin/page"

local HANDLERS = { ["a.lua"] = [[
local hook = require "hookward"
hook.on("A.*", function() end)
hook.on("Secret.*", function() return nil, "not now" end)
hook.on("Person.Updated", function(event)
  return event.Name:upper()
end)
hook.on("Person.Created", function(event) return nil, "the directory is away" end)
]], ["b.lua"] = [[
require "hookward".on("Made.Up", function(event) error(event.Text, 0) end)
]] }

local CONFIG = ([[admin = { listen = "127.0.0.1:0", token = %q, read_token = %q },
  keep_bodies = true, mask = { "Secret.*" }]]):format(TOKEN, READ_TOKEN)

local function start(options)
  options = options or {}
  options.handlers = options.handlers or HANDLERS
  options.ledger = options.ledger or "hookward.db"
  options.config = options.config or CONFIG
  local host = H.start(options)
  host.admin_port = math.tointeger(host:wait_log("the admin page is at http://127%.0%.0%.1:(%d+)"))
  return host
end

-- A request of its own connection; `headers` are "Name: value". JSON is decoded into `json`.
local function ask(host, method, path, headers, body)
  local lines = { ("%s %s HTTP/1.1"):format(method, path),
    ("Host: 127.0.0.1:%d"):format(host.admin_port) }
  for _, line in ipairs(headers or {}) do lines[#lines + 1] = line end
  if body then lines[#lines + 1] = "Content-Length: " .. #body end
  local client = host:connect("127.0.0.1", host.admin_port)
  client.head = method == "HEAD"
  client:send(table.concat(lines, "\r\n") .. "\r\n\r\n" .. (body or ""))
  local answer = assert(client:receive())
  client:close()
  answer.json = dkjson.decode(answer.body)
  return answer
end

local function bearer(token) return "Authorization: Bearer " .. token end

local JSON = "Accept: application/json"

local function log_in(host, token, headers)
  local all = { "Content-Type: application/x-www-form-urlencoded" }
  table.move(headers or {}, 1, #(headers or {}), 2, all)
  return ask(host, "POST", "/login", all, "token=" .. token)
end

-- Logs in; returns the Cookie header and the session's X-CSRF-Token header.
local function session(host, token)
  local cookie = "Cookie: " .. log_in(host, token or TOKEN).headers["set-cookie"]:match("^[^;]+")
  return cookie, "X-CSRF-Token: " .. ask(host, "GET", "/api/session", { cookie }).json.csrf
end

-- The path of a link that `hookward dash` prints.
local function dash(host)
  local _, out = H.sh(("cd %s && %s dash"):format(H.quote(host.folder), H.quote(H.binary)))
  local path = out:match("http://127%.0%.0%.1:" .. host.admin_port .. "(/login%?code=%S+)")
  assert.is_string(path, out)
  return path
end

local function rows(host, query)
  local answer = ask(host, "GET", "/api/deliveries" .. (query or ""), { bearer(READ_TOKEN) })
  assert.equal(200, answer.status, answer.body)
  return answer.json.rows, answer.json
end

local function purge(host, seq)
  ask(host, "POST", ("/api/deliveries/%d/purge"):format(seq), { bearer(TOKEN) }, "{}")
end

local function delivery(host, seq)
  return ask(host, "GET", ("/api/deliveries/%d"):format(seq), { bearer(READ_TOKEN) }).json
end

-- A page's stream. `stream.next(kind)` waits for the next message of that kind and returns its data;
-- nil once the stream has ended.
local function follow(host, headers)
  local client = host:connect("127.0.0.1", host.admin_port)
  client:send(("GET /api/stream HTTP/1.1\r\nHost: localhost\r\n%s\r\n\r\n")
    :format(table.concat(headers, "\r\n")))
  local status = tonumber(client.tcp:receive("*l"):match(" (%d+) "))
  local function next_of(kind)
    local seen
    local until_time = socket.gettime() + tonumber(os.getenv("HOOKWARD_SPEC_PATIENCE") or 20)
    while true do
      local line, err = client.tcp:receive("*l")
      if err == "timeout" or socket.gettime() > until_time then
        error("the stream goes on without a message: " .. kind, 2)
      end
      if not line or line == "0" then return nil end -- the last chunk
      seen = line:match("^event: (%a+)") or seen
      local data = line:match("^data: (.*)$")
      if data and seen == kind then return dkjson.decode(data) end
    end
  end
  return { status = status, next = next_of, close = function() client:close() end }
end

-- Wrong tokens are limited per second, and only the limit's own spec may reach it.
local function at_a_new_second()
  local second = os.time()
  H.wait_until(function() return os.time() > second end)
end

describe("the admin page's parts", function()
  inside.each(it, "admin")
end)

describe("the admin page's server", function()
  local host

  lazy_setup(function()
    host = start { listen = '{ "127.0.0.1:0", "unix:h.sock" }' }
    host:notify(H.event("A.Done"), { id = "done" })
    host:notify('{"Event":"Person.Updated","Timestamp":"2024-05-10T11:09:21Z","Name":null}',
      { id = "broken" })
    host:notify(H.event("Person.Created"), { id = "away" })
    host:notify(H.event("Secret.Told", '"Text":"hush"'), { id = "secret" })
  end)

  lazy_teardown(H.stop_all)

  describe("a login", function()
    it("is asked for by the page and by the API", function()
      local page = ask(host, "GET", "/")
      assert.equal(303, page.status)
      assert.equal("/login", page.headers.location)
      assert.truthy(ask(host, "GET", "/login").body:find('name="token"', 1, true))
      for _, path in ipairs { "/api/session", "/api/deliveries", "/api/deliveries/1", "/api/state",
        "/api/stream" } do
        local answer = ask(host, "GET", path)
        assert.equal(401, answer.status)
        assert.equal("login_required", answer.error)
        assert.equal("Bearer", answer.headers["www-authenticate"])
      end
      assert.equal(401, ask(host, "POST", "/api/deliveries/1/replay", {}, "{}").status)
    end)

    it("gives a cookie that no script sees and no other site's request carries", function()
      local answer = log_in(host, TOKEN)
      assert.equal(303, answer.status)
      assert.equal("/", answer.headers.location)
      local cookie = answer.headers["set-cookie"]
      assert.truthy(cookie:find("^hookward_session=%x+; Path=/; HttpOnly; SameSite=Strict$"), cookie)
      assert.equal(64, #cookie:match("=(%x+)"))
    end)

    it("gives a cookie for TLS only, behind a proxy with TLS", function()
      local cookie = log_in(host, TOKEN, { "X-Forwarded-Proto: https" }).headers["set-cookie"]
      assert.truthy(cookie:find("; Secure$"))
    end)

    it("has the token's role", function()
      for token, role in pairs { [TOKEN] = "write", [READ_TOKEN] = "read" } do
        local cookie = session(host, token)
        local answer = ask(host, "GET", "/api/session", { cookie })
        assert.equal(role, answer.json.role)
        assert.equal(64, #answer.json.csrf)
        assert.same({ "Secret.*" }, answer.json.mask)
        assert.is_true(answer.json.ledger)
        assert.equal(200, ask(host, "GET", "/", { cookie }).status)
      end
    end)

    it("with a wrong token shows the login again, and says so in the log without the token", function()
      at_a_new_second()
      local answer = log_in(host, "wrong-token-of-the-spec")
      assert.equal(303, answer.status)
      assert.equal("/login?wrong=token", answer.headers.location)
      assert.is_nil(answer.headers["set-cookie"])
      answer = log_in(host, "", { JSON })
      assert.equal(401, answer.status)
      assert.equal("wrong_token", answer.error)
      host:wait_log("a login to the admin page was refused peer=127.0.0.1:%d+ why=wrong_token")
      assert.is_nil(host:log():find("wrong-token-of-the-spec", 1, true))
    end)

    it("has a form of 4096 bytes at most", function()
      local function post(length)
        return ask(host, "POST", "/login", { JSON }, ("token=%s&a=%s"):format(TOKEN,
          ("x"):rep(length - #TOKEN - 9)))
      end
      assert.equal(200, post(4096).status)
      local answer = post(4097)
      assert.equal(413, answer.status)
      assert.equal("form_too_long", answer.error)
    end)

    it("by the link of `hookward dash` is for changes too, and works once", function()
      at_a_new_second()
      local path = dash(host)
      assert.equal(200, ask(host, "HEAD", path).status) -- a preview uses nothing up
      local answer = ask(host, "GET", path)
      assert.equal("/", answer.headers.location)
      local cookie = "Cookie: " .. answer.headers["set-cookie"]:match("^[^;]+")
      assert.equal("write", ask(host, "GET", "/api/session", { cookie }).json.role)
      answer = ask(host, "GET", path)
      assert.equal("/login?wrong=link", answer.headers.location)
      assert.is_nil(answer.headers["set-cookie"])
    end)

    it("with a forged link shows the login again too", function()
      at_a_new_second()
      local code = ("%d-%s-%s"):format(os.time() + 60, ("a"):rep(32), ("b"):rep(64))
      local answer = ask(host, "GET", "/login?code=" .. code)
      assert.equal("/login?wrong=link", answer.headers.location)
      assert.is_nil(answer.headers["set-cookie"])
    end)

    it("is not made by another site's form", function()
      for _, header in ipairs { "Origin: https://evil.example", "Origin: null",
        "Sec-Fetch-Site: cross-site", "Sec-Fetch-Site: same-site" } do
        local answer = log_in(host, TOKEN, { header })
        assert.equal(403, answer.status)
        assert.equal("wrong_origin", answer.error)
      end
      local own = ("Origin: http://127.0.0.1:%d"):format(host.admin_port)
      assert.equal(303, log_in(host, TOKEN, { own }).status)
    end)

    it("ends with a logout", function()
      local cookie, csrf = session(host, READ_TOKEN)
      assert.equal(403, ask(host, "POST", "/logout", { cookie }, "").status)
      local answer = ask(host, "POST", "/logout", { cookie, csrf }, "")
      assert.equal(200, answer.status)
      assert.truthy(answer.headers["set-cookie"]:find("Max-Age=0", 1, true))
      assert.equal(401, ask(host, "GET", "/api/session", { cookie }).status)
    end)
  end)

  describe("a link of another site", function()
    it("shows the page, which holds no data, since the browser keeps the cookie back", function()
      local answer = ask(host, "GET", "/", { "Sec-Fetch-Site: cross-site" })
      assert.equal(200, answer.status)
      assert.is_nil(answer.headers["set-cookie"])
    end)
  end)

  describe("a change", function()
    local path
    before_each(function()
      path = ("/api/deliveries/%d/replay"):format(rows(host, "?id=away")[1].seq)
    end)

    it("needs the session's CSRF token", function()
      local cookie = session(host)
      local _, others = session(host)
      for _, headers in ipairs { { cookie }, { cookie, others }, { cookie, "X-CSRF-Token: " } } do
        local answer = ask(host, "POST", path, headers, "{}")
        assert.equal(403, answer.status)
        assert.equal("wrong_csrf_token", answer.error)
      end
    end)

    it("needs a page of this server, even with the token", function()
      local cookie, csrf = session(host)
      for _, header in ipairs { "Origin: https://evil.example", "Sec-Fetch-Site: cross-site" } do
        local answer = ask(host, "POST", path, { cookie, csrf, header }, "{}")
        assert.equal(403, answer.status)
        assert.equal("wrong_origin", answer.error)
      end
    end)

    it("is made with both, and is a line in the log", function()
      local cookie, csrf = session(host)
      local before = delivery(host, rows(host, "?id=away")[1].seq).runs
      local answer = ask(host, "POST", path, { cookie, csrf, "Sec-Fetch-Site: same-origin" }, "{}")
      assert.same({ ok = false, error = "handler_refused", message = "the directory is away" },
        answer.json)
      assert.equal(before + 1, delivery(host, rows(host, "?id=away")[1].seq).runs)
      host:wait_log('a replay was asked for on the admin page [^\n]*id=away peer=127.0.0.1:%d+ '
        .. 'row=%d+ who="session %d+ %(write%)"')
    end)

    it("is never made with a read token", function()
      local cookie, csrf = session(host, READ_TOKEN)
      for _, headers in ipairs { { cookie, csrf }, { bearer(READ_TOKEN) } } do
        for _, what in ipairs { "replay", "purge" } do
          local answer = ask(host, "POST", path:gsub("replay", what), headers, "{}")
          assert.equal(403, answer.status)
          assert.equal("read_only", answer.error)
        end
      end
    end)

    it("needs no CSRF token with a Bearer token, whose role counts alone", function()
      local answer = ask(host, "POST", path, { bearer(TOKEN) }, "{}")
      assert.equal("handler_refused", answer.error)
      local cookie, csrf = session(host)
      assert.equal(403, ask(host, "POST", path, { bearer(READ_TOKEN), cookie, csrf }, "{}").status)
    end)

    it("is never made by GET or HEAD", function()
      local cookie, csrf = session(host)
      local before = delivery(host, rows(host, "?id=away")[1].seq)
      for _, method in ipairs { "GET", "HEAD" } do
        for _, one in ipairs { path, path:gsub("replay", "purge"), "/logout" } do
          local answer = ask(host, method, one, { cookie, csrf })
          assert.equal(405, answer.status)
          assert.equal("POST", answer.headers.allow)
        end
      end
      assert.same(before, delivery(host, before.seq))
      assert.equal(200, ask(host, "GET", "/api/session", { cookie }).status)
    end)
  end)

  describe("a purge", function()
    it("removes one delivery, and is a line in the log", function()
      host:notify(H.event("A.Purged"), { id = "purged" })
      local seq = rows(host, "?id=purged")[1].seq
      local answer = ask(host, "POST", ("/api/deliveries/%d/purge"):format(seq), { bearer(TOKEN) },
        "{}")
      assert.same({ ok = true }, answer.json)
      assert.same({}, rows(host, "?id=purged"))
      assert.equal(404, ask(host, "GET", ("/api/deliveries/%d"):format(seq), { bearer(TOKEN) }).status)
      host:wait_log('a purge was asked for on the admin page [^\n]*id=purged peer=%S+ row=%d+ '
        .. 'who="write token"')
    end)
  end)

  describe("a replay", function()
    it("of what succeeded has to be forced", function()
      local path = ("/api/deliveries/%d/replay"):format(rows(host, "?id=done")[1].seq)
      local answer = ask(host, "POST", path, { bearer(TOKEN) }, "{}")
      assert.is_false(answer.json.ok)
      assert.equal("already_succeeded", answer.error)
      assert.same({ ok = true }, ask(host, "POST", path, { bearer(TOKEN) }, '{"force":true}').json)
    end)
  end)

  describe("a method that a path does not take", function()
    it("is answered 405 with those that it takes", function()
      for path, allow in pairs { ["/"] = "GET, HEAD", ["/style.css"] = "GET, HEAD",
        ["/login"] = "GET, HEAD, POST", ["/api/deliveries"] = "GET, HEAD", ["/logout"] = "POST" } do
        for _, method in ipairs { "PUT", "DELETE", "OPTIONS", "PATCH" } do
          local answer = ask(host, method, path, { bearer(TOKEN) }, "")
          assert.equal(405, answer.status)
          assert.equal(allow, answer.headers.allow)
        end
      end
    end)
  end)

  describe("a file of the page", function()
    local types = { html = "text/html; charset=utf-8", css = "text/css; charset=utf-8",
      js = "text/javascript; charset=utf-8", svg = "image/svg+xml" }

    local function each_file(fn, folder)
      for name in lfs.dir(PAGE .. folder) do
        local path = folder .. "/" .. name
        if lfs.attributes(PAGE .. path, "mode") == "file" then
          fn(path)
        elseif name:sub(1, 1) ~= "." then
          each_file(fn, path)
        end
      end
    end

    it("is in the binary under its path, with its type and an ETag", function()
      each_file(function(path)
        local answer = ask(host, "GET", path)
        assert.equal(200, answer.status, path .. " is not in admin/static.lua")
        assert.equal(H.read(PAGE .. path), answer.body)
        assert.equal(types[path:match("%.(%l+)$")], answer.headers["content-type"])
        assert.equal("no-cache", answer.headers["cache-control"])
        local again = ask(host, "GET", path, { "If-None-Match: " .. answer.headers.etag })
        assert.equal(304, again.status)
        assert.equal("", again.body)
      end, "")
    end)

    it("is asked for with HEAD as well", function()
      local answer = ask(host, "HEAD", "/style.css")
      assert.equal(200, answer.status)
      assert.equal(#H.read(PAGE .. "/style.css"), tonumber(answer.headers["content-length"]))
    end)

    it("has no inline code or style", function()
      each_file(function(path)
        if not path:find("%.html$") then return end
        local text = H.read(PAGE .. path)
        for _, bad in ipairs { "<style", " style=", " on%l+=", "javascript:" } do
          assert.is_nil(text:find(bad), path)
        end
        for attributes, code in text:gmatch("<script([^>]*)>(.-)</script>") do
          assert.truthy(attributes:find("src=", 1, true))
          assert.equal("", code)
        end
      end, "")
    end)

    it("is one of a fixed list: no other path is read", function()
      for _, path in ipairs { "/../static.lua", "/../../init.lua", "/views/../../init.lua",
        "/%2e%2e/static.lua", "/..%2fstatic.lua", "//etc/passwd", "/views/", "/views", "/page/app.js",
        "/admin/page/app.js", "/init.lua", "/app.js/", "/./app.js", "/app.js%00", "/APP.JS",
        "/hookward.lua", "/.", "/index.html/../app.js" } do
        local answer = ask(host, "GET", path, { bearer(TOKEN) })
        assert.equal(404, answer.status, path)
        assert.equal("not_found", answer.error)
      end
    end)
  end)

  describe("every answer", function()
    it("forbids the browser what the page does not need", function()
      local cookie = session(host)
      for _, path in ipairs { "/", "/login", "/app.js", "/api/session", "/api/deliveries", "/nothing",
        "/api/deliveries/999999", "/api/deliveries?limit=0", "/logout" } do
        local headers = ask(host, "GET", path, { cookie }).headers
        assert.equal("default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
          .. "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
          headers["content-security-policy"])
        assert.equal("nosniff", headers["x-content-type-options"])
        assert.equal("DENY", headers["x-frame-options"])
        assert.equal("same-origin", headers["referrer-policy"])
        assert.is_nil(headers["access-control-allow-origin"])
        if path:find("^/api") then assert.equal("no-store", headers["cache-control"]) end
      end
    end)

    it("to a Host that may be another site's name is a refusal", function()
      local client = host:connect("127.0.0.1", host.admin_port)
      client:send("GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n")
      local answer = client:receive()
      client:close()
      assert.equal(403, answer.status)
      assert.equal("wrong_host", answer.error)
    end)
  end)

  describe("the list of deliveries", function()
    it("has the newest first, a page at a time", function()
      local all = rows(host)
      local first, answer = rows(host, "?limit=2")
      assert.equal(2, #first)
      assert.is_true(answer.more)
      assert.equal(first[2].seq, answer.next)
      local seqs, next_page = { first[1].seq, first[2].seq }, answer
      while next_page.more do
        local more
        more, next_page = rows(host, ("?limit=2&before=%d"):format(next_page.next))
        for _, row in ipairs(more) do seqs[#seqs + 1] = row.seq end
      end
      local wanted = {}
      for i, row in ipairs(all) do wanted[i] = row.seq end
      assert.same(wanted, seqs)
    end)

    it("is filtered by state, event, id, time and a text of the error", function()
      local function ids(query)
        local list = {}
        for i, row in ipairs(rows(host, query)) do list[i] = row.id end
        return table.concat(list, " ")
      end
      assert.equal("done", ids "?state=succeeded")
      assert.equal("secret away broken", ids "?state=failed,dead")
      assert.equal("away broken", ids "?event=Person.*")
      assert.equal("broken", ids "?event=*.Updated&state=&id=")
      assert.equal("away", ids "?id=away")
      assert.equal("away", ids "?error=DIRECTORY%20is+away")
      assert.equal("", ids("?since=" .. os.time() + 100))
      assert.equal("", ids "?until=1000")
    end)

    it("refuses filters that it can't read", function()
      for query, name in pairs { ["state=lost"] = "state", ["event=A*"] = "event", ["event=*."] = "event",
        ["event=**"] = "event", ["since=yesterday"] = "since", ["until=-1"] = "until",
        ["since=nan"] = "since", ["before=0"] = "before", ["before=x"] = "before", ["limit=0"] = "limit",
        ["limit=201"] = "limit", ["limit=1.5"] = "limit", ["state=%ff"] = "state" } do
        local answer = ask(host, "GET", "/api/deliveries?" .. query, { bearer(TOKEN) })
        assert.equal(400, answer.status, query)
        assert.equal("bad_filter", answer.error)
        assert.equal(name, answer.message:match("^%a+"))
      end
      assert.equal(200, ask(host, "GET", "/api/deliveries?limit=200", { bearer(TOKEN) }).status)
    end)
  end)

  describe("one delivery", function()
    it("comes with its body, headers, runs, and the handler's lines around the error", function()
      local one = delivery(host, rows(host, "?id=broken")[1].seq)
      assert.equal('{"Event":"Person.Updated","Timestamp":"2024-05-10T11:09:21Z","Name":null}', one.body)
      assert.equal(#one.body, one.body_bytes)
      assert.equal("handler_error", one.error)
      assert.match("^handlers/a%.lua:5: [^\n]+$", one.reason)
      assert.equal(one.reason, rows(host, "?id=broken")[1].reason)
      assert.equal("public.pem", one.key)
      assert.equal(1, #one.history)
      assert.equal("handler_error", one.history[1].error)
      assert.truthy(one.detail:find("stack traceback", 1, true))
      assert.equal("handlers/a.lua", one.source.file)
      assert.equal(5, one.source.line)
      assert.equal(1, one.source.first)
      assert.equal("  return event.Name:upper()", one.source.lines[5])
      assert.is_false(one.source.changed)
      assert.truthy(one.next:find("sender", 1, true))
      local names = {}
      for _, header in ipairs(one.headers) do names[header.name] = header.value end
      assert.equal("broken", names["x-jobid"])
    end)

    it("tells which of the host's retries comes next", function()
      host:notify(H.event("Person.Updated", '"Name":null'), { id = "last", attempt = 5 })
      assert.matches("%(retry 1 of 5%)", delivery(host, rows(host, "?id=last")[1].seq).next)
    end)

    it("shows lines of the handlers only, wherever an error says that it was", function()
      H.write(host.folder .. "/outside.lua", "-- hush\n")
      H.write(host.folder .. "/handlers/notes.txt", "hush\n")
      assert(H.sh(("cd %s/handlers && ln -s ../outside.lua link.lua && ln -s notes.txt notes.lua")
        :format(host.folder)))
      for i, place in ipairs { "outside.lua:1:", "handlers/../outside.lua:1:", "../outside.lua:1:",
        host.folder .. "/outside.lua:1:", "handlers/link.lua:1:", "link.lua:1:",
        "handlers/notes.lua:1:" } do
        local id = "made-up-" .. i
        host:notify(H.event("Made.Up", ('"Text":"%s x"'):format(place)), { id = id })
        local one = delivery(host, rows(host, "?id=" .. id)[1].seq)
        assert.equal("handler_error", one.error)
        assert.equal("handlers/b.lua", one.source.file) -- where the handler begins
        purge(host, one.seq)
      end
    end)

    it("is shown at once, however long a word its error has", function()
      host:notify(H.event("Made.Up", ('"Text":"%s handlers/a.lua:5: x"'):format(("x"):rep(60000))),
        { id = "long-word" })
      local begun = socket.gettime()
      local one = delivery(host, rows(host, "?id=long-word")[1].seq)
      local took = socket.gettime() - begun
      assert.is_true(took < 3, took)
      assert.equal("handlers/a.lua", one.source.file)
      assert.equal(5, one.source.line)
      purge(host, one.seq)
    end)

    it("can be delivered again by the commands that it comes with", function()
      local body = H.event("A.Quoted", [["Text":"it's $HOME `id` \\ \"x\""]])
      host:notify(body, { id = "it's" })
      local one = delivery(host, rows(host, "?id=it's")[1].seq)
      H.write(host.folder .. "/development.key", H.read((H.keys())))
      local send = one.commands.send:gsub("^hookward", H.quote(H.binary))
      for _, command in ipairs { ("%s --to http://127.0.0.1:%d"):format(send, host.port),
        one.commands.curl } do
        local out = assert(H.sh(("cd %s && %s"):format(host.folder, command)))
        local again = rows(host, "?id=it's-again")[1]
        assert.is_table(again, out)
        assert.equal("succeeded", again.state)
        assert.equal(body, delivery(host, again.seq).body)
        purge(host, again.seq)
      end
      purge(host, one.seq)
    end)

    it("says that the handler's file was edited since", function()
      local path = host.folder .. "/handlers/b.lua"
      host:notify(H.event("Made.Up", '"Text":"x"'), { id = "edited" })
      local seq = rows(host, "?id=edited")[1].seq
      assert.is_false(delivery(host, seq).source.changed)
      assert(lfs.touch(path, os.time() + 100))
      assert.is_true(delivery(host, seq).source.changed)
      assert(lfs.touch(path, os.time() - 100))
      purge(host, seq)
    end)

    it("shows no body of an event that is masked", function()
      local answer = ask(host, "GET", ("/api/deliveries/%d"):format(rows(host, "?id=secret")[1].seq),
        { bearer(TOKEN) })
      assert.is_true(answer.json.masked)
      assert.is_nil(answer.json.body)
      assert.is_nil(answer.json.commands.send)
      assert.truthy(answer.json.why_no_body:find("mask", 1, true))
      assert.is_nil(answer.body:find("hush", 1, true))
      assert.is_nil(ask(host, "GET", "/api/deliveries?limit=200", { bearer(TOKEN) }).body:find("hush"))
    end)

    it("that is not there is answered 404", function()
      for _, seq in ipairs { "999999", "0", "99999999999999999999999" } do
        local answer = ask(host, "GET", "/api/deliveries/" .. seq, { bearer(TOKEN) })
        assert.equal(404, answer.status)
      end
    end)
  end)
end)

describe("the commands of a delivery", function()
  after_each(H.stop_all)

  it("are not there where the body would be taken for a file's name or for keys", function()
    local host = start { config = (CONFIG:gsub(", mask = .*", "")) }
    for i, body in ipairs { "@hookward.lua", "{\27[201~\21id\n", "{\x7f", "{\xC2\x9B" } do
      host:notify(body, { id = "body-" .. i })
      local one = delivery(host, rows(host)[1].seq)
      assert.equal(body, one.body)
      assert.is_nil(next(one.commands), body)
    end
    host:notify("{\r\n\t\xC3\x9B", { id = "text" })
    assert.is_string(delivery(host, rows(host)[1].seq).commands.send)
  end)
end)

describe("a page's stream", function()
  local host

  lazy_setup(function() host = start() end)
  lazy_teardown(H.stop_all)

  it("tells what becomes of deliveries, to every page", function()
    local first, second = follow(host, { bearer(TOKEN) }), follow(host, { bearer(READ_TOKEN) })
    assert.equal(200, first.status)
    assert.is_true(first.next("state").ready)
    assert.is_true(second.next("state").ready)
    host:notify(H.event("Person.Created"), { id = "live" })
    for _, stream in ipairs { first, second } do
      local data = stream.next "deliveries"
      assert.equal(0, data.skipped)
      local record = data.records[1]
      assert.equal("live", record.id)
      assert.equal("failed", record.state)
      assert.equal("handler_refused", record.error)
      assert.equal(rows(host, "?id=live")[1].seq, record.row)
      stream.close()
    end
  end)

  it("has at most four messages a second and fifty records in each, and counts the others", function()
    local stream = follow(host, { bearer(TOKEN) })
    stream.next "state"
    local body, client = H.event("A.Done"), host:connect()
    local parts = {}
    for i = 1, 300 do parts[i] = H.request(body, { id = "many-" .. i }) end
    local begun = socket.gettime()
    client:send(table.concat(parts))
    local shown, skipped, messages = 0, 0, 0
    while shown + skipped < 300 do
      local data = assert(stream.next "deliveries")
      assert.is_true(#data.records <= 50)
      shown, skipped, messages = shown + #data.records, skipped + data.skipped, messages + 1
    end
    assert.equal(300, shown + skipped)
    assert.is_true(messages <= 2 + (socket.gettime() - begun) * 4, messages)
    client:close()
    stream.close()
  end)

  it("ends after a logout", function()
    local cookie, csrf = session(host)
    local stream = follow(host, { cookie })
    stream.next "state"
    ask(host, "POST", "/logout", { cookie, csrf }, "")
    assert.is_nil(stream.next "nothing")
  end)

  it("is had by 32 pages, and by another one when one is closed", function()
    local streams = {}
    local function open_one()
      local stream = follow(host, { bearer(TOKEN) })
      if stream.status ~= 200 then return stream.close() end
      streams[#streams + 1] = stream
      return true
    end
    for _ = 1, 32 do H.wait_until(open_one, "a place of a page that has left") end
    local over = ask(host, "GET", "/api/stream", { bearer(TOKEN) })
    assert.equal(503, over.status)
    assert.equal("too_many_pages", over.error)
    streams[1].close()
    H.wait_until(open_one, "the place of the one that was closed")
    for _, stream in ipairs(streams) do stream.close() end
  end)

  it("does not keep the host from stopping", function()
    local stream = follow(host, { bearer(TOKEN) })
    stream.next "state"
    assert.equal(0, host:stop())
    assert.is_nil(stream.next "nothing")
  end)
end)

describe("the admin page's limits", function()
  after_each(H.stop_all)

  it("look at no token of an address after five wrong ones in a second", function()
    local host = start()
    local cookie, link = session(host), dash(host)
    at_a_new_second()
    for _ = 1, 5 do
      assert.equal(401, ask(host, "GET", "/api/session", { bearer "wrong" }).status)
    end
    for _, headers in ipairs { { bearer "wrong" }, { bearer(TOKEN) } } do
      local answer = ask(host, "GET", "/api/session", headers)
      assert.equal(429, answer.status)
      assert.equal("1", answer.headers["retry-after"])
    end
    assert.equal("/login?wrong=busy", log_in(host, TOKEN).headers.location)
    assert.equal("/login?wrong=busy", ask(host, "GET", "/login?code=1-a-b").headers.location)
    assert.equal("/", ask(host, "GET", link).headers.location)
    assert.equal(200, ask(host, "GET", "/api/session", { cookie }).status)
    at_a_new_second()
    assert.equal(200, ask(host, "GET", "/api/session", { bearer(TOKEN) }).status)
  end)

  it("keep the hundred newest sessions of each role", function()
    local host = start()
    local other = session(host)
    local first, second = session(host, READ_TOKEN), session(host, READ_TOKEN)
    for _ = 3, 100 do log_in(host, READ_TOKEN) end
    assert.equal(200, ask(host, "GET", "/api/session", { first }).status)
    log_in(host, READ_TOKEN)
    assert.equal(200, ask(host, "GET", "/api/session", { other }).status)
    assert.equal(401, ask(host, "GET", "/api/session", { first }).status)
    assert.equal(200, ask(host, "GET", "/api/session", { second }).status)
  end)
end)

describe("an edit of the configuration", function()
  after_each(H.stop_all)

  it("of `mask` hides bodies, and one that broke the file changes nothing", function()
    local host = start()
    host:notify(H.event("A.Done"), { id = "done" })
    local path = host.folder .. "/hookward.lua"
    local good = H.read(path)
    H.write(path, "return {")
    local one = delivery(host, rows(host)[1].seq)
    assert.is_string(one.body)
    H.write(path, (good:gsub('"Secret%.%*"', '"A.*"')))
    H.wait_until(function() return delivery(host, one.seq).masked end, "the edited mask")
    assert.is_nil(delivery(host, one.seq).body)
    H.write(path, "return {")
    local until_time = socket.gettime() + 1.1
    repeat
      one = delivery(host, one.seq)
      assert.is_true(one.masked)
    until socket.gettime() > until_time
  end)
end)

describe("an edit of `ledger` and `control`", function()
  after_each(H.stop_all)

  it("changes nothing before the host is started anew", function()
    local host = start()
    H.write(host.folder .. "/hookward.lua", [[return { ledger = "memory:", control = "other.sock",
      mask = { "Edited.*" } }]])
    H.wait_until(function()
      return ask(host, "GET", "/api/session", { bearer(TOKEN) }).json.mask[1] == "Edited.*"
    end, "the edited mask")
    assert.is_true(ask(host, "GET", "/api/session", { bearer(TOKEN) }).json.ledger)
    assert.equal(200, ask(host, "GET", "/api/state", { bearer(TOKEN) }).status)
  end)
end)

describe("the admin page of a host in a folder with an odd name", function()
  after_each(H.stop_all)

  it("reads the ledger there, and asks the host", function()
    local folder = H.folder() .. '/a "quoted"\\name\'s 1 ü'
    assert(os.rename(H.project { handlers = HANDLERS, ledger = "hookward.db", config = CONFIG }, folder))
    local host = start { folder = folder }
    assert.equal(200, host:notify(H.event "A.B").status)
    assert.equal("A.B", rows(host)[1].event)
    assert.equal(200, ask(host, "GET", "/api/state", { bearer(TOKEN) }).status)
  end)
end)

describe("the admin page of a ledger in memory", function()
  after_each(H.stop_all)

  it("says that it can't list rows", function()
    local host = start { ledger = "memory:" }
    assert.is_false(ask(host, "GET", "/api/session", { bearer(TOKEN) }).json.ledger)
    for _, path in ipairs { "/api/deliveries", "/api/deliveries/1" } do
      local answer = ask(host, "GET", path, { bearer(TOKEN) })
      assert.equal(409, answer.status)
      assert.equal("no_rows", answer.error)
    end
  end)
end)
