-- The Debian package is installed, enabled, run, upgraded, removed and purged in a bare Debian 12.
-- `make test-package` builds the package and the root; this takes root, but no systemd that runs.

local D = require "spec.support.deployment"
local H = require "spec.support.host"
local lfs = require "lfs"
local manager = require "spec.support.manager"

local deb, tar = os.getenv "HOOKWARD_DEB", os.getenv "HOOKWARD_ROOT"

local function sh(format, ...)
  local ok, out = H.sh("{ " .. format:format(...) .. "\n}")
  return assert(ok, out) and out
end

local root

-- Runs a command in the root; returns its output.
local function inside(format, ...)
  return sh("chroot %s env -i PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive "
    .. "LC_ALL=C.UTF-8 sh -c %s 2>&1", root, H.quote(format:format(...)))
end

local function exists(path) return lfs.symlinkattributes(root .. path, "mode") ~= nil end

-- "root:hookward 750"
local function owner(path) return (inside("stat -c '%%U:%%G %%a' %s", path):gsub("\n$", "")) end

-- The service's command, as systemd would run it. options: env (variables for it), as of H.start
local function start(options)
  local service = D.unit(H.read(root .. "/lib/systemd/system/hookward.service")).Service
  local binary, args = assert(service.ExecStart:match("^(%S+) serve (.*)$"))
  local within = ("cd %s && umask %s && exec \"$@\""):format(service.WorkingDirectory, service.UMask)
  local environment = ("PATH=/usr/sbin:/usr/bin:/sbin:/bin RUNTIME_DIRECTORY=/run/%s %s"):format(
    service.RuntimeDirectory, options.env or "")
  inside("install -d -o %s -g %s -m 755 /run/%s", service.User, service.User, service.RuntimeDirectory)
  local capability = service.AmbientCapabilities:lower():gsub("^cap_", "+")
  options.wrap = ("env -i %s chroot %s setpriv --reuid=%s --regid=%s --init-groups --no-new-privs --inh-caps=%s "
    .. "--ambient-caps=%s --bounding-set=-all,%s sh -c %s sh"):format(environment, root, service.User, service.User,
    capability, capability, capability, H.quote(within))
  options.folder, options.binary, options.args, options.env = H.folder(), binary, args, nil
  return H.start(options), service
end

-- A systemctl in the root that notes its words, and a systemd that seems to run.
local function pretend_systemd()
  H.write(root .. "/usr/local/bin/systemctl", '#!/bin/sh\necho "$*" >>/systemctl.log\n')
  inside("chmod +x /usr/local/bin/systemctl && mkdir -p /run/systemd/system && : >/systemctl.log")
end

-- The package with a later version, and another comment in its configuration and its handler.
local function later_package()
  local folder = H.folder()
  sh("dpkg-deb -R %s %s/package && cd %s/package && sed -i 's/^Version: .*/&+later/' DEBIAN/control "
    .. "&& sed -i '1i -- A later version.' etc/hookward/hookward.lua etc/hookward/handlers/badges.lua "
    .. "&& dpkg-deb --root-owner-group -b . ../later.deb", H.quote(deb), folder, folder)
  sh("cp %s/later.deb %s/later.deb", folder, root)
end

