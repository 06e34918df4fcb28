-- The manual pages hookward(1) and hookward.lua(5), as troff for `man`.
--
-- Their text is that of `hookward COMMAND --help` and of `hookward help configuration`: it is read
-- from the parser, from the guide and from the table of the configuration's keys.

local core = require "hookward.core"
local guide = require "hookward.guide"
local reference = require "hookward.guide.reference"

local M = {
  names = { "hookward", "hookward.lua" },
}

local WIDTH = 78

-- The environment, in the order of its importance.
local ENVIRONMENT = {
  { "HOOKWARD_CONFIG", "The configuration that every command reads, unless -c names another." },
  { "HOOKWARD_ADMIN_TOKEN", "The admin page's token, if the configuration has none." },
  { "HOOKWARD_ADMIN_READ_TOKEN", "Its token for whoever may only look." },
  { "HOOKWARD_ACCREDIT_URL", "The address of the Accredit API." },
  { "HOOKWARD_ACCREDIT_TOKEN", "A token for the Accredit API." },
  { "HOOKWARD_ACCREDIT_USER", "The account for the Accredit API, if there is no token." },
  { "HOOKWARD_ACCREDIT_PASSWORD", "Its password." },
  { "PGPASSFILE", "The file of passwords, for a ledger on PostgreSQL. libpq reads its other "
    .. "variables too: PGHOST, PGSERVICE and so on." },
  { "HOOKWARD_RSA", "\"openssl\" turns the vector instructions for RSA off." },
  { "NO_COLOR", "If it is set, no output has colours." },
}

-- ---- troff ----

local ESCAPES = { ["\\"] = "\\e", ["-"] = "\\-", ["'"] = "\\(aq", ["^"] = "\\(ha", ["~"] = "\\(ti",
  ["`"] = "\\(ga" }

local function escape(text)
  return (text:gsub("[\\%-'^~`]", ESCAPES))
end

local function quote(text)
  return '"' .. escape(text):gsub('"', "\\(dq") .. '"'
end

