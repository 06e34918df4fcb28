-- Writes each badge export into a table of a SQLite database. Needs luasql: on Debian the package
-- lua-sql-sqlite3, elsewhere `luarocks install luasql-sqlite3`.
return {
  listen = "127.0.0.1:8080",
  keys = { "keys/*" }, -- save Accredit's Signature Key here, whatever its form
  settings = {
    database = os.getenv "BADGES_DATABASE" or "badges.db", -- relative to where hookward is started
  },
}
