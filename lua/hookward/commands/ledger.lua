-- hookward ledger: backs the ledger up, restores it, and moves it to another place.

local actions = require "hookward.cli.actions"

return actions.with({
  summary = "Back the ledger up, and restore it.",
  usage = "backup | restore | schema [OPTION...]",
  description = "Copies the ledger into a file, also while a host is using it, and puts such a "
    .. "copy back. `cp` is not safe: a copy of a database that is being written may be torn.",
  examples = {
    "hookward ledger backup /var/backups/hookward.db",
    "hookward ledger restore /var/backups/hookward.db",
  },
}, "ledger", { "backup", "restore", "schema" })
