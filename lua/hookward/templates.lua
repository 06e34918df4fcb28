-- The files of a new project: { name, text }.

return {
  { name = "hookward.lua", text = [==[
-- The configuration. Every key may be left out; what is commented out here shows its default.
-- `hookward check` says whether all is well.
return {
  listen = "127.0.0.1:8080", -- or a list; "[::]:8080", "unix:/run/hookward.sock", "systemd"
  path = "/baseWebhookNotification",
  handlers = "handlers",
  keys = { "keys/*" }, -- the public keys that may have signed a notification
  ledger = "hookward.db", -- remembers what was processed, so that nothing runs twice

  -- workers = 8, -- how many handlers may block at the same time
  -- handler_timeout = "30s",
  -- unhandled = "reject", -- an event without a handler: "reject" (400) or "accept" (200)
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

-- A zip file of badges is ready for download. This runs once for each notification that is
-- authentic; a repeat is answered from the ledger.
--
--   event  the decoded JSON: event.Event, event.Timestamp, event.BadgeExportZipFileId
--   job    job.id, job.attempt (0 is the first delivery), job.last, job.redelivered, job.body ...
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
  { name = "spec/handlers_spec.lua", text = [==[
-- Run it with `busted` in the project's folder.
local hookward = os.getenv "HOOKWARD" or "hookward"

describe("the handlers", function()
  it("load, with the configuration and the keys", function()
    local result = os.execute("'" .. hookward .. "' check")
    assert.is_true(result == true or result == 0) -- Lua 5.1 gives the exit code
  end)
end)
]==] },
  { name = ".gitignore", text = [==[
development.key
hookward.db*
.hookward.sock
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
| `spec/` | tests: `busted` |

```sh
hookward check                             # is all well?
hookward serve                             # run
hookward send BadgeExportZipFile.Created   # deliver one signed notification
```

To go live, save Accredit's Signature Key as `keys/accredit.pem` (whatever its text form is) and
remove `keys/development.pem`.
]==] },
}
