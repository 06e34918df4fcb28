-- Passes orders on to a service that is often away, in order for each customer. Nothing that was
-- accepted is lost meanwhile.
return {
  listen = "127.0.0.1:8080",
  keys = { "keys/*" }, -- save Accredit's Signature Key here, whatever its form

  -- Seconds, and so short only to be watched. Without this line the host retries after 1 min,
  -- 5 min, 30 min, 2 h and 6 h.
  retries = { 1, 2 },

  settings = {
    url = os.getenv "OUTBOX_URL" or "http://127.0.0.1:8091/orders",
  },
}
