-- hookward dash: prints a link that logs in to the admin page.

local console = require "hookward.cli.console"
local control = require "hookward.host.control"
local core = require "hookward.core"
local links = require "hookward.admin.links"
local options = require "hookward.cli.options"

local M = {
  summary = "Print a link that logs in to the admin page.",
  usage = "[OPTION...]",
  description = "Prints a link to the running host's admin page. The link logs in once, within "
    .. "five minutes, and may change things. The command uses the control socket, so only the "
    .. "host's own user can run it. Everybody else logs in with a token: see `hookward help "
    .. "admin`.",
  examples = {
    "hookward dash",
    'xdg-open "$(hookward dash)"',
    "hookward dash -c /etc/hookward/hookward.lua",
  },
}

function M.define(parser)
  parser:flag("--json", "Print a JSON object: url (of the page), link, seconds (how long it is "
    .. "valid).")
  options.config(parser)
end

local TIMEOUT = 10 -- seconds

-- A browser on this machine can't open "every address", nor a Unix socket.
local function address_of(url)
  return (url:gsub("^(https?://)0%.0%.0%.0:", "%1127.0.0.1:")
    :gsub("^(https?://)%[::%]:", "%1[::1]:"):gsub("^unix:.*$", "http://127.0.0.1:9464"))
end

local function print_link(url, link, json)
  if json then
    console.say("%s", assert(core.json.encode { url = url, link = link, seconds = links.LIFE }))
    return
  end
  local socket = url:match("^unix:(.*)$")
  if socket then
    console.complain("the page is on a Unix socket; to reach it with a browser, run `ssh -N -L "
      .. "9464:%s HOST`", socket)
  end
  console.say("%s", link)
  if core.sys.isatty(1) then
    console.complain("%s", console.paint("dim", "It logs in once, within five minutes.", 2))
  end
end

function M.run(args)
  local host, no_folder = control.find(args.config)
  if not host then return console.fail(no_folder) end
  local answer, why, absent = control.ask(host, { method = "GET", path = "/admin",
    timeout = TIMEOUT })
  if absent then return console.fail(control.absence(host)) end
  if not answer then return console.fail(("the host gave no answer (%s)"):format(why)) end
  if answer.status == 404 then
    return console.fail(('the running host has no admin page: add admin = "127.0.0.1:9464" to %s '
      .. "and restart the host, or use `hookward serve --dev`"):format(host.file))
  end
  local admin = answer.status == 200 and core.json.decode(answer.body)
  if not admin then return console.fail(("the host answered %d"):format(answer.status)) end
  print_link(admin.url, links.link(address_of(admin.url), admin.secret), args.json)
  return 0
end

return M
