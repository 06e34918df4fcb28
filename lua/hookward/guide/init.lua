-- The guide: what `hookward help TOPIC` prints.
--
-- Each topic is a Markdown file in this folder, written to be read as it is. The binary contains
-- them, and the rock installs them beside the modules. The reference of the configuration is not
-- written by hand: it is generated from the table that checks the configuration.

local core = require "hookward.core"
local files = require "hookward.base.files"
local reference = require "hookward.guide.reference"

---@class hookward.Topic
---@field name string as in `hookward help NAME`
---@field summary string

local M = {}

---@type hookward.Topic[] in reading order
M.topics = {
  { name = "handlers", summary = "Patterns, answers, job, hook.*, reload, limits." },
  { name = "configuration", summary = "Every key of hookward.lua, with its default." },
  { name = "testing", summary = "Test handlers without a network." },
  { name = "debugging", summary = "See what happens, and run one notification by hand." },
  { name = "accredit", summary = "Subscribe to events; the sandbox." },
  { name = "ledger", summary = "What arrived, what failed, and how to run it again." },
  { name = "errors", summary = "Every code, its cause and its cure." },
  { name = "log", summary = "Every field of a line, and what to alert on." },
  { name = "admin", summary = "The page, health and metrics, and who may see them." },
  { name = "deployment", summary = "systemd, containers, TLS, backups, updates." },
  { name = "fleet", summary = "Several hosts that share one ledger on PostgreSQL." },
  { name = "security", summary = "What is verified, what is not signed, what is limited." },
  { name = "library", summary = "The rock, and a host inside a Lua program." },
  { name = "internals", summary = "How it works, and where to start reading." },
}

local REFERENCE = "<!-- reference -->\n"

local function source_of(module)
  local text = core.source(module)
  if text then return text end
  local path, why = package.searchpath(module, (package.path:gsub("%.lua", ".md")))
  if not path then return nil, why end
  return files.read(path)
end

---@param name string
---@return boolean
function M.has(name)
  for _, topic in ipairs(M.topics) do
    if topic.name == name then return true end
  end
  return false
end

---A topic's file as it is, without the reference.
---@param name string the topic's name
---@return string? text Markdown
---@return string? why
function M.source(name)
  return source_of("hookward.guide." .. name)
end

---@param name string the topic's name
---@return string? text Markdown
---@return string? why
function M.text(name)
  local text, why = M.source(name)
  if not text then return nil, why end
  local at, to = text:find(REFERENCE, 1, true)
  return at and text:sub(1, at - 1) .. reference.text() .. text:sub(to + 1) or text
end

return M
