-- Saves a Signature Key in a file that the configuration's `keys` finds.
--
-- The file gets its name only when it is complete, and never replaces another one.

local config = require "hookward.config"
local core = require "hookward.core"
local files = require "hookward.base.files"

local sys = core.sys

local M = {}

local NAME_MAX = 120 -- bytes of a file's name before its ending
local SAME_NAME_MAX = 100 -- different keys of one subscription

local DEFAULT_PATTERN, DEFAULT_BITS = "keys/*", 2048 -- without a configuration

---@class hookward.accredit.KeyFiles
---@field patterns string[] absolute
---@field min_bits integer
---@field folder string of the configuration
---@field place? { folder: string, base: string } the pattern that is used: "keys", "*.pem"
---@field file? string the file that the user named
local KeyFiles = {}
KeyFiles.__index = KeyFiles

local function has_star(text)
  return text:find("[%*%?%[]") ~= nil
end

-- The first pattern whose folder has no wildcard: { folder, base }.
local function place_of(patterns)
  for _, pattern in ipairs(patterns) do
    local folder, base = pattern:match("^(.*)/([^/]*)$")
    local plain = folder:gsub("\\(.)", "%1") -- the configuration's own folder is escaped
    if not has_star((folder:gsub("\\.", ""))) then
      return { folder = plain == "" and "/" or plain, base = base }
    end
  end
end

---Finds out where a key would go, and makes the folder. Done before Accredit is asked, so that the
---key can be saved when it comes.
---@param settings? hookward.Config nil: keys/ in the current folder
---@param file? string the file that the user named
---@return hookward.accredit.KeyFiles?
---@return string? why
function M.open(settings, file)
  local cwd = assert(sys.cwd())
  local self = setmetatable({
    folder = settings and settings.folder or cwd,
    patterns = settings and settings.key_patterns
      or { config.absolute(cwd, DEFAULT_PATTERN) },
    min_bits = settings and settings.min_key_bits or DEFAULT_BITS,
  }, KeyFiles)
  if file then
    self.file = config.absolute(cwd, file)
    self.place = { folder = self.file:match("^(.+)/[^/]*$") or "/" }
  else
    self.place = place_of(self.patterns)
  end
  if not self.place then
    return nil, ("%s: no pattern of `keys` names a folder for a new key; name its file with "
      .. "--key-file FILE"):format(settings.file)
  end
  local made, why = files.make_folder(self.place.folder)
  if not made then return nil, why end
  if sys.stat(self.place.folder).kind ~= "folder" then
    return nil, self:shown(self.place.folder) .. ": the key can't be saved there: not a folder"
  end
  return self
end

---A path as a person would write it.
function KeyFiles:shown(path)
  return config.shown(path, self.folder)
end

-- Would a host with this configuration read the file?
function KeyFiles:finds(path)
  for _, pattern in ipairs(self.patterns) do
    if sys.matches(pattern, path) then return true end
  end
  return false
end

-- The file that already holds this key, if there is one.
function KeyFiles:holding(fingerprint)
  local paths, seen = { self.file }, {}
  for _, pattern in ipairs(self.patterns) do
    table.move(sys.glob(pattern) or {}, 1, 10000, #paths + 1, paths)
  end
  for _, path in ipairs(paths) do
    local keys = not seen[path] and core.crypto.keys({ path }, self.min_bits)
    if keys and keys[1].fingerprint == fingerprint then return path end
    seen[path] = true
  end
end

local function ending_of(form)
  if form:find("^PEM") then return ".pem" end
  if form:find("XML", 1, true) then return ".xml" end
  return ".key"
end

-- File names that the pattern may match, the simplest first: the subscription's name with the
-- ending of the key's form, with other endings, and the pattern with the name in place of its star.
function KeyFiles:names(name, form)
  local base = self.place.base
  if not has_star(base) then return { base } end
  local names = {}
  for _, ending in ipairs { ending_of(form), ".pem", "" } do names[#names + 1] = name .. ending end
  names[#names + 1] = base:gsub("%*", function() return name end, 1):gsub("%*", "")
  return names
end

-- The paths to try, in order.
function KeyFiles:candidates(name, form)
  if self.file then return { self.file } end
  local folder = self.place.folder == "/" and "/" or self.place.folder .. "/"
  local paths = {}
  for number = 1, SAME_NAME_MAX do
    local numbered = number == 1 and name or ("%s-%d"):format(name, number)
    for _, candidate in ipairs(self:names(numbered, form)) do
      if self:finds(folder .. candidate) then
        paths[#paths + 1] = folder .. candidate
        break
      end
    end
  end
  return paths
end

-- The subscription's name, as a file name.
local function file_name(event, tenant)
  local name = event .. (tenant and "-" .. tenant or "")
  return (name:gsub("[^%w._-]", "_"):gsub("^%.", "_"):sub(1, NAME_MAX))
end

---@class hookward.accredit.SavedKey
---@field path string
---@field is_new boolean false: the key already existed
---@field is_found boolean the configuration's `keys` finds it

---@param key { text: string, form: string, fingerprint: string }
---@param event string
---@param tenant? string
---@return hookward.accredit.SavedKey?
---@return string? why
function KeyFiles:save(key, event, tenant)
  local holding = self:holding(key.fingerprint)
  if holding then return { path = holding, is_new = false, is_found = self:finds(holding) } end
  local text = key.text:find("[^\n]$") and not key.form:find("^DER") and key.text .. "\n"
    or key.text
  local why, kind
  for _, path in ipairs(self:candidates(file_name(event, tenant), key.form)) do
    local ok
    ok, why, kind = sys.write_new(path, text, files.SECRET)
    if ok then return { path = path, is_new = true, is_found = self:finds(path) } end
    if kind ~= "exists" then return nil, why end
  end
  if kind == "exists" then return nil, why .. ", with another key in it" end
  return nil, ("the patterns of `keys` (%s) match no name for a new key; name its file with "
    .. "--key-file FILE"):format(self:shown(self.place.folder .. "/" .. self.place.base))
end

return M
