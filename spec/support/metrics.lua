-- Scrapes GET /metrics of a host whose `admin` is a loopback port.

local M = {}

---Adds an admin listener to the options of spec.support.host's start.
function M.with_admin(options)
  options.config = 'admin = "127.0.0.1:0", ' .. (options.config or "")
  return options
end

function M.port(host)
  return tonumber(host:wait_log("the admin page is at ([^\n]+)\n"):match(":(%d+)$"))
end

---Asks the admin listener.
function M.get(host, path)
  local client = host:connect("127.0.0.1", M.port(host))
  client:send(("GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"):format(path))
  local answer = client:receive()
  client:close()
  return answer
end

---All samples: { ['name{label="value"}'] = number }, and the text.
function M.scrape(host)
  local text, samples = M.get(host, "/metrics").body, {}
  for line in text:gmatch("[^\n]+") do
    if line:sub(1, 1) ~= "#" then
      local name, value = line:match("^(.*) (%S+)$")
      assert(not samples[name], "twice: " .. line)
      samples[name] = assert(tonumber(value), line)
    end
  end
  return samples, text
end

---{ name = { type =, help = } } of a text.
function M.heads(text)
  local heads = {}
  for name, help in text:gmatch("# HELP (%S+) ([^\n]+)\n") do heads[name] = { help = help } end
  for name, kind in text:gmatch("# TYPE (%S+) (%S+)\n") do heads[name].type = kind end
  return heads
end

return M
