-- hookward reload: makes the running host read configuration, keys and handlers again.

local console = require "hookward.cli.console"
local control = require "hookward.host.control"
local core = require "hookward.core"
local options = require "hookward.cli.options"

local M = {
  summary = "Reload the running host.",
  usage = "[OPTION...]",
  description = "Tells the running host to read its configuration, keys and handlers again, waits "
    .. "for the outcome and prints it. Exits 0 when they have taken effect, else 1: the host then "
    .. "keeps the old ones. The host also reloads by itself when a file changes.",
  examples = {
    "hookward reload",
    "hookward reload -c /etc/hookward/hookward.lua",
  },
}

local TIMEOUT = 86400 -- seconds; the host always answers within its handler_timeout

function M.define(parser)
  options.config(parser)
end

function M.run(args)
  local host, no_folder = control.find(args.config)
  if not host then return console.fail(no_folder) end
  local answer, why, absent = control.ask(host, { path = "/reload", timeout = TIMEOUT })
  if absent then
    return console.fail(control.absence(host))
  elseif not answer then
    return console.fail(("the host running with %s gave no answer (%s); its log may say more")
      :format(host.file, why))
  end
  local body = core.json.decode(answer.body) or {}
  if answer.status ~= 200 then return console.fail(body.message or answer.body) end
  console.say("%s", body.message)
  return 0
end

return M
