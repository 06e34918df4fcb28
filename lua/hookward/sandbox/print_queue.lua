-- The print queue: the zips of badge PDFs that the sandbox's notifications name.
--
-- The vendor's documentation names only the path, api/printQueue; the rest is chosen here. Each
-- call needs Authorization: Bearer TOKEN.
--
-- GET /api/printQueue
--   200 [ ZIP, … ], the newest first; the oldest is the one that `hookward send` names
-- GET /api/printQueue/ID              ID: the event's BadgeExportZipFileId
--   200 ZIP = { "BadgeExportZipFileId": "…", "FileName": "badges-….zip", "Size": 1234 (bytes),
--               "BadgeCount": 3, "Created": "2024-05-10T11:09:21Z", "PrintStatus": "Pending" }
-- GET /api/printQueue/ID/file
--   200 the zip's bytes: application/zip, Content-Disposition: attachment; filename="badges-….zip"
-- PUT (or POST) /api/printQueue/ID/status    { "PrintStatus": "Printed" }
--   200 ZIP; PrintStatus is one of Pending, Printing, Printed, Failed
--   400 ACR_01.000.000 (no JSON object), .001 (no PrintStatus), .003 (another PrintStatus)
-- An unknown ID is answered 404 { "Message": "…" }

local core = require "hookward.core"
local answers = require "hookward.sandbox.answers"
local badge = require "hookward.sandbox.badge"
local catalogue = require "hookward.handlers.catalogue"
local zip = require "hookward.sandbox.zip"

local M = {}

local ZIPS_MAX = 1000 -- older ones are forgotten

local statuses = {
  pending = "Pending", printing = "Printing", printed = "Printed", failed = "Failed",
}
local people = { "Ada Lovelace", "Grace Hopper", "Alan Turing" }

local zips = {} -- by id
local sizes = {} -- by id, so that a list does not have to build every zip
local order = {} -- ids, oldest first

---Puts a new zip into the queue.
---@param id? string
---@return string id
function M.add(id)
  id = id or core.crypto.uuid()
  zips[id] = { BadgeExportZipFileId = id, FileName = ("badges-%s.zip"):format(id:sub(1, 8)),
    BadgeCount = #people, Created = os.date("!%Y-%m-%dT%H:%M:%SZ"), PrintStatus = "Pending" }
  order[#order + 1] = id
  if #order > ZIPS_MAX then
    local oldest = table.remove(order, 1)
    zips[oldest], sizes[oldest] = nil, nil
  end
  return id
end

-- The zip that `hookward send` names is there from the start.
for _, event in pairs(catalogue) do
  local sample = core.json.decode(event.sample)
  if sample.BadgeExportZipFileId then M.add(sample.BadgeExportZipFileId) end
end

-- Builds a zip; the bytes are the same every time.
local function bytes_of(one)
  local entries = {}
  for i, name in ipairs(people) do
    entries[i] = { name = ("badge-%d.pdf"):format(i), bytes = badge.pdf(name, one.FileName) }
  end
  return zip.write(entries)
end

local function shown(one)
  local id = one.BadgeExportZipFileId
  sizes[id] = sizes[id] or #bytes_of(one)
  local copy = { Size = sizes[id] }
  for name, value in pairs(one) do copy[name] = value end
  return copy
end

local function unknown(id)
  return answers.message(404, ("There is no zip %s in the print queue."):format(id))
end

function M.list()
  local list = core.json.array {}
  for i = #order, 1, -1 do list[#list + 1] = shown(zips[order[i]]) end
  return answers.json(200, list)
end

---@param id string
function M.show(_, id)
  local one = zips[id]
  if not one then return unknown(id) end
  return answers.json(200, shown(one))
end

---@param id string
function M.file(_, id)
  local one = zips[id]
  if not one then return unknown(id) end
  return 200, { ["Content-Type"] = "application/zip",
    ["Content-Disposition"] = ('attachment; filename="%s"'):format(one.FileName) }, bytes_of(one)
end

---@param request hookward.AppRequest
---@param id string
function M.set_status(request, id)
  local one = zips[id]
  if not one then return unknown(id) end
  local fields = answers.fields(request.body)
  if not fields then return answers.error("ACR_01.000.000", "The body must be a JSON object.") end
  if fields.printstatus == nil then return answers.error("ACR_01.000.001", "PrintStatus.") end
  local status = statuses[tostring(fields.printstatus):lower()]
  if not status then
    return answers.error("ACR_01.000.003", "PrintStatus is Pending, Printing, Printed or Failed.")
  end
  one.PrintStatus = status
  return answers.json(200, shown(one))
end

return M
