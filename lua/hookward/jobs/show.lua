-- hookward jobs show: shows all that is known of a notification.

local console = require "hookward.cli.console"
local core = require "hookward.core"
local json = require "hookward.jobs.json"
local list = require "hookward.jobs.list"
local mask = require "hookward.base.mask"
local store = require "hookward.jobs.store"
local grid = require "hookward.jobs.table"
local text = require "hookward.jobs.text"
local time = require "hookward.base.time"
local units = require "hookward.base.units"

local M = {
  summary = "Show all that is known of a notification.",
  usage = "ID [OPTION...]",
  description = "Shows one notification with its error, the error's traceback and its body, and "
    .. "each of its runs unless it succeeded at the first. If several have this id, it shows all "
    .. "of them, the newest first. A JSON body is indented; no digit of it is changed. If "
    .. "`mask` in the configuration names the event, the body is shown only with --unmask.",
  examples = {
    "hookward jobs show 8812",
    "hookward jobs show 8812 --digest 9f86d0",
    "hookward jobs show 8812 --json | jq -j '.[0].body' > body.json",
  },
}

---@param value string
---@return string? prefix lower-case hex
---@return string? why
function M.read_digest(value)
  if #value <= 64 and value:find("^%x+$") then return value:lower() end
  return nil, ("--digest takes the first hex digits of a digest, not '%s'"):format(text.line(value))
end

function M.define(parser)
  parser:argument("ID", "The job id."):target("wanted")
  parser:option("--digest", "Only the one whose digest begins with HEX.")
    :argname("HEX"):convert(M.read_digest)
  parser:flag("--json", "Print a JSON array of objects: the members of `jobs list`, and "
    .. "next_run_at, parked (true: set aside by a pause), retries, reason, detail, key, place, "
    .. "version, headers (null: none), body (null: none; if it is not UTF-8, body_hex instead), "
    .. "history (an array of runs, the oldest first: began_at, attempt, retry, waited_ms, ms, "
    .. "error, reason, version). If a body is masked, it is null and masked is true. In a ledger "
    .. "that hosts share, host is the one that runs it or ran it last, if it is still known, also "
    .. "in the history.")
  parser:flag("--unmask", "Show the body even if `mask` in the configuration names its event.")
  store.define(parser)
end

-- ---- as text ----

local function indent(block)
  return "  " .. block:gsub("\n$", ""):gsub("\n", "\n  ")
end

local LABEL = 12 -- characters

local function say_field(name, value)
  if value == "" then console.say("%s", console.paint("dim", name)) return end
  if value then console.say("%s%s", console.paint("dim", text.pad(name, LABEL)), value) end
end

local function why_no_body(row, settings)
  if row.state == "succeeded" or row.state == "unhandled" then
    return settings and settings.keep_bodies
      and "was not kept: keep_bodies was off when it came"
      or "was not kept: without keep_bodies = true, only bodies of failures are kept"
  end
  return "was not kept"
end

