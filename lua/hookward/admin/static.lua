-- The files of the page, by a fixed list of names: nothing that a client sends becomes a path.
--
-- The binary contains them (core/script/embed.lua), and the rock installs them beside the modules
-- (rockspec/generate.lua).

local app = require "hookward.app"
local core = require "hookward.core"
local files = require "hookward.base.files"

local M = {}

M.names = {
  "index.html", "login.html", "style.css", "views.css", "icon.svg",
  "api.js", "app.js", "dom.js", "format.js", "login.js", "stream.js", "timing.js",
  "list/filter.js", "list/form.js", "list/hints.js", "list/left.js", "list/live.js",
  "list/row.js", "list/table.js",
  "one/actions.js", "one/body.js", "one/error.js", "one/facts.js", "one/hex.js", "one/json.js",
  "one/runs.js",
  "parts/confirm.js", "parts/copy.js", "parts/handed.js", "parts/headers.js",
  "parts/moment.js", "parts/notes.js", "parts/prose.js", "parts/reveal.js", "parts/state.js",
  "plot/axes.js", "plot/plot.js",
  "views/bulk.js", "views/deliveries.js", "views/delivery.js", "views/overview.js",
  "views/refused.js", "views/test.js",
}

local types = {
  html = "text/html; charset=utf-8",
  css = "text/css; charset=utf-8",
  js = "text/javascript; charset=utf-8",
  svg = "image/svg+xml",
}

local known = {}
for _, name in ipairs(M.names) do known[name] = true end

-- `page_folder` is for work on the page itself: its files are read anew at each request.
local function read(name)
  local folder = app.settings.page_folder
  if folder then return files.read(("%s/%s"):format(folder, name)) end
  local text = core.source("admin/page/" .. name)
  if text then return text end
  local here = package.searchpath("hookward.admin", package.path)
  return here and files.read(here:gsub("init%.lua$", "page/") .. name)
end

local cache = {}

local function load(name)
  local text = read(name)
  if not text then return nil end
  local etag = ('"%s"'):format(assert(core.crypto.sha256(text)):sub(1, 32))
  return { text = text, etag = etag, type = types[name:match("%.(%a+)$")] }
end

local function find(name)
  if app.settings.page_folder and name:find("^%l*/?%l+%.%l+$") then return load(name) end
  if not known[name] then return nil end
  cache[name] = cache[name] or load(name)
  return cache[name]
end

---@param name string
---@return boolean
function M.has(name)
  return find(name) ~= nil
end

---@param request hookward.AppRequest
---@param name string
---@return integer? status nil: there is no such file
---@return table? headers
---@return string? body
function M.answer(request, name)
  local file = find(name)
  if not file then return nil end
  local headers = { ["Content-Type"] = file.type, ETag = file.etag, ["Cache-Control"] = "no-cache" }
  local held = request.headers["if-none-match"]
  if held and (held == "*" or held:find(file.etag, 1, true)) then return 304, headers, "" end
  return 200, headers, file.text
end

return M
