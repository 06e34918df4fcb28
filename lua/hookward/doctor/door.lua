-- The front door: does an unsigned POST come back with `missing_signature`?
--
-- That one answer proves a lot: the port is open, TLS works, whatever stands in front passes on the
-- path and the body, and the host at the end refuses what nobody signed. Any other answer tells who
-- gave it. The host counts and logs it as the refusal that it is.

local console = require "hookward.cli.console"
local core = require "hookward.core"
local doors = require "hookward.host.doors"
local patients = require "hookward.doctor.patient"
local tls_advice = require "hookward.base.tls_advice"

local M = {}

local TIMEOUT = 5 -- seconds
local WANTED = "missing_signature"

local NOTHING_ARRIVES = "no notification arrives by this way"

---@class hookward.doctor.Probe how the door is called
---@field door hookward.Door
---@field shown string
---@field public boolean it is the --url, with who knows what in front
---@field running boolean
---@field asks_clients boolean its TLS asks for a client certificate

-- ---- answers that a hookward gave ----

-- By error code: { why, fix }.
local codes = {
  not_found = { "the host is reached, but posts to another path than its `path`",
    "let the URL end in the `path` of hookward.lua, or the proxy pass it on unchanged" },
  not_allowed = { "the host refuses this address: it is not in `allow`, as the host sees it",
    "behind a proxy, list that in trusted_proxies (or use proxy_protocol), so that the host sees "
      .. "who really calls; else add the address to `allow`" },
  tls_required = { "the host speaks TLS there, and is called with plain HTTP",
    "call it with https://; a proxy: proxy_pass https://..." },
  draining = { "it accepts nothing more, since it is being stopped", "start it again" },
  overloaded = { "it has reached one of its limits", "`hookward status`, and the message above" },
  malformed_request = { "what arrives is not HTTP as the host takes it: a PROXY protocol header "
    .. "where none is expected, or something in between that damages it",
    "set proxy_protocol = true on this listener exactly when the load balancer sends the header" },
  request_timeout = { "the request did not arrive whole: something in between holds it back",
    "look at the proxy's buffering and time-outs" },
  malformed_signature = { "something in between adds an X-Signature of its own",
    "let the proxy pass on the sender's headers, and set none of them" },
  invalid_signature = { "something in between adds an X-Signature of its own",
    "let the proxy pass on the sender's headers, and set none of them" },
}

local function judge_code(findings, probe, status, code, message)
  local what = ("%s: %d %s: %s"):format(probe.shown, status, console.plain(code, 60),
    console.plain(message or "", 200))
  local known = codes[code] or { "that is not what an unsigned request gets",
    "`hookward help errors` explains the code" }
  findings:problem(what, known[1], known[2])
end

-- ---- answers of something else ----

-- The page's title, or its beginning.
local function excerpt(body)
  local title = body:match("<[tT][iI][tT][lL][eE][^>]*>%s*(.-)%s*</")
  return console.plain(title or body, 80)
end

local function who(answer)
  local server = answer.headers.server
  local said = excerpt(answer.body)
  return ("%s%s"):format(server and console.plain(server, 60) or "something",
    said ~= "" and (', which says "%s"'):format(said) or "")
end

-- By status: { why, fix }.
local statuses = {
  plain = { "it speaks TLS there, and is called with plain HTTP", "call it with https://" },
  [401] = { "the proxy asks for a password, and Accredit has none", "exempt this path from it" },
  [403] = { "the proxy forbids this path, method or address", "allow POST to this path there" },
  [404] = { "what answers there has nothing at this path: the proxy does not pass it on, or "
    .. "has another site for this name", "let it pass `path` of hookward.lua on to the host" },
  [405] = { "what answers there takes no POST: it is a web site, not the host",
    "let the proxy pass this path on to the host" },
  [413] = { "the proxy takes no body of this size",
    "raise its limit (nginx: client_max_body_size)" },
  [502] = { "the proxy can't reach the host", "compare its proxy_pass with `listen`; does the host "
    .. "run?" },
  [503] = { "the proxy has no back end to pass it to", "compare its back ends with `listen`; does "
    .. "the host run?" },
  [504] = { "the proxy waits in vain for the host", "compare its proxy_pass with `listen`; does "
    .. "the host run?" },
}

