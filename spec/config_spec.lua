-- A configuration is read completely or refused with lines that say what to change.

local lfs = require "lfs"
local cli = require "spec.support.cli"

-- A stand-in for the C functions that the configuration uses; commands_spec.lua runs the real ones.
local function realpath(path)
  if not lfs.attributes(path) then return nil, path .. ": No such file or directory" end
  local real = path:sub(1, 1) == "/" and "" or lfs.currentdir()
  for part in path:gmatch("[^/]+") do
    local target = lfs.symlinkattributes(real .. "/" .. part, "target")
    if part == ".." then real = real:match("^(.*)/")
    elseif target then real = assert(realpath(target:sub(1, 1) == "/" and target or real .. "/" .. target))
    elseif part ~= "." then real = real .. "/" .. part
    end
  end
  return real
end

-- Files by a pattern whose last part may have stars.
local function glob(pattern)
  local folder, name = pattern:match("^(.*)/(.*)$")
  assert(not folder:find("[*?[]") and not name:find("[?[]"), pattern)
  local fits = "^" .. name:gsub("%p", "%%%0"):gsub("%%%*", ".*") .. "$"
  local files = {}
  if lfs.attributes(folder, "mode") ~= "directory" then return files end
  for entry in lfs.dir(folder) do
    local path = folder .. "/" .. entry
    if entry:find(fits) and entry:sub(1, 1) ~= "." and lfs.attributes(path, "mode") == "file" then
      files[#files + 1] = path
    end
  end
  table.sort(files)
  return files
end

local modes = {} -- by path

local sys = {
  cwd = lfs.currentdir,
  realpath = realpath,
  stat = function(path)
    local mode = lfs.attributes(path, "mode")
    return mode and { kind = mode == "directory" and "folder" or mode, mode = modes[path] }
  end,
  glob = glob,
  -- core/base/secret.h has the rules.
  without_passwords = function(text) return (text:gsub("(://[^:@]*:)[^@]+@", "%1***@")) end,
  -- core/http/networks.h has the rules; here it is enough that there are two answers.
  network = function(text)
    if text:find("^[%x.:]+/?%d*$") then return "other" end
    return nil, ("%q is not an address"):format(text)
  end,
}

package.preload["hookward.core"] = function() return { sys = sys } end
for name in pairs(package.loaded) do
  if name:find("^hookward") then package.loaded[name] = nil end
end
local config = require "hookward.config"
local schema = require "hookward.config.schema"
local suggest = require "hookward.base.suggest"
local units = require "hookward.base.units"

local function load_text(text, overrides)
  local folder = cli.folder { ["hookward.lua"] = text }
  local settings, lines = config.load(folder .. "/hookward.lua", overrides)
  for i, line in ipairs(lines or {}) do
    assert.is_nil(line:find("\n"), "more than one line")
    lines[i] = line:gsub("^" .. folder:gsub("%p", "%%%0") .. "/", "")
  end
  return settings, lines, folder
end

local function refused(text, overrides)
  local settings, lines = load_text(text, overrides)
  assert.is_nil(settings, "it was accepted: " .. text)
  return lines
end

-- The error line for a configuration that has one mistake.
local function line_of(entry)
  local lines = refused("return { " .. entry .. " }")
  assert.are.equal(1, #lines, table.concat(lines, "\n"))
  return lines[1]
end

local function value_of(entry, name)
  local settings, lines = load_text("return { " .. entry .. " }")
  assert.is_truthy(settings, lines and lines[1])
  return settings[name]
end

local function addresses_of(listeners)
  local list = {}
  for i, listener in ipairs(listeners) do list[i] = listener.address end
  return list
end

after_each(cli.clean)

describe("units", function()
  it("reads sizes in steps of 1024", function()
    assert.are.equal(65536, units.size "64KB")
    assert.are.equal(1048576, units.size "1MB")
    assert.are.equal(2147483648, units.size "2GB")
    assert.are.equal(1572864, units.size "1.5MB")
    assert.are.equal(10, units.size "10B")
    assert.are.equal(10, units.size "10")
    assert.are.equal(4096, units.size(4096))
    assert.are.equal(65536, units.size "64 kb")
  end)

  it("reads times as milliseconds, plain numbers as seconds", function()
    assert.are.equal(500, units.time "500ms")
    assert.are.equal(90000, units.time "90s")
    assert.are.equal(600000, units.time "10m")
    assert.are.equal(3600000, units.time "1h")
    assert.are.equal(2592000000, units.time "30d")
    assert.are.equal(1500, units.time(1.5))
    assert.are.equal(1, units.time(0.0006))
    assert.are.equal(10000, units.time "10")
  end)

  it("gives integers only", function()
    assert.are.equal("integer", math.type(units.time(0.0005)))
    assert.are.equal("integer", math.type(units.size "1.3KB"))
  end)

  it("refuses anything else", function()
    for _, wrong in ipairs { "", "KB", "1XB", "-1s", "1e3", "0x10", "1 KB x", "1..2KB", true, {} } do
      assert.is_nil(units.size(wrong))
      assert.is_nil(units.time(wrong))
    end
    assert.is_nil(units.size(1 / 0))
    assert.is_nil(units.time(0 / 0))
    assert.is_nil(units.size "10s")
    assert.is_nil(units.time "10KB")
  end)

  it("prints values in a form that it can read", function()
    for _, bytes in ipairs { 0, 1, 1023, 1024, 65536, 1 << 20, (1 << 20) + 1, 3 << 30 } do
      assert.are.equal(bytes, units.size(units.show_size(bytes)))
    end
    for _, ms in ipairs { 0, 1, 999, 1000, 90000, 3600000, 2592000000 } do
      assert.are.equal(ms, units.time(units.show_time(ms)))
    end
    assert.are.equal("1MB", units.show_size(1048576))
    assert.are.equal("90s", units.show_time(90000))
  end)
end)

describe("suggest", function()
  local names = { "workers", "handlers", "handler_timeout", "log.level", "path" }

  it("finds the name that was meant", function()
    assert.are.equal("workers", suggest.nearest("wrokers", names))
    assert.are.equal("workers", suggest.nearest("worker", names))
    assert.are.equal("workers", suggest.nearest("WORKERS", names))
    assert.are.equal("log.level", suggest.nearest("log.levle", names))
    assert.are.equal("handler_timeout", suggest.nearest("handlers_timeout", names))
    assert.are.equal("path", suggest.nearest("paht", names))
  end)

  it("finds nothing when no name is similar", function()
    assert.is_nil(suggest.nearest("banana", names))
    assert.is_nil(suggest.nearest("x", names))
    assert.is_nil(suggest.nearest("workers", {}))
  end)
end)

describe("the defaults", function()
  local settings, folder

  before_each(function()
    local _
    settings, _, folder = load_text("return {}")
  end)

  it("are the documented ones", function()
    local expected = {
      path = "/baseWebhookNotification", min_key_bits = 2048, workers = 8,
      handler_timeout_ms = 30000, queue_timeout_ms = 30000, vm_memory = 64 << 20,
      max_body = 1 << 20, max_header = 16384,
      max_connections = 10000, max_unfinished = 1000, max_memory_bodies = 256 << 20, max_queue = 10000,
      header_timeout_ms = 10000, ack = "last", max_backlog = 1000000, min_disk_free = 256 << 20,
      body_timeout_ms = 30000, idle_timeout_ms = 120000, drain_timeout_ms = 30000,
      unhandled = "reject", duplicates = "by-job", keep_bodies = false, validate = false,
      retention_ms = 30 * 86400000, log_level = "info", log_format = "text",
      settings_source = "return {}",
    }
    for name, value in pairs(expected) do assert.are.equal(value, settings[name], name) end
    assert.are.same({ { address = "127.0.0.1:8080", proxy_protocol = false } }, settings.listen)
    assert.is_nil(settings.max_age_ms)
  end)

  it("are relative to the configuration's folder", function()
    assert.are.equal(folder, settings.folder)
    assert.are.equal(folder .. "/handlers", settings.handlers)
    assert.are.equal(folder .. "/hookward.db", settings.ledger)
    assert.are.same({ folder .. "/keys/*" }, settings.key_patterns)
  end)

  it("are exactly what the host gets", function()
    local names = {}
    for name in pairs(settings) do names[#names + 1] = name end
    table.sort(names)
    assert.are.same({ "ack", "allow", "answers", "body_timeout_ms", "control", "dead_retention_ms",
      "drain_timeout_ms", "duplicates", "file",
      "file_path", "folder",
      "handler_timeout_ms", "handlers", "header_timeout_ms", "idle_timeout_ms", "keep_bodies",
      "key_files", "key_patterns", "lease_ms",
      "ledger", "ledger_schema", "listen", "log_format", "log_level", "mask", "max_backlog", "max_body",
      "max_connections", "max_header", "max_memory_bodies", "max_queue", "max_unfinished", "min_disk_free",
      "min_key_bits", "path",
      "queue_timeout_ms", "retention_ms", "retries_ms", "settings_source", "source", "trusted_proxies",
      "unhandled", "validate", "vm_memory", "workers" }, names)
  end)

  it("are integers where they are numbers", function()
    for name, value in pairs(settings) do
      if type(value) == "number" then assert.are.equal("integer", math.type(value), name) end
    end
  end)
end)

describe("every entry of the schema", function()
  local function each(entries, visit, parent)
    for _, entry in ipairs(entries) do
      visit(entry, (parent and parent.key .. "." or "") .. entry.key, parent)
      if entry.fields then each(entry.fields, visit, entry) end
    end
  end

  it("is documented", function()
    each(schema, function(entry, name)
      assert.is_string(entry.doc, name)
      assert.is_truthy(entry.doc:find("%.$"), name)
    end)
  end)

  it("accepts its own example, and its limits", function()
    each(schema, function(entry, name, parent)
      local rest = name:find("^tls") and 'cert = "c", key = "k", client_ca = "a", ' or ""
      local path = parent and parent.key .. " = { " .. rest .. "%s = %s }" or "%s = %s"
      for _, value in ipairs { entry.example or false, entry.min or false, entry.max or false } do
        if value then
          if type(value) == "table" then value = value[1] end
          local text = type(value) == "string" and ("%q"):format(value) or value
          if entry.most then text = ("{ %s }"):format(text) end
          assert.is_truthy(load_text("return { " .. path:format(entry.key, text) .. " }"), name)
        end
      end
    end)
  end)
end)

describe("a value", function()
  it("may be a text with a unit, or a number", function()
    assert.are.equal(500, value_of('handler_timeout = "500ms"', "handler_timeout_ms"))
    assert.are.equal(500, value_of("handler_timeout = 0.5", "handler_timeout_ms"))
    assert.are.equal(3600000, value_of('max_age = "1h"', "max_age_ms"))
    assert.are.equal(2 << 20, value_of('max_body = "2MB"', "max_body"))
    assert.are.equal(5000, value_of("max_body = 5000", "max_body"))
    assert.are.equal(0, value_of("drain_timeout = 0", "drain_timeout_ms"))
  end)

  it("may come from the environment", function()
    assert.are.equal(4, value_of('workers = tonumber(os.getenv "HOOKWARD_NONE" or 4)', "workers"))
  end)

  it("of the wrong type is refused with file, key, what is expected, an example, what was found",
    function()
      assert.are.equal('hookward.lua: workers: expected a whole number from 1 to 1024, for example 8; '
        .. 'found "8"', line_of('workers = "8"'))
      assert.are.equal("hookward.lua: keep_bodies: expected true or false, for example false; found 1",
        line_of("keep_bodies = 1"))
      assert.are.equal('hookward.lua: handlers: expected a path, for example "handlers"; found a table',
        line_of("handlers = { a = 1 }"))
      assert.are.equal("hookward.lua: settings: expected a table, for example {}; found a function",
        line_of("settings = print"))
    end)

  it("out of its range is refused", function()
    for _, entry in ipairs { "workers = 0", "workers = 1025", "workers = 1.5", "min_key_bits = 2047",
      "min_key_bits = 1024", "min_key_bits = 16385", 'vm_memory = "1023KB"', 'max_body = "1023B"',
      'max_body = "1025MB"', "max_header = 100", 'max_header = "2MB"', "max_queue = 0",
      "max_connections = 0", "max_connections_per_address = 0",
      "max_connections_per_address = 1000001", "max_unfinished = 0", "max_unfinished = 1000001",
      'max_memory_bodies = "1023KB"', 'max_memory_bodies = "1025GB"', "max_backlog = 0",
      "max_backlog = 1000000001", 'min_disk_free = "1023KB"', 'min_disk_free = "1025GB"',
      "handler_timeout = 0", 'queue_timeout = "9ms"',
      'queue_timeout = "1441m"', "idle_timeout = -1", 'retention = "0s"',
      'max_age = "16XB"', "handler_timeout = 1/0", "handler_timeout = 0/0" } do
      local name = entry:match("^[%w_]+")
      local line = line_of(entry)
      assert.is_truthy(line:find("hookward.lua: " .. name .. ": expected a ", 1, true), line)
      assert.is_truthy(line:find("for example", 1, true), line)
    end
  end)

  it("that is one of several words must be one of them; the nearest is suggested", function()
    assert.are.equal("accept", value_of('unhandled = "accept"', "unhandled"))
    assert.are.equal("by-body", value_of('duplicates = "by-body"', "duplicates"))
    assert.are.equal("debug", value_of('log = { level = "debug" }', "log_level"))
    assert.are.equal("info", value_of('log = { format = "json" }', "log_level"))
    assert.are.equal('hookward.lua: log.level: "inof" is not known; did you mean "info"?',
      line_of('log = { level = "inof" }'))
    assert.are.equal('hookward.lua: unhandled: expected "reject" or "accept", for example "reject"; '
      .. 'found "maybe so"', line_of('unhandled = "maybe so"'))
  end)

  it("is quoted with its control characters as digits", function()
    assert.is_truthy(line_of('path = "\\27[31m"'):find('"\\27[31m"', 1, true))
  end)
end)

describe("control", function()
  it("is in the configuration's folder, or where the configuration says", function()
    local settings, _, folder = load_text("return {}")
    assert.are.equal(folder .. "/.hookward.sock", settings.control)
    settings, _, folder = load_text('return { control = "run/c" }')
    assert.are.equal(folder .. "/run/c", settings.control)
    assert.are.equal("/run/x/c", value_of('control = "unix:/run/x/c"', "control"))
  end)

  it("is in RUNTIME_DIRECTORY with systemd, or else in /run/hookward", function()
    assert.are.equal((os.getenv("RUNTIME_DIRECTORY") or "/run/hookward") .. "/control.sock",
      value_of('control = "systemd"', "control"))
  end)

  it("has a path no longer than the system allows", function()
    assert.are.equal("/" .. ("a"):rep(106), value_of(('control = "/%s"'):format(("a"):rep(106)), "control"))
    assert.is_truthy(line_of(('control = "/%s"'):format(("a"):rep(107)))
      :find("control: /" .. ("a"):rep(107) .. ": a socket's path has at most 107 bytes, this one 108", 1, true))
    assert.is_truthy(line_of("control = 1"):find("expected the path of a socket", 1, true))
    assert.is_truthy(line_of('control = "run/"'):find("expected the path of a socket", 1, true))
  end)
end)

describe("listen", function()
  it("is one address or a list", function()
    assert.are.same({ "127.0.0.1:0" }, addresses_of(value_of('listen = "127.0.0.1:0"', "listen")))
    assert.are.same({ "[::]:8443", "localhost:80", "systemd" },
      addresses_of(value_of('listen = { "[::]:8443", "localhost:80", "systemd" }', "listen")))
  end)

  it("takes names of sockets that are handed over", function()
    local long = ("x"):rep(255)
    for _, name in ipairs { "https", "hookward.socket", long } do
      assert.are.same({ "systemd:" .. name },
        addresses_of(value_of(('listen = "systemd:%s"'):format(name), "listen")))
    end
    for _, name in ipairs { "", "a:b", "a\\nb", long .. "x" } do
      assert.is_truthy(line_of(('listen = "systemd:%s"'):format(name)):find('expected "systemd:NAME"', 1, true))
    end
  end)

  it("takes listeners with options, alone or in a list", function()
    assert.are.same({ "unix:/h,mode=0660,group=www" },
      addresses_of(value_of('listen = { "unix:/h", mode = "0660", group = "www" }', "listen")))
    assert.are.same({ "unix:/h,mode=660" },
      addresses_of(value_of('listen = { "unix:/h", mode = 0660 }', "listen")))
    assert.are.same({ "a:1", "b:2", "c:3" },
      addresses_of(value_of('listen = { "a:1", { "b:2" }, { "c:3", tls = nil } }', "listen")))
    for text, why in pairs {
      ['{ "a:1", mode = "0660" }'] = 'listen: "a:1": only a Unix socket has a mode and a group',
      ['{ "b:1", { "unix:/h", mode = "rw" } }'] = "listen: mode: expected three octal digits, "
        .. 'such as 0660; found "rw"',
      ['{ { "a:1", tsl = {} } }'] = "listen: tsl: a listener has no such option; did you mean tls?",
      ['{ x = "a:1" }'] = "listen: x: a listener has no such option; it has mode, group",
      ['{ address = "a:1" }'] = 'listen: address: a listener begins with its address, without a name: { "a:1" }',
      ['"a:65536"'] = 'listen: "a:65536": a port is a number up to 65535',
      ["{ mode = '0600' }"] = "listen: a listener begins with its address",
      ['{ ":1", proxy_protocol = false }'] = "names no host",
    } do
      local line = line_of("listen = " .. text)
      assert.is_truthy(line:find(why, 1, true), line)
    end
  end)

  it("resolves a Unix socket from the configuration's folder", function()
    local settings, _, folder = load_text('return { listen = { "unix:h.sock", "unix:/run/h" } }')
    assert.are.same({ "unix:" .. folder .. "/h.sock", "unix:/run/h" }, addresses_of(settings.listen))
    for _, text in ipairs { "unix:/h,mode=0660", "unix:/h,group=www-data,mode=600", "unix:/h,x=1/s",
      "unix:/a,b" } do
      assert.are.equal(text, value_of(("listen = %q"):format(text), "listen")[1].address)
    end
    for text, why in pairs { ["unix:/h,mode=rw"] = "three octal digits", ["unix:/h,group="] = "a group",
      ["unix:/h,owner=me"] = 'no option "owner"', ["unix:/h,mode=0888"] = "three octal digits" } do
      assert.is_truthy(line_of(("listen = %q"):format(text)):find(why, 1, true), text)
    end
  end)

  it("refuses a socket's path that is too long for the system", function()
    assert.are.equal("unix:/" .. ("a"):rep(106),
      value_of(('listen = "unix:/%s"'):format(("a"):rep(106)), "listen")[1].address)
    assert.is_truthy(line_of(('listen = "unix:/%s"'):format(("a"):rep(107)))
      :find("at most 107 bytes, this one 108", 1, true))
  end)

  it("counts an address once if it is listed twice", function()
    assert.are.same({ "a:1" }, addresses_of(value_of('listen = { "a:1", "a:1" }', "listen")))
  end)

  it("refuses an address that is listed twice with different options, but for port 0", function()
    assert.matches('listen: "a:1" is listed twice, with different options',
      line_of('listen = { "a:1", { "a:1", proxy_protocol = true } }'), 1, true)
    assert.are.same({ "a:0", "a:0" },
      addresses_of(value_of('listen = { "a:0", { "a:0", proxy_protocol = true } }', "listen")))
  end)

  it("says what to write instead of common mistakes", function()
    local slips = {
      ['":8080"'] = 'write "127.0.0.1:8080", or "0.0.0.0:8080" for every interface',
      ['"*:8080"'] = 'write "127.0.0.1:8080", or "0.0.0.0:8080" for every interface',
      ["8080"] = 'write "127.0.0.1:8080"',
      ['"8080"'] = 'write "127.0.0.1:8080"',
      ['"::1:8080"'] = 'an IPv6 address needs brackets; write "[::1]:8080"',
      ['"localhost"'] = 'names no port; write "localhost:8080"',
      ['"http://a:1"'] = "is a URL; write host:port alone",
    }
    for value, said in pairs(slips) do
      local line = line_of("listen = " .. value)
      assert.is_truthy(line:find(said, 1, true), line)
    end
  end)

  it("refuses everything else", function()
    for _, value in ipairs { "{}", '""', '"unix:"', "true", '{ "a:1", false }' } do
      assert.is_truthy(line_of("listen = " .. value):find("expected an address", 1, true), value)
    end
    assert.is_truthy(line_of('listen = { "a:1", false }'):find("found false at [2]", 1, true))
  end)
end)

describe("tls", function()
  local PAIR = 'cert = "/c.pem", key = "/k.pem"'
  local pair = { cert = "/c.pem", key = "/k.pem" }

  it("is one pair, or a list of pairs, with what is asked of clients", function()
    assert.are.same({ pairs = { pair }, client_names = {} }, value_of("tls = { " .. PAIR .. " }", "tls"))
    assert.are.same({ pairs = { pair, { cert = "/d", key = "/e" } }, client_names = { "a.example" },
      client_ca = "/ca", crl = "/crl" }, value_of("tls = { { " .. PAIR .. ' }, { cert = "/d", key = "/e" }, '
        .. 'client_ca = "/ca", crl = "/crl", client_names = "a.example" }', "tls"))
  end)

  it("holds for every TCP listener without its own, and for no Unix socket", function()
    local listeners = value_of("tls = { " .. PAIR .. [[ }, listen = { "a:1", { "b:2", tls = false },
      { "c:3", tls = { cert = "/x", key = "/y" } }, "unix:/s", "systemd:https" }]], "listen")
    local certs = {}
    for i, listener in ipairs(listeners) do
      certs[i] = listener.tls and listener.tls.pairs[1].cert or false
    end
    assert.are.same({ "/c.pem", false, "/x", false, "/c.pem" }, certs)
  end)

  it("is refused with one line that says what is missing", function()
    for text, why in pairs {
      ["true"] = "tls: expected a table, for example",
      ["{}"] = "tls: cert is missing: the certificate chain, a PEM file",
      ['{ cert = "/c" }'] = "tls: key is missing: the certificate's private key, a PEM file",
      ['{ cert = "/c", kye = "/k" }'] = "tls: kye: unknown key; did you mean key?",
      ['{ cert = "-----BEGIN CERTIFICATE-----\\nMII", key = "/k" }'] =
        'tls: cert: expected the path of a PEM file; found "-----BEGIN CERTIFICATE-----\\10MII"',
      ["{ { " .. PAIR .. ' }, cert = "/c" }'] = "tls: either one cert and key, or a list of such pairs, not both",
      ["{ { " .. PAIR .. ' }, { cert = "/d" } }'] = "tls: [2]: key is missing",
      ["{ " .. PAIR .. ', crl = "/crl" }'] = "tls: crl has no effect without client_ca",
      ["{ " .. PAIR .. ', client_ca = "/ca", client_names = {} }'] = "tls: client_names: expected names as in",
    } do
      local line = line_of("tls = " .. text)
      assert.is_truthy(line:find(why, 1, true), line)
    end
    assert.matches("a Unix socket never speaks TLS",
      line_of('listen = { "unix:/s", tls = { ' .. PAIR .. " } }"), 1, true)
  end)
end)

describe("path", function()
  it("begins with a slash and holds neither query nor spaces", function()
    assert.are.equal("/a/b-c", value_of('path = "/a/b-c"', "path"))
    for _, value in ipairs { "a", "", "/a b", "/a?b", "/a#b", "/a\\n", "/\\195\\164" } do
      assert.is_truthy(line_of('path = "' .. value .. '"'):find("begins with /", 1, true), value)
    end
  end)
end)

describe("ledger", function()
  it("is a file or memory:", function()
    assert.are.equal("memory:", value_of('ledger = "memory:"', "ledger"))
    assert.are.equal("/var/x.db", value_of('ledger = "/var/x.db"', "ledger"))
    assert.is_truthy(line_of('ledger = "memory"'):find('write "memory:"', 1, true))
    assert.is_truthy(line_of('ledger = "redis://x"'):find('or "memory:"', 1, true))
  end)

  it("is a database as libpq takes it", function()
    for _, url in ipairs { "postgres://", "postgresql://a,b:5433/x?sslmode=require",
      "postgres://hw:secret@%2Frun%2Fpostgresql/x" } do
      assert.are.equal(url, value_of(("ledger = %q"):format(url), "ledger"))
    end
  end)

  it("keeps its password out of messages", function()
    for _, url in ipairs { "postgres://hw:secret@db/a b", "mysql://hw:secret@db", "mysql://hw:x%40secret@db",
      "postgres:/hw:secret@db", "postgres://hw:s@secret?secret x@db/x" } do
      local line = line_of(("ledger = %q"):format(url))
      assert.is_truthy(line:find("hw:***@db", 1, true), line)
      assert.is_nil(line:find("secret", 1, true), line)
    end
  end)

  it("is no file where libpq's keywords were meant", function()
    for _, words in ipairs { "host=db1 password=secret", "dbname = hookward" } do
      local line = line_of(("ledger = %q"):format(words))
      assert.is_truthy(line:find('write it as an address, "postgres://user@host/database"', 1, true), line)
      assert.is_nil(line:find("secret", 1, true), line)
    end
    assert.are.equal("/x/a=b.db", value_of('ledger = "/x/a=b.db"', "ledger"))
  end)
end)

describe("a ledger that hosts share", function()
  local function advice(url)
    return config.of({ ledger = url }, "x").ledger_advice
  end

  it("is warned of when its connection can be read or taken over", function()
    for _, url in ipairs { "postgres://db1/x", "postgres://hw@10.0.0.1:5432,localhost/x?sslmode=require",
      "postgres://[2001:db8::1]:5432/x", "postgres:///x?host=db1" } do
      assert.are.equal(1, #advice(url), url)
      assert.is_truthy(advice(url)[1]:find("add sslmode=verify-full", 1, true))
    end
    for _, url in ipairs { "postgres://", "postgres://localhost/x", "postgres://u:p@127.0.0.1:5433/x",
      "postgres://[::1]/x", "postgres:///x?host=/run/postgresql", "postgres://%2Frun%2Fpostgresql/x",
      "postgres://db1/x?sslmode=verify-full", "postgres://db1/x?service=hookward" } do
      assert.are.same({}, advice(url), url)
    end
    local line = advice("postgres://localhost,db2/x")[1]
    assert.is_truthy(line:find("sslmode=prefer whoever is between this host and db2", 1, true), line)
  end)

  it("is warned of when others may read its password", function()
    local url = "postgres://hw:secret@localhost/x"
    local folder = cli.folder { ["hookward.lua"] = ("return { ledger = %q }"):format(url) }
    local file = folder .. "/hookward.lua"
    modes[file] = tonumber("644", 8)
    local line = config.load(file).ledger_advice[1]
    assert.is_truthy(line:find("its password stands in " .. file, 1, true), line)
    assert.is_nil(line:find("secret", 1, true))
    modes[file] = tonumber("640", 8)
    assert.are.same({}, config.load(file).ledger_advice)
    line = config.load(file, { ledger = url }).ledger_advice[1]
    assert.is_truthy(line:find("^%-%-ledger: every user"), line)
  end)

  it("has a lease from 5 seconds to 5 minutes", function()
    assert.are.equal(15000, value_of("", "lease_ms"))
    assert.are.equal(300000, value_of('lease = "5m"', "lease_ms"))
    assert.is_truthy(line_of('lease = "4s"'):find("from 5s to 5m", 1, true))
  end)

  it("has a schema with a plain name", function()
    assert.are.equal("h_2", value_of('ledger_schema = "h_2"', "ledger_schema"))
    for _, name in ipairs { "", "2h", "Hookward", "a-b", "a.b", ("x"):rep(64) } do
      assert.is_truthy(line_of(("ledger_schema = %q"):format(name)):find("small letters", 1, true), name)
    end
    assert.is_truthy(line_of('ledger_schema = "pg_x"'):find("for itself", 1, true))
  end)

  it("knows its hosts by name", function()
    assert.are.equal("web 3", value_of('host_name = "web 3"', "host_name"))
    for _, name in ipairs { "", "a\\n", "\\195\\164", ("x"):rep(101) } do
      assert.is_truthy(line_of(('host_name = "%s"'):format(name)):find("printable", 1, true), name)
    end
  end)
end)

describe("keys", function()
  it("are what the patterns find: each once, sorted, without hidden files", function()
    local folder = cli.folder { ["hookward.lua"] = 'return { keys = { "k/*.pem", "k/a*", "o" } }',
      ["k/b.pem"] = "", ["k/a.pem"] = "", ["k/a.txt"] = "", ["k/.c.pem"] = "", ["o"] = "" }
    local settings = config.load(folder .. "/hookward.lua")
    assert.are.same({ folder .. "/k/a.pem", folder .. "/k/a.txt", folder .. "/k/b.pem",
      folder .. "/o" }, settings.key_files)
  end)

  it("may be one pattern", function()
    local settings, _, folder = load_text('return { keys = "*.pem" }')
    assert.are.same({ folder .. "/*.pem" }, settings.key_patterns)
  end)

  it("are reported as missing, with how to get one", function()
    local settings = load_text("return {}")
    local no_handlers, no_keys = config.missing(settings)
    assert.is_truthy(no_handlers:find("^handlers: no such folder;"))
    assert.are.equal("keys/*: no key file; save Accredit's Signature Key as keys/NAME.pem, or "
      .. "make one for development with `hookward keygen DIR`", no_keys)
  end)
end)

describe("an unknown key", function()
  it("is refused with the nearest known key", function()
    assert.are.equal("hookward.lua: wrokers: unknown key; did you mean workers?", line_of("wrokers = 1"))
    assert.are.equal("hookward.lua: log.levle: unknown key; did you mean log.level?",
      line_of('log = { levle = "info" }'))
    assert.are.equal("hookward.lua: log_level: unknown key; did you mean log.level?",
      line_of('log_level = "info"'))
    assert.are.equal("hookward.lua: accredit.tokn: unknown key; did you mean accredit.token?",
      line_of('accredit = { tokn = "x" }'))
  end)

  it("with no near one is refused with where to look", function()
    assert.is_truthy(line_of("banana = 1"):find("hookward init", 1, true))
    assert.are.equal("hookward.lua: proxy_protocol: unknown key; a listener has it: "
      .. 'listen = { { "0.0.0.0:8080", proxy_protocol = true } }', line_of("proxy_protocol = true"))
    assert.are.equal('hookward.lua: cert: unknown key; write tls = { cert = "cert.pem", key = "key.pem" }',
      line_of('cert = "a.pem"'))
    assert.are.equal("hookward.lua: log.colour: unknown key; known are log.level, log.format",
      line_of("log = { colour = 1 }"))
  end)

  it("may not be a number", function()
    assert.is_truthy(line_of('"127.0.0.1:80"'):find("hookward.lua: [1]: every value needs a name", 1, true))
  end)
end)

describe("retries", function()
  local function list(count, item) return "retries = {" .. (item .. ", "):rep(count) .. "}" end

  it("are milliseconds, in the order given", function()
    assert.are.same({ 60000, 300000, 1800000, 7200000, 21600000 }, value_of("", "retries_ms"))
    assert.are.same({ 1000, 90000, 600000 }, value_of('retries = { 1, "90s", "10m" }', "retries_ms"))
  end)

  it("may be none, and at most 100", function()
    assert.are.same({}, value_of("retries = {}", "retries_ms"))
    assert.are.equal(100, #value_of(list(100, "1"), "retries_ms"))
    assert.is_truthy(line_of(list(101, "1")):find("retries: expected a list of at most 100 times, "
      .. "each from 1s to 30d, for example { 60, 300, 1800, 7200, 21600 }; found ", 1, true))
  end)

  it("are from one second to 30 days", function()
    assert.are.same({ 1000, 30 * 86400000 }, value_of('retries = { "1s", "30d" }', "retries_ms"))
    for text, found in pairs { ['{ "999ms" }'] = '"999ms" at [1]', ["{ 60, 2592001 }"] = "2592001 at [2]",
      ["{ 60, 0 }"] = "0 at [2]", ["{ -1 }"] = "-1 at [1]", ['{ "soon" }'] = '"soon" at [1]',
      ["{ 1, {} }"] = "at [2]", ["{ first = 60 }"] = "a table", ["60"] = "60", ['"never"'] = '"never"' } do
      local line = line_of("retries = " .. text)
      assert.is_truthy(line:find("hookward.lua: retries: expected a list of at most 100 times", 1, true), line)
      assert.is_truthy(line:find(found, 1, true), line)
    end
  end)

  it("are none on a ledger in memory, which is said if they were set", function()
    local values = load_text 'return { ledger = "memory:", retries = { 60 } }'
    assert.are.same({}, values.retries_ms)
    assert.is_true(values.retries_unused)
    assert.is_nil(load_text('return { ledger = "memory:" }').retries_unused)
    assert.is_nil(load_text('return { ledger = "memory:", retries = {} }').retries_unused)
    assert.is_nil(load_text("return { retries = { 60 } }").retries_unused)
  end)
end)

describe("dead_retention", function()
  it('is a time from one second to ten years, or "never"', function()
    assert.are.equal(0, value_of("", "dead_retention_ms"))
    assert.are.equal(0, value_of('dead_retention = "never"', "dead_retention_ms"))
    assert.are.equal(1000, value_of('dead_retention = "1s"', "dead_retention_ms"))
    assert.are.equal(3650 * 86400000, value_of('dead_retention = "3650d"', "dead_retention_ms"))
    for _, text in ipairs { '"999ms"', '"3651d"', "0", '"ever"', "false", "{}" } do
      assert.is_truthy(line_of("dead_retention = " .. text):find('hookward.lua: dead_retention: expected '
        .. 'a time from 1s to 3650d, or "never", for example "never"; found ', 1, true), text)
    end
  end)
end)

describe("networks", function()
  it("may be one, a list of at most 10,000, or none", function()
    assert.are.same({ "::1" }, value_of('allow = "::1"', "allow"))
    assert.are.same({ "unix", "::1" }, value_of('trusted_proxies = { "unix", "::1", "unix" }',
      "trusted_proxies"))
    assert.are.same({}, value_of("allow = {}", "allow"))
    local many = "allow = (function() local t = {} for i = 1, %d do t[i] = '10.0.0.' .. i end return t end)()"
    assert.are.equal(10000, #value_of(many:format(10000), "allow"))
    assert.are.equal("hookward.lua: allow: 10001 networks; at most 10000 are taken", line_of(many:format(10001)))
  end)
end)

describe("a key that nobody knows", function()
  it("is shown in one line, whatever it is made of", function()
    for source, shown in pairs { ['["a\\nb"] = 1'] = '["a\\10b"]', ['tls = { ["a\\nb"] = 1 }'] = 'tls: ["a\\10b"]',
      ['listen = { "127.0.0.1:0", ["a\\nb"] = 1 }'] = 'listen: ["a\\10b"]' } do
      local line = line_of(source)
      assert.is_truthy(line:find("hookward.lua: " .. shown, 1, true), line)
    end
  end)
end)

describe("the admin listener", function()
  local TOKEN = ("x"):rep(16)

  it("is off unless it is set", function()
    assert.is_nil(value_of("workers = 1", "admin"))
    assert.is_false(value_of("admin = false", "admin"))
  end)

  it("is an address, or a table", function()
    assert.same({ listen = { address = "127.0.0.1:9464", proxy_protocol = false }, is_local = true,
      hosts = {} }, value_of('admin = "127.0.0.1:9464"', "admin"))
    assert.same({ listen = { address = "0.0.0.0:9464", proxy_protocol = false }, is_local = false,
      token = TOKEN, hosts = { "hooks.example.com" } },
      value_of(('admin = { listen = "0.0.0.0:9464", token = "%s", hosts = { "Hooks.example.com" } }')
        :format(TOKEN), "admin"))
  end)

  it("that other machines can reach needs a token", function()
    for _, address in ipairs { "0.0.0.0:1", "[::]:1", "10.0.0.1:1", "example.com:1" } do
      assert.matches("hookward.lua: admin: " .. address .. " can be reached from other machines, so it "
        .. "needs a token of 16 characters or more", line_of(('admin = "%s"'):format(address)), 1, true)
      assert.matches("needs a token", line_of(('admin = { listen = "%s", read_token = "%s" }')
        :format(address, TOKEN)), 1, true)
    end
    for _, address in ipairs { "127.0.0.1:1", "127.3.2.1:1", "[::1]:1", "localhost:1", "unix:a.sock" } do
      assert.is_true(value_of(('admin = "%s"'):format(address), "admin").is_local)
    end
  end)

  it("has tokens of 16 to 200 characters, which are never shown", function()
    local function line(token)
      return line_of(('admin = { listen = "127.0.0.1:1", token = "%s" }'):format(token))
    end
    for _, length in ipairs { 16, 200 } do
      local token = ("t"):rep(length)
      assert.equal(token, value_of(('admin = { listen = "127.0.0.1:1", token = "%s" }'):format(token),
        "admin").token)
    end
    assert.matches("a token has 16 to 200 characters, this one 15", line(("t"):rep(15)), 1, true)
    assert.matches("this one 201", line(("t"):rep(201)), 1, true)
    assert.matches("token: a token may have only letters, digits", line("secret text with spaces"), 1, true)
    assert.is_nil(line("secret text with spaces"):find("secret", 1, true))
    assert.matches("token and read_token are the same", line_of(
      ('admin = { listen = "127.0.0.1:1", token = "%s", read_token = "%s" }'):format(TOKEN, TOKEN)), 1, true)
  end)

  it("names what is wrong", function()
    for entry, message in pairs {
      ["{}"] = 'admin: listen is missing: the address, for example { listen = "127.0.0.1:9464" }',
      ['{ listne = "127.0.0.1:1" }'] = "admin: listne: unknown key; did you mean listen?",
      ['"9464x"'] = 'admin: listen: "9464x" names no port',
      ['"127.0.0.1"'] = 'admin: listen: "127.0.0.1" names no port; write "127.0.0.1:9464"',
      ['true'] = 'admin: listen: expected one address, for example "127.0.0.1:9464"; found true',
      ['"systemd"'] = "admin: listen: the admin listener can't use a socket from systemd",
      ['{ listen = "127.0.0.1:1", hosts = { "a:1" } }'] = "admin: hosts: expected names",
      ['{ listen = "127.0.0.1:1", tls = 1 }'] = "admin: listen: tls: ",
    } do
      assert.matches("hookward.lua: " .. message, line_of("admin = " .. entry), 1, true)
    end
    assert.matches("hookward.lua: admin: 127.0.0.1:8080 is one of the addresses in `listen`",
      line_of('admin = "127.0.0.1:8080"'), 1, true)
  end)
end)

describe("mask", function()
  it("takes events and patterns of events", function()
    assert.same({ "Person.*" }, value_of('mask = "Person.*"', "mask"))
    assert.same({ "*.Created", "A.B", "*" }, value_of('mask = { "*.Created", "A.B", "*" }', "mask"))
    assert.same({}, value_of("mask = {}", "mask"))
    assert.matches('mask: "Per*": a star stands for all that follows a dot', line_of('mask = "Per*"'), 1, true)
    assert.matches("mask: expected an event", line_of("mask = 7"), 1, true)
  end)
end)

describe("settings", function()
  local function rebuilt(source)
    local text = value_of("settings = " .. source, "settings_source")
    return assert(load(text, "settings", "t", {}))()
  end

  it("come back exactly", function()
    local source = [[{ a = 1, b = 1.0, c = 0.1, [1] = "x\n\0\r\\\"", [true] = false, n = { { {} } },
      ["a b"] = "\xff", m = math.mininteger, M = math.maxinteger, [1.5] = 2 }]]
    local expected = load("return " .. source)()
    local got = rebuilt(source)
    assert.are.same(expected, got)
    assert.are.equal("float", math.type(got.b))
    assert.are.equal("integer", math.type(got.a))
  end)

  it("keep infinity and NaN", function()
    local got = rebuilt("{ i = 1/0, j = -1/0, n = 0/0 }")
    assert.are.equal(1 / 0, got.i)
    assert.are.equal(-1 / 0, got.j)
    assert.is_true(got.n ~= got.n)
  end)

  it("give the same source for the same data", function()
    local source = "{ z = 1, a = 2, [3] = 3, [1] = 1 }"
    assert.are.equal("return {[1]=1,[3]=3,[\"a\"]=2,[\"z\"]=1,}",
      value_of("settings = " .. source, "settings_source"))
  end)

  it("are refused with the place of what is not data", function()
    assert.is_truthy(line_of("settings = { a = { b = print } }"):find("settings: a.b is a function", 1, true))
    assert.is_truthy(line_of('settings = { ["x y"] = io.stdout }')
      :find('settings: ["x y"] is a userdata', 1, true))
    assert.is_truthy(line_of("settings = { [print] = 1 }"):find("has a function as a key", 1, true))
    assert.is_truthy(line_of("settings = setmetatable({}, {})"):find("metatable", 1, true))
  end)

  it("are refused with the place of a cycle", function()
    local lines = refused("local t = { a = {} } t.a.b = { t } return { settings = t }")
    assert.are.same({ "hookward.lua: settings: a.b[1] is a table that contains itself" }, lines)
  end)

  it("may hold one table twice", function()
    local settings = load_text("local t = { 1 } return { settings = { a = t, b = t } }")
    assert.are.same({ a = { 1 }, b = { 1 } }, load(settings.settings_source)())
  end)

  it("may be nested a hundred deep and no deeper", function()
    assert.is_truthy(value_of("settings = " .. ("{"):rep(100) .. ("}"):rep(100), "settings_source"))
    assert.is_truthy(line_of("settings = " .. ("{"):rep(101) .. ("}"):rep(101)):find("deep", 1, true))
  end)
end)

describe("the file", function()
  it("that is missing is refused with how to get one", function()
    local _, lines = config.load("nowhere/hookward.lua")
    assert.are.same({ "nowhere/hookward.lua: not found; make a project with `hookward init DIR`, or "
      .. "name a configuration with -c FILE" }, lines)
  end)

  it("that is a folder is refused with the file that was meant", function()
    local folder = cli.folder()
    local _, lines = config.load(folder .. "/")
    assert.are.same({ ("%s/: this is a folder; name the file in it: -c %s/hookward.lua")
      :format(folder, folder) }, lines)
  end)

  it("with a syntax error is refused with its line", function()
    assert.are.same({ "hookward.lua:3: unexpected symbol near '='" },
      refused("return {\n  workers = 1,\n  path = = 2 }"))
  end)

  it("that fails is refused with its line, without a traceback", function()
    assert.are.same({ "hookward.lua:2: attempt to index a nil value (local 'x')" },
      refused("local x\nreturn { workers = x.y }"))
    assert.are.same({ "hookward.lua:1: no database" }, refused('error("no database\\nat all")'))
  end)

  it("that returns no table is refused with an example", function()
    assert.is_truthy(refused("return 5")[1]:find("return { workers = 8 }; found 5", 1, true))
    assert.is_truthy(refused("workers = 8")[1]:find("only sets globals, such as workers", 1, true))
    assert.is_truthy(refused("")[1]:find("found nil", 1, true))
  end)

  it("may begin with a BOM or a # line", function()
    assert.is_truthy(load_text("\xEF\xBB\xBFreturn {}"))
    assert.is_truthy(load_text("#!/usr/bin/env lua\nreturn {}"))
  end)

  it("is not taken as compiled code", function()
    assert.is_truthy(refused(string.dump(load("return {}")))[1]:find("binary", 1, true))
  end)

  it("leaves no globals behind", function()
    load_text("leaked = 1 return {}")
    assert.is_nil(rawget(_G, "leaked"))
  end)

  it("has all its mistakes reported at once, a line each", function()
    local lines = refused('return { workers = 0, path = "x", wrokers = 1, log = { level = 1 } }')
    assert.are.equal(4, #lines)
  end)

  it("has at most ten reported, and the rest counted", function()
    local entries = {}
    for i = 1, 13 do entries[i] = ("banana%d = 1"):format(i) end
    local lines = refused("return { " .. table.concat(entries, ", ") .. " }")
    assert.are.equal(11, #lines)
    assert.are.equal("... and 3 more", lines[11])
  end)

  it("with mistakes still gives its valid settings", function()
    local folder = cli.folder { ["hookward.lua"] = "return { workers = 0, max_queue = 5 }" }
    local settings, _, rest, bad = config.load(folder .. "/hookward.lua")
    assert.is_nil(settings)
    assert.are.equal(5, rest.max_queue)
    assert.are.equal(8, rest.workers)
    assert.are.same({ workers = true }, bad)
  end)
end)

describe("an override", function()
  it("replaces what the file says", function()
    local settings = load_text('return { workers = 2, listen = "a:1", log = { level = "warn" } }',
      { workers = 3, listen = { "b:2", "c:3" }, ["log.level"] = "debug" })
    assert.are.equal(3, settings.workers)
    assert.are.same({ "b:2", "c:3" }, addresses_of(settings.listen))
    assert.are.equal("debug", settings.log_level)
  end)

  it("has its paths resolved from the current folder", function()
    local settings = load_text("return {}", { handlers = "h", ledger = "l.db", keys = { "k/*" },
      listen = { "unix:s" } })
    local cwd = lfs.currentdir()
    assert.are.equal(cwd .. "/h", settings.handlers)
    assert.are.equal(cwd .. "/l.db", settings.ledger)
    assert.are.same({ cwd .. "/k/*" }, settings.key_patterns)
    assert.are.same({ "unix:" .. cwd .. "/s" }, addresses_of(settings.listen))
  end)

  it("that is wrong is refused with the flag's name", function()
    assert.are.same({ "--workers: expected a whole number from 1 to 1024, for example 8; found 0" },
      refused("return {}", { workers = 0 }))
  end)
end)
