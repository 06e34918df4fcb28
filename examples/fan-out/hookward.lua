-- Posts each notification to several services. Needs luasql: on Debian the package
-- lua-sql-sqlite3, elsewhere `luarocks install luasql-sqlite3`.
return {
  listen = "127.0.0.1:8080",
  keys = { "keys/*" }, -- save Accredit's Signature Key here, whatever its form
  handler_timeout = "30s", -- more than the sum of the time-outs below: the calls are sequential
  settings = {
    targets = { -- deliveries are recorded by name: a renamed target gets repeats
      { name = "print", url = "https://print.example.com/hooks", timeout = 8 },
      { name = "archive", url = "https://archive.example.com/hooks", timeout = 8 },
    },
    delivered = os.getenv "FAN_OUT_DATABASE" or "delivered.db", -- from where hookward starts
    remember_days = 30, -- longer than any retry takes
  },
}
