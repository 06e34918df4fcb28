-- The table of answers: what each kind of request gets, with status, code, headers and text.

local cjson = require "cjson"
local H = require "spec.support.host"

local HANDLERS = { ["a.lua"] = [[
  local hook = require "hookward"
  hook.on("A.Done", function() return true end)
  hook.on("A.Refused", function(event) return nil, event.Reason end)
  hook.on("A.False", function() return false end)
  hook.on("A.Raised", function(event) error("secret of " .. event.Event) end)
  hook.on("A.Endless", function() while true do end end)
  hook.on("Raw.*", function(event) return event.Value == nil or nil, tostring(event.Value) end)
]] }

local BODY = H.event("A.Done")

local function flip(text, at)
  local byte = text:byte(at)
  return text:sub(1, at - 1) .. string.char(byte == 65 and 66 or 65) .. text:sub(at + 1)
end

-- A request with these header lines, in the order given, and this body; nothing is added.
local function raw(line, headers, body)
  return line .. "\r\n" .. table.concat(headers, "\r\n") .. "\r\n\r\n" .. (body or "")
end

describe("an answer", function()
  local host

  local function start(config)
    host = H.start { handlers = HANDLERS, config = config }
  end

  local function refused(code, status, body, options)
    local answer = host:notify(body, options)
    assert.equal(status, answer.status)
    assert.equal(code, answer.error)
    return answer
  end

  describe("on the notification path", function()
    setup(function()
      start 'log = { level = "debug" }'
    end)
    teardown(H.stop_all)

    it("is 200 with a small JSON body when the handler succeeds", function()
      local answer = host:notify(BODY)
      assert.equal("HTTP/1.1 200 OK", answer.line)
      assert.same({ status = "processed" }, cjson.decode(answer.body))
    end)

    it("has Date, Content-Type and Content-Length, and no Server", function()
      for _, body in ipairs { BODY, H.event("A.Refused"), "no JSON" } do
        local headers = host:notify(body).headers
        assert.matches("^%a%a%a, %d%d %a%a%a %d%d%d%d %d%d:%d%d:%d%d GMT$", headers.date)
        assert.equal("application/json", headers["content-type"])
        assert.matches("^%d+$", headers["content-length"])
        assert.is_nil(headers.server)
      end
    end)

    it("refuses a notification without a signature", function()
      refused("missing_signature", 400, BODY, { signature = false })
    end)

    it("refuses an empty and a repeated signature", function()
      refused("malformed_signature", 400, BODY, { signature = "" })
      refused("malformed_signature", 400, BODY, {
        headers = { "X-Signature: " .. H.sign(BODY) } })
    end)

    it("refuses a signature in another form than padded Base64 of the key's length", function()
      local good = H.sign(BODY)
      local forms = {
        good:gsub("%+", "-"):gsub("/", "_"):sub(1, -1), -- URL-safe
        good:gsub("=", ""):sub(1, -1), -- unpadded
        good:sub(1, 100) .. " " .. good:sub(101), good .. "=", good:sub(5), "AAAA" .. good, "AAAA",
        "%%%%", good:sub(1, -2), ("A"):rep(9000),
      }
      assert.are_not.equal(good, forms[1])
      for _, form in ipairs(forms) do
        refused("malformed_signature", 400, BODY, { signature = form })
      end
    end)

    it("refuses a signature with one bit or byte changed", function()
      local good = H.sign(BODY)
      for _, at in ipairs { 1, 2, 171, #good - 3 } do
        refused("invalid_signature", 400, BODY, { signature = flip(good, at) })
      end
    end)

    it("refuses a body with one byte changed, added or removed", function()
      local good = H.sign(BODY)
      for _, body in ipairs { flip(BODY, 11), BODY .. " ", BODY .. "\n", BODY:sub(1, -2), "" } do
        refused("invalid_signature", 400, body, { signature = good })
      end
    end)

    it("refuses a signature by a key that the host does not have", function()
      refused("invalid_signature", 400, BODY, { key = H.keys("other") })
    end)

    it("says nothing about the body to a sender who could not sign it", function()
      local answer = refused("invalid_signature", 400, "{", { signature = H.sign(BODY) })
      assert.is_nil(answer.message:find("JSON"))
    end)

    it("refuses what is not strict JSON, even if it is signed", function()
      local function value(text) return H.event("Raw.Value", '"Value":' .. text) end
      for _, body in ipairs {
        "", " ", "{", "no", BODY .. "x", BODY .. BODY, BODY .. "\0", value "NaN", value "Infinity",
        value "-Infinity", value "0x10", value "01", value "1.", value ".5", value "+1", value "tru",
        value "'a'", value '"\\x"', value '"\\ud800"', value '"\\udc00\\ud800"', value '"\1"',
        value '"\xff"', value '"\xc0\x80"', value '"\xed\xa0\x80"', value '"\xf4\x90\x80\x80"',
        value "[1,]", value "{,}", value "// comment", value "1e999",
        '\xef\xbb\xbf\xef\xbb\xbf' .. BODY, "\xff\xfe" .. BODY,
      } do
        local answer = refused("invalid_json", 400, body)
        assert.matches("JSON", answer.message)
      end
    end)

    it("names the first byte that is not JSON, counted from the start of the body", function()
      assert.matches("at byte 1$", refused("invalid_json", 400, "{x").message)
      assert.matches("at byte 4$", refused("invalid_json", 400, "\xef\xbb\xbf{x").message)
    end)

    it("accepts JSON that is nested 100 deep, and refuses 101", function()
      local function nested(depth) -- the object is one level
        return H.event("A.Done", '"Value":' .. ("["):rep(depth - 1) .. ("]"):rep(depth - 1))
      end
      assert.equal(200, host:notify(nested(100)).status)
      refused("invalid_json", 400, nested(101))
      refused("invalid_json", 400, ("["):rep(5000))
    end)

    it("skips one byte order mark, which is part of what is signed", function()
      local marked = "\xef\xbb\xbf" .. BODY
      assert.equal(200, host:notify(marked).status)
      refused("invalid_signature", 400, marked, { signature = H.sign(BODY) })
      refused("invalid_signature", 400, BODY, { signature = H.sign(marked) })
    end)

    it("refuses a body that is not an object with a string Event", function()
      for _, body in ipairs {
        "{}", '{"event":"A.Done"}', '{"Event":null}', '{"Event":1}', '{"Event":["A.Done"]}',
        '{"Event":true}', '["Event"]', '[{"Event":"A.Done"}]', '"A.Done"', "1", "null", "true",
      } do
        refused("missing_event", 400, body)
      end
    end)

    it("refuses an X-JobId that is empty, too long, not ASCII or repeated", function()
      for _, id in ipairs { "", ("j"):rep(129), "j\xc3\xa9", "a\tb" } do
        refused("malformed_job_id", 400, BODY, { id = id })
      end
      refused("malformed_job_id", 400, BODY, { id = "a", headers = { "X-JobId: a" } })
    end)

    it("accepts an X-JobId of 1 and of 128 printable characters", function()
      assert.equal(200, host:notify(BODY, { id = "j" }).status)
      assert.equal(200, host:notify(BODY, { id = ("j"):rep(128) }).status)
      assert.equal(200, host:notify(BODY, { id = [[~ a"b\c=d {}!]] }).status)
    end)

    it("refuses an X-JobAttempt that is not one whole number", function()
      for _, attempt in ipairs { "", "-1", "+1", "one", "1.0", "0x1", "1 2", "1,2", "1234567890" } do
        refused("malformed_job_attempt", 400, BODY, { attempt = attempt })
      end
      refused("malformed_job_attempt", 400, BODY, { attempt = 1, headers = { "X-JobAttempt: 1" } })
    end)

    it("accepts an X-JobAttempt over 5 with a warning in the log", function()
      for attempt = 0, 5 do
        assert.equal(200, host:notify(BODY, { id = "up-to-5", attempt = attempt }).status)
      end
      assert.equal(200, host:notify(BODY, { id = "over-5", attempt = 6 }).status)
      host:wait_log("warn  X%-JobAttempt is over 5[^\n]* job=over%-5 attempt=6")
      assert.is_nil(host:log():match("X%-JobAttempt is over 5[^\n]* job=up%-to%-5"))
    end)

    it("refuses an event that has no handler", function()
      refused("no_handler", 400, H.event("B.Unknown"))
    end)

    it("gives the handler's reason, or a fixed message when there is none", function()
      local answer = refused("handler_refused", 400, H.event("A.Refused", '"Reason":"no disk"'))
      assert.equal("no disk", answer.message)
      assert.equal("the handler refused the notification",
        refused("handler_refused", 400, H.event("A.Refused")).message)
      assert.equal("the handler refused the notification",
        refused("handler_refused", 400, H.event("A.False")).message)
    end)

    it("cuts the reason at 200 bytes, between characters", function()
      local function message_for(reason)
        local answer = host:notify(H.event("A.Refused", '"Reason":"' .. reason .. '"'))
        return cjson.decode(answer.body).message
      end
      assert.equal(("r"):rep(200), message_for(("r"):rep(200)))
      assert.equal(("r"):rep(200), message_for(("r"):rep(201)))
      assert.equal(("r"):rep(199), message_for(("r"):rep(199) .. "é"))
      assert.equal(("é"):rep(100), message_for(("é"):rep(150)))
    end)

    it("is valid JSON whatever bytes the reason has", function()
      local reason = [[\"\\\n\t\u0000\u001f</script>€]]
      local answer = refused("handler_refused", 400, H.event("A.Refused", '"Reason":"' .. reason .. '"'))
      assert.equal('"\\\n\t\0\31</script>€', cjson.decode(answer.body).message)
      assert.equal(#answer.body, tonumber(answer.headers["content-length"]))
    end)

    it("says nothing about an error that a handler raised; the log has it", function()
      local answer = refused("handler_error", 400, H.event("A.Raised"))
      assert.equal("the handler failed", answer.message)
      for _, word in ipairs { "secret", "traceback", "%.lua", "A%.Raised" } do
        assert.is_nil(answer.body:find(word))
      end
      host:wait_log("a%.lua:5: secret of A%.Raised\n +stack traceback:")
    end)

    it("refuses when the handler does not end in time", function()
      -- In a host of its own: so short a time-out would fail the other tests on a busy machine.
      local short = H.start { handlers = HANDLERS, config = "handler_timeout = 0.2" }
      local answer = short:notify(H.event("A.Endless"))
      assert.equal(400, answer.status)
      assert.equal("handler_timeout", answer.error)
      assert.equal("the handler did not finish in time", answer.message)
    end)

    it("ignores the query of the path", function()
      local options = { path = "/baseWebhookNotification?code=1&path=/other" }
      assert.equal(200, host:notify(BODY, options).status)
      assert.equal(200, host:notify(BODY, { path = "/baseWebhookNotification?" }).status)
    end)

    it("is 404 at any other path, signed or not, and keeps the connection", function()
      local client = host:connect()
      for _, path in ipairs { "/", "/basewebhooknotification", "/baseWebhookNotification/",
        "//baseWebhookNotification", "/baseWebhookNotification%20", "/baseWebhookNotificatio" } do
        client:send(H.request(BODY, { path = path }))
        local answer = client:receive()
        assert.equal(404, answer.status)
        assert.equal("not_found", answer.error)
        assert.is_nil(answer.headers.connection)
      end
      client:send(H.request(BODY))
      assert.equal(200, client:receive().status)
      client:close()
    end)

    it("is 405 with Allow for any other method, and keeps the connection", function()
      local client = host:connect()
      for _, method in ipairs { "GET", "PUT", "DELETE", "OPTIONS", "PATCH", "post", "MADEUP" } do
        client:send(raw(method .. " /baseWebhookNotification HTTP/1.1", { "Host: h" }))
        local answer = client:receive()
        assert.equal(405, answer.status)
        assert.equal("method_not_allowed", answer.error)
        assert.equal("POST", answer.headers.allow)
      end
      client:send(H.request(BODY))
      assert.equal(200, client:receive().status)
      client:close()
    end)

    it("gives HEAD only the header", function()
      local client = host:connect()
      client.head = true
      for path, status in pairs { ["/"] = 404, ["/baseWebhookNotification"] = 405 } do
        client:send(raw("HEAD " .. path .. " HTTP/1.1", { "Host: h" }))
        local answer = client:receive()
        assert.equal(status, answer.status)
        assert.is_true(tonumber(answer.headers["content-length"]) > 0)
      end
      client.head = false -- no stray body precedes the next answer
      client:send(H.request(BODY))
      assert.equal(200, client:receive().status)
      client:close()
    end)

    it("gives HEAD only the header when it ends the connection, too", function()
      for code, header in pairs { [417] = "Expect: tea", [413] = "Content-Length: 9999999" } do
        local client = host:connect()
        client.head = true
        client:send(raw("HEAD / HTTP/1.1", { "Host: h", header }))
        assert.equal(code, client:receive().status)
        assert.is_true(client:is_closed())
      end
    end)

    it("is 501 for another transfer coding, and ends the connection", function()
      local answer, client = host:raw(raw("POST /baseWebhookNotification HTTP/1.1",
        { "Host: h", "Transfer-Encoding: gzip, chunked" }, "0\r\n\r\n"))
      assert.equal(501, answer.status)
      assert.equal("unsupported_transfer_coding", answer.error)
      assert.equal("close", answer.headers.connection)
      assert.is_true(client:is_closed())
    end)

    it("is 505 for another version, and ends the connection", function()
      for _, version in ipairs { "HTTP/2.0", "HTTP/1.2", "HTTP/0.9", "HTTP/3.0" } do
        local answer, client = host:raw(raw("POST /baseWebhookNotification " .. version,
          { "Host: h" }))
        assert.equal(505, answer.status)
        assert.equal("unsupported_version", answer.error)
        assert.is_true(client:is_closed())
      end
      local answer = host:raw("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
      assert.equal(505, answer.status)
    end)

    it("is 417 for another expectation, and ends the connection", function()
      local answer, client = host:raw(H.request(BODY, { headers = { "Expect: 200-ok" } }))
      assert.equal(417, answer.status)
      assert.equal("unsupported_expectation", answer.error)
      assert.is_true(client:is_closed())
    end)

    it("is 400 for what is not HTTP, and ends the connection", function()
      for _, bytes in ipairs {
        "\22\3\1\2\0\1\0\1\252", "\0\0\0\0", "hello\r\n\r\n", "GET /\r\n\r\n", "POST  / HTTP/1.1\r\n\r\n",
        "POST / HTTP/1.1\nHost: h\n\n", "POST / HTTP/1.1\r\n\r\n", -- no Host
        "POST / HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n", "POST / HTTP/1.1\r\nHost : h\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: h\r\n folded\r\n\r\n", "POST / HTTP/1.1\r\nHost: h\r\nno colon\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: h\r\nX: a\0b\r\n\r\n",
      } do
        local answer, client = host:raw(bytes)
        assert.equal(400, answer.status)
        assert.equal("malformed_request", answer.error)
        assert.equal("close", answer.headers.connection)
        assert.is_true(client:is_closed())
      end
    end)
  end)

  describe("at a limit", function()
    after_each(H.stop_all)

    it("is 431 for a header over max_header, and ends the connection", function()
      start "max_header = 1024"
      local answer, client = host:raw(raw("POST / HTTP/1.1", { "Host: h", "X: " .. ("x"):rep(1024) }))
      assert.equal(431, answer.status)
      assert.equal("header_too_large", answer.error)
      assert.equal("close", answer.headers.connection)
      assert.is_true(client:is_closed())
    end)

    it("is 413 for a body over max_body, at once if Content-Length says so", function()
      start "max_body = 1024"
      local answer, client = host:raw(raw("POST /baseWebhookNotification HTTP/1.1",
        { "Host: h", "Content-Length: 1025" })) -- and no body: the host does not wait for it
      assert.equal(413, answer.status)
      assert.equal("body_too_large", answer.error)
      assert.is_true(client:is_closed())
    end)

    it("is 413 for chunks that add up to more than max_body", function()
      start "max_body = 1024"
      local answer, client = host:raw(raw("POST /baseWebhookNotification HTTP/1.1",
        { "Host: h", "Transfer-Encoding: chunked" }, "400\r\n" .. ("x"):rep(1024) .. "\r\n1\r\n"))
      assert.equal(413, answer.status)
      assert.is_true(client:is_closed())
    end)

    it("is 413 for a length that is too large for an integer", function()
      start()
      local answer = host:raw(raw("POST /baseWebhookNotification HTTP/1.1",
        { "Host: h", "Content-Length: 99999999999999999999999" }))
      assert.equal(413, answer.status)
    end)

    it("is 408 for a header that does not come, and ends the connection", function()
      start "header_timeout = 0.1"
      local answer, client = host:raw("POST / HTTP/1.1\r\nHost:")
      assert.equal(408, answer.status)
      assert.equal("request_timeout", answer.error)
      assert.matches("header_timeout", answer.message)
      assert.is_true(client:is_closed())
    end)

    it("is 408 for a body that does not come, and ends the connection", function()
      start "body_timeout = 0.1"
      local answer, client = host:raw(H.request(BODY):sub(1, -2))
      assert.equal(408, answer.status)
      assert.equal("request_timeout", answer.error)
      assert.matches("body_timeout", answer.message)
      assert.is_true(client:is_closed())
    end)

    it("is 200 for an event without a handler when unhandled = \"accept\"", function()
      start 'unhandled = "accept"'
      assert.equal(200, host:notify(H.event("B.Unknown"), { id = "b-1" }).status)
      host:wait_log("info  unhandled event=B%.Unknown job=b%-1 attempt=0 status=200")
    end)

    it("is overloaded over max_queue, until there is room again", function()
      local gate = H.gate()
      host = H.start {
        config = "max_queue = 2, workers = 1",
        handlers = { ["a.lua"] = gate.source .. [[
          require "hookward".on("*", function() wait() end)
        ]] },
      }
      local first, second = host:connect(), host:connect()
      first:send(H.request(BODY))
      host:wait_log("begun")
      second:send(H.request(H.event("A.Second")))
      H.wait_until(function() -- a third is refused as soon as the second is in the queue
        local answer = host:notify("not even signed", { signature = "x" })
        return answer.error == "overloaded" and answer.status == 400
      end)
      gate:open(2)
      assert.equal(200, first:receive().status)
      assert.equal(200, second:receive().status)
      gate:open(1)
      assert.equal(200, host:notify(H.event("A.Third")).status)
    end)

    it("is draining for a request whose head comes after the host was told to stop", function()
      start()
      local client = host:connect()
      client:send("POST /baseWebhookNotification HTTP/1.1\r\n")
      client.begun = host:notify(BODY) -- the bytes above are read before these
      host:signal("TERM")
      host:wait_log("stopping")
      client:send((H.request(BODY):gsub("^[^\n]*\n", "")))
      local answer = client:receive()
      assert.equal(400, answer.status)
      assert.equal("draining", answer.error)
      assert.equal("close", answer.headers.connection)
      assert.equal(0, host:wait())
    end)
  end)
end)
