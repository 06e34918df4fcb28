-- hookward test: run a project's specs with busted, inside this program.
--
-- Why here: `require "hookward.testing"` is then found without hookward being installed for a Lua
-- interpreter as well. busted itself is found where Lua 5.4 looks for modules.

local console = require "hookward.cli.console"
local sys = require "hookward.core".sys

local M = {
  summary = "Run the specs of a project.",
  usage = "[BUSTED'S ARGUMENTS...]",
  description = "Runs the specs in spec/ with busted, inside this program: there hookward.testing "
    .. "is at hand, which loads handlers and delivers signed notifications to them without a "
    .. "network. All arguments are busted's: files, folders, --filter, --output ... (`busted "
    .. "--help` shows them). Exits 0 when all specs passed, else 1. Where hookward is installed "
    .. "as a Lua module, plain `busted` does the same.",
  examples = {
    "hookward test",
    "hookward test spec/badges_spec.lua --filter refuses",
  },
  verbatim = true,
}

function M.define(parser)
  parser:argument("ARGUMENTS", "What busted is to be told."):target("arguments"):args("*")
end

local INSTALL = "busted is not installed for Lua 5.4; get it with `apt install lua-busted` or "
  .. "`luarocks install busted`"

-- busted takes its own name from the file that calls it, and its arguments from the global `arg`.
local RUN = "require 'busted.runner'({ standalone = false })"

local NO_SPECS = "there are no specs here: %s has no folder spec/. Go to a project's folder "
  .. "(`hookward init DIR` makes one, with a spec), or name a file or folder of specs"

local asks_busted = { ["--help"] = true, ["-h"] = true, ["--version"] = true }

-- busted would say "Cannot find file or directory: spec", and then some. An argument that is there
-- may name specs, and .busted may too.
local function has_specs(args)
  for _, path in ipairs { "spec", ".busted", table.unpack(args) } do
    if asks_busted[path] or sys.stat(path) then return true end
  end
end

function M.run(args)
  if not has_specs(args) then return console.fail(NO_SPECS:format(sys.cwd())) end
  local found = pcall(require, "busted.runner")
  if not found then return console.fail(INSTALL) end
  -- A project's .busted may name an interpreter: there hookward might not be known.
  arg = table.move(args, 1, #args, 2, { [0] = "busted", "--ignore-lua" }) -- luacheck: globals arg
  assert(load(RUN, "@busted"))()
  return 0
end

return M
