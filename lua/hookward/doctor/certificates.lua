-- The certificates of the listeners that speak TLS, checked as the host does at its start.

local config = require "hookward.config"
local core = require "hookward.core"
local listen = require "hookward.config.listen"
local time = require "hookward.base.time"

local M = {}

local function one_certificate(findings, settings, one)
  local shown = config.shown(one.file, settings.folder)
  if one.development then
    findings:warning(shown .. ": a certificate for development", "no sender trusts it",
      "get one for your name before you go live: `hookward help deployment`")
  end
  if one.not_after > core.sys.now() then
    findings:ok(("%s: for %s, by %s, %s, expires %s"):format(shown, table.concat(one.names, ", "),
      one.issuer, one.key, time.distance(one.not_after)))
  end
end

-- Why a warning matters, and what to do if it does not say that.
local function reason_of(line)
  if line:find("the certificate comes without its chain", 1, true) then
    return "a client that can't complete the chain refuses it, and delivers nothing"
  elseif line:find("is also a name of", 1, true) then
    return "clients that ask for this name get the other certificate",
      "put the one that they should get first, or leave one out"
  end
  return "once it has expired, senders hang up and deliver nothing",
    "renew it; the host takes the new one by itself"
end

local function one_tls(findings, patient, tls)
  local settings = patient.settings
  local found = core.tls.check(tls)
  for _, line in ipairs(found.errors) do
    findings:line("problem", config.shown(line, settings.folder), patient.running
      and "the running host goes on with the certificate that it has, until that expires, and "
        .. "would not start again" or "no host starts with it",
      "`hookward help deployment` shows how certificates are made and renewed")
  end
  for _, line in ipairs(found.warnings) do
    findings:line("warning", config.shown(line, settings.folder), reason_of(line))
  end
  for _, one in ipairs(found.certificates) do one_certificate(findings, settings, one) end
end

---@param findings hookward.doctor.Findings
---@param patient hookward.doctor.Patient
function M.examine(findings, patient)
  local settings, bad = patient.settings, patient.bad
  if not settings or bad.listen or bad.tls then
    return findings:skipped("the configuration does not say where the certificates are")
  end
  local all = listen.all_tls(settings)
  for _, tls in ipairs(all) do one_tls(findings, patient, tls) end
  if #all == 0 then findings:ok "none: no listener speaks TLS" end
end

-- A name that a certificate with this one is for: any, for a star.
local function name_for(pattern)
  local name = pattern:gsub("^%*", "doctor")
  return name:find(":", 1, true) and ("[%s]"):format(name) or name
end

---@class hookward.doctor.Certificate
---@field name string one that it is for, as in a URL
---@field file string

---@param tls hookward.Tls
---@return hookward.doctor.Certificate[] certificates those that can be read and have a name
function M.names_of(tls)
  local list = {}
  for _, one in ipairs(core.tls.check(tls).certificates) do
    if one.names[1] then
      list[#list + 1] = { name = name_for(one.names[1]), file = one.file }
    end
  end
  return list
end

return M
