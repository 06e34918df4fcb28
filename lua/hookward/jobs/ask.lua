-- Asks the user before a command changes many notifications.

local console = require "hookward.cli.console"
local core = require "hookward.core"

---@param command string its full name, for messages
---@param question string "Remove 12 notifications?"
---@param yes? boolean --yes was given
---@return boolean go
---@return integer? code the exit code, if the command must not go on
return function(command, question, yes)
  if yes then return true end
  if not core.sys.isatty(0) then
    return false, console.misuse(command, "%s There is no terminal to ask on: add --yes, or "
      .. "--dry-run to see what would be done", question)
  end
  io.stdout:flush()
  io.stderr:write(question, " [y/N] ")
  local answer = (io.stdin:read("l") or ""):lower()
  if answer == "y" or answer == "yes" then return true end
  console.complain("nothing was done")
  return false, 1
end
