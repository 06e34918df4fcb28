-- hookward serve: runs the host.

local config = require "hookward.config"
local console = require "hookward.cli.console"
local core = require "hookward.core"
local options = require "hookward.cli.options"

local M = {
  summary = "Run the host.",
  usage = "[OPTION...]",
  description = "Runs the host until SIGTERM or SIGINT. Then it accepts no more connections, "
    .. "finishes what has begun and exits 0. A second SIGINT ends it at once. Edited handlers, "
    .. "keys and settings take effect by themselves; SIGHUP and `hookward reload` do the same by "
    .. "hand. The log goes to stderr.",
  examples = {
    "hookward serve",
    "hookward serve --dev",
    "hookward serve --listen 127.0.0.1:9000 --log-level debug",
    "hookward serve -c /etc/hookward/hookward.lua --log-format json",
  },
}

function M.define(parser)
  options.config(parser)
  parser:option("--listen", "Listen here, instead of where the configuration says: host:port, "
    .. "[v6]:port, unix:PATH, systemd or systemd:NAME. May be repeated.")
    :argname("ADDRESS"):count("*")
  parser:option("--handlers", "The folder of the scripts."):argname("DIR")
  parser:option("--keys", "A key file, or a pattern of key files. May be repeated.")
    :argname("PATTERN"):count("*")
  parser:option("--ledger", "The ledger's file, postgres://... for several hosts, or memory: "
    .. "for tests."):argname("FILE")
  parser:option("--workers", "How many handlers may run at the same time."):argname("N")
    :convert(options.whole_number("--workers", 1, 1024))
  parser:option("--admin", "Serve the admin page, health checks and metrics here: host:port or "
    .. "unix:PATH."):argname("ADDRESS")
  parser:flag("--dev", "For a developer's terminal: one worker, a text log with everything that "
    .. "handlers log and the bodies of failed notifications, and the admin page.")
  parser:option("--log-level", "debug, info, warn or error.")
    :choices({ "debug", "info", "warn", "error" }):argname("LEVEL")
  parser:option("--log-format", "text or json."):choices({ "text", "json" }):argname("FORMAT")
end

local DEV_ADMIN = "127.0.0.1:9464"

local function some(list)
  return list and #list > 0 and list or nil
end

local codes = { drained = 0, cut_off = 1 }

local function serve(settings)
  core.process.split_init()
  core.process.return_memory()
  core.process.raise_files(settings.max_connections, settings.workers)
  local host, why, stopped = core.start(settings, true)
  if stopped then return 0 end
  if not host then return console.fail(config.shown(why, settings.folder)) end
  local state
  repeat state = host:wait() until state ~= "running"
  -- A thread that never came back may still use anything: free nothing, just leave.
  if not codes[state] then core.process.leave(1) end
  return codes[state]
end

local function load(args, admin)
  return config.load(args.config, {
    listen = some(args.listen),
    handlers = args.handlers,
    keys = some(args.keys),
    ledger = args.ledger,
    workers = args.workers or args.dev and 1 or nil,
    admin = admin,
    ["log.level"] = args.log_level or args.dev and "debug" or nil,
    ["log.format"] = args.log_format or args.dev and "text" or nil,
  })
end

-- A developer gets the page without asking for it. Its usual port may be another host's.
local function load_for_developer(args)
  local settings, lines = load(args, args.admin)
  if not settings or settings.admin ~= nil then return settings, lines end
  settings, lines = load(args, DEV_ADMIN)
  if settings then settings.admin.may_move = true end
  return settings, lines
end

function M.run(args)
  local settings, lines
  if args.dev then
    settings, lines = load_for_developer(args)
  else
    settings, lines = load(args, args.admin)
  end
  if not settings then return console.fail(lines) end
  settings.dev = args.dev
  local no_handlers, no_keys = config.missing(settings)
  if no_handlers or no_keys then
    return console.fail { no_handlers or no_keys, no_handlers and no_keys }
  end
  return serve(settings)
end

return M