local function judge_stranger(findings, probe, answer)
  local what = ("%s: %d by %s"):format(probe.shown, answer.status, who(answer))
  local status = answer.status
  if status >= 300 and status < 400 then
    return findings:problem(("%s: %d, a redirect to %s"):format(probe.shown, status,
      console.plain(answer.headers.location or "nowhere")),
      "a sender does not follow it, or no longer as a POST",
      "name the address that it leads to, in Accredit's subscription too")
  elseif status < 300 then
    return findings:problem(what, "whatever answers there accepts an unsigned request: it is not "
      .. "hookward, and Accredit counts its notifications as delivered",
      "let the proxy pass this path on to the host")
  end
  if status == 400 and answer.body:find("plain HTTP request was sent to HTTPS port", 1, true) then
    status = "plain" -- nginx says so
  end
  local known = statuses[status] or { NOTHING_ARRIVES, "let the proxy pass this path on to the "
    .. "host, with its answers" }
  if not probe.public then
    return findings:problem(what, "another program has this port; " .. NOTHING_ARRIVES,
      "`ss -ltnp` shows who listens there")
  end
  findings:problem(what, known[1], known[2])
end

local function judge(findings, probe, answer, ms)
  local said = core.json.decode(answer.body)
  local code = type(said) == "table" and said.error
  if type(code) ~= "string" then return judge_stranger(findings, probe, answer) end
  if code ~= WANTED or answer.status ~= 400 then
    return judge_code(findings, probe, answer.status, code,
      type(said.message) == "string" and said.message or nil)
  elseif not probe.running and not probe.public then
    return findings:warning(("%s: another hookward answers"):format(probe.shown),
      "the host of this configuration could not listen there", "`ss -ltnp` shows who it is")
  end
  findings:ok(("%s: an unsigned POST is refused with %s, as it should be (%d ms)"):format(
    probe.shown, WANTED, ms))
end

-- ---- no answer ----

-- By kind of failure, as of http_client.h: { why, fix }.
local failures = {
  resolve = { "this name has no address", "check the name, and its DNS records" },
  timeout = { "something drops what is sent there, or hangs", "look at firewalls and security "
    .. "groups on the way, and at the host's log" },
  closed = { "what is there hangs up without an answer: a listener that expects the PROXY protocol "
    .. "or TLS, or a proxy without a back end", "compare the URL with `listen`, its tls and its "
    .. "proxy_protocol; the host's log says why it closed a connection" },
  proxy = { "the environment's proxy is in the way", "unset it, or name the host in no_proxy" },
}

local function judge_refused(findings, probe)
  local what = ("%s: nobody listens there"):format(probe.shown)
  if probe.public then
    return findings:problem(what, NOTHING_ARRIVES, "is the proxy up, the port open in the "
      .. "firewall, the port forwarded?")
  elseif not probe.running then
    return findings:skipped(("%s: nobody listens there, since no host is running")
      :format(probe.shown))
  end
  findings:problem(what, "the host listens elsewhere: `listen` was changed since its start, or "
    .. "it is stopping", "restart the host")
end

-- A listener with another certificate than the one in the file.
local function judge_other_certificate(findings, probe)
  findings:problem(("%s: the host shows another certificate than %s"):format(probe.shown,
    patients.shown(probe.door.certificate.file)), "the one in the file, perhaps a renewed one, is "
    .. "not in effect", "`hookward reload` makes it so, or says why not")
end

local function judge_failure(findings, probe, why, kind)
  if kind == "connect" then return judge_refused(findings, probe) end
  if probe.door.certificate and tls_advice.is_untrusted(why) then
    return judge_other_certificate(findings, probe)
  end
  local said = tls_advice.explain(why)
  local wants_one = why:find("certificate required", 1, true)
    or why:find("handshake failure", 1, true)
  if wants_one and probe.asks_clients then
    return findings:ok(("%s: asks for a client certificate, as it should (--client-cert FILE looks "
      .. "further)"):format(probe.shown))
  elseif said then
    local what, fix = said:match("^(.-): (.+)$")
    return findings:problem(("%s: %s"):format(probe.shown, what), "a sender sees the same, and "
      .. "delivers nothing", fix)
  end
  local known = failures[kind] or { NOTHING_ARRIVES, "try `curl -v` there" }
  findings:problem(("%s: %s"):format(probe.shown, console.plain(why, 300)), known[1], known[2])
