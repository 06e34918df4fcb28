-- lua/hookward/_meta.lua names exactly what exists; spec/meta_spec.lua runs it by `hookward test`.

local catalogue = require "hookward.handlers.catalogue"
local cli = require "spec.support.cli"
local config = require "hookward.config"
local core = require "hookward.core"
local config_schema = require "hookward.config.schema"
local router = require "hookward.handlers.router"
local testing = require "hookward.testing"

local PATH = "lua/hookward/_meta.lua"

-- ---- reading the annotations ----

local classes, declared, text = {}, {}, cli.read(PATH)
for line in text:gmatch("[^\n]+") do
  local class, parent = line:match("^%-%-%-@class ([%w_.]+):? ?([%w_.]*)")
  local field = line:match("^%-%-%-@field (%S+)")
  local alias = line:match("^%-%-%-@alias ([%w_.]+)")
  if class then
    classes[class] = { fields = {}, parent = line:find("^%-%-%-@class [%w_.]+:") and parent }
    classes[#classes + 1] = classes[class]
  elseif field and field:sub(1, 1) ~= "[" then
    classes[#classes].fields[field:gsub("%?$", "")] = field:find("%?$") and "optional" or "required"
  end
  if class or alias then declared[class or alias] = true end
end

local hook, testing_meta, Result, App, Host, app_meta, Later = dofile(PATH)

local function sorted(set)
  local names = {}
  for name in pairs(set) do names[#names + 1] = tostring(name) end
  table.sort(names)
  return names
end

local function set_of(list)
  local set = {}
  for _, name in ipairs(list) do set[name] = true end
  return set
end

local function fields(class, more)
  local set = {}
  for _, name in ipairs { class, more } do
    for field in pairs(classes[name].fields) do set[field] = true end
  end
  return sorted(set)
end

-- The functions of a table and of its subtables.
local function functions(value, prefix, into)
  into = into or {}
  for name, item in pairs(value) do
    if type(item) == "function" then into[prefix .. name] = true end
    if type(item) == "table" then functions(item, prefix .. name .. ".", into) end
  end
  return into
end

-- ---- what exists ----

-- Runs a handler and returns what it logged, by name.
local function probe(source, event)
  local folder = cli.folder { ["handlers/a.lua"] = [[
    local hook = require "hookward"
    local function names(value)
      local list = {}
      for name in pairs(value) do list[#list + 1] = tostring(name) end
      table.sort(list)
      return table.concat(list, " ")
    end
    hook.on("*", function(event, job) ]] .. source .. " end)" }
  local app <close> = testing.load(folder .. "/handlers")
  app:stub_http("*", "*", { headers = { A = "1" } })
  local result = app:deliver(event or "A.B", { Text = "x" }, { client = "a.example" }):expect(200)
  return result.logs, result
end

local function words(line)
  local list = {}
  for word in line:gmatch("[^%s,]+") do list[#list + 1] = word end
  table.sort(list)
  return list
end

after_each(cli.clean)

describe("the annotations of", function()
  it("hookward name what a handler can call", function()
    local logs = probe [[
      local function walk(value, prefix)
        for name, item in pairs(value) do
          if type(item) == "function" then hook.log.info(prefix .. name) end
          if type(item) == "table" and item ~= hook.config then walk(item, prefix .. name .. ".") end
        end
      end
      walk(hook, "")]]
    local real = {}
    for i, log in ipairs(logs) do real[i] = log.message end
    assert.same(sorted(set_of(real)), sorted(functions(hook, "")))
  end)

  it("hookward name its other fields", function()
    local logs = probe [[
      local rest = {}
      for name, item in pairs(hook) do
        if type(item) ~= "function" then rest[name] = true end
      end
      hook.log.info(names(rest))]]
    assert.same(words(logs[1].message), fields("hookward"))
  end)

  it("a job name what a handler gets", function()
    assert.same(words(probe("hook.log.info(names(job))")[1].message), fields("hookward.Job"))
  end)

  it("the events name exactly those of the catalogue", function()
    local events = {}
    for event, entry in pairs(catalogue) do
      events[event] = true
      local class = assert(classes[event], event)
      assert.equal("hookward.Event", class.parent)
      assert.same(sorted(entry.schema.properties), fields(event))
      for name in pairs(entry.schema.properties) do
        local must = set_of(entry.schema.required)[name]
        assert.equal(must and "required" or "optional", class.fields[name])
      end
      for _, options in ipairs { "", "options: hookward.HandlerOptions, " } do
        local overload = ('---@overload fun(pattern: "%s", %sfn: %s.Handler)\n'):format(event, options, event)
        assert.is_truthy(text:find(overload, 1, true), overload)
      end
    end
    for name, class in pairs(classes) do
      if type(name) == "string" and class.parent == "hookward.Event" then assert.is_true(events[name], name) end
    end
  end)

  it("hook.http name its options, and what an answer has", function()
    local logs = probe [[
      hook.log.info(select(2, pcall(hook.http.request, { x = 1 })))
      hook.log.info(select(2, pcall(hook.http.get, "http://a/", { x = 1 })))
      hook.log.info(names(hook.http.get("http://a/")))]]
    local function known(log) return words(log.message:match("%(known: (.*)%)")) end
    assert.same(known(logs[1]), fields("hookward.http.Request", "hookward.http.Options"))
    assert.same(known(logs[2]), fields("hookward.http.Options"))
    assert.same(words(logs[3].message), fields("hookward.http.Answer"))
  end)

  it("hook.on name its options", function()
    local function upvalue(fn, wanted)
      for i = 1, 100 do
        local name, value = debug.getupvalue(fn, i)
        if name == wanted or not name then return value end
      end
    end
    local options = upvalue(upvalue(router.on, "read_options"), "options_of_on")
    assert.same(sorted(options), fields("hookward.HandlerOptions"))
  end)

  it("the configuration name its keys", function()
    local keys = {}
    for _, entry in ipairs(config_schema) do keys[entry.key] = true end
    assert.same(sorted(keys), fields("hookward.Settings"))
  end)

  it("a host name its methods, its counts, and the options it takes", function()
    local _, public = core.crypto.keygen(2048)
    local folder = cli.folder { ["handlers/a.lua"] = "", ["key.pem"] = public }
    local function start(options)
      options.handlers, options.keys = folder .. "/handlers", folder .. "/key.pem"
      options.listen, options.ledger = "127.0.0.1:0", "memory:"
      options.log = { level = "error" }
      return require "hookward".start(options)
    end
    local host <close> = assert(start {})
    local methods = {}
    for name in pairs(getmetatable(host)) do
      if not name:find("^__") then methods[name] = true end
    end
    assert.same(sorted(Host), sorted(methods))
    local counts = host:stats()
    counts.reload_error = "there is one only after a failure"
    assert.same(sorted(counts), fields("hookward.Stats"))
    assert.same({ "config", "signals" }, fields("hookward.Options"))
    for _, name in ipairs(fields("hookward.Options")) do
      local ok, why = pcall(start, { [name] = 1 })
      assert.is_false(ok, name)
      assert.is_nil(why:find("unknown key", 1, true), name)
    end
  end)

  it("hookward.app name its functions and fields, and what a request has", function()
    local file = cli.folder {} .. "/seen"
    local settings = assert(config.of({ listen = "127.0.0.1:0", ledger = "memory:",
      log = { level = "error" }, settings = { file = file } }, "a spec"))
    assert.equal(0, core.serve_app(settings, "spec.inside.app_probe"))
    local seen = {}
    for what, line in cli.read(file):gmatch("(%l+) ([^\n]*)\n") do
      seen[what] = { functions = {}, others = {} }
      for name, kind in line:gmatch("([%w_]+):(%l+)") do
        seen[what][kind == "function" and "functions" or "others"][name] = true
      end
    end
    assert.same(sorted(seen.app.functions), sorted(functions(app_meta, "")))
    assert.same(sorted(seen.app.others), fields("hookward.app"))
    assert.same(sorted(seen.later.functions), sorted(Later))
    assert.same(sorted(seen.request.others), fields("hookward.AppRequest"))
    assert.same(sorted(seen.answer.others), fields("hookward.http.Answer"))
  end)

  it("hookward.testing name its functions and methods", function()
    assert.same(sorted(functions(testing, "")), sorted(functions(testing_meta, "")))
    local folder = cli.folder { ["handlers/a.lua"] = "" }
    local app <close> = testing.load(folder .. "/handlers", { unhandled = "accept" })
    local result = app:deliver("A.B")
    for class, real in pairs { [App] = app, [Result] = result } do
      for name in pairs(class) do assert.equal("function", type(real[name]), name) end
    end
    local internal = { keep = true, __index = true, __close = true, __tostring = true }
    for real, class in pairs { [getmetatable(app)] = App, [getmetatable(result)] = Result } do
      for name in pairs(real) do assert.is_true(internal[name] or class[name] ~= nil, name) end
    end
  end)

  it("hookward.testing name what a result, a call and a line have", function()
    local seen = {}
    local function look(result)
      for name in pairs(result) do seen[name] = true end
      return result
    end
    local _, result = probe([[hook.http.post("http://a/", "x", { unix = "/x" }) return true]])
    look(result)
    assert.same(sorted(result.http_calls[1]), fields("hookward.testing.HttpCall"))
    assert.same(sorted(probe("hook.log.info(1)")[1]), fields("hookward.testing.Log"))
    local folder = cli.folder { ["handlers/a.lua"] = [[local hook = require "hookward"
      hook.on("A.Nil", function() return nil, "no" end)
      hook.on("A.Error", function() error("oh") end)]] }
    local app <close> = testing.load(folder .. "/handlers")
    look(app:deliver("A.Nil", {}, { attempt = 5 }))
    look(app:deliver("A.Error"))
    assert.same(fields("hookward.testing.Result"), sorted(seen))
  end)

  it("hookward.testing name its options", function()
    local folder = cli.folder { ["handlers/a.lua"] = "" }
    local app <close> = testing.load(folder .. "/handlers", { unhandled = "accept" })
    local function known(fn, ...)
      local _, why = pcall(fn, ...)
      return words(why:match("known are (.*)$"))
    end
    assert.same(known(app.post, app, { zzzzzzzzzz = 1 }), fields("hookward.testing.Post"))
    assert.same(known(app.deliver, app, "A.B", {}, { zzzzzzzzzz = 1 }), fields("hookward.testing.Delivery"))
    local _, why = pcall(app.stub_http, app, "GET", "http://a/", { x = 1 })
    assert.same(words((why:match("it has (.*)$"):gsub(" and", ""))), fields("hookward.testing.Answer"))
    assert.same({ "clock", "config", "http" }, fields("hookward.testing.Options"))
    for _, name in ipairs(fields("hookward.testing.Options")) do
      _, why = pcall(testing.load, folder .. "/handlers", { [name] = {} })
      assert.is_nil(tostring(why):find("unknown key", 1, true), name)
    end
  end)
end)

describe("the annotations", function()
  it("refer to no type that they do not declare", function()
    local known = { ["hookward.lua"] = true, ["hookward.sock"] = true, ["hookward.db"] = true }
    for name in text:gmatch("hookward%.[%w_.]*%w") do
      assert.is_true(known[name] or declared[name] ~= nil, name)
    end
  end)

  it("give every parameter of every function its type", function()
    local params = {}
    for line in text:gmatch("[^\n]+") do
      local param = line:match("^%-%-%-@param ([%w_]+)%?? %S")
      local arguments = line:match("^function [%w_.:]+%((.-)%) end$")
      if param then params[#params + 1] = param end
      if arguments then
        assert.equal(table.concat(params, ", "), arguments, line)
        params = {}
      end
    end
  end)
end)
