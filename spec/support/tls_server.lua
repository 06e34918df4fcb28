-- Certificates, and `openssl s_server` with them. It answers GET with a page, and POST not at all.

local H = require "spec.support.host"
local socket = require "socket"

local M = {}

local CONFIG = [[
[ca]
default_ca=c
[c]
database=index
serial=serial
new_certs_dir=.
default_md=sha256
policy=p
x509_extensions=e
[p]
commonName=supplied
[e]
subjectAltName=DNS:localhost,IP:127.0.0.1
basicConstraints=critical,CA:FALSE
]]

-- `openssl req -days` takes no date in the past; `openssl ca` does.
local MAKE = [[
(set -e; cd %s; touch index; echo 01 >serial
ec() { openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes "$@"; }
ec -x509 -keyout ca.key -out ca.pem -subj '/CN=spec CA' -days 2
ec -x509 -keyout other.key -out other.pem -subj '/CN=other CA' -days 2
sign() {
  ec -keyout $1.key -out $1.csr -subj /CN=$1
  openssl ca -batch -notext -config config -cert ca.pem -keyfile ca.key -in $1.csr -out $1.pem -startdate $2 -enddate $3
}
sign server 20200101000000Z 21000101000000Z
sign expired 20200101000000Z 20210101000000Z
sign early 21000101000000Z 21010101000000Z
sign client 20200101000000Z 21000101000000Z)]]

---Makes ca.pem; server, expired, early and client (.pem, .key) signed by it, for localhost and
---127.0.0.1; and other.pem, an authority that has signed nothing.
---@return string folder removed by H.stop_all
function M.certificates()
  local folder = H.folder()
  H.write(folder .. "/config", CONFIG)
  local ok, out = H.sh(MAKE:format(H.quote(folder)))
  assert(ok, out)
  return folder
end

---Starts `openssl s_server`.
---@param folder string of certificates
---@param name string the certificate's
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
