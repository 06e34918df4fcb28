-- Each command does what its help says, or says what to do when it can't.

local cjson = require "cjson"
local lfs = require "lfs"
local cli = require "spec.support.cli"

local run, start, lines = cli.run, cli.start, cli.lines

local function has(text, part)
  assert.is_truthy(text:find(part, 1, true), ("%q is not in:\n%s"):format(part, text))
end

local function fails(result, code, part)
  assert.are.equal(code, result.code, result.out .. result.err)
  assert.are.equal("", result.out)
  assert.is_nil(result.err:find("traceback", 1, true), result.err)
  if part then has(result.err, part) end
end

local function works(result)
  assert.are.equal(0, result.code, result.out .. result.err)
  return result.out
end

local function sh(command)
  local pipe = io.popen("( " .. command .. " ) 2>&1")
  local out = pipe:read("a")
  assert(pipe:close(), out)
  return out
end

local CONFIG = 'return { listen = "127.0.0.1:0", ledger = "memory:" }'

after_each(cli.clean)
teardown(cli.finish)

describe("hookward", function()
  it("without arguments prints help", function()
    local out = works(run {})
    for _, name in ipairs { "serve", "check", "init", "test", "keygen", "send", "verify", "completion" } do
      assert.is_truthy(out:find("\n   " .. name .. " +%u"), name)
    end
  end)

  it("prints its version, and those of the libraries in use", function()
    local out = lines(works(run { "--version" }))
    assert.matches("^hookward %d+%.%d+%.%d+$", out[1])
    for i, name in ipairs { "Lua", "libuv", "OpenSSL", "SQLite", "libcurl" } do
      assert.matches("^" .. name .. ": %d+%.%d+%.%d+$", out[i + 1])
    end
    assert.matches("^libpq: %S", out[7])
    assert.matches("^lua%-cjson: %S+$", out[8])
    assert.matches("^RSA: %a+ %(.+%)$", out[9])
    assert.equal(9, #out)
  end)

  it("says in --version that lua-cjson is missing", function()
    assert.matches("\nlua%-cjson: not installed\n",
      works(run { "--version", env = { LUA_CPATH = "/nowhere/?.so" } }))
  end)

  it("says in --version how signatures are verified", function()
    local function way(value)
      return works(run { "--version", env = { HOOKWARD_RSA = value } }):match("\nRSA: (.-)\n")
    end
    local usual = way ""
    assert.is_true(usual == "vectors (AVX-512 IFMA)" or usual == "OpenSSL (this processor has no AVX-512 IFMA)")
    assert.equal("OpenSSL (HOOKWARD_RSA=openssl)", way "openssl")
    assert.equal('unusable (HOOKWARD_RSA can be "openssl" or not set)', way "off")
  end)

  it("has help with examples for every command", function()
    for _, name in ipairs { "serve", "check", "init", "test", "keygen", "send", "verify", "completion" } do
      local out = works(run { name, "--help" })
      assert.is_truthy(out:find("^Usage: hookward " .. name), out)
      local examples = lines(out:match("Examples:\n(.*)$"))
      assert.is_true(#examples >= 2, out)
      for _, line in ipairs(lines(out)) do assert.is_true(#line <= 80, line) end
      assert.are.equal(out, works(run { "help", name }))
    end
  end)

  it("suggests the command that was meant, with exit 2", function()
    fails(run { "srve" }, 2, "hookward: unknown command 'srve'; did you mean serve?\n"
      .. "See `hookward --help`.\n")
    fails(run { "kyegen" }, 2, "did you mean keygen?")
    local result = run { "bananas" }
    fails(result, 2, "unknown command 'bananas'")
    assert.is_nil(result.err:find("did you mean"))
  end)

  it("suggests the option that was meant, with exit 2", function()
    fails(run { "send", "--dta", "x" }, 2,
      "hookward send: unknown option '--dta'; did you mean --data?\nSee `hookward send --help`.\n")
    fails(run { "--versoin" }, 2, "did you mean --version?")
  end)

  it("says which argument is missing or too many, with exit 2", function()
    fails(run { "init" }, 2, "missing argument 'DIR'")
    fails(run { "init", "a", "b" }, 2, "too many arguments")
    fails(run { "verify" }, 2, "missing option '--body'")
    fails(run { "verify", "--body", "x" }, 2, "missing option '--signature'")
    fails(run { "check", "-c" }, 2, "requires an argument")
  end)

  it("says in one line which module is not installed", function()
    fails(run { "--version", env = { LUA_PATH = "/nowhere/?.lua" } }, 1, "hookward: module 'argparse' "
      .. "not found: install it with `apt-get install lua-argparse` or `luarocks install argparse`\n")
    works(run { "--version", env = { LUA_CPATH = "/nowhere/?.so" } })
  end)

  it("says in one line which shared library the rock lacks #rock", function()
    local rock = os.getenv "HOOKWARD_ROCK" or lfs.currentdir() .. "/build/rock/tree"
    local core = cli.read(rock .. "/lib/lua/5.4/hookward/core.so")
    local folder = cli.folder { ["hookward/core.so"] = (core:gsub("libuv%.so%.1", "libuv.so.9")) }
    local share = rock .. "/share/lua/5.4/?"
    fails(cli.program { "lua5.4", lfs.currentdir() .. "/rockspec/hookward", "--version", env = {
      LUA_PATH = share .. ".lua;" .. share .. "/init.lua;;", LUA_CPATH = folder .. "/?.so;;" } }, 1,
      "hookward: the library libuv.so.9 is missing: install it with `apt-get install libuv1`\n")
  end)

  it("writes no colours to a file", function()
    local project = cli.project(CONFIG)
    assert.is_nil(run({ "check", cwd = project }).out:find("\27"))
  end)
end)

describe("every command that reads the configuration", function()
  local commands = {
    { "serve" }, { "check" }, { "send", "A.B" }, { "verify", "--body", "/dev/null", "--signature", "x" },
    { "keygen", "d", "-c", "hookward.lua" },
  }

  it("says how to get a configuration when there is none", function()
    for _, command in ipairs(commands) do
      local result = run(command)
      fails(result, 1, "hookward.lua")
      assert.are.equal(1, #lines(result.err), result.err)
    end
    has(run({ "serve" }).err, "`hookward init DIR`")
  end)

  it("accepts -c FILE and --config FILE, and resolves paths from that file's folder", function()
    local project = cli.project(CONFIG)
    has(works(run { "check", "-c", project .. "/hookward.lua" }), "ok: 1 key, 1 route")
    has(works(run { "check", "--config", project .. "/hookward.lua" }), "ok: 1 key, 1 route")
  end)

  it("prints every mistake on a line of its own, with exit 1", function()
    local folder = cli.folder { ["hookward.lua"] = "return { wrokers = 1, max_queue = 0 }" }
    for _, command in ipairs(commands) do
      command.cwd = folder
      local result = run(command)
      fails(result, 1, "hookward.lua: wrokers: unknown key; did you mean workers?\n")
      has(result.err, "hookward.lua: max_queue: expected a whole number")
    end
  end)
end)

describe("serve", function()
  it("needs handlers and a key, and says how to get them", function()
    local folder = cli.folder { ["hookward.lua"] = CONFIG }
    local result = run { "serve", cwd = folder }
    fails(result, 1, "handlers: no such folder;")
    has(result.err, "keys/*: no key file; save Accredit's Signature Key as keys/NAME.pem, or "
      .. "make one for development with `hookward keygen DIR`\n")
    assert.are.equal(2, #lines(result.err))
  end)

  it("doesn't start with a private key among the keys, and names the file", function()
    local project = cli.project(CONFIG)
    sh(("cp %s/development.key %s/keys/oops.pem"):format(project, project))
    local result = run { "serve", cwd = project }
    fails(result, 1, "keys/oops.pem: ")
    has(result.err, "private")
    assert.are.equal(1, #lines(result.err), result.err)
  end)

  it("doesn't start with a handler that doesn't load, and names file and line", function()
    local project = cli.project(CONFIG)
    cli.write(project .. "/handlers/broken.lua", "local x = \n\n= 1")
    fails(run { "serve", cwd = project }, 1, "handlers/broken.lua:3:")
  end)

  it("has flags that override the configuration", function()
    local project = cli.project(CONFIG)
    fails(run { "serve", "--workers", "0", cwd = project }, 2, "--workers takes a whole number from 1")
    fails(run { "serve", "--workers", "1025", cwd = project }, 2, "from 1 to 1024")
    fails(run { "serve", "--log-level", "loud", cwd = project }, 2, "--log-level")
    fails(run { "serve", "--listen", ":1", cwd = project }, 1, '--listen: ":1" names no host')
    fails(run { "serve", "--handlers", "none", cwd = project }, 1, "none: no such folder")
    fails(run { "serve", "--keys", "none/*", cwd = project }, 1, "none/*: no key file")
    fails(run { "serve", "--ledger", "a/b/c.db", cwd = project }, 1, "a/b/c.db")
  end)
end)

describe("check", function()
  it("prints keys and routes", function()
    local out = works(run { "check", cwd = cli.project(CONFIG) })
    assert.is_truthy(out:find("development%.pem +PEM +2048 bits +SHA%-256 %x+\n"), out)
    assert.is_truthy(out:find("BadgeExportZipFile%.Created +handlers/badges%.lua:%d+\n"), out)
    has(out, "ok: 1 key, 1 route\n")
  end)

  -- Routes of every kind, and which schema each has.
  local ROUTES = [[
    local hook = require "hookward"
    local function handler() end
    hook.schema("A.Known", { type = "object" })
    hook.on("A.Known", { schema = true }, handler)
    hook.on("A.Own", { schema = { type = "object" } }, handler)
    hook.on("A.Free", { schema = false }, handler)
    hook.on("A.Unknown", handler)
    hook.on("B.*", { schema = true }, handler)
    hook.on("*", handler)
  ]]

  local function schemas(config)
    local project = cli.project(config)
    cli.write(project .. "/handlers/badges.lua", ROUTES)
    local found = {}
    for _, route in ipairs(cjson.decode(works(run { "check", "--json", cwd = project })).routes) do
      found[route.pattern] = route.schema or "none"
    end
    return found, works(run { "check", cwd = project })
  end

  it("shows which routes check their events against a schema", function()
    local found, out = schemas(CONFIG)
    assert.same({ ["A.Known"] = "the event's", ["A.Own"] = "its own", ["A.Free"] = "none",
      ["A.Unknown"] = "none", ["B.*"] = "each event's", ["*"] = "none" }, found)
    assert.matches("\n  A%.Known +handlers/badges%.lua:2  schema: the event's\n", out)
    assert.matches("\n  A%.Own +handlers/badges%.lua:2  schema: its own\n", out)
    assert.matches("\n  A%.Free +handlers/badges%.lua:2\n", out)
    assert.matches("\n  B%.%* +handlers/badges%.lua:2  schema: each event's\n", out)
  end)

  local ON_DISK = CONFIG:gsub(', ledger = "memory:"', "")
  local WAYS = [[
    local hook = require "hookward"
    local function handler() end
    local function key() end
    hook.on("A.First", { ack = "first" }, handler)
    hook.on("A.Few", { ack = "first", concurrency = 2 }, handler)
    hook.on("A.Ordered", { ack = "first", key = key }, handler)
    hook.on("A.Both", { ack = "first", concurrency = 3, key = key, schema = { type = "object" } }, handler)
    hook.on("A.Last", { ack = "last" }, handler)
    hook.on("A.Plain", handler)
  ]]

  -- What `check --json` and `check` say of the routes above.
  local function ways(config)
    local project = cli.project(config)
    cli.write(project .. "/handlers/badges.lua", WAYS)
    local found = {}
    for _, route in ipairs(cjson.decode(works(run { "check", "--json", cwd = project })).routes) do
      found[route.pattern] = route.way or "none"
    end
    return found, works(run { "check", cwd = project })
  end

  it("shows which routes are acknowledged before they run, and their limits", function()
    local found, out = ways(ON_DISK)
    assert.same({ ["A.First"] = "ack first", ["A.Few"] = "ack first, at most 2 at once",
      ["A.Ordered"] = "ack first, in order by key", ["A.Both"] = "ack first, at most 3 at once, in order by key",
      ["A.Last"] = "none", ["A.Plain"] = "none" }, found)
    assert.matches("\n  A%.First +handlers/badges%.lua:2  ack first\n", out)
    assert.matches("\n  A%.Both +handlers/badges%.lua:2  ack first, at most 3 at once, in order by key; "
      .. "schema: its own\n", out)
    assert.matches("\n  A%.Last +handlers/badges%.lua:2\n", out)
  end)

  it("shows how ack = \"first\" in hookward.lua changes that", function()
    local found = ways((ON_DISK:gsub("return {", 'return { ack = "first",')))
    assert.equal("ack first", found["A.Plain"])
    assert.equal("none", found["A.Last"])
  end)

  it("reports an acknowledgement that this host can't give", function()
    local project = cli.project(CONFIG) -- its ledger is in memory
    cli.write(project .. "/handlers/badges.lua",
      'require "hookward".on("A.First", { ack = "first" }, function() end)')
    local result = run { "check", cwd = project }
    assert.equal(1, result.code)
    has(result.err, 'handlers/badges.lua:1: hook.on("A.First"): ack = "first" needs a ledger on disk')
  end)

  it("shows how validate = true changes that", function()
    local found = schemas((CONFIG:gsub("return {", "return { validate = true,")))
    assert.same({ ["A.Known"] = "the event's", ["A.Own"] = "its own", ["A.Free"] = "none",
      ["A.Unknown"] = "none", ["B.*"] = "each event's", ["*"] = "each event's" }, found)
  end)

  it("warns of what the host accepts but may be a mistake", function()
    local project = cli.project(CONFIG)
    sh(("cp %s/keys/development.pem %s/keys/twice.pem"):format(project, project))
    cli.write(project .. "/handlers/badges.lua", "")
    local out = works(run { "check", cwd = project })
    has(out, "warning: keys/development.pem: a key for development; remove it before you go live\n")
    has(out, "warning: keys/twice.pem: the same key as keys/development.pem\n")
    has(out, "warning: handlers: no handler is registered; every notification will be refused\n")
    has(out, 'warning: ledger = "memory:"')
  end)

  it("warns if the time-outs add up to more than a sender waits", function()
    local function warned(config)
      local project = cli.project(CONFIG:gsub("return {", "return { " .. config))
      return works(run { "check", cwd = project }):find("add up to", 1, true) ~= nil
    end
    assert.is_false(warned(""))
    assert.is_false(warned("handler_timeout = 35,"))
    assert.is_true(warned("handler_timeout = 36,"))
    assert.is_false(warned("handler_timeout = 60, queue_timeout = 5,"))
  end)

  it("reports every kind of problem in one run", function()
    local project = cli.project("return { wrokers = 1, workers = 0 }")
    cli.write(project .. "/keys/bad.pem", "nonsense")
    cli.write(project .. "/keys/worse.pem", "")
    cli.write(project .. "/handlers/broken.lua", "= 1")
    local result = run { "check", cwd = project }
    assert.are.equal(1, result.code)
    has(result.err, "error: hookward.lua: wrokers: unknown key")
    has(result.err, "error: hookward.lua: workers: expected")
    has(result.err, "error: keys/bad.pem: ")
    has(result.err, "error: keys/worse.pem: ")
    has(result.err, "error: handlers/broken.lua:1: ")
    assert.are.equal(5, #lines(result.err), result.err)
    has(result.out, "development.pem") -- the good key is shown as well
    assert.is_nil(result.out:find("ok:", 1, true))
  end)

  it("reports a missing folder of the ledger or of a socket", function()
    local project = cli.project('return { ledger = "a/b.db", listen = "unix:c/d.sock" }')
    local result = run { "check", cwd = project }
    assert.are.equal(1, result.code)
    has(result.err, "error: a/b.db: its folder is not there; make it with `mkdir -p`")
    has(result.err, "/c/d.sock\": no such file or directory; make its folder with `mkdir -p`")
  end)

  it("doesn't complain of the defaults that replace wrong values", function()
    local folder = cli.folder { ["hookward.lua"] = "return { handlers = 5, keys = 5 }" }
    local result = run { "check", cwd = folder }
    assert.are.equal(2, #lines(result.err), result.err)
  end)

  it("prints all of that as JSON", function()
    local project = cli.project(CONFIG)
    local report = cjson.decode(works(run { "check", "--json", cwd = project }))
    assert.is_true(report.ok)
    assert.are.equal("hookward.lua", report.file)
    assert.are.equal("development.pem", report.keys[1].name)
    assert.are.equal(64, #report.keys[1].fingerprint)
    assert.are.equal("BadgeExportZipFile.Created", report.routes[1].pattern)
    assert.is_truthy(report.routes[1].place:find("^handlers/badges%.lua:%d+$"))
    assert.are.same({}, report.errors)

    cli.write(project .. "/handlers/broken.lua", "= 1")
    local result = run { "check", "--json", cwd = project }
    assert.are.equal(1, result.code)
    report = cjson.decode(result.out)
    assert.is_false(report.ok)
    assert.are.equal(1, #report.errors)
    has(result.out, '"routes":[]')
  end)
end)

describe("init", function()
  it("writes annotations for editors where .luarc.json looks for them, and updates them", function()
    local project = cli.project()
    local settings = cjson.decode(cli.read(project .. "/.luarc.json"))
    assert.are.equal(".hookward", settings["workspace.library"][1])
    local path = project .. "/.hookward/hookward.lua"
    local meta = cli.read("lua/hookward/_meta.lua")
    assert.are.equal(meta, cli.read(path))
    local stub = cli.read(project .. "/.hookward/hookward/testing.lua")
    has(stub, "---@meta hookward.testing\n")
    assert(load(stub))
    cli.write(path, "old")
    cli.write(project .. "/hookward.lua", CONFIG)
    works(run { "init", "--annotations", ".", cwd = project })
    assert.are.equal(meta, cli.read(path))
    assert.are.equal(CONFIG, cli.read(project .. "/hookward.lua"))
    fails(run { "init", "--annotations", cli.folder() }, 1, "there is no hookward.lua")
  end)

  local all = { ".busted", ".gitignore", ".hookward", ".hookward/hookward",
    ".hookward/hookward.lua", ".hookward/hookward/testing.lua", ".luarc.json", "README.md",
    "development.key", "handlers", "handlers/badges.lua", "hookward.lua", "keys",
    "keys/development.pem", "spec", "spec/badges_spec.lua" }

  local function listing(folder)
    return lines(sh(("cd %s && find . -mindepth 1 | sed 's|^./||' | LC_ALL=C sort"):format(folder)))
  end

  it("makes a project in which check works at once", function()
    local folder = cli.folder()
    works(run { "init", "a/b", cwd = folder })
    assert.are.same(all, listing(folder .. "/a/b"))
    has(works(run { "check", cwd = folder .. "/a/b" }), "ok: 1 key, 1 route")
  end)

  it("makes a private key that only its owner can read and that git ignores", function()
    local project = cli.project()
    assert.are.equal("600", cli.mode(project .. "/development.key"))
    has(cli.read(project .. "/development.key"), "-----BEGIN PRIVATE KEY-----")
    assert.are.same({ "development.key", "hookward.db*", ".hookward.sock*" },
      lines(cli.read(project .. "/.gitignore")))
    local public = sh(("openssl pkey -in %s/development.key -pubout"):format(project))
    assert.are.equal(public, cli.read(project .. "/keys/development.pem"))
  end)

  it("writes Lua without luacheck warnings", function()
    sh(("cd %s && luacheck -q --std lua54 hookward.lua handlers"):format(cli.project()))
  end)

  it("prints commands that work when they are pasted", function()
    local folder = cli.folder()
    local out = works(run { "init", "it's mine", cwd = folder })
    local serve, send = out:match("\n  (cd [^\n]+)\n.-\n  ([^\n]+)\n$")
    sh(("cd %s && %s --help"):format(folder, serve))
    local result = sh(("cd %s && %s || true"):format(folder, send .. " --to http://127.0.0.1:1"))
    has(result, "nobody listens there")
  end)

  it("accepts an empty folder, the current folder, and one that has only .git", function()
    local folder = cli.folder()
    lfs.mkdir(folder .. "/.git")
    local out = works(run { "init", ".", cwd = folder })
    assert.is_nil(out:find("cd ", 1, true))
    has(works(run { "check", cwd = folder }), "ok: 1 key, 1 route")
  end)

  it("refuses a folder that isn't empty, names what is in it, and changes nothing", function()
    local folder = cli.folder { a = "", b = "", c = "", d = "", e = "", f = "", g = "" }
    fails(run { "init", folder }, 1, "is not empty (in the way: a, b, c, d, e and 2 more)")
    assert.are.equal(7, #listing(folder))
  end)

  describe("--tls", function()
    local folder
    setup(function()
      folder = os.tmpname()
      os.remove(folder)
      works(run { "init", "--tls", folder })
    end)
    teardown(function() sh("rm -r " .. cli.quote(folder)) end)

    it("makes a certificate for localhost that verifies when it is named, and no authority", function()
      local certificate = folder .. "/tls/cert.pem"
      local text = sh("openssl x509 -noout -text -in " .. certificate)
      has(text, "DNS:localhost, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1")
      has(text, "NIST CURVE: P-256")
      has(text, "CA:FALSE")
      has(sh("openssl x509 -noout -checkend $((364 * 86400)) -in " .. certificate), "will not expire")
      assert.is_nil(sh("openssl x509 -noout -checkend $((366 * 86400)) -in " .. certificate .. " || :")
        :find("will not expire", 1, true))
      has(sh(("openssl verify -verify_hostname localhost -purpose sslserver -CAfile %s %s"):format(certificate,
        certificate)), ": OK")
      assert.are.equal(sh("openssl x509 -noout -pubkey -in " .. certificate),
        sh(("openssl pkey -pubout -in %s/tls/key.pem"):format(folder)))
    end)

    it("keeps its key to its owner and out of git", function()
      assert.are.equal("600", cli.mode(folder .. "/tls/key.pem"))
      assert.are.equal("644", cli.mode(folder .. "/tls/cert.pem"))
      sh(("cd %s && git init -q && git add ."):format(folder))
      local tracked = sh(("cd %s && git ls-files"):format(folder))
      has(tracked, "tls/cert.pem")
      assert.is_nil(tracked:find("key.pem", 1, true))
    end)

    it("is what the configuration listens with, also that of an example", function()
      local function read(path)
        local settings = assert(loadfile(path .. "/hookward.lua"))()
        assert.are.equal("127.0.0.1:8443", settings.listen)
        assert.are.same({ cert = "tls/cert.pem", key = "tls/key.pem" }, settings.tls)
      end
      read(folder)
      works(run { "init", "--tls", "--example", "print-queue", folder .. "/badges" })
      read(folder .. "/badges")
      has(cli.read(folder .. "/badges/.gitignore"), "\ntls/key.pem\n")
      for example in sh("ls examples/*/hookward.lua"):gmatch("%S+") do
        has(cli.read(example), '\n  listen = "127.0.0.1:8080",\n') -- what --tls replaces
      end
    end)
  end)

  it("refuses a file", function()
    local folder = cli.folder { a = "" }
    fails(run { "init", folder .. "/a" }, 1, "already exists, and is not a folder")
  end)
end)

describe("keygen", function()
  it("makes a matching pair whose private half only its owner can read", function()
    local folder = cli.folder()
    has(works(run { "keygen", "x/dev", cwd = folder }), "hookward send EVENT --key x/dev/private.pem")
    assert.are.equal("600", cli.mode(folder .. "/x/dev/private.pem"))
    local public = sh(("openssl pkey -in %s/x/dev/private.pem -pubout"):format(folder))
    assert.are.equal(public, cli.read(folder .. "/x/dev/public.pem"))
    has(sh(("openssl pkey -in %s/x/dev/private.pem -noout -text"):format(folder)), "2048 bit")
  end)

  it("makes longer keys on request, and no other lengths", function()
    local folder = cli.folder()
    works(run { "keygen", folder, "--bits", "3072" })
    has(sh(("openssl pkey -in %s/private.pem -noout -text"):format(folder)), "3072 bit")
    fails(run { "keygen", folder, "--bits", "1024" }, 2, "--bits")
  end)

  it("never overwrites either file", function()
    for _, name in ipairs { "private.pem", "public.pem" } do
      local folder = cli.folder { [name] = "mine" }
      fails(run { "keygen", folder }, 1, "/" .. name .. ": already exists, and is never overwritten")
      assert.are.equal("mine", cli.read(folder .. "/" .. name))
      assert.are.equal(1, #lines(sh("ls " .. folder)))
    end
  end)

  it("refuses a folder that the configuration's keys read", function()
    local project = cli.project()
    fails(run { "keygen", "keys", cwd = project }, 1, "keys: the host reads keys/*")
    fails(run { "keygen", "./keys/", cwd = project }, 1, "the host reads keys/*")
    fails(run { "keygen", "keys", "-c", project .. "/hookward.lua", cwd = project }, 1, "keys/*")
    sh(("ln -s keys %s/link"):format(project))
    fails(run { "keygen", "link", cwd = project }, 1, "the host reads keys/*")
    assert.are.same({ "development.pem" }, lines(sh("ls " .. project .. "/keys")))
  end)

  it("refuses such a folder before it exists, too", function()
    local folder = cli.folder { ["hookward.lua"] = 'return { keys = { "k/*/*.pem" } }' }
    fails(run { "keygen", "k/new", cwd = folder }, 1, "the host reads k/*/*.pem")
    assert.is_nil(lfs.attributes(folder .. "/k"))
    works(run { "keygen", "other", cwd = folder })
  end)
end)

describe("send", function()
  -- Sends to a receiver that gives these answers; returns its requests and the command's output.
  local function send(answers, arguments, project)
    project = project or cli.project()
    local receiver = cli.receiver(answers)
    local words = { "send" }
    table.move(arguments, 1, #arguments, 2, words)
    words[#words + 1] = "--to"
    words[#words + 1] = receiver.url .. (arguments.path or "")
    words.cwd, words.stdin, words.env = project, arguments.stdin, arguments.env
    local running = start(words)
    local requests = receiver:serve()
    return requests, running:wait(), project
  end

  local function verifies(request, project)
    cli.write(project .. "/body", request.body)
    cli.write(project .. "/signature.b64", request.headers["x-signature"])
    has(sh(("cd %s && base64 -d signature.b64 > signature && openssl dgst -sha256 -verify "
      .. "keys/development.pem -signature signature body"):format(project)), "Verified OK")
  end

  it("accepts any job id that a header can carry, and no other", function()
    for _, id in ipairs { "Zoë 1", ("x"):rep(200) } do
      local requests = send({ 200 }, { "A.B", "--job-id", id })
      assert.are.equal(id, requests[1].headers["x-jobid"])
    end
    for _, id in ipairs { "a\nb", "a\r\nX-Signature: b", "\27[1m" } do
      fails(run { "send", "A.B", "--job-id", id, cwd = cli.project() }, 2, "--job-id takes a text without control")
    end
  end)

  it("posts a signed notification as Accredit does", function()
    local requests, result, project = send({ 200 }, { "BadgeExportZipFile.Created" })
    local request = requests[1]
    assert.are.equal("POST /baseWebhookNotification HTTP/1.1", request.line)
    assert.are.equal("application/json", request.headers["content-type"])
    assert.are.equal("0", request.headers["x-jobattempt"])
    assert.is_truthy(request.headers["x-jobid"]:find("^%d+$"))
    assert.is_truthy(request.body:find('^{"Event":"BadgeExportZipFile%.Created","Timestamp":'
      .. '"%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%d%.%d%d%dZ","BadgeExportZipFileId":"%x+%-[%x%-]+"}$'),
      request.body)
    verifies(request, project)
    has(works(result), "attempt 0: 200 (")
  end)

  it("sets the Timestamp to the current time, in UTC", function()
    local before = os.date("!%Y-%m-%dT%H:%M:%S")
    local requests = send({ 200 }, { "A.B", env = { TZ = "Asia/Tokyo" } })
    local stamp = cjson.decode(requests[1].body).Timestamp
    assert.is_true(before <= stamp and stamp:sub(1, 19) <= os.date("!%Y-%m-%dT%H:%M:%S"))
  end)

  it("appends the fields of --data as they were written", function()
    local requests = send({ 200 }, { "A.B", "--data", ' { "z": 9007199254740993, "a": 1.10 } ' })
    assert.is_truthy(requests[1].body:find('^{"Event":"A%.B","Timestamp":"[^"]+",'
      .. '"z": 9007199254740993, "a": 1%.10}$'), requests[1].body)
    requests = send({ 200 }, { "A.B", "--data", "{}" })
    assert.is_truthy(requests[1].body:find('^{"Event":"A%.B","Timestamp":"[^"]+"}$'))
    requests = send({ 200 }, { "A.B", "--data", '{"Timestamp":"x"}' })
    assert.are.equal('{"Event":"A.B","Timestamp":"x"}', requests[1].body)
  end)

  it("reads --data from a file or the standard input", function()
    local project = cli.project()
    cli.write(project .. "/data.json", '{"n":1}\n')
    local requests = send({ 200 }, { "A.B", "--data", "@data.json" }, project)
    has(requests[1].body, ',"n":1}')
    requests = send({ 200 }, { "A.B", "--data", "@-", stdin = '{"n":2}' })
    has(requests[1].body, ',"n":2}')
  end)

  it("sends data with an Event of its own byte for byte", function()
    local body = '\n{ "b" : 1,"Event":"C.D" }\n'
    local requests, result, project = send({ 200 }, { "--data", body })
    assert.are.equal(body, requests[1].body)
    verifies(requests[1], project)
    has(works(result), "C.D, job ")
  end)

  it("sends --raw byte for byte", function()
    local project = cli.project()
    cli.write(project .. "/raw", "\xEF\xBB\xBF\0not json\r\n")
    local requests = send({ 200 }, { "--raw", "@raw" }, project)
    assert.are.equal("\xEF\xBB\xBF\0not json\r\n", requests[1].body)
    verifies(requests[1], project)
  end)

  it("refuses arguments that don't fit, with exit 2", function()
    local project = cli.project()
    local function refused(part, ...)
      fails(run { "send", cwd = project, ... }, 2, part)
    end
    refused("which event?")
    refused("which event?", "--data", "{}")
    refused("--data is not JSON", "A.B", "--data", "{")
    refused("--data is not a JSON object", "A.B", "--data", "[1]")
    refused("--data has the Event C.D, not A.B", "A.B", "--data", '{"Event":"C.D"}')
    refused("can not be used together", "A.B", "--data", "{}", "--raw", "x")
    refused("--attempt takes a whole number", "A.B", "--attempt", "x")
    refused("--retries takes a whole number", "A.B", "--retries", "1.5")
    refused("--delay takes a time", "A.B", "--delay", "1x")
    refused("--header takes 'Name: value'", "A.B", "--header", "nonsense")
    refused("--to takes a URL", "A.B", "--to", "127.0.0.1:80")
    refused("nowhere.json", "A.B", "--data", "@nowhere.json")
  end)

  it("exits 1 and prints code and message when the answer is not 200", function()
    local _, result = send({ { 400, '{"error":"no_handler","message":"none for \\u001b[31mthis"}' } }, { "A.B" })
    assert.are.equal(1, result.code)
    has(result.out, "attempt 0: 400 no_handler: none for  [31mthis (")
    _, result = send({ { 502, "<html>\nbad gateway" } }, { "A.B" })
    has(result.out, "attempt 0: 502 <html> bad gateway (")
  end)

  it("retries as Accredit does: the same job and body, the next attempt, until a 200", function()
    local requests, result = send({ 400, 503, 200 }, { "A.B", "--retries", "5", "--delay", "10ms" })
    works(result)
    assert.are.equal(3, #requests)
    for i, request in ipairs(requests) do
      assert.are.equal(tostring(i - 1), request.headers["x-jobattempt"])
      assert.are.equal(requests[1].headers["x-jobid"], request.headers["x-jobid"])
      assert.are.equal(requests[1].body, request.body)
      assert.are.equal(requests[1].headers["x-signature"], request.headers["x-signature"])
    end
  end)

  it("gives up after the last retry", function()
    local requests, result = send({ 400, 400 }, { "A.B", "--retries", "1", "--delay", "0",
      "--attempt", "4" })
    assert.are.equal(1, result.code)
    assert.are.equal("4", requests[1].headers["x-jobattempt"])
    assert.are.equal("5", requests[2].headers["x-jobattempt"])
  end)

  it("accepts a job id, and headers to add, replace or leave out", function()
    local requests = send({ 200 }, { "A.B", "--job-id", "abc", "--header", "x-signature: forged",
      "--header", "X-Extra: a: b", "--header", "X-JobAttempt:" })
    local headers = requests[1].headers
    assert.are.equal("abc", headers["x-jobid"])
    assert.are.equal("forged", headers["x-signature"])
    assert.are.equal("a: b", headers["x-extra"])
    assert.is_nil(headers["x-jobattempt"])
  end)

  it("posts to the path of the URL, or to the configuration's if the URL has none", function()
    local requests = send({ 200 }, { "A.B", path = "/other?x=1" })
    assert.are.equal("POST /other?x=1 HTTP/1.1", requests[1].line)
    requests = send({ 200 }, { "A.B" }, cli.project('return { path = "/hooks" }'))
    assert.are.equal("POST /hooks HTTP/1.1", requests[1].line)
  end)

  it("sends to the address in the configuration", function()
    local receiver = cli.receiver { 200 }
    local port = receiver.url:match("%d+$")
    local project = cli.project(('return { listen = { "systemd", "0.0.0.0:%s" } }'):format(port))
    local running = start { "send", "A.B", cwd = project }
    receiver:serve()
    has(works(running:wait()), "to http://127.0.0.1:" .. port .. "/baseWebhookNotification")
    fails(run { "send", "A.B", cwd = cli.project(CONFIG) }, 1, "name the URL with --to")
  end)

  it("needs no configuration with --to and --key", function()
    local folder = cli.folder()
    works(run { "keygen", "k", cwd = folder })
    local receiver = cli.receiver { 200 }
    local running = start { "send", "A.B", "--to", receiver.url, "--key", "k/private.pem", cwd = folder }
    assert.are.equal("POST /baseWebhookNotification HTTP/1.1", receiver:serve()[1].line)
    works(running:wait())
    fails(run { "send", "A.B", cwd = folder }, 1, "name --to URL and --key FILE, or -c FILE")
  end)

  it("works over a Unix socket", function()
    local project = cli.project('return { listen = "unix:h.sock,mode=0600" }')
    local result = run { "send", "A.B", cwd = project }
    assert.are.equal(1, result.code)
    has(result.out, "to unix:" .. project .. "/h.sock")
    has(result.out, "nobody listens there")
  end)

  it("says how to start a host when none is listening", function()
    local result = run { "send", "A.B", "--to", "http://127.0.0.1:1", cwd = cli.project() }
    assert.are.equal(1, result.code)
    has(result.out, "attempt 0: nobody listens there")
    has(result.err, "`hookward serve`")
  end)

  it("says what is wrong with the key", function()
    local function refused(key, text)
      fails(run { "send", "A.B", "--to", "http://127.0.0.1:1", "--key", key, cwd = cli.project() }, 1, text)
    end
    refused("none.pem", "name a private key with --key")
    refused("keys/development.pem", "public key")
  end)

  it("prints all of that as JSON", function()
    local requests, result = send({ { 400, '{"error":"e","message":"m"}' }, 200 },
      { "A.B", "--retries", "1", "--delay", "0", "--json" })
    local report = cjson.decode(works(result))
    assert.is_true(report.ok)
    assert.are.equal("A.B", report.event)
    assert.are.equal(requests[1].headers["x-jobid"], report.job_id)
    assert.are.equal(requests[1].body, report.body)
    assert.are.equal(400, report.attempts[1].status)
    assert.are.equal("e", report.attempts[1].error)
    assert.are.equal("m", report.attempts[1].message)
    assert.are.equal(200, report.attempts[2].status)
    assert.are.equal(2, #report.attempts)
  end)
end)

describe("verify", function()
  local project, signature

  before_each(function()
    project = cli.project()
    cli.write(project .. "/body", '{"Event":"A.B"}')
    signature = sh(("cd %s && openssl dgst -sha256 -sign development.key body | base64 -w0"):format(project))
    cli.write(project .. "/signature", signature .. "\n")
  end)

  it("names the key that verifies", function()
    local out = "verified with development.pem\n"
    assert.are.equal(out, works(run { "verify", "--body", "body", "--signature", signature, cwd = project }))
    assert.are.equal(out, works(run { "verify", "--body", "body", "--signature", "@signature", cwd = project }))
    assert.are.equal(out, works(run { "verify", "--body", "-", "--signature", "@signature", cwd = project,
      stdin = '{"Event":"A.B"}' }))
  end)

  it("uses the keys of --key instead, and then needs no configuration", function()
    local folder = cli.folder()
    local arguments = { "verify", "--body", project .. "/body", "--signature", signature, cwd = folder,
      "--key", project .. "/keys/development.pem" }
    has(works(run(arguments)), "verified with development.pem")
    works(run { "keygen", "k", cwd = folder })
    local result = run { "verify", "--body", project .. "/body", "--signature", signature,
      "--key", "k/public.pem", cwd = folder }
    assert.are.equal(1, result.code)
    has(result.out, "not verified: invalid_signature")
  end)

  it("says what would make it verify, and exits 1", function()
    cli.write(project .. "/body", '\xEF\xBB\xBF{"Event":"A.B"}')
    local result = run { "verify", "--body", "body", "--signature", signature, cwd = project }
    assert.are.equal(1, result.code)
    has(result.out, "not verified: invalid_signature: ")
    assert.is_truthy(result.out:find("\n  would verify with key development.pem if [^\n]*BOM"), result.out)
  end)

  it("says the same as JSON", function()
    local report = cjson.decode(works(run { "verify", "--body", "body", "--signature", signature,
      "--json", cwd = project }))
    assert.are.same({ verified = true, key = "development.pem" }, report)
    local result = run { "verify", "--body", "body", "--signature", "aGk=", "--json", cwd = project }
    assert.are.equal(1, result.code)
    report = cjson.decode(result.out)
    assert.is_false(report.verified)
    assert.are.equal("malformed_signature", report.error)
    assert.is_true(#report.findings > 0)
  end)

  it("names the file that can't be used", function()
    fails(run { "verify", "--body", "none", "--signature", "x", cwd = project }, 1, "none: No such file")
    fails(run { "verify", "--body", "body", "--signature", "@none", cwd = project }, 1, "none: No such file")
    fails(run { "verify", "--body", "body", "--signature", "x", "--key", "development.key", cwd = project },
      1, "development.key: ")
  end)
end)

describe("completion", function()
  it("prints a script that the shell accepts", function()
    local script = works(run { "completion", "bash" })
    local folder = cli.folder { script = script }
    sh("bash -n " .. folder .. "/script")
    for _, word in ipairs { "keygen", "--job-id", "--log-level" } do has(script, word) end
  end)

  it("completes commands and options in bash", function()
    local folder = cli.folder { script = works(run { "completion", "bash" }), ask = [[
      source ./script
      ask() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=(); _hookward; echo "${COMPREPLY[@]}"; }
      ask hookward ke
      ask hookward send --re
      ask hookward serve --log-level d
    ]] }
    assert.are.same({ "keygen", "--retries", "debug" }, lines(sh(("cd %s && bash ask"):format(folder))))
  end)

  -- `compopt +o default` keeps bash from offering files.
  it("offers files for files, known words where there are some, and nothing else", function()
    local folder = cli.folder { script = works(run { "completion", "bash" }), ["some.file"] = "", ask = [[
      source ./script
      compopt() { echo -n "no files: "; }
      ask() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=(); _hookward; echo "${COMPREPLY[@]}"; }
      ask hookward send --key some
      ask hookward serve -c some
      ask hookward send --job-id some
      ask hookward send --retries some
      ask hookward init --example ord
      ask hookward jobs list --state succ
      ask hookward sandbox --misbehave rep
      ask hookward send Ba
      ask hookward help dep
      echo "[$(ask hookward init some)]"
    ]] }
    assert.are.same({ "some.file", "some.file", "no files: ", "no files: ", "no files: ordered",
      "no files: succeeded", "no files: repeat", "no files: BadgeExportZipFile.Created",
      "no files: deployment", "[]" }, lines(sh(("cd %s && bash ask"):format(folder))))
  end)

  it("says how to install each script, and keeps #compdef first for zsh", function()
    for _, shell in ipairs { "bash", "zsh", "fish" } do
      has(works(run { "completion", shell }), "# To install: ")
    end
    assert.is_truthy(works(run { "completion", "zsh" }):find("^#compdef hookward\n# To install"))
  end)

  it("supports three shells", function()
    fails(run { "completion", "tcsh" }, 2, "must be one of 'bash', 'zsh', 'fish'")
  end)
end)
