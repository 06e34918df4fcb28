-- The events that Accredit documents, with the schema of each, as data.
--
-- Accredit itself lists the events that an account may subscribe to: `hookward events`. A user
-- gives other events a schema with hook.schema(event, table). See validator.lua for schemas.

---@class hookward.CatalogueEvent
---@field description string one sentence
---@field schema hookward.Schema
---@field sample string a JSON object: the fields that `hookward send` uses without --data

-- The zip that `hookward send` names without --data; the sandbox's print queue has it.
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
