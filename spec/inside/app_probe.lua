-- An app (core/app/vm.h) that lists the names in hookward.app, in a later answer and in a request to
-- itself, and then ends its process.

local app = require "hookward.app"

local M = {}

local lines = {}

local function note(what, value)
  local names = {}
  for name, item in pairs(value) do names[#names + 1] = ("%s:%s"):format(name, type(item)) end
  lines[#lines + 1] = what .. " " .. table.concat(names, " ")
end

local function finish(answer, why)
  note("answer", answer or { why })
  local file <close> = assert(io.open(app.settings.file, "w"))
  file:write(table.concat(lines, "\n"), "\n")
  os.execute("kill -TERM $PPID")
end

function M.handle(request)
  note("request", request)
  note("later", getmetatable(app.later()).__index)
  return 200, nil, "yes"
end

function M.start(addresses)
  note("app", app)
  app.after(0, function()
    assert(app.request({ url = addresses[1], body = "x" }, finish))
  end)
end

return M
