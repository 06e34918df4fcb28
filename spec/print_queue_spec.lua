-- examples/print-queue against the sandbox: after a notification its zip is on the disk and has the
-- status Printed. Sandbox and host are the real processes, and the example is the shipped one.

local lfs = require "lfs"
local H = require "spec.support.host"
local S = require "spec.support.sandbox"

local EXAMPLE = lfs.currentdir() .. "/examples/print-queue"

after_each(function()
  S.stop_all()
  H.stop_all()
end)

-- A host that serves a copy of the example with the sandbox's key, without what a run has left.
local function host(s, password)
  local folder = H.folder()
  assert(H.sh(("cp -r %s/. %s && cd %s && rm -rf keys zips/*.zip* && mkdir keys && cp %s keys/"):format(
    H.quote(EXAMPLE), folder, folder, H.quote((select(2, H.keys()))))))
  local self = H.start { folder = folder, env = ("HOOKWARD_ACCREDIT_URL=%s HOOKWARD_ACCREDIT_USER=sandbox "
    .. "HOOKWARD_ACCREDIT_PASSWORD=%s"):format(s.url, password or "sandbox"),
    args = "--listen 127.0.0.1:0 --ledger memory: --workers 1" }
  self.url = ("http://127.0.0.1:%d/baseWebhookNotification"):format(self.port)
  return self
end

-- The newest zip of the sandbox's queue.
local function newest(s)
  local _, list = s:ask("GET", "/api/printQueue")
  return list[1]
end

local function files(folder)
  local list = {}
  for name in lfs.dir(folder) do
    if not name:find("^%.") then list[#list + 1] = name end
  end
  return list
end

-- Asserts that exactly this zip of the sandbox is stored, byte for byte.
local function assert_stored(s, h, zip)
  assert.are.same({ zip.BadgeExportZipFileId .. ".zip" }, files(h.folder .. "/zips"))
  local path = h.folder .. "/zips/" .. zip.BadgeExportZipFileId .. ".zip"
  local status, bytes = s:ask("GET", "/api/printQueue/" .. zip.BadgeExportZipFileId .. "/file")
  assert.are.equal(200, status)
  assert.are.equal("PK\3\4", bytes:sub(1, 4))
  assert.is_true(bytes == H.read(path))
  if H.sh("command -v unzip") then
    local ok, out = H.sh("unzip -t " .. H.quote(path))
    assert.is_truthy(ok, out)
  end
end

describe("the print-queue example", function()
  it("stores the zip and sets its status to Printed", function()
    local s = S.start():sign_in()
    local h = host(s)
    s:trigger(h.url)
    assert.are.equal(200, s:wait("answered").status)
    local zip = newest(s)
    assert.are.equal("Printed", zip.PrintStatus)
    assert_stored(s, h, zip)
  end)

  it("does the rest at the retry when the API failed in between", function()
    local s = S.start("--speed 10000 --fail 'printQueue=503*2'"):sign_in()
    local h = host(s)
    s:trigger(h.url)
    assert.are.equal(200, s:wait("answered", 3).status)
    local first = s:shown("answered")[1]
    assert.are.equal("handler_refused", first.error)
    local zip = newest(s)
    assert.are.equal("Printed", zip.PrintStatus)
    assert_stored(s, h, zip)
  end)

  it("gets a new token when the old one has expired", function()
    local s = S.start("--token-life 2s"):sign_in()
    local h = host(s)
    s:sign_in():trigger(h.url) -- the first token may have expired while the host started
    assert.are.equal(200, s:wait("answered").status)
    s:sign_in() -- later than the host did, so the host's token expires first
    H.wait_until(function() return s:ask("GET", "/api/printQueue") == 401 end, "the token's end")
    s:sign_in():trigger(h.url)
    assert.are.equal(200, s:wait("answered", 2).status)
    assert.are.equal(2, #files(h.folder .. "/zips"))
  end)

  it("stores nothing with a wrong password, and says why", function()
    local s = S.start():sign_in()
    local h = host(s, "wrong-one")
    s:trigger(h.url)
    assert.are.equal(400, s:wait("answered").status)
    h:wait_log("POST /token: answered 400; are settings.user")
    assert.is_nil(h:log():find("wrong-one", 1, true))
    assert.are.same({}, files(h.folder .. "/zips"))
    assert.are.equal("Pending", newest(s).PrintStatus)
  end)
end)
