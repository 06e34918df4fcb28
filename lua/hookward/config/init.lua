-- Reads hookward.lua, checks all of it against the schema, and returns plain values.
--
-- A user's mistakes come back as lines, each with the file, the key, what was expected and what was
-- found. All mistakes are reported at once. The host (core/base/config.h) checks nothing again.

local sys = require "hookward.core".sys
local admin = require "hookward.config.admin"
local base_database = require "hookward.base.database"
local database = require "hookward.config.database"
local kinds = require "hookward.config.kinds"
local listen = require "hookward.config.listen"
local schema = require "hookward.config.schema"
local suggest = require "hookward.base.suggest"
local tls = require "hookward.config.tls"

local M = { DEFAULT_FILE = "hookward.lua", CONTROL = kinds.CONTROL, absolute = kinds.absolute }

local show = kinds.show

-- These have files of their own.
kinds.kinds.admin, kinds.kinds.listen, kinds.kinds.tls = admin, listen, tls

local MAX_LINES = 10 -- of errors in one file

---A path as a person would write it: relative if it is below `folder`. In a line, each path that
---is a word of its own.
---@param text string a path, or a message with paths; absolute
---@param folder string absolute; "" for none
---@return string
function M.shown(text, folder)
  if folder == "" then return text end
  local inside = "(%s)" .. folder:gsub("%p", "%%%0") .. "/"
  return ((" " .. text):gsub(inside, "%1"):sub(2))
end

-- ---- checking a table of values ----

local Check = {}
Check.__index = Check

