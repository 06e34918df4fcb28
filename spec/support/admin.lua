-- Starts hosts with an admin listener, and logs a browser in.

local H = require "spec.support.host"

local M = {}

M.TOKEN = "write-token-of-the-specs-0123456789"
M.READ_TOKEN = "read-token-of-the-specs-0123456789"

---Starts a host as H.start does, with an admin listener on a free port and its ledger in a file.
---@param options table also: admin = further members of the configuration's table (text)
---@return hookward.spec.Host host host.admin is the page's address, "http://127.0.0.1:9464"
function M.start(options)
  options.ledger = options.ledger or "hookward.db"
  options.config = ('admin = { listen = "127.0.0.1:%d", %s }, %s'):format(options.port or 0,
    options.admin or "", options.config or "")
  local host = H.start(options)
  host.admin = host:wait_log("the admin page is at (http://127%.0%.0%.1:%d+)")
  return host
end

---A link that logs in once, as `hookward dash` prints it.
---@param host hookward.spec.Host
function M.link(host)
  local _, out = H.sh(("cd %s && %s dash"):format(H.quote(host.folder), H.quote(H.binary)))
  return out:match("https?://%S+/login%?code=%S+") or error("no link:\n" .. out .. host:log(), 2)
end

---Logs in with a link, and waits until the page shows its first view.
---@param browser hookward.spec.Browser
---@param host hookward.spec.Host
---@param place? string "#/overview"
function M.log_in(browser, host, place)
  browser:open(M.link(host))
  browser:find "main h1"
  if place then M.go(browser, host, place) end
end

---Goes to a view, and waits until its heading is there.
function M.go(browser, host, place)
  browser:open(host.admin .. "/" .. place)
  browser:find "main h1"
end

return M
