-- Four kinds of patterns, one event each: the most specific one gets it.
return {
  listen = "127.0.0.1:8080",
  keys = { "keys/*" }, -- save Accredit's Signature Key here, whatever its form
}
