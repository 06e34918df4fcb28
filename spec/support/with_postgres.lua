-- Runs a command with a PostgreSQL of its own beside it, and exits as the command does:
--
--   lua5.4 spec/support/with_postgres.lua COMMAND ARGUMENT...
--
-- HOOKWARD_TEST_POSTGRES is the URL of a superuser there. Without PostgreSQL it says so, in one
-- line, and runs the command all the same; the tests that need the server leave themselves out.

local postgres = require "spec.support.postgres"

local words = {}
for i, word in ipairs(arg) do words[i] = postgres.quote(word) end
local command = table.concat(words, " ")

local server
if (os.getenv "HOOKWARD_TEST_POSTGRES" or "") == "" then -- there is none yet
  if postgres.installed() then
    server = postgres.start()
    command = ("HOOKWARD_TEST_POSTGRES=%s %s"):format(postgres.quote(server:url()), command)
  else
    print "PostgreSQL is not installed: the tests of a ledger that several hosts share are left out"
  end
end

local _, how, code = os.execute(command)
if server then server:close() end
os.exit(how == "exit" and code or 1)
