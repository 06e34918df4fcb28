-- hookward completion: scripts that complete hookward's commands and options in a shell.

local console = require "hookward.console"

local M = {
  summary = "Print a completion script for your shell.",
  usage = "bash|zsh|fish",
  description = "Prints a script that lets your shell complete hookward's commands and options.",
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

function M.run(args, cli)
  local script = cli.parser["get_" .. args.shell .. "_complete"](cli.parser)
  local first, rest = script:match("^(#compdef[^\n]*\n)(.*)$") -- which has to be the first line
  console.say("%s%s\n%s", first or "", install[args.shell], (rest or script):gsub("\n$", ""))
  return 0
end

return M
