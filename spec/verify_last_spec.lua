-- Requests that a host refused for their signatures can be diagnosed; they are kept only in memory.

local cjson = require "cjson"
local H = require "spec.support.host"

local SECRET = "s3cr3t-of-the-body"

describe("hookward verify --last", function()
  after_each(H.stop_all)

  local function start(config)
    return H.start { handlers = { ["a.lua"] = 'require "hookward".on("*", function() end)' },
      ledger = "hookward.db", config = config }
  end

  local function verify(host, arguments)
    local out, all, code = H.sh(("cd %s && %s verify %s"):format(H.quote(host.folder), H.quote(H.binary), arguments))
    return code or 0, out or all
  end

  it("says what a proxy did to the body", function()
    local host = start 'control = "c.sock"'
    local body = H.event("A.A")
    host:notify(body, { id = "good" })
    host:notify("\xEF\xBB\xBF" .. body, { id = "with-bom", signature = H.sign(body) })
    local code, out = verify(host, "--last")
    assert.equal(1, code)
    assert.matches("^%d%d%d%d%-%d%d%-%d%dT%S+Z invalid_signature from 127%.0%.0%.1:%d+, job with%-bom, a body of "
      .. #body + 3 .. " bytes\n  would verify with key public%.pem if the body had no UTF%-8 BOM[^\n]*\n$", out)
  end)

  it("recognises a compressed body, whether or not a header says so", function()
    local host = start()
    local gzip = "\31\139\8\0\0\0\0\0\0\3\171\86\114\45\75\205\43\81\178\82\114\212\115\82\170\5\0"
    host:notify(gzip, { signature = H.sign("{}") })
    local _, out = verify(host, "--last")
    assert.matches("the body is compressed (gzip)", out, 1, true)
    host:notify("\120\156\171", { signature = H.sign("{}"), headers = { "Content-Encoding: deflate" } })
    _, out = verify(host, "--last")
    assert.matches("the body is compressed (deflate)", out, 1, true)
    assert.is_nil(out:find("Content-Encoding", 1, true))
    host:notify("\171\86", { signature = H.sign("{}"), headers = { "Content-Encoding: deflate" } })
    _, out = verify(host, "--last")
    assert.matches("Content-Encoding: deflate: the body arrived compressed", out, 1, true)
  end)

  it("shows as many as are asked for, the newest first; as JSON too", function()
    local host = start()
    host:notify("{}", { id = "1", signature = false })
    host:notify("{}", { id = "2", attempt = 3, signature = "a b" })
    host:notify("{}", { id = "3", signature = H.sign("other") })
    local _, out = verify(host, "--last 2")
    assert.matches("^[^\n]* job 3,.*\n[^ ][^\n]* job 2,", out)
    assert.is_nil(out:find("job 1", 1, true))
    local code
    code, out = verify(host, "--last 1000 --json")
    assert.equal(1, code)
    local all = cjson.decode(out)
    assert.equal(3, #all)
    assert.same({ "3", "2", "1" }, { all[1].id, all[2].id, all[3].id })
    assert.same({ "invalid_signature", "malformed_signature", "missing_signature" },
      { all[1].error, all[2].error, all[3].error })
    assert.equal(3, all[2].attempt)
    assert.equal(2, all[3].body_length)
    assert.matches("no X-Signature; the headers that came: host, x-jobid, content-length", all[3].findings[1], 1, true)
    assert.matches("key public.pem did sign something, but not this body", all[1].findings[1], 1, true)
  end)

  it("compares a long body by its digest", function()
    local host = start()
    local body = H.event("A.A", '"Text":"' .. ("x"):rep(64 * 1024) .. '"')
    host:notify(body .. "\n", { signature = H.sign(body) })
    local code, out = verify(host, "--last")
    assert.equal(1, code)
    assert.matches(("its body of %d bytes was too long to be kept"):format(#body + 1), out, 1, true)
    local folder = H.folder()
    H.write(folder .. "/body", body)
    local digest = H.sh("sha256sum " .. folder .. "/body"):match("^%x+")
    assert.matches("key public.pem did sign something, but not this body: the signed SHA-256 is "
      .. digest, out, 1, true)
  end)

  it("says so when the signature verifies now, and exits 0", function()
    local host = start()
    local private, public = H.keys("second")
    local body = H.event("A.A")
    assert.equal(400, host:notify(body, { key = private }).status)
    H.write(host.folder .. "/keys/second.pem", H.read(public))
    local code, out = verify(host, "--last")
    assert.equal(0, code, out)
    assert.matches("it verifies now, with key second.pem", out, 1, true)
  end)

  it("leaves nothing on disk or in the log", function()
    local host = start 'log = { level = "debug" }'
    host:notify(SECRET, { signature = H.sign("{}") })
    host:notify(SECRET, { signature = false })
    local _, out = verify(host, "--last 2")
    assert.is_nil(out:find(SECRET, 1, true))
    assert.equal(0, host:stop())
    local found = select(2, H.sh(("grep -rl %s %s"):format(SECRET, host.folder)))
    assert.equal("", found)
  end)

  it("says so when nothing was refused, or no host is running", function()
    local host = start()
    host:notify(H.event("A.A"))
    local code, out = verify(host, "--last")
    assert.equal(1, code)
    assert.equal("since it started, the host has refused no request for its signature\n", out)
    code, out = verify(host, "--last 0")
    assert.equal(2, code)
    assert.matches("--last takes a whole number from 1 to 1000, not '0'", out, 1, true)
    code = verify(host, "--last --body x")
    assert.equal(2, code)
    host:stop()
    code, out = verify(host, "--last")
    assert.equal(1, code)
    assert.matches("^no host is running with hookward%.lua", out)
  end)
end)
