-- `openssl s_server`: it answers GET with a page, and POST not at all.

local H = require "spec.support.host"
local socket = require "socket"

local M = {}

---Starts `openssl s_server`.
---@param folder string with NAME.pem and NAME.key
---@param name string
---@param arguments? string further ones, as shell text
---@return integer port
---@return fun() stop
function M.start(folder, name, arguments)
  local probe = assert(socket.bind("127.0.0.1", 0))
  local _, port = probe:getsockname()
  probe:close()
  local pipe = io.popen(("cd %s && echo $$ && exec openssl s_server -accept %d -key %s.key -cert %s.pem -www -quiet "
    .. "%s >/dev/null 2>&1"):format(H.quote(folder), port, name, name, arguments or ""))
  local pid = pipe:read("n")
  H.wait_until(function()
    local tcp = socket.connect("127.0.0.1", port)
    if tcp then tcp:close() end
    return tcp
  end, "s_server to listen")
  return math.tointeger(port), function()
    os.execute("kill " .. math.tointeger(pid))
    pipe:close()
  end
end

return M
