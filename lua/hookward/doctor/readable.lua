-- Can the user that the host runs as read its files? What root has copied or renewed may be a file
-- that only root can read.

local core = require "hookward.core"
local listen = require "hookward.config.listen"
local patients = require "hookward.doctor.patient"

local M = {}

local sys = core.sys

-- The script files of a folder, not of those in it.
local function scripts(folder)
  local files = {}
  for _, name in ipairs(sys.list(folder) or {}) do
    if name:find("%.lua$") then files[#files + 1] = folder .. "/" .. name end
  end
  return files
end

-- { path, secret = true: a private key }
local function files_of(settings)
  local files = {}
  local function add(path, secret)
    if path and path ~= "" then files[#files + 1] = { path, secret = secret } end
  end
  add(settings.file_path)
  add(settings.handlers)
  for _, path in ipairs(scripts(settings.handlers)) do add(path) end
  for _, path in ipairs(settings.key_files) do add(path) end
  for _, tls in ipairs(listen.all_tls(settings)) do
    for _, pair in ipairs(tls.pairs) do
      add(pair.cert)
      add(pair.key, true)
    end
    add(tls.client_ca)
    add(tls.crl)
  end
  return files
end

local function fix_of(file, user)
  local path = file[1]
  local _, group = core.machine.user_name(user.uid)
  if not file.secret then
    return ("let it read the file and enter its folders: chown root:%s %s && chmod 640 %s"):format(
      group, path, path)
  end
  return ("install -o root -g %s -m 640 FROM %s; for a certificate that certbot renews, a deploy "
    .. "hook does that (`hookward help deployment` has the whole): in "
    .. "/etc/letsencrypt/renewal-hooks/deploy/hookward\n"
    .. '  install -o root -g %s -m 640 "$RENEWED_LINEAGE/privkey.pem" %s'):format(group, path,
    group, path)
end

---@param findings hookward.doctor.Findings
---@param patient hookward.doctor.Patient
function M.examine(findings, patient)
  local settings, user = patient.settings, patient.user
  if not settings then return end
  local seen, unknown, count, refused = {}, false, 0, 0
  for _, file in ipairs(files_of(settings)) do
    local path = file[1]
    if not seen[path] and sys.stat(path) then
      local may, why = core.machine.readable(path, user)
      count = count + 1
      unknown = unknown or may == nil
      if may == false then
        refused = refused + 1
        findings:problem(("%s can't be read by %s, %s: %s"):format(patients.shown(path), user.name,
          user.role, why), "the next start or reload fails", fix_of(file, user))
      end
    end
    seen[path] = true
  end
  if unknown then
    findings:skipped(("whether %s, %s, can read them"):format(user.name, user.role),
      "run the doctor as root, or as that user")
  elseif refused == 0 then
    findings:ok(("%s, %s, can read all %d"):format(user.name, user.role, count))
  end
end

return M
