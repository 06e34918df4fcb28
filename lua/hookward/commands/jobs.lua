-- hookward jobs: what the ledger remembers, and running it again.

local M = {
  summary = "List, show, replay and purge notifications.",
  usage = "list | show | replay | purge [OPTION...]",
  description = "Works on the ledger, with and without a running host: what came, what became of "
    .. "it, and what failed can be run again.",
  examples = {
    "hookward jobs list --state failed --since 2h",
    "hookward jobs show 8812",
    "hookward jobs replay 8812",
    "hookward jobs replay --event 'Badge.*' --since 2h --dry-run",
    "hookward jobs purge --state succeeded --until 7d",
  },
}

local actions = { "list", "show", "replay", "purge" }

function M.define(parser)
  parser:command_target("action")
  for _, name in ipairs(actions) do
    local action = require("hookward.jobs." .. name)
    local sub = parser:command(name):summary(action.summary):description(action.description)
    sub:usage(("Usage: hookward jobs %s %s"):format(name, action.usage))
    sub:epilog("Examples:\n  " .. table.concat(action.examples, "\n  "))
    action.define(sub)
  end
end

function M.run(args)
  return require("hookward.jobs." .. args.action).run(args)
end

return M
