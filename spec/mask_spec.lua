-- `mask`: the bodies of these events are hidden.

local H = require "spec.support.host"
local inside = require "spec.support.inside"
local json = require "cjson"

describe("mask", function()
  inside.each(it, "mask")

  local host
  local function body(event, secret)
    return ('{"Event":"%s","Secret":"%s"}'):format(event, secret)
  end

  local function hookward(arguments)
    local _, out = H.sh(("cd %s && %s %s"):format(H.quote(host.folder), H.quote(H.binary), arguments))
    return out
  end

  setup(function()
    host = H.start { ledger = "hookward.db", args = "--dev",
      config = 'admin = false, mask = { "Person.*", "*.Hidden" }',
      handlers = { ["a.lua"] = [[require "hookward".on("*", function() return nil, "no" end)]] } }
    for _, one in ipairs { "Person.Made", "Badge.Hidden", "Badge.Made" } do
      host:notify(body(one, "secret of " .. one), { id = one })
    end
    host:notify("no json, secret of none", { id = "none" })
    host:notify('{"Secret":"secret of nobody"}', { id = "nobody" })
    host:wait_log_count("failed [^\n]*job=", 5)
  end)
  teardown(H.stop_all)

  it("keeps bodies out of the log of serve --dev, also one whose event is not known", function()
    assert.equal(1, host:count_log("secret of"))
    assert.equal(1, host:count_log("secret of Badge%.Made"))
    assert.equal(4, host:count_log("body=\"?%(masked%)"))
  end)

  it("keeps them out of `jobs show`, which says so, but for --unmask", function()
    for _, id in ipairs { "Person.Made", "Badge.Hidden", "none", "nobody" } do
      local out = hookward("jobs show " .. id)
      assert.matches(id:find("no", 1, true) == 1 and "body +is masked, because its event can't be read; %-%-unmask"
        or "body +is masked: `mask` names its event; %-%-unmask shows it", out)
      assert.is_nil(out:find("secret", 1, true), out)
    end
    for _, id in ipairs { "Person.Made", "none" } do
      local out = hookward("jobs show --json " .. id)
      assert.is_nil(out:find("secret", 1, true), out)
      local row = json.decode(out)[1]
      assert.same({ json.null, true, nil }, { row.body, row.masked, row.body_hex })
      assert.matches("secret of ", hookward("jobs show --unmask " .. id))
      assert.matches("secret of ", json.decode(hookward("jobs show --unmask --json " .. id))[1].body)
    end
    assert.matches("secret of", hookward("jobs show Badge.Made"))
    local row = json.decode(hookward("jobs show --json Badge.Made"))[1]
    assert.is_nil(row.masked)
    assert.matches("secret of", row.body)
  end)

  it("hides what a configuration that can't be read may have masked", function()
    local path = host.folder .. "/hookward.lua"
    local text = H.read(path)
    finally(function() H.write(path, text) end)
    H.write(path, "return {")
    assert.is_nil(hookward("jobs show Badge.Made"):find("secret", 1, true))
    H.write(path, (text:gsub("mask =", "workers = 0, mask =")))
    assert.is_nil(hookward("jobs show Person.Made"):find("secret", 1, true))
    assert.matches("secret of", hookward("jobs show Badge.Made"))
  end)

  it("takes effect with a reload", function()
    local path = host.folder .. "/hookward.lua"
    H.write(path, (H.read(path):gsub('mask = { "Person.%*"', 'mask = { "Badge.*"')))
    H.wait_until(function() return hookward("reload"):find("nothing has changed", 1, true) end)
    host:notify(body("Badge.Made", "late secret"), { id = "late" })
    host:notify(body("Person.Made", "open secret"), { id = "open" })
    host:wait_log_count("failed [^\n]*job=", 7)
    assert.equal(0, host:count_log("late secret"))
    assert.equal(1, host:count_log("open secret"))
  end)
end)
