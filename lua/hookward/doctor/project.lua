-- Configuration, keys and handlers: what a host is started with, and reloads.

local config = require "hookward.config"
local core = require "hookward.core"
local time = require "hookward.base.time"
local units = require "hookward.base.units"

local M = {}

local NOTICE = 30 * 86400 -- seconds before a certificate among the keys expires
local FINGERPRINT_SHOWN = 16 -- hex digits

-- What a mistake in these files means.
local function means(patient)
  return patient.running and "the running host goes on with what it had, and would not start again"
    or "no host starts with it"
end

---@param findings hookward.doctor.Findings
---@param patient hookward.doctor.Patient
function M.configuration(findings, patient)
  for _, line in ipairs(patient.lines) do
    findings:line("problem", line, means(patient),
      "`hookward help configuration` explains every key")
  end
  if #patient.lines == 0 then findings:ok(patient.file .. ": no mistake") end
end

local function key_expiry(findings, shown, key)
  local now = core.sys.now()
  if not key.not_after or key.not_after > now + NOTICE then return end
  findings:warning(("%s: the certificate of this key %s %s"):format(shown,
      key.not_after <= now and "expired" or "expires", time.distance(key.not_after)),
    "hookward goes on verifying with it, but Accredit may sign with another key from then on",
    "ask for the current Signature Key (`hookward subscribe`), and save it beside this one")
end

local function one_key(findings, patient, path)
  local settings = patient.settings
  local shown = config.shown(path, settings.folder)
  local keys, why = core.crypto.keys({ path }, settings.min_key_bits)
  if not keys then
    return findings:line("problem", config.shown(why, settings.folder), means(patient))
  end
  local key = keys[1]
  if key.name == "development.pem" then
    findings:warning(shown .. ": a key for development",
      "whoever has its private half, development.key, can send notifications that are accepted",
      "remove both before you go live")
  end
  key_expiry(findings, shown, key)
  findings:ok(("%s: %s, %d bits, SHA-256 %s"):format(shown, key.form, key.bits,
    key.fingerprint:sub(1, FINGERPRINT_SHOWN)))
end

---@param findings hookward.doctor.Findings
---@param patient hookward.doctor.Patient
function M.keys(findings, patient)
  local settings = patient.settings
  if not settings or patient.bad.key_patterns then
    return findings:skipped("the configuration does not say where the keys are")
  end
  local _, none = config.missing(settings)
  if none then findings:line("problem", none, means(patient)) end
  for _, path in ipairs(settings.key_files) do one_key(findings, patient, path) end
end

---@param findings hookward.doctor.Findings
---@param patient hookward.doctor.Patient
function M.handlers(findings, patient)
  local settings, bad = patient.settings, patient.bad
  if not settings or bad.handlers or bad.settings then
    return findings:skipped("the configuration does not say where the handlers are, or what their "
      .. "settings are")
  end
  local none = config.missing(settings)
  if none then return findings:line("problem", none, means(patient)) end
  local found, why = core.check(settings)
  if not found then
    return findings:line("problem", config.shown(why, settings.folder), means(patient),
      "`hookward check` says the same; edit it: a running host takes it as soon as it loads")
  end
  local count = #found.routes
  if count == 0 then
    return findings:warning("no handler is registered", settings.unhandled == "accept"
      and "every notification is recorded, but nothing is done" or "every notification is refused "
      .. "with no_handler", "write hook.on(EVENT, fn) in " .. config.shown(settings.handlers,
        settings.folder))
  end
  findings:ok(units.count(count, "route"))
end

return M
