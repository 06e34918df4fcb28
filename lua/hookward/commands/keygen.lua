-- hookward keygen: makes a key pair for development.

local config = require "hookward.config"
local console = require "hookward.cli.console"
local core = require "hookward.core"
local files = require "hookward.base.files"
local options = require "hookward.cli.options"

local sys = core.sys

local M = {
  summary = "Make a key pair for development.",
  usage = "DIR [OPTION...]",
  description = "Writes DIR/private.pem (readable only by you) and DIR/public.pem. It never "
    .. "overwrites a file. It refuses a folder that the configuration's `keys` covers: a private "
    .. "key must not be where the host looks for public ones.",
  examples = {
    "hookward keygen dev-keys",
    "hookward keygen dev-keys --bits 4096",
    "cp dev-keys/public.pem keys/dev.pem   # trust it",
  },
}

function M.define(parser)
  parser:argument("DIR", "The folder for the two files; it is made if needed."):target("dir")
  parser:option("--bits", "2048, 3072 or 4096 (default: 2048, most likely Accredit's size).")
    :choices({ "2048", "3072", "4096" }):argname("N")
  options.config(parser, "The configuration whose `keys` must not cover DIR (default: "
    .. "HOOKWARD_CONFIG, or hookward.lua if it exists).")
end

-- The absolute path as it was written, and with its symbolic links resolved.
local function names_of(path)
  local absolute = config.absolute(assert(sys.cwd()), (path:gsub("/+$", "")))
  local parent, name = absolute:match("^(.*)/([^/]*)$")
  local real = sys.realpath(absolute)
  if not real and sys.realpath(parent) then real = sys.realpath(parent) .. "/" .. name end
  return { absolute, real }
end

-- The pattern of `keys` that would read a key in this folder.
local function reading_pattern(settings, dir)
  for _, pattern in ipairs(settings.key_patterns) do
    for _, folder in ipairs(names_of(dir)) do
      for _, file in ipairs { "/private.pem", "/public.pem" } do
        if sys.matches(pattern, folder .. file) then
          return config.shown(pattern, settings.folder)
        end
      end
    end
  end
end

-- One line that says why the folder can't be used; nil when it can.
local function refusal(args)
  local file = args.config or config.DEFAULT_FILE
  if not args.config and not sys.stat(file) then return nil end
  local settings, lines = config.load(file)
  if not settings then return lines end
  local pattern = reading_pattern(settings, args.dir)
  return pattern and ("%s: the host reads %s, and must not find a private key there; choose "
    .. "another folder, then copy public.pem"):format(args.dir, pattern)
end

-- Writes both or neither: a private key without its public half is useless.
local function write_pair(dir, private, public)
  local ok, why = sys.write_new(dir .. "/private.pem", private, files.SECRET)
  if not ok then return nil, why end
  ok, why = sys.write_new(dir .. "/public.pem", public, files.PUBLIC)
  if not ok then os.remove(dir .. "/private.pem") end
  return ok, why
end

function M.run(args)
  local refused = refusal(args)
  if refused then return console.fail(refused) end
  local dir = args.dir
  local made, why = files.make_folder(dir)
  if not made then return console.fail(why) end
  for _, name in ipairs { "/private.pem", "/public.pem" } do
    if sys.stat(dir .. name) then
      return console.fail(dir .. name .. ": already exists, and is never overwritten; choose "
        .. "another folder, or remove the file yourself")
    end
  end
  local private, public = core.crypto.keygen(math.tointeger(args.bits or 2048))
  if not private then return console.fail(public) end
  made, why = write_pair(dir, private, public)
  if not made then return console.fail(why) end
  console.columns({
    { dir .. "/private.pem", "sign with it: hookward send EVENT --key " .. dir .. "/private.pem" },
    { dir .. "/public.pem", "trust it: copy it to a file that `keys` covers, as keys/NAME.pem" },
  }, "")
  return 0
end

return M
