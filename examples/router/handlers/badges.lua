local hook = require "hookward"
local audit = require "audit"

-- An exact name takes precedence over every pattern.
hook.on("BadgeExportZipFile.Created", { schema = true }, audit.wrap("badges", function()
  return true -- fetch the zip here
end))
