-- hookward verify: does this signature fit this body, and if not, why?

local config = require "hookward.config"
local console = require "hookward.console"
local core = require "hookward.core"
local files = require "hookward.files"
local options = require "hookward.options"

local M = {
  summary = "Say whether a signature fits a body, and if not, why.",
  usage = "--body FILE --signature TEXT [OPTION...]",
  description = "Checks one X-Signature against one body, byte for byte, with each key. When none "
    .. "fits it says what would make it fit (a stripped BOM, other line ends, URL-safe Base64, "
    .. "another padding or hash); it never accepts that. Exits 0 when it fits, else 1.",
  examples = {
    "hookward verify --body body.json --signature @signature.txt",
    "hookward verify --body body.json --signature 'mUB1...==' --key accredit.pem",
    "xclip -o | hookward verify --body - --signature @signature.txt --json",
  },
}

local MIN_BITS = 2048

function M.define(parser)
  parser:option("--body", "The raw body: a file, or - for the standard input."):argname("FILE")
    :count(1)
  parser:option("--signature", "The value of X-Signature, or @FILE to read it from a file.")
    :argname("TEXT"):count(1)
  parser:option("--key", "A public key to try instead of the configuration's. May be repeated.")
    :argname("FILE"):count("*")
  options.config(parser, "The configuration that names the keys (default: HOOKWARD_CONFIG, or "
    .. "hookward.lua).")
  parser:flag("--json", "Print one JSON object: verified, key, error, message, findings.")
end

-- White space around it is not part of a header's value either.
local function read_signature(argument)
  local text, why = files.read_argument(argument)
  return text and text:match("^%s*(.-)%s*$"), why
end

-- The key files to try, and the least bits; or nil and lines.
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

function M.run(args)
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
