-- hookward ledger: backs the ledger up, restores it, and moves it to another place.

local actions = require "hookward.cli.actions"

return actions.with({
  summary = "Back the ledger up, restore it, or copy it to PostgreSQL and back.",
  usage = "backup | restore | copy | schema | duplicates [OPTION...]",
  description = "Copies the ledger into a file, also while a host is using it, and puts such a "
    .. "copy back. `cp` is not safe: a copy of a database that is being written may be torn. "
    .. "`copy` takes a ledger from a file to PostgreSQL, or back. What is on PostgreSQL is "
    .. "backed up there: by pg_dump, or as a base backup.",
  examples = {
    "hookward ledger backup /var/backups/hookward.db",
    "hookward ledger restore /var/backups/hookward.db",
    "hookward ledger copy hookward.db postgres://hookward@db1/hookward",
  },
}, "ledger", { "backup", "restore", "copy", "schema", "duplicates" })