end

-- ---- the way there ----

-- A listener may have any certificate: it is called by a name of that, at its own address, and only
-- this certificate is trusted. So it is also seen whether the host shows the one in the file.
local function call_local(door, request)
  local certificate = door.certificate
  if not door.tls or not certificate then return request end
  request.connect = door.url:match("^%a+://([^/]+)")
  request.url = door.url:gsub("^(%a+://)[^/]+", function(scheme)
    return ("%s%s:%s"):format(scheme, certificate.name, request.connect:match("(%d+)$"))
  end)
  request.ca = certificate.file
  return request
end

-- Each door gets a connection of its own, hence the header.
local function request_of(probe, args)
  local door = probe.door
  local request = { method = "POST", url = door.url, unix = door.unix, body = "{}",
    headers = { ["Content-Type"] = "application/json", Connection = "close" }, timeout = TIMEOUT,
    proxy_protocol = door.proxy_protocol, ca = args.ca, client_cert = args.client_cert,
    client_key = args.client_key }
  return probe.public and request or call_local(door, request)
end

local function knock(findings, probe, args)
  local begun = core.sys.now()
  local answer, why, kind = core.http.request(request_of(probe, args))
  local ms = math.floor((core.sys.now() - begun) * 1000 + 0.5)
  if answer then return judge(findings, probe, answer, ms) end
  judge_failure(findings, probe, why, kind)
end

-- Doors whose port the kernel or systemd chose are at one of the host's other addresses. Returns
-- those that can be called, and whether there are others.
local function find_ports(all, addresses, path)
  local known, found, lost, alike = {}, {}, {}, true
  for _, door in ipairs(all) do
    known[door.address] = true
    local list = door.url and found or lost
    list[#list + 1] = door
  end
  for _, door in ipairs(lost) do
    alike = alike and door.tls == lost[1].tls and door.proxy_protocol == lost[1].proxy_protocol
  end
  if not alike or not lost[1] then return found, #lost > 0 end
  for _, shown in ipairs(addresses) do
    local address = shown:gsub("^https?://", "")
    if not known[address] then
      found[#found + 1] = doors.of({ address = address, proxy_protocol = lost[1].proxy_protocol,
        tls = not address:find("^unix:") and lost[1].tls or nil }, path)
    end
  end
  return found, #addresses < #all
end

-- A listener with several certificates is called by a name of each.
local function knock_at(findings, patient, door, names_of)
  local certificates = door.tls and names_of(door.tls) or {}
  if door.tls and #certificates == 0 then
    return findings:skipped(door.url .. ": it can't be called without its certificate")
  end
  for i = 1, math.max(1, #certificates) do
    door.certificate = certificates[i]
    knock(findings, { door = door, public = false, running = patient.running,
      shown = (door.unix and door.address or door.url)
        .. (#certificates > 1 and (" (as %s)"):format(certificates[i].name) or ""),
      asks_clients = door.tls ~= nil and door.tls.client_ca ~= nil }, patient.args)
  end
end

local function knock_at_all(findings, patient, names_of)
  local settings, state, bad = patient.settings, patient.state, patient.bad
  if not settings or bad.listen or bad.tls then
    return findings:skipped("the configuration does not say where the host listens",
      "--url URL names an address")
  end
  local all, more = find_ports(doors.all(settings), state and state.addresses or {}, settings.path)
  if more then
    findings:skipped("`listen` has ports that only a running host knows, or sockets of systemd "
      .. "with different options", "--url URL names an address")
  end
  for _, door in ipairs(all) do knock_at(findings, patient, door, names_of) end
end

---@param findings hookward.doctor.Findings
---@param patient hookward.doctor.Patient
---@param names_of fun(tls: hookward.Tls): hookward.doctor.Certificate[]
function M.examine(findings, patient, names_of)
  knock_at_all(findings, patient, names_of)
  local url = patient.args.url
  if not url then return end
  knock(findings, { door = { url = url, proxy_protocol = false }, shown = url, public = true,
    running = patient.running, asks_clients = false }, patient.args)
end

return M
