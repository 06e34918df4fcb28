-- Opens the ledger that a command works on, and walks through its rows.

local config = require "hookward.config"
local console = require "hookward.cli.console"
local core = require "hookward.core"
local database = require "hookward.base.database"
local options = require "hookward.cli.options"

local M = {}

local LEDGER = "hookward.db" -- the default
local PAGE = 500 -- rows in memory at a time

---Adds the options that choose the ledger.
---@param parser table
function M.define(parser)
  options.config(parser)
  parser:option("--ledger", "The ledger, a file or a database, instead of the configuration's.")
    :argname("FILE")
end

-- Whether there is such a file. A database may be anywhere; it is found out when it is opened.
local function is_there(path)
  return database.is_meant(path) or core.sys.stat(path)
end

-- Guesses the ledger of a broken configuration: the one that it names all the same, or the default
-- file. Reading a wrong one does no harm.
local function guess(args, lines, rest, bad)
  local file = args.config or config.DEFAULT_FILE
  local path = rest and not bad.ledger and rest.ledger
  if not core.sys.stat(file) then return nil end -- there is no configuration here
  if not rest then path = (file:match("^(.*/)") or "") .. LEDGER end
  if not path or path == "memory:" or not is_there(path) then return nil end
  console.complain("%s %s; showing %s all the same", console.paint("yellow", "warning:", 2),
    lines[1], config.shown(database.shown(path), core.sys.cwd()))
  return path
end

---@param a string a ledger
---@param b string
---@return boolean same they are the same file, or the same address of a database
function M.same(a, b)
  if database.is_meant(a) or database.is_meant(b) then return a == b end
  return core.sys.realpath(a) == core.sys.realpath(b)
end

---Finds the ledger. With --ledger and without -c, no configuration is read.
---@param args table
---@param write? boolean the ledger will be changed, so its path is never guessed
---@return string? path
---@return string[]|hookward.Config|nil lines what is wrong; with a path, the configuration if one
---was read; if it can't be used, its `mask` and `ledger_schema` alone
function M.find(args, write)
  local path, settings = args.ledger, nil
  if not path or args.config then
    local lines, rest, bad
    settings, lines, rest, bad = config.load(args.config, { ledger = args.ledger })
    path = settings and settings.ledger or args.ledger
      or not write and guess(args, lines, rest, bad)
    if not path then
      return nil, write and { lines[1], "--ledger FILE works without a configuration" } or lines
    end
    settings = settings or { mask = rest and rest.mask or { "*" },
      ledger_schema = rest and rest.ledger_schema }
  end
  if path == "memory:" then
    return nil, { 'ledger = "memory:" keeps notifications in memory: nothing is on disk' }
  end
  if not is_there(path) then
    return nil, { ("no ledger yet at %s; `hookward serve` makes it"):format(path) }
  end
  return path, settings
end

---@param args table its `schema` is that of a database, if no configuration says it
---@param write? boolean
---@return table? ledger a handle of core.ledger
---@return string[]|hookward.Config|nil lines as of find
function M.open(args, write)
  local path, settings = M.find(args, write)
  if not path then return nil, settings end
  local schema = args.schema or settings and settings.ledger_schema
  local ledger, why = core.ledger.open(path, write, schema)
  if not ledger then return nil, { why } end
  return ledger, settings
end

---Walks through the rows that match, page by page, so that no lock and no snapshot is held.
---@param ledger table
---@param filters table
---@param each fun(row: table): boolean? false ends it
---@return boolean? ok
---@return string? why
function M.walk(ledger, filters, each)
  local page = { limit = PAGE }
  for name, value in pairs(filters) do page[name] = value end
  repeat
    local rows, why = ledger:list(page)
    if not rows then return nil, why end
    for _, row in ipairs(rows) do
      if each(row) == false then return true end
    end
    local last = rows[#rows]
    if last and page.oldest_first then page.after = last.seq end
    if last and not page.oldest_first then page.upto = last.seq - 1 end
  until #rows < PAGE
  return true
end

return M
