-- Posts each notification on to several services. Needs luasql: on Debian the package
-- lua-sql-sqlite3, elsewhere `luarocks install luasql-sqlite3`.
return {
  listen = "127.0.0.1:8080",
  keys = { "keys/*" }, -- save Accredit's Signature Key here, in whatever form it came
  handler_timeout = "30s", -- more than all time-outs below together: they go one after the other
  settings = {
    targets = { -- a name is remembered with what it got: rename one, and it gets repeats
      { name = "print", url = "https://print.example.com/hooks", timeout = 8 },
      { name = "archive", url = "https://archive.example.com/hooks", timeout = 8 },
    },
    delivered = os.getenv "FAN_OUT_DATABASE" or "delivered.db", -- from where hookward is started
    remember_days = 30, -- longer than any retry, the host's own too
  },
}
