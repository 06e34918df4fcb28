-- Certificates by openssl: self-signed ones, and those of an authority, good ones and all kinds of bad ones.

local H = require "spec.support.host"

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
unique_subject=no
[p]
commonName=supplied
]]

---@class hookward.spec.Authority a folder with ca.pem, ca.key and what it has signed
---@field folder string
local Authority = {}
Authority.__index = Authority

local function run(folder, format, ...)
  local ok, out = H.sh(("(cd %s && %s)"):format(H.quote(folder), format:format(...)))
  assert(ok, out)
end

-- A private key in NAME.key, and what `openssl req` makes with it.
local function request(folder, name, rsa, format, ...)
  run(folder, "openssl req -newkey %s -nodes -keyout %s.key %s",
    rsa and "rsa:" .. rsa or "ec -pkeyopt ec_paramgen_curve:P-256", name, format:format(...))
end

---Makes NAME.pem and NAME.key in a folder: a certificate that no authority has signed.
---@param options? { alt?: string, rsa?: integer }
--- alt: its subjectAltName, default: localhost; rsa: bits, default: ECDSA P-256
function M.self_signed(folder, name, options)
  options = options or {}
  request(folder, name, options.rsa, "-x509 -out %s.pem -subj /CN=%s -addext subjectAltName=%s -days 30", name, name,
    options.alt or "DNS:localhost")
end

local FAR <const> = 90 * 24 * 3600

---A fresh one; H.stop_all removes its folder, so it is made in `it` or `before_each` with its hosts,
---or by a spec whose teardown calls H.stop_all.
---@return hookward.spec.Authority
function M.authority()
  local self = setmetatable({ folder = H.folder() }, Authority)
  H.write(self.folder .. "/config", CONFIG)
  run(self.folder, "touch index && echo 01 >serial && echo 01 >crlnumber")
  request(self.folder, "ca", nil, "-x509 -out ca.pem -subj '/CN=spec CA' -days 90")
  return self
end

function Authority:path(name) return self.folder .. "/" .. name end

local function stamp(seconds) return os.date("!%Y%m%d%H%M%SZ", os.time() + seconds) end

---Signs NAME.pem and makes NAME.key, unless it is there already.
---`more`: a further line of extensions.
---@param options? { alt?: string, more?: string, from?: number, to?: number, ca?: string, by?: string, rsa?: integer }
--- alt: its subjectAltName, default: localhost and 127.0.0.1; from, to: seconds from now; ca: it may
--- sign others; by: the name of the one that signs it, default: ca; rsa: bits, default: ECDSA P-256
function Authority:sign(name, options)
  options = options or {}
  if H.read(self:path(name .. ".key")) == "" then
    request(self.folder, name, options.rsa, "-out %s.csr -subj /CN=%s", name, name)
  else
    run(self.folder, "openssl req -new -key %s.key -out %s.csr -subj /CN=%s", name, name, name)
  end
  H.write(self:path("extensions"), ("subjectAltName=%s\nbasicConstraints=critical,CA:%s\n%s"):format(
    options.alt or "DNS:localhost,IP:127.0.0.1", options.ca and "TRUE" or "FALSE",
    options.more and options.more .. "\n" or ""))
  local by = options.by or "ca"
  run(self.folder, "openssl ca -batch -notext -config config -cert %s.pem -keyfile %s.key -in %s.csr -out %s.new "
    .. "-startdate %s -enddate %s -extfile extensions && mv %s.new %s.pem", by, by, name, name,
    stamp(options.from or -3600), stamp(options.to or FAR), name, name)
end

---Writes what is revoked to crl.pem; `names`: those that are from now on.
function Authority:revoke(names, hours)
  for _, name in ipairs(names) do
    run(self.folder, "openssl ca -config config -cert ca.pem -keyfile ca.key -revoke %s.pem", name)
  end
  run(self.folder, "openssl ca -gencrl -config config -cert ca.pem -keyfile ca.key -out crl.pem -crlhours %d",
    hours or 24)
end

---The text of several of its files, one after another.
function Authority:text(...)
  local texts = {}
  for i, name in ipairs { ... } do texts[i] = H.read(self:path(name)) end
  return table.concat(texts)
end

---The common name of the certificate that a host serves; nil and what openssl says.
---@param options? string further arguments of `openssl s_client`
---@param address? string of the host, by default 127.0.0.1
function M.served(port, options, address)
  local _, out = H.sh(("openssl s_client -connect %s:%d %s </dev/null"):format(address or "127.0.0.1", port,
    options or ""))
  return out:match("subject=CN = ([^\n]+)"), out
end

local last_id = 0

---Delivers a signed notification by curl. Returns the answer's status, or 0 and curl's reason.
---@param options { ca: string, cert?: string, event?: string, more?: string }
function M.deliver(host, options)
  last_id = last_id + 1
  local body = H.event(options.event or "A.A")
  local certificate = options.cert and ("--cert %s.pem --key %s.key"):format(options.cert, options.cert) or ""
  local ok, out = H.sh(("curl -sS -o /dev/null -w '%%{http_code}' --cacert %s %s %s -H 'X-Signature: %s' "
    .. "-H 'X-JobId: tls-%d' -H 'Content-Type: application/json' --data-binary %s "
    .. "https://localhost:%d/baseWebhookNotification"):format(options.ca, certificate, options.more or "",
      H.sign(body), last_id, H.quote(body), host.port))
  return ok and tonumber(ok) or 0, out
end

return M
