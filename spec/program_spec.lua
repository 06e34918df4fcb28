-- The program: it contains all of Lua, so that C modules find the Lua that they were made for, and
-- it is installed as the README says.

local H = require "spec.support.host"

local function sh(format, ...)
  return assert(H.sh(format:format(...)))
end

-- The static library of Lua; without it, the program uses the shared library.
local archive = H.sh("ls $(pkg-config --variable=libdir lua5.4)/liblua5.4.a 2>/dev/null")

describe("the program", function()
  after_each(H.stop_all)

  if archive then
    it("is linked with Lua statically", function()
      assert.is_nil(sh("ldd %s", H.quote(H.binary)):find("liblua", 1, true))
    end)

    it("exports every function of Lua's API to C modules", function()
      local function functions(options, path)
        return sh("nm %s --defined-only %s | awk '$2 == \"T\" && $3 ~ /^lua/ { print $3 }' | sort", options,
          H.quote(path))
      end
      local wanted = functions("", (archive:gsub("\n", "")))
      assert.is_true(select(2, wanted:gsub("\n", "")) > 140)
      local there = {}
      for name in functions("-D", H.binary):gmatch("%S+") do there[name] = true end
      for name in wanted:gmatch("%S+") do
        -- Names such as luaX_next are internal to Lua.
        assert.is_truthy(there[name] or name:find("^lua%u"), name)
      end
    end)
  end

  it("loads C modules in handlers, and their values and errors work there", function()
    local host = H.start { handlers = { ["a.lua"] = [[
      local hook = require "hookward"
      local cjson, socket, luasql = require "cjson", require "socket", require "luasql.sqlite3"
      hook.on("*", function()
        local environment = luasql.sqlite3()
        local connection = assert(environment:connect ":memory:")
        local cursor = assert(connection:execute "SELECT 6 * 7")
        local answer = math.tointeger(cursor:fetch())
        cursor:close() connection:close() environment:close()
        assert(not pcall(cjson.decode, "{"), "an error of a C module's is caught")
        hook.log.info("modules", { json = cjson.encode { 1 }, sql = answer, time = socket.gettime() > 1e9 })
      end) ]] } }
    assert.equal(200, host:notify(H.event("A.B")).status)
    host:wait_log("modules .-json=%[1%] sql=42 time=true")
    assert.equal(0, host:stop())
  end)

  -- With DESTDIR it installs no packages; the binary is built already.
  local function make(target, folder)
    sh("env -u MAKEFLAGS -u MAKELEVEL make -s %s BUILD=%s DESTDIR=%s PREFIX=/usr", target,
      H.quote(H.binary:match("^(.*)/")), folder)
  end

  local function files_in(folder)
    local list = {}
    for path in sh("cd %s && find . -type f | sort", folder):gmatch("%./([^\n]+)") do
      list[#list + 1] = path
      list[path] = true
    end
    return list
  end

  it("is installed by `make install`, and runs from there", function()
    local folder = H.folder()
    make("install", folder)
    local out = sh("cd %s && PATH=%s/usr/bin:$PATH && hookward init badges && cd badges && hookward check",
      folder, folder)
    assert.matches("ok: 1 key, 1 route", out, 1, true)
  end)

  it("is installed with units, manual pages, completions and examples; `make uninstall` leaves nothing", function()
    local folder = H.folder()
    make("install", folder)
    local installed = files_in(folder)
    for _, path in ipairs { "bin/hookward", "lib/systemd/system/hookward.service",
      "lib/systemd/system/hookward.socket", "share/man/man1/hookward.1", "share/man/man5/hookward.lua.5",
      "share/bash-completion/completions/hookward", "share/zsh/site-functions/_hookward",
      "share/fish/vendor_completions.d/hookward.fish" } do
      assert.is_true(installed["usr/" .. path], path)
    end
    for _, shell in ipairs { { "bash", "bash-completion/completions/hookward" },
      { "zsh", "zsh/site-functions/_hookward" }, { "fish", "fish/vendor_completions.d/hookward.fish" } } do
      assert.equal(sh("%s completion %s", H.quote(H.binary), shell[1]), H.read(folder .. "/usr/share/" .. shell[2]))
    end
    assert.equal(sh("%s help --man hookward", H.quote(H.binary)), H.read(folder .. "/usr/share/man/man1/hookward.1"))
    assert.matches("\nExecStart=/usr/bin/hookward serve ", H.read(folder .. "/usr/lib/systemd/system/hookward.service"))
    local example = "usr/share/doc/hookward/examples/print-queue/"
    sh("diff -r examples/print-queue %s/%s", folder, example)
    H.write(folder .. "/usr/bin/other", "")
    make("uninstall", folder)
    assert.same({ "usr/bin/other", ["usr/bin/other"] = true }, files_in(folder))
  end)

  it("needs the packages that the README and the Makefile name", function()
    local packages = sh("make -s --eval 'names: ; @echo $(PACKAGES_INSTALLED)' names"):gsub("\n", "")
    local readme = H.read("README.md"):gsub("%s+", " ")
    assert.matches("apt-get install " .. packages .. "`", readme, 1, true)
  end)
end)