-- Text with `code` in it, which becomes bold.
local function inline(text)
  local at, out = 1, {}
  for before, code, after in text:gmatch("()`([^`]+)`()") do
    out[#out + 1] = escape(text:sub(at, before - 1)) .. "\\fB" .. escape(code) .. "\\fR"
    at = after
  end
  return table.concat(out) .. escape(text:sub(at))
end

-- `man` may hyphenate the words of a language, not those of a program.
local function whole(word)
  local plain = word:find("^%(?%a+[.,;:)]*$") and not word:find("hook", 1, true)
  return plain and word or "\\%" .. word
end

-- A line that begins with a dot would be a request. (An apostrophe is escaped already.)
local function guarded(line)
  return line:find("^%.") and "\\&" .. line or line
end

local Page = {}
Page.__index = Page

-- The paragraph that a section begins with needs no request.
function Page:add(line)
  if line == ".PP" and self[#self]:find("^%.SH") then return end
  self[#self + 1] = line
end

function Page:section(title) self:add(".SH " .. quote(title:upper())) end

function Page:text(text)
  local line
  for word in inline(text):gmatch("%S+") do
    word = whole(word)
    if line and #line + 1 + #word > WIDTH then
      self:add(guarded(line))
      line = nil
    end
    line = line and line .. " " .. word or word
  end
  if line then self:add(guarded(line)) end
end

function Page:paragraph(text)
  self:add ".PP"
  self:text(text)
end

function Page:example(text)
  self:add ".PP"
  self:add ".RS 4"
  self:add ".EX"
  for line in (text:gsub("\n$", "") .. "\n"):gmatch("(.-)\n") do self:add(guarded(escape(line))) end
  self:add ".EE"
  self:add ".RE"
end

-- A term, and what is to be said of it; `facts` stand in a line of their own.
function Page:item(term, text, facts)
  self:add ".TP"
  self:add("\\fB" .. escape(term) .. "\\fR")
  if facts then
    self:text(facts)
    self:add ".br"
  end
  self:text(text)
end

-- Paragraphs, and blocks that are indented by two spaces, as in an epilog of --help.
function Page:prose(text)
  local function flush(lines, method)
    local between = method == "example" and "\n" or " "
    if #lines > 0 then self[method](self, table.concat(lines, between)) end
  end
  local lines, method = {}, "paragraph"
  for line in (text .. "\n"):gmatch("(.-)\n") do
    local now = line:find("^  ") and "example" or "paragraph"
    if line == "" or now ~= method then
      flush(lines, method)
      lines = {}
    end
    method = now
    if line ~= "" then lines[#lines + 1] = now == "example" and line:sub(3) or line end
  end
  flush(lines, method)
end

-- Markdown, as far as the guide's page of the configuration uses it.
function Page:markdown(text)
  local rest = text
  while rest ~= "" do
    local heading, after = rest:match("^## ([^\n]+)\n()")
    if heading then self:section(heading) end
    local code, after_code = rest:match("^```%l*\n(.-)```\n()")
    if code then self:example(code) end
    local block, after_block = rest:match("^([^\n]+\n)()")
    if not heading and not code and block then
      local lines = rest:match("^(.-\n)\n") or rest
      lines = lines:match("^(.-\n)```") or lines
      self:paragraph((lines:gsub("\n", " ")))
      after_block = #lines + 1
    end
    rest = rest:sub(after or after_code or after_block or 2)
  end
end

-- Reproducible builds set SOURCE_DATE_EPOCH.
local function date()
  return os.date("!%Y-%m-%d", math.tointeger(tonumber(os.getenv "SOURCE_DATE_EPOCH")) or os.time())
end

local function page(name, section, summary)
  local self = setmetatable({}, Page)
  self:add(('.TH %s %d %s "hookward %s" "hookward"'):format(escape(name:upper()), section, date(),
    core.version))
  self:add ".ad l" -- no spaces to make lines even: much of the text is names
  self:section "Name"
  self:add(("%s \\- %s"):format(escape(name), inline(summary)))
  return self
end

-- ---- hookward(1) ----

local function usage_of(parser)
  return (parser:get_usage():gsub("^Usage: ", ""):gsub("\n%s*", " "))
end

-- Values stand in the same form as in --help.
local function term_of(element)
  local lines = element:_get_label_lines()
  for i, line in ipairs(lines) do lines[i] = line:gsub("^ +", "") end
  return table.concat(lines, " ")
end

local function add_elements(self, elements)
  for _, element in ipairs(elements) do
    if not element._hidden then self:item(term_of(element), element:_get_description()) end
  end
end

local function add_command(self, name, command)
  self:add(".SS " .. quote(name))
  self:text("`" .. usage_of(command) .. "`")
  self:prose(command._description)
  add_elements(self, command._arguments)
  add_elements(self, table.move(command._options, 2, #command._options, 1, {})) -- all but --help
  if command._epilog then self:prose(command._epilog) end
  for _, action in ipairs(command._commands) do
    add_command(self, name .. " " .. action._name, action)
  end
end

local function hookward(parser)
  local self = page("hookward", 1, parser._description:match("^A ([^:]+):"))
  self:section "Synopsis"
  self:text("`" .. usage_of(parser) .. "`")
  self:section "Description"
  self:prose(parser._description)
  self:prose(parser._epilog)
  add_elements(self, parser._options) -- the first is --help, which each command has
  self:section "Commands"
  for _, command in ipairs(parser._commands) do add_command(self, command._name, command) end
  self:section "Exit status"
  self:paragraph "0: done. 1: failed, and the standard error stream says why. 2: used wrongly."
  self:section "Environment"
  for _, row in ipairs(ENVIRONMENT) do self:item(row[1], row[2]) end
  self:section "The guide"
  for _, topic in ipairs(guide.topics) do
    self:item("hookward help " .. topic.name, topic.summary)
  end
  self:section "See also"
  self:add ".BR hookward.lua (5)"
  return self
end

-- ---- hookward.lua(5) ----

local function configuration()
  local text = assert(guide.source "configuration")
  local before, after = text:match("^# [^\n]+\n(.-)<!%-%- reference %-%->\n(.*)$")
  local self = page("hookward.lua", 5, "the configuration of hookward")
  self:section "Description"
  self:markdown(before)
  for _, item in ipairs(reference.items()) do self:item(item.name, item.doc, item.facts) end
  self:markdown(after)
  self:section "See also"
  self:add ".BR hookward (1)"
  return self
end

---The text of a page.
---@param name "hookward"|"hookward.lua"
---@param parser table the whole command line, as argparse has it
---@return string troff
function M.text(name, parser)
  local lines = name == "hookward" and hookward(parser) or configuration()
  return table.concat(lines, "\n") .. "\n"
end

return M
