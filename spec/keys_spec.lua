-- The keys that the host verifies with: each form, several keys, and what is refused.

local mime = require "mime"
local H = require "spec.support.host"

local HANDLERS = { ["a.lua"] = [[
  require "hookward".on("*", function(event, job) return nil, job.key end)
]] }
local BODY = H.event("A.Done")

local function openssl(command, ...)
  local args = {}
  for i, path in ipairs { ... } do args[i] = H.quote(path) end
  return assert(H.sh(("openssl " .. command):format(table.unpack(args))))
end

local function unhex(hex)
  return (hex:gsub("%x%x", function(digits) return string.char(tonumber(digits, 16)) end))
end

local function url_safe(text)
  return (text:gsub("%+", "-"):gsub("/", "_"):gsub("=", ""))
end

describe("with its keys the host", function()
  local host
  after_each(H.stop_all)

  -- Runs an openssl command with -out, as some forms are binary; returns the key it has made.
  local function made(command, ...)
    local path = H.folder() .. "/key"
    local args = { ... }
    args[#args + 1] = path
    openssl(command .. " -out %s", table.unpack(args))
    return H.read(path)
  end

  local function start(keys, config)
    host = H.start { keys = keys, handlers = HANDLERS, config = config }
  end

  local function start_error(keys, config, env)
    local failed = H.start { keys = keys, handlers = HANDLERS, config = config, env = env, fails = true }
    assert.equal(1, failed:wait())
    assert.matches("^[^\n]+\n$", failed:log()) -- one line
    return failed:log()
  end

  -- Returns the name of the key that verified, or the error.
  local function verified_by(private)
    local answer = host:notify(BODY, { key = private })
    return answer.error == "handler_refused" and answer.message or answer.error
  end

  local function forms()
    local private, public = H.keys()
    local modulus = unhex(openssl("rsa -pubin -in %s -noout -modulus", public):match("=(%x+)"))
    local der = made("pkey -pubin -in %s -outform DER", public)
    local pkcs1 = made("rsa -pubin -in %s -RSAPublicKey_out -outform DER", public)
    local certificate = made("req -x509 -new -subj /CN=accredit -key %s", private)
    return {
      ["spki.pem"] = H.read(public),
      ["pkcs1.pem"] = made("rsa -pubin -in %s -RSAPublicKey_out", public),
      ["certificate.crt"] = certificate,
      ["spki.der"] = der,
      ["pkcs1.der"] = pkcs1,
      ["certificate.der"] = made("x509 -in %s -outform DER",
        (function() local p = H.folder() .. "/c" H.write(p, certificate) return p end)()),
      ["spki.txt"] = mime.b64(der),
      ["lines.txt"] = (mime.b64(der):gsub(("."):rep(64), "%0\r\n")) .. "\r\n",
      ["pkcs1.txt"] = mime.b64(pkcs1) .. "\n",
      ["dotnet.xml"] = ("<RSAKeyValue><Modulus>%s</Modulus><Exponent>AQAB</Exponent></RSAKeyValue>")
        :format(mime.b64(modulus)),
      ["pretty.xml"] = ("\xef\xbb\xbf<RSAKeyValue>\r\n  <Exponent>AQAB</Exponent>\r\n"
        .. "  <Modulus>%s</Modulus>\r\n</RSAKeyValue>\r\n"):format(mime.b64(modulus)),
      ["jwk.json"] = ('{"kty":"RSA","e":"AQAB","n":"%s","alg":"RS256"}')
        :format(url_safe(mime.b64(modulus))),
    }
  end

  it("verifies with each form of a key, but with no other key", function()
    local _, public = H.keys()
    local other = H.keys("other")
    assert.matches("Exponent: 65537", openssl("pkey -pubin -in %s -noout -text", public))
    for name, text in pairs(forms()) do
      start { [name] = text }
      assert.equal(name, verified_by(), name)
      assert.equal("invalid_signature", verified_by(other), name)
      assert.equal(0, host:stop())
    end
  end)

  it("verifies with any of several keys, and names it in the log and in job.key", function()
    local private, public = H.keys()
    local other, other_public = H.keys("other")
    local third = H.keys("third")
    start { ["new.pem"] = H.read(public), ["old.pem"] = H.read(other_public) }
    for _ = 1, 3 do
      assert.equal("new.pem", verified_by(private))
      assert.equal("old.pem", verified_by(other))
      assert.equal("invalid_signature", verified_by(third))
    end
    host:wait_log_count("failed [^\n]* key=new%.pem ", 3)
    host:wait_log_count("failed [^\n]* key=old%.pem ", 3)
    host:wait_log("hookward [^\n]*: 2 keys")
  end)

  it("verifies with keys of different lengths", function()
    local path = H.folder() .. "/large.pem"
    openssl("genpkey -quiet -algorithm RSA -pkeyopt rsa_keygen_bits:3072 -out %s", path)
    local _, public = H.keys()
    start { ["a.pem"] = H.read(public), ["b.pem"] = made("pkey -in %s -pubout", path) }
    assert.equal("b.pem", verified_by(path))
    assert.equal("a.pem", verified_by())
  end)

  it("counts a key that is in two files once", function()
    local all = forms()
    start { ["a.xml"] = all["dotnet.xml"], ["b.pem"] = all["spki.pem"] }
    host:wait_log("hookward [^\n]*: 1 key,")
    assert.equal("a.xml", verified_by())
  end)

  it("does not start with a file that is not a public RSA key, and names it", function()
    local private = H.keys()
    local ec = made("ecparam -name prime256v1 -genkey -noout")
    local ec_file = H.folder() .. "/ec"
    H.write(ec_file, ec)
    for name, case in pairs {
      ["private.pem"] = { H.read(private), "private key" },
      ["pkcs1-private.pem"] = { made("rsa -traditional -in %s", private), "private key" },
      ["private.der"] = { made("pkey -in %s -outform DER", private), "private key" },
      ["ec.pem"] = { made("pkey -in %s -pubout", ec_file), "EC key" },
      ["garbage.pem"] = { "not a key at all\n", "" },
      ["broken.pem"] = { (H.read(select(2, H.keys())):gsub("\n....", "\nAAAA", 2)), "" },
      ["empty.pem"] = { "", "" },
    } do
      local log = start_error { ["good.pem"] = H.read(select(2, H.keys())), [name] = case[1] }
      assert.matches(name, log, 1, true)
      assert.matches(case[2], log)
    end
  end)

  it("does not start with a key under min_key_bits, which can be raised", function()
    local path = H.folder() .. "/small.pem"
    openssl("genpkey -quiet -algorithm RSA -pkeyopt rsa_keygen_bits:1024 -out %s", path)
    local keys = { ["small.pem"] = made("pkey -in %s -pubout", path) }
    local log = start_error(keys)
    assert.matches("small%.pem", log)
    assert.matches("1024 bits", log)
    log = start_error({ ["medium.pem"] = H.read(select(2, H.keys())) }, "min_key_bits = 3072")
    assert.matches("medium%.pem[^\n]*2048 bits", log)
  end)

  it("does not start without any key", function()
    assert.matches("key", start_error {})
  end)

  -- A key of usual length, one that does not fill its last byte, and one that the host lacks.
  local function expect_verification(options)
    local path, stranger = H.folder() .. "/odd.pem", H.keys("other")
    openssl("genpkey -quiet -algorithm RSA -pkeyopt rsa_keygen_bits:2052 -out %s", path)
    local _, public = H.keys()
    options.keys = { ["a.pem"] = H.read(public), ["b.pem"] = made("pkey -in %s -pubout", path) }
    options.handlers = HANDLERS
    host = H.start(options)
    for _ = 1, 3 do
      assert.equal("b.pem", verified_by(path))
      assert.equal("a.pem", verified_by())
      assert.equal("invalid_signature", verified_by(stranger))
    end
  end

  it("verifies only by OpenSSL with HOOKWARD_RSA=openssl", function()
    expect_verification { env = "HOOKWARD_RSA=openssl" }
  end)

  it("verifies by OpenSSL, and logs that once a key, when the vector code is wrong", function()
    local crashing = assert(os.getenv "HOOKWARD_CRASH", "HOOKWARD_CRASH names no binary")
    expect_verification { env = "HOOKWARD_SPOIL_RSA=1", binary = crashing }
    assert(H.sh(("cd %s && %s reload"):format(H.quote(host.folder), H.quote(H.binary))))
    local vectors = H.sh(H.quote(H.binary) .. " --version"):find("RSA: vectors", 1, true)
    for _, name in ipairs { "a.pem", "b.pem" } do
      local lines = select(2, host:log():gsub("error the RSA vectors give a wrong result; OpenSSL is used "
        .. "for this key key=" .. name .. "\n", ""))
      assert.equal(vectors and 1 or 0, lines)
    end
  end)

  it("does not start with an unknown value of HOOKWARD_RSA", function()
    local _, public = H.keys()
    assert.equal('HOOKWARD_RSA in the environment is "off"; it can be "openssl" or not set\n',
      start_error({ ["a.pem"] = H.read(public) }, nil, "HOOKWARD_RSA=off"))
  end)
end)
