-- hookward jobs hosts: lists the hosts that share a ledger.

local console = require "hookward.cli.console"
local core = require "hookward.core"
local database = require "hookward.base.database"
local json = require "hookward.jobs.json"
local store = require "hookward.jobs.store"
local grid = require "hookward.jobs.table"
local text = require "hookward.jobs.text"
local time = require "hookward.base.time"

local M = {
  summary = "List the hosts that share the ledger.",
  usage = "[OPTION...]",
  description = "Lists the hosts that share a ledger on PostgreSQL, a line for each start of one, "
    .. "the newest first, and how many notifications each has in hand. One that is silent has not "
    .. "renewed its lease: another host takes over what it has once it is declared gone. A host "
    .. "that is gone stays in the list for a day. Times are in UTC.",
  examples = {
    "hookward jobs hosts",
    "hookward jobs hosts --alive",
    "hookward jobs hosts --json | jq -r '.[] | select(.state == \"alive\") | .name'",
  },
}

function M.define(parser)
  parser:flag("--alive", "Only those that are not gone.")
  parser:flag("--json", "Print a JSON array of objects: id, name, version, state (alive, silent or "
    .. "gone), running (how many notifications), started_at, gone_at, lease_left (seconds, below "
    .. "0: it ran out), scripts (the version of its scripts); null: none.")
  store.define(parser)
end

---@param host table of core.ledger's hosts
---@return "alive"|"silent"|"gone"
function M.state(host)
  if host.gone_at then return "gone" end
  return host.alive and "alive" or "silent"
end

local styles = { alive = "green", silent = "yellow", gone = "dim" }

local function paint_state(cell, padded)
  return styles[cell] and console.paint(styles[cell], padded) or padded
end

local columns = {
  { title = "ID", right = true },
  { title = "NAME", least = 12 },
  { title = "STATE", paint = paint_state },
  { title = "RUNNING", right = true },
  { title = "STARTED", spare = 4 },
  { title = "GONE", spare = 3 },
  { title = "VERSION", spare = 2 },
  { title = "SCRIPTS", spare = 1 },
}

local function print_table(hosts)
  local room = core.sys.isatty(1) and core.sys.columns() or nil
  local show_time = room and time.short or time.iso
  local cells = {}
  for i, host in ipairs(hosts) do
    cells[i] = { tostring(host.id), text.line(host.name), M.state(host), tostring(host.running),
      show_time(host.started_at), host.gone_at and show_time(host.gone_at) or "-",
      text.line(host.version), host.scripts and text.line(host.scripts) or "-" }
  end
  for _, line in ipairs(grid.lines(columns, cells, room, true)) do console.say("%s", line) end
end

local function number(value)
  return value and ("%.3f"):format(value) or "null"
end

local function print_json(hosts)
  local array = json.array(io.stdout)
  for _, host in ipairs(hosts) do
    array:add(json.object { "id", tostring(host.id), "name", json.string(host.name),
      "version", json.string(host.version), "state", json.string(M.state(host)),
      "running", tostring(host.running), "started_at", json.string(time.iso(host.started_at)),
      "gone_at", json.string(time.iso(host.gone_at)), "lease_left", number(host.seconds_left),
      "scripts", json.string(host.scripts) })
  end
  array:close()
end

-- The newest first.
local function select(hosts, alive)
  local selected = {}
  for i = #hosts, 1, -1 do
    if not alive or not hosts[i].gone_at then selected[#selected + 1] = hosts[i] end
  end
  return selected
end

function M.run(args)
  local path, settings = store.find(args)
  if not path then return console.fail(settings) end
  if not database.is_meant(path) then
    return console.fail(("%s belongs to one host alone; hosts can share a ledger on PostgreSQL "
      .. "(`hookward help fleet`)"):format(path))
  end
  local opened, lines = store.open(args)
  if not opened then return console.fail(lines) end
  local ledger <close> = opened
  local hosts, why = ledger:hosts()
  if not hosts then return console.fail(why) end
  hosts = select(hosts, args.alive)
  if args.json then
    print_json(hosts)
  elseif #hosts > 0 then
    print_table(hosts)
  else
    console.complain("no host shares this ledger now")
  end
  return 0
end

return M
