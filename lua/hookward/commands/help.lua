-- hookward help: prints the guide. (init.lua, which knows the commands, does `hookward help
-- COMMAND`.)

local console = require "hookward.cli.console"
local guide = require "hookward.guide"
local man = require "hookward.cli.man"
local suggest = require "hookward.base.suggest"

local M = {
  summary = "Read the guide.",
  usage = "[TOPIC | COMMAND | --man PAGE]",
  description = "Prints a topic of the guide, or what `hookward COMMAND --help` prints. Without an "
    .. "argument it lists the topics. With --man it prints a manual page as troff.",
  examples = {
    "hookward help",
    "hookward help handlers",
    "hookward help configuration | less",
    "hookward help send",
    "hookward help --man hookward | man -l -",
  },
}

function M.define(parser)
  parser:argument("TOPIC", "A topic of the guide, or a command."):target("topic"):args("?")
  parser:option("--man", "A manual page, as troff: hookward or hookward.lua.")
    :argname("PAGE"):choices(man.names)
end

local function names(cli)
  local known = {}
  for _, topic in ipairs(guide.topics) do known[#known + 1] = topic.name end
  for _, command in ipairs(cli.commands) do known[#known + 1] = command end
  return known
end

local function list()
  console.say("The guide:")
  local rows = {}
  for i, topic in ipairs(guide.topics) do rows[i] = { topic.name, topic.summary } end
  console.columns(rows, "  ")
  console.say("`hookward help TOPIC` prints a topic, `hookward help COMMAND` a command's options.\n"
    .. "`hookward --help` lists the commands.")
  return 0
end

function M.run(args, cli)
  if args.man then
    io.stdout:write(man.text(args.man, cli.parser))
    return 0
  end
  if not args.topic then return list() end
  for _, topic in ipairs(guide.topics) do
    if topic.name == args.topic then
      local text, why = guide.text(topic.name)
      if not text then return console.fail(why) end
      console.verbatim(text)
      return 0
    end
  end
  local nearest = suggest.nearest(args.topic, names(cli))
  return console.misuse("hookward help", "no topic '%s'%s", console.plain(args.topic),
    nearest and ("; did you mean %s?"):format(nearest) or "; `hookward help` lists them")
end

return M
