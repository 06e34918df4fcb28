-- hookward test: runs a project's specs with busted, inside this program.
--
-- Inside this program, `require "hookward.testing"` works even if hookward is not installed as a
-- Lua module. busted itself is found where Lua 5.4 looks for modules.

local console = require "hookward.cli.console"
local sys = require "hookward.core".sys

local M = {
  summary = "Run the specs of a project.",
  usage = "[BUSTED'S ARGUMENTS...]",
  description = "Runs the specs in spec/ with busted, inside this program. They can use "
    .. "hookward.testing, which loads handlers and delivers signed notifications to them without a "
    .. "network. All arguments go to busted: files, folders, --filter, --output ... (`busted "
    .. "--help` shows them). Exits 0 when all specs passed, else 1. Where hookward is installed "
    .. "as a Lua module, plain `busted` does the same.",
  examples = {
    "hookward test",
    "hookward test spec/badges_spec.lua --filter refuses",
  },
  verbatim = true,
}

function M.define(parser)
  parser:argument("ARGUMENTS", "Arguments for busted."):target("arguments"):args("*")
end

local INSTALL = "busted is not installed for Lua 5.4; get it with `apt install lua-busted` or "
  .. "`luarocks install busted`"

-- busted takes its name from the file that calls it, and its arguments from the global `arg`.
local RUN = "require 'busted.runner'({ standalone = false })"

local NO_SPECS = "there are no specs here: %s has no folder spec/. Go to a project's folder "
  .. "(`hookward init DIR` makes one, with a spec), or name a file or folder of specs"

local asks_busted = { ["--help"] = true, ["-h"] = true, ["--version"] = true }

-- Without specs, busted's own message is "Cannot find file or directory: spec" and a traceback.
-- An argument that is an existing file may name specs, and so may .busted.
local function has_specs(args)
  for _, path in ipairs { "spec", ".busted", table.unpack(args) } do
    if asks_busted[path] or sys.stat(path) then return true end
  end
end

function M.run(args)
  if not has_specs(args) then return console.fail(NO_SPECS:format(sys.cwd())) end
  local found = pcall(require, "busted.runner")
  if not found then return console.fail(INSTALL) end
  -- A project's .busted may name an interpreter, which might not know hookward.
  arg = table.move(args, 1, #args, 2, { [0] = "busted", "--ignore-lua" }) -- luacheck: globals arg
  assert(load(RUN, "@busted"))()
  return 0
end

return M