function Check:complain(text)
  self.lines[#self.lines + 1] = text
end

local function names_of(entries, prefix, into)
  into = into or {}
  for _, entry in ipairs(entries) do
    into[#into + 1] = prefix .. entry.key
    if entry.fields then names_of(entry.fields, prefix .. entry.key .. ".", into) end
  end
  return into
end

local known_names = names_of(schema, "")

-- Keys that are known, but not at the top.
local elsewhere = {
  proxy_protocol = 'a listener has it: listen = { { "0.0.0.0:8080", proxy_protocol = true } }',
  cert = 'write tls = { cert = "cert.pem", key = "key.pem" }',
}

-- Reports unknown keys. In a nested table, `prefix` is "log." and such.
function Check:unknown(values, entries, prefix, place)
  local known = {}
  for _, entry in ipairs(entries) do known[entry.key] = true end
  for _, key in ipairs(kinds.sorted_keys(values)) do
    if type(key) ~= "string" then
      self:complain(("%s%s[%s]: every value needs a name, for example workers = 8")
        :format(place, prefix, show(key)))
    elseif not known[key] then
      local nearest = suggest.nearest(prefix .. key, known_names)
      local names = prefix == "" and (elsewhere[key]
          or "`hookward init DIR` writes a file with the usual keys")
        or "known are " .. table.concat(names_of(entries, prefix), ", ")
      self:complain(("%s%s%s: unknown key; %s"):format(place, prefix, kinds.show_key(key),
        nearest and ("did you mean %s?"):format(nearest) or names))
    end
  end
end

-- Checks one value against its entry, and puts what the host gets into self.values.
function Check:value(entry, value, place, base)
  local kind = kinds.kinds[entry.kind]
  local read, why, found = kind.read(value, entry, base)
  local name = entry.as or entry.key
  if read ~= nil then
    self.values[name] = read
    return
  end
  self.bad[name] = true
  local example = entry.example or entry.default
  found = found or entry.secret and "a " .. type(value) or show(value)
  self:complain(("%s: %s"):format(place, why or ("expected %s, for example %s; found %s")
    :format(kind.expects(entry), kinds.show_example(example), found)))
end

function Check:table(entry, values, place)
  local prefix = entry.key .. "."
  if type(values) == "table" then
    self:all(values, entry.fields, prefix, place)
  else
    local field = entry.fields[1]
    self:complain(("%s%s: expected a table, for example %s = { %s = %s }; found %s"):format(place,
      entry.key, entry.key, field.key, show(field.default or "..."),
      entry.secret and "a " .. type(values) or show(values)))
  end
end

function Check:all(values, entries, prefix, place)
  self:unknown(values, entries, prefix, place)
  for _, entry in ipairs(entries) do
    local value = values[entry.key]
    if value ~= nil and entry.kind == "table" then
      self:table(entry, value, place)
    elseif value ~= nil then
      self:value(entry, value, place .. prefix .. entry.key, self.folder)
    end
  end
end

function Check:defaults(entries)
  for _, entry in ipairs(entries) do
    if entry.kind == "table" then
      self:defaults(entry.fields)
    elseif entry.default ~= nil then
      self:value(entry, entry.default, entry.key, self.folder)
    end
  end
end

-- `overrides` have full names ("workers", "log.level"). Their paths start from the folder in which
-- they were typed.
function Check:overrides(entries, prefix, overrides, cwd)
  for _, entry in ipairs(entries) do
    local value = overrides[prefix .. entry.key]
    if entry.kind == "table" then
      self:overrides(entry.fields, prefix .. entry.key .. ".", overrides, cwd)
    elseif value ~= nil then
      self:value(entry, value, entry.flag or prefix .. entry.key, cwd)
    end
  end
end

-- ---- the file ----

local function missing(file)
  return { ("%s: not found; make a project with `hookward init DIR`, or name a configuration "
    .. "with -c FILE"):format(file) }
end

-- `file` is the user's name for it; `path` is absolute, as the current folder may have changed.
local function read_file(file, path)
  local stat = sys.stat(path)
  if stat and stat.kind == "folder" then
    return nil, { ("%s: this is a folder; name the file in it: -c %s/%s")
      :format(file, (file:gsub("/+$", "")), M.DEFAULT_FILE) }
  end
  local handle, why = io.open(path, "rb")
  if not handle then return nil, stat and { file .. why:sub(#path + 1) } or missing(file) end
  local text, read_why = handle:read("a")
  handle:close()
  if not text then return nil, { ("%s: %s"):format(file, read_why) } end
  return (text:gsub("^\xEF\xBB\xBF", ""):gsub("^#[^\n]*", ""))
end

-- The first line of an error, with the user's name of the file in place of the chunk's.
local function lua_error(file, message)
  local text = tostring(message):match("^[^\n]*"):gsub("^%[?=?CONFIG%]?:", function()
    return file .. ":"
  end)
  return { text:sub(1, #file) == file and text or ("%s: %s"):format(file, text) }
end

-- Runs the file with Lua's own library. Globals that it sets stay its own.
local function run_file(file, path)
  local text, lines = read_file(file, path)
  if not text then return nil, lines end
  local env = setmetatable({}, { __index = _G })
  local chunk, why = load(text, "=CONFIG", "t", env)
  if not chunk then return nil, lua_error(file, why) end
  local ok, values = pcall(chunk)
  if not ok then return nil, lua_error(file, values) end
  if type(values) ~= "table" then
    return nil, { ("%s: expected a file that returns a table, for example return { workers = 8 }; "
      .. "found %s"):format(file, next(env) and "one that only sets globals, such as "
        .. tostring(next(env)) or show(values)) }
  end
  return values
end

local function few(lines)
  local more = #lines - MAX_LINES
  if more <= 0 then return lines end
  local first = table.move(lines, 1, MAX_LINES, 1, {})
  first[MAX_LINES + 1] = ("... and %d more"):format(more)
  return first
end

---@param patterns string[] absolute
---@return string[]? files that they match now: absolute, sorted, each once
---@return string? why
function M.find_keys(patterns)
  local files, seen = {}, {}
  for _, pattern in ipairs(patterns) do
    local found, why = sys.glob(pattern)
    if not found then return nil, why end
    for _, path in ipairs(found) do
      if not seen[path] then files[#files + 1] = path end
      seen[path] = true
    end
  end
  table.sort(files)
  return files
end

---@class hookward.Config what the host gets; times in milliseconds, sizes in bytes
---@field file string its name in messages: the file as the user gave it, or who passed a table
---@field file_path string the file's absolute path; "" if there is none
---@field folder string absolute
---@field listen hookward.Listener[]
---@field path string
---@field control string the absolute path of the control socket
---@field handlers string an absolute folder
---@field key_patterns string[] absolute
---@field key_files string[] absolute; what the patterns match now
---@field source string Lua source that returns the hookward.Source, to read it all again
---@field settings_source string Lua source that returns the user's settings
---@field admin? hookward.Admin|false false: off, also with `serve --dev`
---@field mask string[] events whose bodies are not shown: names, and patterns as in hook.on
---@field retries_ms integer[]
---@field ledger_advice? string[] of a ledger on PostgreSQL: what is dangerous about its address
---@field retries_unused? boolean the user's `retries` have no effect: the ledger is in memory

---@class hookward.Source where a configuration comes from; later fields take precedence
---@field file? string as the user gave it: read first
---@field values? table as hookward.lua returns it
---@field overrides? table<string, any> values by full name ("workers", "log.level")
---@field name string the name of the values, or of the file, in messages
---@field cwd string absolute: paths start here, except those in the file

-- A ledger in memory keeps no bodies that could run again. `given`: the user has set `retries`.
local function turn_off_retries(config, given)
  config.retries_unused = given and #config.retries_ms > 0 or nil
  config.retries_ms = {}
end

-- Two listeners can't share an address. Port 0 is a different port each time.
local function check_admin(self, file)
  local own = self.values.admin
  for _, listener in ipairs(own and self.values.listen or {}) do
    if listener.address == own.listen.address and not listener.address:find(":0$") then
      self:complain(("%s: admin: %s is one of the addresses in `listen`, where notifications "
        .. "arrive; give the admin listener another port"):format(file, listener.address))
      self.bad.admin = true
    end
  end
end

-- Returns what the host gets; or nil, the lines, what is usable, and which names are wrong.
local function check(source, values, folder)
  local file = source.file
  local self = setmetatable({ lines = {}, bad = {}, folder = folder,
    values = { file = source.name, folder = folder,
      file_path = file and M.absolute(source.cwd, file) or "" } }, Check)
  self:defaults(schema)
  if file then self:all(values, schema, "", file .. ": ") end
  self.folder = source.cwd
  if source.values then self:all(source.values, schema, "", source.name .. ": ") end
  self:overrides(schema, "", source.overrides or {}, source.cwd)
  local config = self.values
  listen.inherit(config.listen, config.tls)
  if not self.bad.admin then check_admin(self, source.name) end
  config.settings_source, config.settings = config.settings, nil
  local text, not_plain = kinds.source(source, "source")
  config.source = text
  if not_plain and #self.lines == 0 then
    self:complain(("%s: %s"):format(source.name, (not_plain:gsub("^source%.values%.?", ""))))
  end
  if config.ledger == "memory:" then
    local given = file and values.retries or source.values and source.values.retries
    turn_off_retries(config, given ~= nil)
  end
  if base_database.is_meant(config.ledger) then
    local named = source.overrides and source.overrides.ledger
    config.ledger_advice = database.advice(config, named and "--ledger")
  end
  local files, why = M.find_keys(config.key_patterns)
  config.key_files = files
  if not files then
    self:complain(("%s: keys: %s"):format(source.name, why))
    self.bad.key_patterns, config.key_files = true, {}
  end
  if self.bad.mask then config.mask = { "*" } end -- it hides something, and nobody knows what
  if #self.lines > 0 then return nil, few(self.lines), config, self.bad end
  return config
end

---Reads and checks a configuration.
---@param source hookward.Source
---@return hookward.Config? config
---@return string[]? lines what is wrong, at most a dozen
---@return hookward.Config? rest what is usable all the same, with defaults for wrong values; but a
---wrong `mask` hides all bodies
---@return table<string, boolean>? bad the names in `rest` whose values were wrong
function M.read(source)
  local values, folder = nil, source.cwd
  if source.file then
    local path = M.absolute(source.cwd, source.file)
    local lines, why
    values, lines = run_file(source.file, path)
    if not values then return nil, lines end
    folder, why = sys.realpath(path:match("^(.*/)"))
    if not folder then return nil, { why } end
  end
  return check(source, values, folder)
end

---Reads and checks a file.
---@param file? string default: hookward.lua in the current folder
---@param overrides? table<string, any> values by full name ("workers", "log.level"), from flags or
---a program
---@return hookward.Config? config
---@return string[]? lines this and the others are as for M.read
---@return hookward.Config? rest
---@return table<string, boolean>? bad
function M.load(file, overrides)
  file = file or M.DEFAULT_FILE
  return M.read { file = file, name = file, overrides = overrides, cwd = assert(sys.cwd()) }
end

---Checks a configuration that is already a table; its paths start from the current folder.
---@param values table as hookward.lua returns it
---@param name string its name in messages
---@return hookward.Config? config
---@return string[]? lines what is wrong, at most a dozen
function M.of(values, name)
  local config, lines = M.read { values = values, name = name, cwd = assert(sys.cwd()) }
  return config, lines
end

---Reports what else keeps a host from starting: no handlers folder, no key.
---@param config hookward.Config
---@return string? handlers one line: why there are no handlers
---@return string? keys one line: why there is no key
function M.missing(config)
  local handlers, keys
  local stat = sys.stat(config.handlers)
  if not stat or stat.kind ~= "folder" then
    handlers = ("%s: %s; handlers are the *.lua files of a folder: make it, or set `handlers` "
      .. "in %s"):format(M.shown(config.handlers, config.folder),
        stat and "this is not a folder" or "no such folder", config.file)
  end
  if #config.key_files == 0 then
    local patterns = {}
    for i, pattern in ipairs(config.key_patterns) do
      patterns[i] = M.shown(pattern, kinds.escape_glob(config.folder))
    end
    keys = ("%s: no key file; save Accredit's Signature Key as %s, or make one for "
      .. "development with `hookward keygen DIR`"):format(table.concat(patterns, ", "),
        (patterns[1]:gsub("%*.*$", "NAME.pem")))
  end
  return handlers, keys
end

---Reads everything again while a host is running; the answer has room for one line.
---@param source hookward.Source
---@return hookward.Config? config
---@return string? why one line; with a configuration, which of its files are missing
function M.reload(source)
  local config, lines = M.read(source)
  if not config then return nil, lines[1] end
  local no_handlers, no_keys = M.missing(config)
  return config, no_handlers or no_keys
end

return M
