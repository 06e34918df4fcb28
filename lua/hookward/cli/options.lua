-- Defines options that several commands have, and reads their values.

local console = require "hookward.cli.console"
local pattern = require "hookward.base.pattern"
local units = require "hookward.base.units"

local M = {}

---Adds -c, also spelled --config.
function M.config(parser, description)
  parser:option("-c"):hidden_name("--config"):target("config"):argname("FILE")
    :description(description or "The configuration (default: HOOKWARD_CONFIG, or hookward.lua).")
end

---The value of -c, else that of HOOKWARD_CONFIG.
---@param given string?
---@return string?
function M.config_of(given)
  local named = os.getenv "HOOKWARD_CONFIG"
  return given or (named ~= "" and named or nil)
end

---For the `convert` of an option or an argument: an event's name, or a pattern as in hook.on.
---@param text string
function M.event(text)
  if pattern.parse(text) then return text end
  return nil, ('\'%s\' is not an event: use a name, or "Entity.*", "*.Event", "*"')
    :format(console.plain(text))
end

---For an option's `convert`.
---@param name string the option, for messages
---@param least integer
---@param most integer
function M.whole_number(name, least, most)
  return function(text)
    local number = math.tointeger(tonumber(text))
    if number and number >= least and number <= most then return number end
    return nil, ("%s takes a whole number from %d to %d, not '%s'"):format(name, least, most, text)
  end
end

---For an option's `convert`: gives seconds.
---@param name string the option, for messages
function M.time(name)
  return function(text)
    local ms = units.time(text)
    if ms then return ms / 1000 end
    return nil, ("%s takes a time such as 2, 500ms or 1m, not '%s'"):format(name, text)
  end
end

---Adds the options for TLS to a host. --key is the signing key of the commands that have these.
function M.tls(parser)
  parser:option("--ca", "For https: trust only this certificate authority (PEM)."):argname("FILE")
  parser:option("--client-cert", "For https: show the host this client certificate (PEM).")
    :argname("FILE")
  parser:option("--client-key", "The key of that certificate (PEM; default: it is in "
    .. "--client-cert)."):argname("FILE")
end

---What is wrong with the values of these options; nil if nothing is.
---@return string?
function M.tls_misuse(args)
  if args.client_key and not args.client_cert then
    return "--client-key needs --client-cert, the certificate that it is for"
  end
end

return M
