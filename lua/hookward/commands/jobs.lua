-- hookward jobs: what the ledger remembers, and how to run it again.

local actions = require "hookward.cli.actions"

return actions.with({
  summary = "List, count, show, replay and purge notifications; list the hosts that share them.",
  usage = "list | stats | show | replay | purge | hosts [OPTION...]",
  description = "Shows what arrived and what became of it, and runs again what failed. Works with "
    .. "and without a running host.",
  examples = {
    "hookward jobs list --state failed --since 2h",
    "hookward jobs stats",
    "hookward jobs show 8812",
    "hookward jobs replay 8812",
    "hookward jobs replay --event 'Badge.*' --since 2h --dry-run",
    "hookward jobs purge --state succeeded --until 7d",
    "hookward jobs hosts",
  },
}, "jobs", { "list", "stats", "show", "replay", "purge", "hosts" })
