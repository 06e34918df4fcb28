-- hookward reload: have the running host read configuration, keys and handlers anew.

local config = require "hookward.config"
local console = require "hookward.console"
local core = require "hookward.core"
local options = require "hookward.options"

local M = {
  summary = "Have the running host reload.",
  usage = "[OPTION...]",
  description = "Has the running host read its configuration, keys and handlers anew, waits for "
    .. "the outcome and prints it. Exits 0 when they are live, 1 when they are not: then the host "
    .. "goes on with what it had. The host also does this by itself when a file changes.",
  examples = {
    "hookward reload",
    "hookward reload -c /etc/hookward/hookward.lua",
  },
}

local SOCKET = ".hookward.sock"
local TIMEOUT = 86400 -- seconds; the host answers at its handler_timeout at the latest

function M.define(parser)
  options.config(parser)
end

function M.run(args)
  local file = args.config or config.DEFAULT_FILE
  -- The folder and no more: the configuration itself may be just what is broken.
  local folder = core.sys.realpath(file:match("^(.*/)") or ".")
  if not folder then return console.fail(("%s: no such folder"):format(file)) end
  local socket = folder .. "/" .. SOCKET
  local answer, why = core.http.request {
    method = "POST", url = "http://hookward/reload", unix = socket, body = "", timeout = TIMEOUT,
  }
  if not answer and why:find("[Cc]onnect to") then
    local left = core.sys.stat(socket) and (" (%s is what a host left behind, or another user's)")
      :format(config.shown(socket, core.sys.cwd())) or ""
    return console.fail(("no host is running with %s: start it with `hookward serve`%s")
      :format(file, left))
  elseif not answer then
    return console.fail(("the host that runs with %s gave no answer (%s); its log may say more")
      :format(file, why))
  end
  local body = core.json.decode(answer.body) or {}
  if answer.status ~= 200 then return console.fail(body.message or answer.body) end
  console.say("%s", body.message)
  return 0
end

return M
