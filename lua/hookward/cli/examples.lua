-- The examples of examples/, for `hookward init --example NAME`.
--
-- The binary contains their files (core/script/embed.lua), and the rock installs them beside the
-- modules (rockspec/generate.lua). Both take them from this list.

local M = {}

---@class hookward.Example
---@field name string as in `hookward init --example NAME`, and the folder of examples/
---@field summary string
---@field files string[] paths in that folder

---@type hookward.Example[]
M.list = {
  { name = "hello", summary = "one handler that writes to the log", files = {
    "README.md", "hookward.lua", "handlers/badges.lua", "spec/badges_spec.lua",
  } },
  { name = "print-queue", summary = "fetches the badges from Accredit", files = {
    "README.md", "hookward.lua", ".gitignore", "zips/.gitignore", "handlers/print_queue.lua",
    "handlers/lib/accredit_api.lua", "spec/print_queue_spec.lua",
  } },
  { name = "database", summary = "one row for each notification", files = {
    "README.md", "hookward.lua", "handlers/exports.lua", "handlers/lib/database.lua",
    "spec/exports_spec.lua",
  } },
  { name = "fan-out", summary = "posts to several services", files = {
    "README.md", "hookward.lua", "handlers/fan_out.lua", "handlers/lib/delivered.lua",
    "spec/fan_out_spec.lua",
  } },
  { name = "router", summary = "which pattern gets an event", files = {
    "README.md", "hookward.lua", "handlers/badges.lua", "handlers/people.lua", "handlers/rest.lua",
    "handlers/lib/audit.lua", "spec/router_spec.lua",
  } },
  { name = "ordered", summary = "an older state never overwrites a newer one", files = {
    "README.md", "hookward.lua", "handlers/people.lua", "handlers/lib/instant.lua",
    "handlers/lib/states.lua", "spec/people_spec.lua",
  } },
  { name = "outbox", summary = "passes orders on to a service that is often away", files = {
    "README.md", "hookward.lua", "service.lua", "handlers/orders.lua", "spec/orders_spec.lua",
  } },
}

---@param name string
---@return hookward.Example?
function M.find(name)
  for _, example in ipairs(M.list) do
    if example.name == name then return example end
  end
end

---@return string[]
function M.names()
  local names = {}
  for i, example in ipairs(M.list) do names[i] = example.name end
  return names
end

---The text of one of its files.
---@param example hookward.Example
---@param file string
---@return string? text
---@return string? why
function M.text(example, file)
  local path = ("%s/%s"):format(example.name, file)
  local text = require "hookward.core".source("examples/" .. path)
  if text then return text end
  local here, why = package.searchpath("hookward.cli.examples", package.path)
  if not here then return nil, why end
  return require "hookward.base.files".read(here:gsub("cli/examples%.lua$", "examples/") .. path)
end

return M