local function say_body(row, settings)
  if row.masked then
    return say_field("body", row.event == ""
      and "is masked, because its event can't be read; --unmask shows it"
      or "is masked: `mask` names its event; --unmask shows it")
  end
  if not row.body then
    return say_field("body", why_no_body(row, settings))
  end
  local pretty = json.pretty(row.body)
  say_field("body", ("%s%s"):format(units.count(#row.body, "byte"), pretty and "" or ", not JSON"))
  console.say("%s", indent(pretty and pretty or text.block(row.body)))
end

local function say_headers(row)
  local pretty = row.headers and row.headers ~= "{}" and json.pretty(row.headers)
  if not pretty then return end
  say_field("headers", "")
  console.say("%s", indent(pretty))
end

-- The error and its reason come last: only they may be cut on a terminal.
local columns = {
  { title = "BEGAN", spare = 4 },
  { title = "ATTEMPT", right = true, spare = 3 },
  { title = "RETRY", right = true },
  { title = "WAITED", right = true, spare = 1 },
  { title = "TOOK", right = true },
  { title = "VERSION", spare = 2 },
  { title = "HOST", spare = 3 },
  { title = "OUTCOME", least = 8, wanted = 32 },
}
local HOST = 7 -- among them

local function outcome_of(run)
  if not run.error then return "succeeded" end
  return text.line(run.reason and ("%s: %s"):format(run.error, run.reason) or run.error)
end

-- How long a run took that its host did not survive is not known.
local function cells_of(run, show_time)
  local lost = run.error == "host_lost"
  return { run.began_at and show_time(run.began_at) or "-", tostring(run.attempt),
    run.retry > 0 and tostring(run.retry) or "-", lost and "-" or time.took(run.waited_ms),
    lost and "-" or time.took(run.ms), run.version and text.line(run.version) or "-",
    run.host and text.line(run.host) or "-", outcome_of(run) }
end

local function has_hosts(runs)
  for _, run in ipairs(runs) do
    if run.host then return true end
  end
  return false
end

-- A ledger of one host names none.
local function columns_of(runs, cells)
  if has_hosts(runs) then return columns end
  local fewer = table.move(columns, 1, #columns, 1, {})
  table.remove(fewer, HOST)
  for _, row in ipairs(cells) do table.remove(row, HOST) end
  return fewer
end

local function say_history(runs)
  if #runs == 0 then return end
  local room = core.sys.isatty(1) and core.sys.columns() or nil
  local cells = {}
  for i, run in ipairs(runs) do cells[i] = cells_of(run, room and time.short or time.iso) end
  say_field("history", "")
  local shown = columns_of(runs, cells)
  for _, line in ipairs(grid.lines(shown, cells, room and math.max(1, room - 2))) do
    console.say("%s", "  " .. line)
  end
end

local function say_row(row, settings)
  say_field("id", text.line(row.id))
  say_field("digest", row.digest)
  say_field("event", row.event == "" and "-" or text.line(row.event))
  say_field("state", list.paint_state(row.state))
  say_field("host", row.host and text.line(row.host))
  say_field("attempt", tostring(row.attempt))
  say_field("deliveries", tostring(row.deliveries))
  say_field("runs", tostring(row.runs))
  say_field("received", time.iso(row.received_at))
  say_field("settled", time.iso(row.settled_at))
  say_field("next run", row.parked and "once its event is resumed (hookward resume)"
    or time.iso(row.next_run_at))
  if row.retries > 0 then say_field("retries", tostring(row.retries)) end
  say_field("key", row.key and text.line(row.key))
  say_field("handler", row.place and text.line(row.place))
  say_field("version", row.version and text.line(row.version))
  say_field("error", row.error and text.line(row.error))
  say_field("reason", row.reason and text.block(row.reason):gsub("\n", "\n" .. (" "):rep(LABEL)))
  if row.detail then
    say_field("detail", "")
    console.say("%s", indent(text.block(row.detail)))
  end
  say_history(row.history)
  say_headers(row)
  say_body(row, settings)
end

-- ---- as JSON ----

local function hex(bytes)
  return (bytes:gsub(".", function(c) return ("%02x"):format(c:byte()) end))
end

local function history_json(runs)
  local items = {}
  for i, run in ipairs(runs) do
    local members_of_run = { "began_at", json.string(time.iso(run.began_at)),
      "attempt", tostring(run.attempt), "retry", tostring(run.retry),
      "waited_ms", tostring(run.waited_ms), "ms", tostring(run.ms),
      "error", json.string(run.error), "reason", json.string(run.reason),
      "version", json.string(run.version) }
    if run.host then
      table.move({ "host", json.string(run.host) }, 1, 2, #members_of_run + 1, members_of_run)
    end
    items[i] = json.object(members_of_run)
  end
  return "[" .. table.concat(items, ",") .. "]"
end

local function members(row)
  local all = list.members(row)
  local function add(name, value)
    all[#all + 1] = name
    all[#all + 1] = value
  end
  add("next_run_at", json.string(time.iso(row.next_run_at)))
  add("parked", tostring(row.parked))
  add("retries", tostring(row.retries))
  for _, name in ipairs { "reason", "detail", "key", "place", "version" } do
    add(name, json.string(row[name]))
  end
  add("headers", row.headers and text.json(row.headers) or "null")
  if row.masked then
    add("body", "null")
    add("masked", "true")
  elseif row.body and not utf8.len(row.body) then
    add("body_hex", json.string(hex(row.body)))
  else
    add("body", json.string(row.body))
  end
  add("history", history_json(row.history))
  return all
end

-- ---- the command ----

local function find(ledger, id, digest)
  local found = {}
  local ok, why = store.walk(ledger, { ids = { id } }, function(row)
    if row.digest:sub(1, #(digest or "")) == (digest or "") then found[#found + 1] = row end
  end)
  return ok and found, why
end

local function nothing(id, digest)
  return console.fail(digest and ("no notification %s with a digest %s… is in the ledger")
    :format(text.line(id), digest) or ("no notification %s is in the ledger"):format(text.line(id)))
end

-- The row with its history; nil when it was removed meanwhile.
local function look_up(ledger, brief, patterns)
  local row, why = ledger:show(brief.seq)
  if not row then return nil, why end
  row.masked = row.body ~= nil and mask.hides(patterns, row.event)
  row.history, why = ledger:history(brief.seq)
  return row.history and row, why
end

local function print_json(ledger, found, patterns)
  local array = json.array(io.stdout)
  for _, brief in ipairs(found) do
    local row, why = look_up(ledger, brief, patterns)
    if why then return console.fail(why) end
    if row then array:add(json.object(members(row))) end
  end
  array:close()
  return 0
end

local function print_text(ledger, found, patterns, settings)
  if #found > 1 then
    console.say("%d notifications have this id, each with another body; the newest first:\n",
      #found)
  end
  for i, brief in ipairs(found) do
    local row, why = look_up(ledger, brief, patterns)
    if why then return console.fail(why) end
    if i > 1 then console.say("") end
    if row then say_row(row, settings) end
  end
  return 0
end

function M.run(args)
  local opened, lines = store.open(args)
  if not opened then return console.fail(lines) end
  local ledger <close> = opened
  local found, why = find(ledger, args.wanted, args.digest)
  if not found then return console.fail(why) end
  if #found == 0 then return nothing(args.wanted, args.digest) end
  local settings = lines
  local patterns = not args.unmask and settings and settings.mask or nil
  if args.json then return print_json(ledger, found, patterns) end
  return print_text(ledger, found, patterns, settings)
end

return M
