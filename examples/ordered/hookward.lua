-- Keeps the newest state of each person, in whatever order the notifications arrive. Needs luasql:
-- on Debian the package lua-sql-sqlite3, elsewhere `luarocks install luasql-sqlite3`.
return {
  listen = "127.0.0.1:8080",
  keys = { "keys/*" }, -- save Accredit's Signature Key here, in whatever form it came
  settings = {
    database = os.getenv "PEOPLE_DATABASE" or "people.db", -- from where hookward is started
  },
}
