-- hookward init: a new project that works at once.

local config = require "hookward.config"
local console = require "hookward.console"
local core = require "hookward.core"
local files = require "hookward.files"
local templates = require "hookward.templates"

local sys = core.sys

local M = {
  summary = "Make a new project.",
  usage = "DIR",
  description = "Makes a folder with a configuration, an example handler, a spec and a key pair "
    .. "for development. `hookward check` and `hookward serve` work in it at once. A folder that "
    .. "is there already must be empty (but for .git). For editors that use lua-language-server "
    .. "it puts annotations into .hookward/; --annotations writes these anew after an update.",
  examples = {
    "hookward init my-hooks",
    "cd my-hooks && hookward serve",
    "hookward init --annotations .",
  },
}

local KEY_BITS = 2048
local IN_THE_WAY_SHOWN = 5

function M.define(parser)
  parser:argument("DIR", "The folder to make."):target("dir")
  parser:flag("--annotations", "Only write the annotations, into a project that is there.")
end

-- One line when the folder can't be taken.
local function refusal(dir)
  local stat = sys.stat(dir)
  if not stat then return nil end
  if stat.kind ~= "folder" then return dir .. ": is there already, and is not a folder" end
  local names, why = sys.list(dir)
  if not names then return why end
  local others = {}
  for _, name in ipairs(names) do
    if name ~= ".git" then others[#others + 1] = name end
  end
  if #others == 0 then return nil end
  local shown = table.concat(others, ", ", 1, math.min(#others, IN_THE_WAY_SHOWN))
  return ("%s: is not empty (in the way: %s%s); choose another folder"):format(dir, shown,
    #others > IN_THE_WAY_SHOWN and (" and %d more"):format(#others - IN_THE_WAY_SHOWN) or "")
end

-- A word for a shell.
local function quote(text)
  if text:find("^[%w%./_%-]+$") then return text end
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

-- How the user can call this program from another folder.
local function program_name(program)
  if not program:find("/") then return program end
  return quote(sys.realpath(program) or program)
end

-- The text of one of hookward's own modules, wherever `require` has it from.
local function source_of(module)
  local text = core.source(module)
  if text then return text end
  local path, why = package.searchpath(module, package.path)
  if not path then return nil, why end
  return files.read(path)
end

local ANNOTATIONS = "/.hookward"

-- Where lua-language-server looks for `require "hookward"` and `require "hookward.testing"`.
local function write_annotations(dir)
  local meta, why = source_of("hookward._meta")
  local made
  if meta then made, why = files.make_folder(dir .. ANNOTATIONS .. "/hookward") end
  if not made then return nil, why end
  local texts = { ["/hookward.lua"] = meta, ["/hookward/testing.lua"] = templates.testing_meta }
  for name, text in pairs(texts) do
    local path = dir .. ANNOTATIONS .. name
    os.remove(path)
    local ok
    ok, why = sys.write_new(path, text, files.PUBLIC)
    if not ok then return nil, why end
  end
  return true
end

local function write_all(dir)
  for _, folder in ipairs { "", "/handlers", "/keys", "/spec" } do
    local made, why = files.make_folder(dir .. folder)
    if not made then return nil, why end
  end
  local private, public = core.crypto.keygen(KEY_BITS)
  if not private then return nil, public end
  local ok, why = sys.write_new(dir .. "/development.key", private, files.SECRET)
  if ok then ok, why = sys.write_new(dir .. "/keys/development.pem", public, files.PUBLIC) end
  for _, file in ipairs(templates) do
    if ok then ok, why = sys.write_new(dir .. "/" .. file.name, file.text, files.PUBLIC) end
  end
  if ok then ok, why = write_annotations(dir) end
  return ok, why
end

local function renew_annotations(dir)
  if not sys.stat(dir .. "/" .. config.DEFAULT_FILE) then
    return console.fail(("%s: there is no %s; --annotations is for a project that is there"):format(
      dir, config.DEFAULT_FILE))
  end
  local ok, why = write_annotations(dir)
  if not ok then return console.fail(why) end
  console.say("%s%s is up to date with hookward %s", dir, ANNOTATIONS, core.version)
  return 0
end

function M.run(args, cli)
  local dir = args.dir:gsub("(.)/+$", "%1")
  if args.annotations then return renew_annotations(dir) end
  local refused = refusal(dir)
  if refused then return console.fail(refused) end
  local ok, why = write_all(dir)
  if not ok then return console.fail(why) end
  local program, folder = program_name(cli.program), quote(dir)
  local here = dir == "."
  console.say("%s is ready. Start it:", here and "The project" or dir)
  console.say("  %s%s serve", here and "" or ("cd %s && "):format(folder), program)
  console.say("and deliver a signed notification to it, from another terminal:")
  console.say("  %s send BadgeExportZipFile.Created%s", program,
    here and "" or (" -c %s/hookward.lua"):format(folder))
  return 0
end

return M
