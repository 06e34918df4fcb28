-- Asks a ledger's file, within the spec's own process: specs ask often while they wait.

local sqlite = require "luasql.sqlite3"

---Runs SQL on a ledger of a host, beside it. Several statements are separated by "; ".
---@param host table with its folder
---@param text string
---@return string rows as lines, their values apart by a space, NULL as nothing
return function(host, text)
  local environment <close> = setmetatable({ sqlite.sqlite3() }, { __close = function(e) e[1]:close() end })
  local db = assert(environment[1]:connect(host.folder .. "/hookward.db", 5000))
  local ok, rows = pcall(function()
    local lines = {}
    for statement in (text .. "; "):gmatch("(.-); ") do
      local cursor = assert(db:execute(statement))
      if type(cursor) ~= "number" then
        local columns = #cursor:getcolnames()
        local row = cursor:fetch({}, "n")
        while row do
          local values = {}
          for i = 1, columns do values[i] = row[i] == nil and "" or tostring(row[i]) end
          lines[#lines + 1] = table.concat(values, " ")
          row = cursor:fetch({}, "n")
        end
        cursor:close()
      end
    end
    return table.concat(lines, "\n")
  end)
  db:close()
  if not ok then error(rows, 2) end
  return rows
end
