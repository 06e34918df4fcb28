-- The events that Accredit documents, with the schema of each, as data.
--
-- The list that an account may subscribe to is Accredit's own: `hookward events`. Schemas of other
-- events are the user's: hook.schema(event, table). What a schema may say: validator.lua.

---@class hookward.CatalogueEvent
---@field description string one sentence
---@field schema hookward.Schema
---@field sample string what `hookward send` says of it without --data: a JSON object

-- A zip that `hookward send` speaks of without --data, and that the sandbox's print queue has.
local SAMPLE_ZIP = "6f9619ff-8b86-4011-b42d-00cf4fc964ff"

---@type table<string, hookward.CatalogueEvent>
return {
  ["BadgeExportZipFile.Created"] = {
    description = "A zip file of badge PDFs is ready in the print queue.",
    schema = {
      type = "object",
      required = { "Event", "Timestamp", "BadgeExportZipFileId" },
      properties = {
        Event = { type = "string" },
        Timestamp = { type = "string", format = "date-time" },
        BadgeExportZipFileId = { type = "string", format = "uuid" },
      },
    },
    sample = ('{"BadgeExportZipFileId":"%s"}'):format(SAMPLE_ZIP),
  },
}
