-- GET /api/state, GET /api/stream.

local answers = require "hookward.admin.answers"
local host = require "hookward.admin.host"
local project = require "hookward.admin.project"

local M = {}

function M.state()
  local state, code, message = host.json("/state")
  if not state then return answers.error(502, code, message) end
  project.note_version(state.version)
  return 200, nil, state
end

M.routes = {
  { "^/api/state$", GET = M.state },
}

return M
