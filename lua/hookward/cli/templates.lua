-- The files of a new project: { name, text, always = also in a project made from an example }.

return {
  -- Gives `require "hookward.testing"` its type, which is in _meta.lua.
  testing_meta = [==[
---@meta hookward.testing

---@type hookward.testing
local testing
return testing
]==],

  { name = "hookward.lua", text = [==[
-- The configuration. Every key may be left out; the commented lines show defaults.
-- `hookward check` checks it.
return {
  listen = "127.0.0.1:8080", -- or a list; "[::]:8080", "unix:/run/hookward.sock", "systemd"
  path = "/baseWebhookNotification",
  handlers = "handlers",
  keys = { "keys/*" }, -- the public keys that may have signed a notification
  ledger = "hookward.db", -- remembers what was processed, so that nothing runs twice

  -- workers = 8, -- how many handlers may block at the same time
  -- handler_timeout = "30s",
  -- queue_timeout = "30s", -- how long a notification may wait for a worker
  -- unhandled = "reject", -- an event without a handler: "reject" (400) or "accept" (200)
  -- ack = "last", -- "first": 200 once it is in the ledger, before its handler runs
  -- retries = { 60, 300, 1800, 7200, 21600 }, -- seconds: the host's own, after Accredit's last
  -- max_body = "1MB",
  -- log = { level = "info", format = "text" }, -- or "json"

  -- Yours: handlers read it as hook.config.
  settings = {
    -- database = os.getenv "DATABASE_URL",
  },
}
]==] },
  { name = "handlers/badges.lua", text = [==[
local hook = require "hookward"

-- A zip file of badges is ready for download. This runs once for each authentic notification;
-- a repeat is answered from the ledger.
--
--   event  the decoded JSON: event.Event, event.Timestamp, event.BadgeExportZipFileId
--   job    job.id, job.attempt (0 is the first delivery), job.retry (the host's own), job.body ...
hook.on("BadgeExportZipFile.Created", function(event, job)
  local id = event.BadgeExportZipFileId
  if type(id) ~= "string" then
    return nil, "BadgeExportZipFileId is missing" -- 400: Accredit delivers it again later
  end
  hook.log.info("a badge zip is ready", { zip = id, attempt = job.attempt })
  -- Do the work here. It may block: files, databases, hook.http.
  return true -- 200: done
end)
]==] },
  { name = "spec/badges_spec.lua", text = [==[
-- Run it with `hookward test`, or with `busted` where hookward is installed as a Lua module.
local testing = require "hookward.testing"

describe("a badge zip", function()
  local app
  setup(function() app = testing.load("handlers") end)
  teardown(function() if app then app:unload() end end)

  local ID = "6f9619ff-8b86-d011-b42d-00cf4fc964ff"

  it("is logged with its id", function()
    local result = app:deliver("BadgeExportZipFile.Created", { BadgeExportZipFileId = ID })
    result:expect(200)
    assert.equal(ID, result:logged("a badge zip is ready").fields.zip)
  end)

  it("is refused without an id", function()
    app:deliver("BadgeExportZipFile.Created"):expect(400)
  end)

  it("is handled once, however often it is delivered", function()
    local first = app:deliver("BadgeExportZipFile.Created", { BadgeExportZipFileId = ID })
    assert.is_true(app:redeliver(first):expect(200).duplicate)
  end)
end)
]==] },
  { name = ".busted", always = true, text = [==[
-- Debian's busted may start in an older Lua: then it continues in this one.
return { default = { lua = _VERSION ~= "Lua 5.4" and "lua5.4" or nil } }
]==] },
  { name = ".luarc.json", always = true, text = [==[
{
  "runtime.version": "Lua 5.4",
  "workspace.library": [".hookward", "${3rd}/busted/library", "${3rd}/luassert/library"],
  "workspace.checkThirdParty": false
}
]==] },
  { name = ".gitignore", always = true, text = [==[
development.key
hookward.db*
.hookward.sock*
]==] },
  { name = "README.md", text = [==[
# Webhook handlers

Handlers for Accredit's notifications, run by hookward.

| file | what it is |
| --- | --- |
| `hookward.lua` | the configuration |
| `handlers/` | the handlers: all `*.lua` files are loaded |
| `keys/` | the public keys that are trusted |
| `development.key` | signs what `hookward send` delivers; never commit it |
| `spec/` | tests: `hookward test` |
| `.hookward/`, `.luarc.json` | annotations for editors |

```sh
hookward check                             # check configuration, keys and handlers
hookward test                              # run the specs
hookward serve                             # run
hookward send BadgeExportZipFile.Created   # deliver one signed notification
```

To go live, save Accredit's Signature Key as `keys/accredit.pem`, whatever its form, and remove
`keys/development.pem`.
]==] },
}
