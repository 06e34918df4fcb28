-- Adds commands to the command line, and actions to a command (`hookward jobs list`).
--
-- Each command and each action is a module with summary, description, examples, usage,
-- define(parser) and run(args): see commands/init.lua.

local M = {}

---Adds one command, or one action of a command.
---@param parser table argparse's parser of what it belongs to
---@param owner string what stands before its name: "hookward" or "hookward jobs"
---@param name string
---@param command table its module
---@param action? string the only action of it that is asked for
function M.add(parser, owner, name, command, action)
  local sub = parser:command(name):summary(command.summary):description(command.description)
  if command.usage then sub:usage(("Usage: %s %s %s"):format(owner, name, command.usage)) end
  sub:epilog("Examples:\n  " .. table.concat(command.examples, "\n  "))
  command.define(sub, action)
end

local function is_among(name, names)
  for _, one in ipairs(names) do
    if one == name then return true end
  end
  return false
end

---Gives a command its actions: `define` and `run`. Each action is a module of the room that has
---the command's name.
---@param command table its module
---@param name string "jobs"
---@param actions string[]
---@return table command
function M.with(command, name, actions)
  local function load_action(action) return require(("hookward.%s.%s"):format(name, action)) end
  function command.define(parser, only)
    parser:command_target("action")
    for _, action in ipairs(is_among(only, actions) and { only } or actions) do
      M.add(parser, "hookward " .. name, action, load_action(action))
    end
  end
  function command.run(args)
    return load_action(args.action).run(args)
  end
  return command
end

return M
