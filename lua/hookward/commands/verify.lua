-- hookward verify: does this signature fit this body, and if not, why not?

local config = require "hookward.config"
local console = require "hookward.cli.console"
local control = require "hookward.host.control"
local core = require "hookward.core"
local files = require "hookward.base.files"
local options = require "hookward.cli.options"
local unproven = require "hookward.host.unproven"

local M = {
  summary = "Say whether a signature fits a body, and if not, why.",
  usage = "(--body FILE --signature TEXT | --last [N]) [OPTION...]",
  description = "Checks one X-Signature against one body, byte for byte, with each key. If no key "
    .. "fits, it says what would make one fit (a stripped BOM, other line ends, URL-safe Base64, "
    .. "another padding or hash), but never accepts that. With --last it asks the running host for "
    .. "the latest requests that it refused for their signature; the host keeps them only in "
    .. "memory. Exits 0 when the signature fits, else 1.",
  examples = {
    "hookward verify --body body.json --signature @signature.txt",
    "hookward verify --body body.json --signature 'mUB1...==' --key accredit.pem",
    "hookward verify --last",
    "xclip -o | hookward verify --body - --signature @signature.txt --json",
  },
}

local NAME = "hookward verify"
local MIN_BITS = 2048
local LAST_MAX = 1000 -- as many as a host keeps

function M.define(parser)
  parser:option("--body", "The raw body: a file, or - for the standard input."):argname("FILE")
  parser:option("--signature", "The value of X-Signature, or @FILE to read it from a file.")
    :argname("TEXT")
  parser:option("--last", "Check the latest N requests (default: 1) that the running host refused "
    .. "for their signature.")
    :argname("N"):args("?"):convert(options.whole_number("--last", 1, LAST_MAX))
  parser:option("--key", "A public key to try instead of the configuration's. May be repeated.")
    :argname("FILE"):count("*")
  options.config(parser, "The configuration that names the keys (default: HOOKWARD_CONFIG, or "
    .. "hookward.lua).")
  parser:flag("--json", "Print one JSON object: verified, key, error, message, findings. With "
    .. "--last: an array of objects that also have at, peer, id, attempt and body_length.")
end

-- Trims white space around the signature, as HTTP does around a header's value.
local function read_signature(argument)
  local text, why = files.read_argument(argument)
  return text and text:match("^%s*(.-)%s*$"), why
end

-- Returns the key files to try and the least bits of a key; or nil and lines.
local function keys_to_try(args)
  if #args.key > 0 then return args.key, MIN_BITS end
  local settings, lines = config.load(args.config)
  if not settings then return nil, lines end
  local _, missing = config.missing(settings)
  if missing then return nil, missing end
  return settings.key_files, settings.min_key_bits
end

local function print_text(result)
  if result.verified then
    console.say("%s with %s", console.paint("green", "verified"), result.key)
    return
  end
  console.say("%s %s: %s", console.paint("red", "not verified:"), result.error, result.message)
  for _, finding in ipairs(result.findings) do console.say("  %s", finding) end
end

-- ---- requests that a host has refused ----

local function shown_id(request)
  local id = unproven.header(request, "x-jobid")[1]
  return id and console.plain(id)
end

local function describe(request, paths, bits)
  local key, findings = unproven.diagnose(request, paths, bits)
  return { verified = key ~= nil, key = key, error = request.error, at = request.at,
    peer = request.peer, id = shown_id(request), body_length = request.body_length,
    attempt = tonumber(unproven.header(request, "x-jobattempt")[1]), findings = findings }
end

local function print_refused(result)
  console.say("%s %s from %s, job %s, a body of %d bytes", result.at,
    console.paint(result.verified and "green" or "red", result.error), result.peer or "-",
    result.id or "-", result.body_length)
  for _, finding in ipairs(result.findings) do console.say("  %s", console.plain(finding, 1000)) end
end

local function verify_last(args)
  local paths, bits = keys_to_try(args)
  if not paths then return console.fail(bits) end
  local usable, unusable = core.crypto.keys(paths, bits)
  if not usable then return console.fail(unusable) end
  local host, why = control.find(args.config)
  if not host then return console.fail(why) end
  local requests
  requests, why = unproven.newest(host, args.last[1] or 1)
  if not requests then return console.fail(why) end
  if #requests == 0 and not args.json then
    return console.fail("since it started, the host has refused no request for its signature")
  end
  local results, all_verified = core.json.array {}, #requests > 0
  for i, request in ipairs(requests) do
    results[i] = describe(request, paths, bits)
    core.json.array(results[i].findings)
    all_verified = all_verified and results[i].verified
    if not args.json then print_refused(results[i]) end
  end
  if args.json then console.say("%s", assert(core.json.encode(results))) end
  return all_verified and 0 or 1
end

-- ---- a body and a signature from files ----

local function misuse(args)
  if args.last then
    return (args.body or args.signature) and "--last asks the host, so it can't be combined with "
      .. "--body or --signature"
  elseif not args.body then
    return "missing option '--body'; or use --last for requests that the running host refused"
  elseif not args.signature then
    return "missing option '--signature'"
  end
end

function M.run(args)
  local wrong = misuse(args)
  if wrong then return console.misuse(NAME, "%s", wrong) end
  if args.last then return verify_last(args) end
  local body, signature, why
  body, why = files.read(args.body)
  if not body then return console.fail(why) end
  signature, why = read_signature(args.signature)
  if not signature then return console.fail(why) end
  local paths, bits = keys_to_try(args)
  if not paths then return console.fail(bits) end

  local crypto = core.crypto
  local usable, unusable = crypto.keys(paths, bits)
  if not usable then return console.fail(unusable) end
  local key, code, message = crypto.verify(paths, bits, body, signature)
  local result = { verified = key ~= nil, key = key, error = code, message = message }
  if not key then result.findings = crypto.diagnose(paths, bits, body, signature) or {} end
  if args.json then
    if result.findings then core.json.array(result.findings) end
    console.say("%s", assert(core.json.encode(result)))
  else
    print_text(result)
  end
  return key and 0 or 1
end

return M
