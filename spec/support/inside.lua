-- Tests that run inside the binary, by `hookward test`: spec/inside/NAME_inside.lua. Each of them
-- becomes a test here, so that it is counted and named.

local dkjson = require "dkjson"
local lfs = require "lfs"
local cli = require "spec.support.cli"

local M = {}

local function name_of(one)
  return one.name or one.element and one.element.name or "?"
end

---Runs them and declares a test for each; to be called within a `describe`.
---@param it function busted's, which is visible only in spec files
---@param name string
function M.each(it, name)
  local result = cli.run { "test", "--output=json", "--pattern=_inside",
    ("spec/inside/%s_inside.lua"):format(name), cwd = lfs.currentdir() }
  cli.clean()
  local report = dkjson.decode(result.out)
  if not report or #report.successes == 0 then error(result.out .. result.err, 0) end
  it("exits as its results say, without a sanitizer's report", function()
    local failed = #report.failures + #report.errors > 0
    assert(result.code == (failed and 1 or 0) and not result.err:find("Sanitizer"), result.err)
  end)
  for _, one in ipairs(report.successes) do it(name_of(one), function() end) end
  for _, list in ipairs { report.failures, report.errors, report.pendings } do
    for _, one in ipairs(list) do
      it(name_of(one), function() error(tostring(one.message), 0) end)
    end
  end
end

return M
