local testing = require "hookward.testing"

describe("a badge export", function()
  it("is logged", function()
    local app <close> = testing.load("handlers")
    local result = app:deliver("BadgeExportZipFile.Created", { BadgeExportZipFileId = "7" },
      { attempt = 2 }):expect(200)
    assert.same({ id = "7", attempt = 2 }, result:logged("ready", "info").fields)
  end)
end)
