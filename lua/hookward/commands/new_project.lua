-- hookward init: makes a new project that works at once.

local config = require "hookward.config"
local console = require "hookward.cli.console"
local core = require "hookward.core"
local examples = require "hookward.cli.examples"
local files = require "hookward.base.files"
local suggest = require "hookward.base.suggest"
local templates = require "hookward.cli.templates"

local sys = core.sys

-- "hello (one handler that writes to the log), ..."
local function example_list()
  local list = {}
  for i, example in ipairs(examples.list) do
    list[i] = ("%s (%s)"):format(example.name, example.summary)
  end
  return table.concat(list, ", ")
end

local M = {
  summary = "Make a new project.",
  usage = "DIR [OPTION...]",
  description = "Makes a folder with a configuration, an example handler, a spec and a key pair "
    .. "for development. `hookward check` and `hookward serve` work in it at once. A folder that "
    .. "already exists must be empty, except for .git. Annotations for editors with "
    .. "lua-language-server go into .hookward/; --annotations updates them to this version.\n\n"
    .. "With --example NAME the project is one of the examples, with its README.md: "
    .. example_list() .. ".\n\n"
    .. "With --tls the host listens with TLS. The certificate in tls/ is for localhost and valid "
    .. "for a year. No client trusts it unless told to: `hookward send --ca tls/cert.pem`.",
  examples = {
    "hookward init my-hooks",
    "cd my-hooks && hookward serve",
    "hookward init --example print-queue badges",
    "hookward init --tls my-hooks",
    "hookward init --annotations .",
  },
}

local KEY_BITS = 2048
local TLS_KEY, TLS_CERT = "tls/key.pem", "tls/cert.pem"
local IN_THE_WAY_SHOWN = 5

local function example(name)
  local found = examples.find(name)
  if found then return found end
  local nearest = suggest.nearest(name, examples.names())
  return nil, ("--example: there is no example '%s'; %s"):format(console.plain(name),
    nearest and ("did you mean %s?"):format(nearest)
      or "there are " .. table.concat(examples.names(), ", "))
end

function M.define(parser)
  parser:argument("DIR", "The folder to make."):target("dir")
  parser:option("--example", "Make the project from this example."):argname("NAME"):convert(example)
  parser:flag("--tls", "Listen with TLS, with a certificate for development.")
  parser:flag("--annotations", "Only write the annotations, into an existing project.")
end

-- One line that says why the folder can't be used; nil when it can.
local function refusal(dir)
  local stat = sys.stat(dir)
  if not stat then return nil end
  if stat.kind ~= "folder" then return dir .. ": already exists, and is not a folder" end
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

-- Quotes a word for a shell, if needed.
local function quote(text)
  if text:find("^[%w%./_%-]+$") then return text end
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

-- How the user can call this program from another folder.
local function program_name(program)
  if not program:find("/") then return program end
  return quote(sys.realpath(program) or program)
end

-- The text of one of hookward's own modules, from wherever `require` would load it.
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

local function write_file(dir, name, text, mode)
  local path = ("%s/%s"):format(dir, name)
  local made, why = files.make_folder(path:match("^(.*)/"))
  if not made then return nil, why end
  return sys.write_new(path, text, mode or files.PUBLIC)
end

-- For .gitignore: an example may list what every project ignores.
local function without_repeats(text)
  local lines, seen = {}, {}
  for line in text:gmatch("[^\n]+") do
    if not seen[line] then lines[#lines + 1] = line end
    seen[line] = true
  end
  return table.concat(lines, "\n") .. "\n"
end

-- The texts by file name: those of the template, or those of an example and the template's files
-- that every project has.
local function texts_of(chosen)
  local texts = {}
  for _, file in ipairs(templates) do
    if not chosen or file.always then texts[file.name] = file.text end
  end
  for _, name in ipairs(chosen and chosen.files or {}) do
    local text, why = examples.text(chosen, name)
    if not text then return nil, why end
    texts[name] = texts[name] and without_repeats(texts[name] .. text) or text
  end
  return texts
end

-- The configuration with TLS: on another port, since 8080 is known for plain HTTP.
local function with_tls(text)
  return (text:gsub('\n  listen = "127%.0%.0%.1:8080",[^\n]*\n',
    '\n  listen = "127.0.0.1:8443",\n  tls = { cert = "tls/cert.pem", key = "tls/key.pem" },\n', 1))
end

local function write_tls(dir)
  local key, certificate = core.crypto.development_certificate()
  if not key then return nil, certificate end
  local ok, why = write_file(dir, TLS_KEY, key, files.SECRET)
  if not ok then return nil, why end
  return write_file(dir, TLS_CERT, certificate)
end

local function write_all(dir, chosen, tls)
  local texts, why = texts_of(chosen)
  if not texts then return nil, why end
  if tls then
    texts[config.DEFAULT_FILE] = with_tls(texts[config.DEFAULT_FILE])
    texts[".gitignore"] = texts[".gitignore"] .. TLS_KEY .. "\n"
  end
  local private, public = core.crypto.keygen(KEY_BITS)
  if not private then return nil, public end
  local ok
  ok, why = write_file(dir, "development.key", private, files.SECRET)
  if ok then ok, why = write_file(dir, "keys/development.pem", public) end
  if ok and tls then ok, why = write_tls(dir) end
  for name, text in pairs(texts) do
    if ok then ok, why = write_file(dir, name, text) end
  end
  if ok then ok, why = write_annotations(dir) end
  return ok, why
end

local function renew_annotations(dir)
  if not sys.stat(dir .. "/" .. config.DEFAULT_FILE) then
    return console.fail(("%s: there is no %s; --annotations is for an existing project"):format(
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
  local ok, why = write_all(dir, args.example, args.tls)
  if not ok then return console.fail(why) end
  local program, folder = program_name(cli.program), quote(dir)
  local here = dir == "."
  console.say("%s is ready. Start it:", here and "The project" or dir)
  console.say("  %s%s serve", here and "" or ("cd %s && "):format(folder), program)
  if args.example then
    console.say("%s/README.md says what it does and how to try it.", dir)
  else
    console.say("and deliver a signed notification to it, from another terminal:")
    console.say("  %s send BadgeExportZipFile.Created%s%s", program,
      here and "" or (" -c %s/hookward.lua"):format(folder),
      args.tls and (" --ca %s%s"):format(here and "" or folder .. "/", TLS_CERT) or "")
  end
  return 0
end

return M
