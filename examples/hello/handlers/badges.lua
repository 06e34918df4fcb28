-- Runs once for each verified notification that a badge export is ready.
local hook = require "hookward"

hook.on("BadgeExportZipFile.Created", function(event, job)
  hook.log.info("a badge export is ready", {
    id = event.BadgeExportZipFileId,
    attempt = job.attempt,
  })
  return true -- 200; `return nil, "why"` would be a 400, and Accredit would deliver it again
end)
