-- A zip of badges is ready: store it, then tell Accredit that it is printed.
--
-- It may run twice for one zip (job.redelivered: after a crash, or if the status could not be set),
-- and for two notifications of one zip at once. That does no harm: a file gets its name only when
-- it is complete, and setting a status again changes nothing. The status is set last, so a zip that
-- is Printed is stored.

local hook = require "hookward"
local api = require "accredit_api"

local folder = hook.config.folder
if type(folder) ~= "string" or folder == "" then
  error("settings.folder: name the folder that the zips are to be stored in", 0)
end

-- The id becomes a file name and part of a URL, so it must be exactly a uuid.
local UUID = "^" .. ("h"):rep(8) .. "%-" .. ("hhhh%-"):rep(3) .. ("h"):rep(12) .. "$"
UUID = UUID:gsub("h", "%%x")

local function is_stored(path, size)
  local file <close> = io.open(path, "rb")
  return file ~= nil and (size == nil or file:seek("end") == size)
end

-- Writes under a unique name, then renames, so that there is never half a zip at `path`.
local function store(path, bytes)
  local part = ("%s.%016x.part"):format(path, math.random(0))
  local file, why = io.open(part, "wb")
  if not file then return nil, why end
  local ok
  ok, why = file:write(bytes)
  local closed, why_not = file:close() -- a full disk may show only here
  if ok and closed then
    ok, why = os.rename(part, path)
    if ok then return true end
  end
  os.remove(part)
  return nil, why or why_not
end

-- Checks that the answer is the complete zip, not a proxy's page or the zip's first half.
local function fetch(id, size)
  local bytes, why = api.file(id)
  if not bytes then return nil, why end
  if not bytes:find("^PK[\3\5][\4\6]") then
    return nil, ("what came for %s is no zip"):format(id)
  elseif size and #bytes ~= size then
    return nil, ("the zip %s has %d bytes, but %d came"):format(id, size, #bytes)
  end
  return bytes
end

hook.on("BadgeExportZipFile.Created", { schema = true }, function(event, job)
  local id = event.BadgeExportZipFileId:lower()
  if not id:find(UUID) then return nil, "BadgeExportZipFileId is not a uuid" end
  local path = ("%s/%s.zip"):format(folder, id)

  local zip, why = api.zip(id)
  if not zip then return nil, why end

  if job.redelivered and is_stored(path, zip.size) then
    hook.log.info("the zip was stored before", { zip = id })
  else
    local bytes, ok
    bytes, why = fetch(id, zip.size)
    if not bytes then return nil, why end
    ok, why = store(path, bytes)
    if not ok then return nil, why end
    hook.log.info("the zip is stored", { zip = id, bytes = #bytes, file = path })
  end

  if zip.status ~= "Printed" then
    local ok
    ok, why = api.set_status(id, "Printed")
    if not ok then return nil, why end
  end
  return true
end)
