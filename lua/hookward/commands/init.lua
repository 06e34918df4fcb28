-- The command line: finds the command, reads its arguments, runs it, returns its exit code.
--
-- Exit codes: 0 done; 1 failed, and stderr says why; 2 used wrongly.
--
-- A command is a module of this folder:
--   summary, description, examples, usage   for --help; without usage, argparse writes one
--   define(parser)                          adds arguments and options
--   run(args, cli) -> exit code             cli = { parser = the root parser, program = its name,
--                                           commands = the names of all commands }
--   verbatim = true                         run gets the words after the command unread
-- A user's mistake is never a Lua error. An error that gets out is a bug, shown with a traceback.

local missing = require "hookward.cli.needs"()
if missing then
  return { main = function()
    io.stderr:write("hookward: ", missing, "\n")
    return 1
  end }
end

local actions = require "hookward.cli.actions"
local argparse = require "argparse"
local console = require "hookward.cli.console"
local core = require "hookward.core"
local guide = require "hookward.guide"
local options = require "hookward.cli.options"
local suggest = require "hookward.base.suggest"

local M = {}

local commands = {
  "serve", "check", "init", "test", "keygen", "send", "verify", "jobs", "ledger", "events",
  "subscribe", "trigger", "sandbox", "status", "tail", "dash", "doctor", "reload", "pause",
  "resume", "completion", "help",
}

-- The command init can't be init.lua: that is this file.
local modules = { init = "new_project" }

local function load_command(name)
  return require("hookward.commands." .. (modules[name] or name))
end

local HELP_WIDTH_MAX = 100

local function names_of(elements)
  local names = {}
  for _, element in ipairs(elements) do
    for _, alias in ipairs(element._aliases) do names[#names + 1] = alias end
  end
  return names
end

-- Makes argparse's message one line, and guesses what was meant.
local function explain(parser, message)
  local kind, name = message:match("^unknown (%a+) '(.-)'")
  message = message:gsub("\n.*$", "")
  if not name then return message end
  local known = names_of(kind == "command" and parser._commands or parser._options)
  local nearest = suggest.nearest(name, known)
  return message .. (nearest and ("; did you mean %s?"):format(nearest) or "")
end

local Misuse = {}

local function on_misuse(parser, message)
  error(setmetatable({ command = parser:_get_fullname(), message = explain(parser, message) },
    Misuse), 0)
end

local function define(parser, names, action)
  local width = math.min(core.sys.columns(), HELP_WIDTH_MAX)
  parser:help_max_width(width):help_description_margin(28)
  parser:require_command(false):command_target("command")
  local version = parser:flag("--version")
  version:description("Print the version, and those of the libraries in use."):action(function()
    console.say("%s", require "hookward.cli.versions"())
    os.exit(0, true)
  end)
  for _, name in ipairs(names) do
    actions.add(parser, "hookward", name, load_command(name), action)
  end
  parser.error = on_misuse
end

---@param names? string[] the commands to load; all of them without it
---@param action? string the only action of that command to load
---@return table parser the command line, as argparse has it
function M.parser(names, action)
  local parser = argparse("hookward"):usage("Usage: hookward COMMAND [OPTION...]")
    :description("A webhook host that you script in Lua: it proves that Accredit's notifications "
      .. "are authentic, and runs your handler once for each.")
    :epilog("Start with:\n  hookward init my-hooks\n  cd my-hooks && hookward serve\n\n"
      .. "`hookward COMMAND --help` shows a command's options and examples,\n"
      .. "`hookward help` the topics of the guide.")
  define(parser, names or commands, action)
  return parser
end

local function is_command(name)
  for _, known in ipairs(commands) do
    if known == name then return true end
  end
  return false
end

-- `hookward help send` is `hookward send --help`, and `help jobs list` is `jobs list --help`. The
-- command help takes the topics of the guide and unknown words.
local function without_help_command(args)
  if args[1] ~= "help" or not is_command(args[2]) then return args end
  if #args == 2 and guide.has(args[2]) then return args end -- the guide says more
  local rest = table.move(args, 2, #args, 1, {})
  rest[#rest + 1] = "--help"
  return rest
end

-- The words after a command that passes them on to another program; nil for any other command.
local function verbatim(args)
  if not is_command(args[1]) or args[2] == "--help" or args[2] == "-h" then return nil end
  return load_command(args[1]).verbatim and table.move(args, 2, #args, 1, {}) or nil
end

-- Returns 1 for 0 if the output could not be written.
local function finish(code)
  local ok, why = core.process.close_stdout()
  if ok then return code end
  return math.max(console.fail("hookward: standard output: " .. why), code)
end

-- After --help, argparse ends the process itself.
local function parse(parser, args)
  local exit = os.exit
  os.exit = function(code, close) -- luacheck: ignore 122
    exit(finish(code == true and 0 or code or 0), close)
  end
  local ok, result = pcall(parser.parse, parser, args)
  os.exit = exit -- luacheck: ignore 122
  return ok, result
end

-- These read the whole command line.
local reads_all = { help = true, completion = true }

-- The only command that has to be loaded, and its action: to load them all takes most of a short
-- command's time.
local function needed(args)
  if is_command(args[1]) and not reads_all[args[1]] then return { args[1] }, args[2] end
end

local function run(arg)
  local args = without_help_command(table.move(arg, 1, #arg, 1, {}))
  local parser = M.parser(needed(args))
  if #args == 0 then
    console.say("%s", parser:get_help())
    return 0
  end
  local rest = verbatim(args)
  if rest then return load_command(args[1]).run(rest) end
  local ok, result = parse(parser, args)
  if not ok and getmetatable(result) == Misuse then
    return console.misuse(result.command, "%s", result.message)
  elseif not ok then
    error(result, 0)
  end
  result.config = options.config_of(result.config)
  return load_command(result.command).run(result,
    { parser = parser, program = arg[0] or "hookward", commands = commands })
end

---Runs one command.
---@param arg string[] like Lua's own: [0] is the program
---@return integer code
function M.main(arg)
  io.stdout:setvbuf("line")
  return finish(run(arg))
end

return M
