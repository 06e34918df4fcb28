-- The client of the Accredit API alone: when it waits, how long, and when it gets a new token.

local inside = require "spec.support.inside"

describe("the client of the Accredit API", function()
  inside.each(it, "accredit_client")
end)
