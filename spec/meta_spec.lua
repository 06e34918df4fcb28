-- The annotations for editors (lua/hookward/_meta.lua) name exactly what exists.

local inside = require "spec.support.inside"

describe("_meta.lua:", function()
  inside.each(it, "meta")
end)
