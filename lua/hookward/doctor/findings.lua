-- What the doctor finds: one finding after the other, each with what, why and what to do.

local M = {}

---@alias hookward.doctor.Level "ok"|"warning"|"problem"|"skipped"

---@class hookward.doctor.Finding
---@field area string "ledger"
---@field level hookward.doctor.Level skipped: it could not be looked at
---@field what string one line
---@field why? string why it matters
---@field fix? string what to do

---@class hookward.doctor.Findings
---@field list hookward.doctor.Finding[]
---@field area string where the next finding belongs
local Findings = {}
Findings.__index = Findings

---@return hookward.doctor.Findings
function M.new()
  return setmetatable({ list = {}, area = "" }, Findings)
end

function Findings:add(level, what, why, fix)
  self.list[#self.list + 1] = { area = self.area, level = level, what = what, why = why, fix = fix }
end

---@param what string
function Findings:ok(what) self:add("ok", what) end

---@param what string
---@param why string
---@param fix string
function Findings:warning(what, why, fix) self:add("warning", what, why, fix) end

---@param what string
---@param why string
---@param fix string
function Findings:problem(what, why, fix) self:add("problem", what, why, fix) end

---@param what string
---@param fix? string how it can be looked at all the same
function Findings:skipped(what, fix) self:add("skipped", what, nil, fix) end

---Adds a line such as other commands print: "keys/a.pem: this is a private key; keep it elsewhere".
---@param level "warning"|"problem"
---@param line string
---@param why string
---@param fix? string for a line that does not say it
function Findings:line(level, line, why, fix)
  local what, advice = line:match("^(.-); (.+)$")
  self:add(level, what or line, why, advice or fix)
end

---@param level hookward.doctor.Level
---@return integer
function Findings:count(level)
  local count = 0
  for _, finding in ipairs(self.list) do
    if finding.level == level then count = count + 1 end
  end
  return count
end

return M
