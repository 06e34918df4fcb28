-- hookward completion: scripts that complete hookward's commands and options in a shell.

local catalogue = require "hookward.handlers.catalogue"
local console = require "hookward.cli.console"
local core = require "hookward.core"
local examples = require "hookward.cli.examples"
local guide = require "hookward.guide"
local misbehaviour = require "hookward.sandbox.misbehaviour"

local M = {
  summary = "Print a completion script for your shell.",
  usage = "bash|zsh|fish",
  description = "Prints a script with which your shell completes hookward's commands, options and "
    .. "values: files where a file is wanted, and known words where there are any.",
  examples = {
    "echo 'source <(hookward completion bash)' >> ~/.bashrc",
    "hookward completion zsh > ~/.zfunc/_hookward",
    "hookward completion fish > ~/.config/fish/completions/hookward.fish",
  },
}

local install = {
  bash = "# To install: echo 'source <(hookward completion bash)' >> ~/.bashrc",
  zsh = "# To install: hookward completion zsh > FOLDER/_hookward, where FOLDER is one of $fpath.",
  fish = "# To install: hookward completion fish > ~/.config/fish/completions/hookward.fish",
}

function M.define(parser)
  parser:argument("SHELL", "bash, zsh or fish."):target("shell")
    :choices({ "bash", "zsh", "fish" })
end

-- ---- values ----

-- argparse offers the files of the current folder for every value without choices. So each value
-- that is not a file gets choices, if need be an empty list.

local FILES = { FILE = true, DIR = true, PATTERN = true, ARGUMENTS = true }

local function names_of(table_)
  local names = {}
  for name in pairs(table_) do names[#names + 1] = name end
  table.sort(names)
  return names
end

local function topics_of(cli)
  local names = table.move(cli.commands, 1, #cli.commands, 1, {})
  for _, topic in ipairs(guide.topics) do names[#names + 1] = topic.name end
  return names
end

-- The choices, by the value's name in --help.
local function known_words(cli)
  return {
    EVENT = names_of(catalogue), STATE = { "running", table.unpack(core.ledger.states) },
    WAYS = misbehaviour.names, TOPIC = topics_of(cli), ["--example"] = examples.names(),
  }
end

local function give_choices(element, name, known)
  if element._choices or FILES[name] then return end
  element._choices = known[name] or {}
end

local function give_values(parser, known)
  for _, option in ipairs(parser._options) do
    local name = type(option._argname) == "table" and option._argname[1] or option._argname
    local by_option = known[option._aliases[1]] and option._aliases[1]
    if option._minargs > 0 then give_choices(option, by_option or name, known) end
  end
  for _, argument in ipairs(parser._arguments) do
    give_choices(argument, argument._name, known)
  end
  for _, command in ipairs(parser._commands) do give_values(command, known) end
end

-- ---- bash ----

-- When nothing matches, bash offers files, which is wrong for other values. And argparse's script
-- does not complete arguments.
local NO_FALLBACK = "compopt +o default +o bashdefault 2>/dev/null"

local function bash_arguments(parser, lines)
  local argument = parser._arguments[1]
  if argument and argument._choices then
    lines[#lines + 1] = ("        '%s') words=%q; %s ;;"):format(parser:_get_fullname(true),
      table.concat(argument._choices, " "), NO_FALLBACK)
  end
  for _, command in ipairs(parser._commands) do bash_arguments(command, lines) end
  return lines
end

local function finish_bash(script, parser)
  script = script:gsub('( *)(COMPREPLY=%(%$%(compgen %-W "[^"\n]*" %-%- "%$cur"%)%))\n( *return 0)',
    ("%%1%%2\n%%1%s\n%%3"):format(NO_FALLBACK:gsub("%%", "%%%%")))
  local cases = table.concat(bash_arguments(parser, {}), "\n")
  local at = assert(script:find('    if [[ "$cur" = -* ]]; then', 1, true))
  return script:sub(1, at - 1) .. '    local words=\n    case "$cmd" in\n' .. cases
    .. '\n    esac\n    [ -z "$words" ] || COMPREPLY=($(compgen -W "$words" -- "$cur"))\n\n'
    .. script:sub(at)
end

function M.run(args, cli)
  give_values(cli.parser, known_words(cli))
  local script = cli.parser["get_" .. args.shell .. "_complete"](cli.parser)
  if args.shell == "bash" then script = finish_bash(script, cli.parser) end
  local first, rest = script:match("^(#compdef[^\n]*\n)(.*)$") -- must stay the first line
  console.say("%s%s\n%s", first or "", install[args.shell], (rest or script):gsub("\n$", ""))
  return 0
end

return M
