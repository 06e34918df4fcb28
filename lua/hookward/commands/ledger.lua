-- hookward ledger: the ledger's file as a whole.

local M = {
  summary = "Back the ledger up, and restore it.",
  usage = "backup | restore FILE [OPTION...]",
  description = "Copies the ledger into a file, also while a host runs with it, and puts such a "
    .. "file back. Not by `cp`: a copy of a database that is being written is torn.",
  examples = {
    "hookward ledger backup /var/backups/hookward.db",
    "hookward ledger restore /var/backups/hookward.db",
  },
}

local actions = { "backup", "restore" }

function M.define(parser)
  parser:command_target("action")
  for _, name in ipairs(actions) do
    local action = require("hookward.ledger." .. name)
    local sub = parser:command(name):summary(action.summary):description(action.description)
    sub:usage(("Usage: hookward ledger %s %s"):format(name, action.usage))
    sub:epilog("Examples:\n  " .. table.concat(action.examples, "\n  "))
    action.define(sub)
  end
end

function M.run(args)
  return require("hookward.ledger." .. args.action).run(args)
end

return M
