-- The smallest project: one handler, one folder of keys. `hookward check` explains what is missing.
return {
  listen = "127.0.0.1:8080",
  keys = { "keys/*" }, -- save Accredit's Signature Key here, whatever its form
}
