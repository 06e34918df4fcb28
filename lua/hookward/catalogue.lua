-- The events that Accredit documents, with the schema of each, as data.
--
-- The list that an account may subscribe to is Accredit's own: `hookward events`. Schemas of other
-- events are the user's: hook.schema(event, table). What a schema may say: validator.lua.

---@class hookward.CatalogueEvent
---@field description string one sentence
---@field schema hookward.Schema

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
  },
}