describe("the Debian package #package", function()
  if not deb or not tar then
    it("is built by `make test-package`", function() pending("this is not it") end)
    return
  end

  setup(function()
    root = os.tmpname()
    os.remove(root)
    sh("mkdir %s && tar -C %s --numeric-owner -xf %s && cp %s %s/hookward.deb", root, root, H.quote(tar),
      H.quote(deb), root)
  end)

  teardown(function() sh("rm -rf --one-file-system %s", root) end)

  after_each(function()
    H.stop_all()
    manager.stop_all()
  end)

  it("has nothing that lintian complains about", function()
    assert.equal("", select(2, H.sh("lintian --allow-root --tag-display-limit 0 " .. H.quote(deb))))
  end)

  it("has the version of the program", function()
    local version = H.read("core/base/version.h"):match('HW_VERSION "([^"]+)"')
    assert.matches("^" .. version:gsub("%p", "%%%0") .. "%-%d+\n$", sh("dpkg-deb -f %s Version", H.quote(deb)))
  end)

  it("is built from the packages that the Makefile installs", function()
    local function sorted(text)
      local words = {}
      for word in text:gmatch("[%w+.-]+") do words[#words + 1] = word end
      table.sort(words)
      return words
    end
    local list = H.read("rockspec/debian/control"):match("\nBuild%-Depends: (.-)\n%u")
    local given = sh("make -s --eval 'names: ; @echo " ..
      "$(filter-out gcc libc6-dev make debhelper dpkg-dev,$(PACKAGES_DEB))' names")
    assert.same(sorted(given), sorted((list:gsub("debhelper%-compat %(= %d+%),", ""))))
  end)

  -- The root has PACKAGES_INSTALLED and adduser; dpkg wants what else there is in Depends.
  it("is installed with the packages that it names and no others", function()
    local depends = " " .. sh("dpkg-deb -f %s Depends", H.quote(deb)):gsub("[,\n]", " ")
    for name in sh("make -s --eval 'names: ; @echo $(PACKAGES_INSTALLED)' names"):gmatch("%S+") do
      assert.matches(" " .. name .. " ", depends, 1, true)
    end
    inside("dpkg -i /hookward.deb")
    assert.matches("^hookward ", inside("hookward --version"))
    assert.matches("\nlibpq: not installed\n", inside("hookward --version"))
    for _, path in ipairs { "/usr/share/man/man1/hookward.1.gz", "/usr/share/man/man5/hookward.lua.5.gz",
      "/usr/share/doc/hookward/changelog.Debian.gz", "/usr/share/doc/hookward/copyright",
      "/usr/share/doc/hookward/examples/print-queue/handlers/print_queue.lua",
      "/usr/share/bash-completion/completions/hookward", "/usr/share/zsh/vendor-completions/_hookward",
      "/usr/share/fish/vendor_completions.d/hookward.fish", "/lib/systemd/system/hookward.socket" } do
      assert.is_true(exists(path), path)
    end
  end)

  it("makes a user, and a project that the user can read and nobody else", function()
    assert.matches("^hookward:x:%d+:%d+:[^:]*:/var/lib/hookward:/usr/sbin/nologin\n$", inside("getent passwd hookward"))
    for _, path in ipairs { "", "/keys", "/handlers", "/tls" } do
      assert.equal("root:hookward 750", owner("/etc/hookward" .. path))
    end
    assert.equal("hookward:hookward 700", owner "/var/lib/hookward")
  end)

  it("does not enable the service, which can be enabled", function()
    local wanted = "/etc/systemd/system/multi-user.target.wants/hookward.service"
    assert.is_false(exists(wanted))
    sh("systemctl --root=%s enable hookward.service hookward.socket 2>&1", root)
    assert.is_true(exists(wanted))
    assert.is_true(exists "/etc/systemd/system/sockets.target.wants/hookward.socket")
  end)

  it("has a service that says in one line which key is missing", function()
    local host = start { fails = true }
    assert.equal(1, host:wait())
    assert.matches("^[^\n]*keys[^\n]*\n$", host:log())
  end)

  it("has a service that becomes ready, answers, reloads and stops", function()
    local m = manager.new { path = root .. "/run/notify" }
    inside("chmod 777 /run/notify")
    local config = root .. "/etc/hookward/hookward.lua"
    H.write(config, D.exchange(H.read(config), { ['"127.0.0.1:8080"'] = '{ "127.0.0.1:0", "127.0.0.2:443" }' }))
    local _, public = H.keys()
    H.write(root .. "/key.pem", H.read(public))
    inside("install -o root -g hookward -m 0640 key.pem /etc/hookward/keys/accredit.pem && rm key.pem")
    local host, service = start { env = "NOTIFY_SOCKET=/run/notify" }
    local ready = m:wait "READY=1"
    host:wait_log("listening on http://127%.0%.0%.2:443/") -- which takes the unit's capability
    assert.equal(200, host:notify(H.event("BadgeExportZipFile.Created", '"BadgeExportZipFileId":"1"')).status)
    assert.matches("nothing has changed", inside("setpriv --reuid=hookward --regid=hookward --clear-groups %s",
      service.ExecReload), 1, true)
    m:wait("READY=1", m:wait("RELOADING=1", ready))
    assert.equal(0, host:stop())
    m:wait "STOPPING=1"
    assert.equal("hookward:hookward 600", owner "/var/lib/hookward/hookward.db")
  end)

  it("is upgraded: what was changed stays, the service is restarted, the socket stays open", function()
    pretend_systemd()
    later_package()
    inside("dpkg --force-confold -i /later.deb")
    assert.matches("+later\n", inside("dpkg-query -W hookward"), 1, true)
    assert.matches("127.0.0.1:0", H.read(root .. "/etc/hookward/hookward.lua"), 1, true)
    assert.matches("^%-%- A later version", H.read(root .. "/etc/hookward/handlers/badges.lua"))
    assert.is_true(exists "/var/lib/hookward/hookward.db")
    local said = H.read(root .. "/systemctl.log")
    assert.matches("daemon%-reload\n.*try%-restart hookward.service\n", said)
    assert.is_nil(said:find("hookward.socket", 1, true), said)
  end)

  it("is removed: the service ends, configuration and ledger stay", function()
    pretend_systemd()
    inside("dpkg -r hookward")
    assert.matches("stop hookward.socket hookward.service\n", H.read(root .. "/systemctl.log"), 1, true)
    assert.is_false(exists "/usr/bin/hookward")
    for _, path in ipairs { "/etc/hookward/hookward.lua", "/etc/hookward/keys/accredit.pem",
      "/var/lib/hookward/hookward.db" } do
      assert.is_true(exists(path), path)
    end
  end)

  it("is purged: nothing is left but the user", function()
    inside("dpkg -P hookward")
    assert.equal("", inside("find / -xdev -path /run -prune -o -name '*hookward*' ! -name '*.deb' -print"))
    assert.matches("^hookward:", inside("getent passwd hookward"))
  end)
end)
