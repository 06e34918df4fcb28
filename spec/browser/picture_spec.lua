-- The picture of the page that README shows: build/screenshots/admin.png. `make picture` renews it.
--
-- What it shows is real: a host, its handlers, and what became of their notifications. Only the times
-- are moved apart.

local A = require "spec.support.admin"
local B = require "spec.support.browser"
local H = require "spec.support.host"
local sql = require "spec.support.sql"

local WIDTH, HEIGHT = 1280, 800
local SIZE_MAX = 200 * 1024

local BADGES = [[
-- handlers/badges.lua: what is printed for visitors
local hook = require "hookward"

hook.on("BadgeExportZipFile.Created", { schema = true }, function() return true end)

hook.on("Badge.Created", function(event, job)
  if event.Printer == "lobby" then return nil, "the printer in the lobby is out of paper" end
  hook.log.info("printed", { badge = event.BadgeId, attempt = job.attempt })
end)
]]

local PEOPLE = [[
local hook = require "hookward"

hook.on("Person.*", function(event)
  if event.PersonId == 9 then return hook.never("a person who left can't be welcomed") end
  local desk = event.Desk or "front"
  local greeting = "Welcome, " .. event.FirstName
  hook.log.info(greeting, { desk = desk })
end)
]]

local function badge(id, printer)
  return H.event("Badge.Created", ('"BadgeId":"%s","Printer":"%s"'):format(id, printer))
end

local function person(name, first)
  return H.event(name, first and ('"PersonId":7,"FirstName":"%s"'):format(first) or '"PersonId":8')
end

describe("the picture of the page", function()
  local host, browser

  teardown(function()
    B.stop_all()
    H.stop_all()
  end)

  -- An hour's notifications, the oldest first.
  local function work()
    local id = 88120
    local function came(body, attempt)
      id = id + 1
      host:notify(body, { id = tostring(id), attempt = attempt })
    end
    for i = 1, 9 do
      came(badge("B-10" .. i, i % 4 == 0 and "lobby" or "north"), i == 4 and 5 or 0)
      came(person("Person.Updated", "Ada"))
    end
    came(H.event("BadgeExportZipFile.Created", '"BadgeExportZipFileId":"6f9619ff-8b86-4011-b42d-00cf4fc964ff"'))
    came(person("Person.Created", "Grace"))
    came(person("Person.Created"))
    came(H.event("Person.Left", '"PersonId":9'))
    came(badge("B-131", "north"))
    came(person("Person.Updated", "Barbara"))
    came(badge("B-132", "lobby"))
    came(badge("B-133", "north"))
    host:notify(badge("B-134", "north"), { id = "88999", key = (H.keys("other")) })
  end

  -- Nobody waits an hour for a picture: what came is put minutes apart.
  local function spread()
    sql(host, "UPDATE notifications SET received_at = received_at - ((SELECT max(seq) FROM notifications) - seq)"
      .. " * 147131, settled_at = settled_at - ((SELECT max(seq) FROM notifications) - seq) * 147131")
  end

  it("is " .. WIDTH .. " by " .. HEIGHT .. " pixels, and under 200 KB", function()
    host = A.start { handlers = { ["badges.lua"] = BADGES, ["people.lua"] = PEOPLE },
      config = 'retries = { "15m", "1h", "4h" }, keep_bodies = true' }
    work()
    spread()
    browser = B.start { size = { WIDTH, HEIGHT } }
    A.log_in(browser, host, "#/deliveries")
    browser:see("Badge.Created", "tr[data-seq]")
    browser:see("Live", "#link-state")
    browser:wait_until(function()
      return #browser:all ".chip .number" == 6
    end, "the counts")
    local png = browser:screenshot "admin"
    local width, height = string.unpack(">I4I4", png, 17)
    assert.same({ WIDTH, HEIGHT }, { width, height })
    assert.is_true(#png < SIZE_MAX, ("%d bytes"):format(#png))
    browser:check(host.admin)
  end)
end)
