-- Keeps the newest state of each person, in whatever order the notifications arrive. Needs luasql:
-- on Debian the package lua-sql-sqlite3, elsewhere `luarocks install luasql-sqlite3`.
return {
  listen = "127.0.0.1:8080",
  keys = { "keys/*" }, -- save Accredit's Signature Key here, whatever its form
  settings = {
    database = os.getenv "PEOPLE_DATABASE" or "people.db", -- relative to where hookward is started
  },
}
