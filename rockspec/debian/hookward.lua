-- The configuration of the service. `man hookward.lua` explains every key. Check it as root with
-- `hookward check --offline -c /etc/hookward/hookward.lua`. A saved edit takes effect by itself.
return {
  listen = "127.0.0.1:8080", -- or "0.0.0.0:443" with tls, or "systemd": see hookward.socket
  -- tls = { cert = "tls/fullchain.pem", key = "tls/privkey.pem" },
  path = "/baseWebhookNotification",
  handlers = "handlers",
  keys = { "keys/*" }, -- save Accredit's Signature Key here, whatever its form
  ledger = "/var/lib/hookward/hookward.db",
  control = "systemd", -- in /run/hookward
}
