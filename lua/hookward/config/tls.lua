-- `tls`: the certificates of a listener, and which clients may connect.
--
--   tls = { cert = "cert.pem", key = "key.pem", client_ca = "ca.pem" }
--   tls = { { cert = "a.pem", key = "a.key" }, { cert = "b.pem", key = "b.key" } }  -- by SNI
--
-- Only the form is checked here. The host reads the files (core/http/tls_context.h).

local kinds = require "hookward.config.kinds"

local M = {}

local show = kinds.show

---@class hookward.Tls
---@field pairs { cert: string, key: string }[] absolute paths; the first is the default
---@field client_ca? string absolute
---@field crl? string absolute
---@field client_names string[] empty: any client of client_ca

local PAIR = { "cert", "key" }
local NAMES = { "cert", "key", "client_ca", "crl", "client_names" }

local function read_file(value, name, base)
  local path = kinds.read_path(value, base)
  if path and not path:find("%c") then return path end -- the text of a PEM file has many lines
  return nil, ("%s: expected the path of a PEM file; found %s"):format(name, show(value))
end

local function read_pair(value, base)
  if type(value) ~= "table" then
    return nil, ('expected { cert = "cert.pem", key = "key.pem" }; found %s'):format(show(value))
  end
  local pair = {}
  for _, name in ipairs(PAIR) do
    if value[name] == nil then
      return nil, ("%s is missing: the %s, a PEM file"):format(name,
        name == "cert" and "certificate chain" or "certificate's private key")
    end
    local path, why = read_file(value[name], name, base)
    if not path then return nil, why end
    pair[name] = path
  end
  return pair
end

-- The pairs of a list, or the one pair of the table itself.
local function read_pairs(value, base)
  if #value == 0 then
    local pair, why = read_pair(value, base)
    return pair and { pair }, why
  elseif value.cert ~= nil or value.key ~= nil then
    return nil, "either one cert and key, or a list of such pairs, not both"
  end
  local list = {}
  for i, item in ipairs(value) do
    local ok, why = true, nil
    if type(item) == "table" then ok, why = kinds.check_names(item, PAIR) end
    if ok then list[i], why = read_pair(item, base) end
    if not list[i] then return nil, ("[%d]: %s"):format(i, why) end
  end
  return list
end

local function read_client_names(value)
  if value == nil then return {} end
  if type(value) == "string" then value = { value } end
  local list = type(value) == "table" and kinds.is_list(value) and value or {}
  for _, name in ipairs(list) do
    if type(name) ~= "string" or not name:find("^[%w_.@:/%-]+$") then list = {} end
  end
  if #list > 0 then return list end
  return nil, ('client_names: expected names as in certificates, for example { "sender.example" }; '
    .. "found %s"):format(show(value))
end

function M.expects()
  return 'a table, for example tls = { cert = "cert.pem", key = "key.pem" }'
end

---@param value any
---@param base string the folder from which relative paths start
---@return hookward.Tls?
---@return string? why
function M.read(value, _, base)
  if type(value) ~= "table" then
    return nil, ("expected %s; found %s"):format(M.expects(), show(value))
  end
  local ok, why = kinds.check_names(value, NAMES, true)
  if not ok then return nil, why end
  local tls = {}
  tls.pairs, why = read_pairs(value, base)
  if not tls.pairs then return nil, why end
  for _, name in ipairs { "client_ca", "crl" } do
    if value[name] ~= nil then
      tls[name], why = read_file(value[name], name, base)
      if not tls[name] then return nil, why end
    end
  end
  tls.client_names, why = read_client_names(value.client_names)
  if not tls.client_names then return nil, why end
  local lonely = tls.crl and "crl" or tls.client_names[1] and "client_names"
  if lonely and not tls.client_ca then
    return nil, lonely .. " has no effect without client_ca, which asks clients for a certificate"
  end
  return tls
end

return M
