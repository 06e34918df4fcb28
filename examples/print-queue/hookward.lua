-- Fetches zips from the print queue. As it is, it works with `hookward sandbox` on this machine;
-- see README.md for Accredit itself.
return {
  listen = "127.0.0.1:8080",
  keys = { "keys/*" }, -- `hookward subscribe` saves the Signature Key here

  handler_timeout = "90s", -- a zip may take a while; .NET gives up after 100 s
  vm_memory = "192MB", -- a zip is held in memory, and may have up to 64 MB

  settings = {
    url = os.getenv "HOOKWARD_ACCREDIT_URL" or "http://127.0.0.1:8090",
    user = os.getenv "HOOKWARD_ACCREDIT_USER" or "sandbox",
    -- the password is in HOOKWARD_ACCREDIT_PASSWORD; without it, it is the sandbox's: "sandbox"
    folder = "zips", -- for the zips; relative to the folder in which hookward is started
  },
}
