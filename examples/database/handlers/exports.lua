local hook = require "hookward"
local database = require "database"

-- The key is the notification's identity. After a crash between this write and the ledger's record,
-- the handler runs again, and the row already exists.
local UPSERT = [[
  INSERT INTO exports (job_id, digest, export_id, happened_at, attempt)
  VALUES (%s, %s, %s, %s, %d)
  ON CONFLICT (job_id, digest) DO UPDATE SET attempt = excluded.attempt]]

hook.on("BadgeExportZipFile.Created", { schema = true }, function(event, job)
  local text = database.text
  local ok, why = database.run(UPSERT:format(text(job.id), text(job.digest),
    text(event.BadgeExportZipFileId), text(event.Timestamp), job.attempt))
  if not ok then
    hook.log.error("the export is not written", { reason = why })
    return nil, "the database failed" -- 400: Accredit delivers it again
  end
  return true
end)
