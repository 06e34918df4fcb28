-- Explains Accredit's error codes, and says what to do next.
--
-- A code is ACR_major.minor.increment. Its place in an answer is not documented, so it is found
-- anywhere, in upper and lower case.

local M = {}

---@class hookward.accredit.Code
---@field code string "ACR_02.003.002"
---@field meaning string
---@field advice string
---@field known boolean it is one of the documented ones
---@field is_permission boolean the account lacks a permission: a new token changes nothing

local AGAIN = "Try again later; if it goes on, tell Accredit this code and the time."
local ACCOUNT = " Another token of the same account will not change that."
local INPUT = "Look at EVENT, --url and --tenant: "

local codes = {
  ["00.000.000"] = { "an internal error of Accredit", AGAIN },
  ["00.000.001"] = { "Accredit is not available now", AGAIN },
  ["00.001.001"] = { "this user is not enabled",
    "Ask your Accredit administrator to enable the account." .. ACCOUNT },
  ["00.001.002"] = { "this user is not an API user",
    "Use an account for the API, or ask Accredit to make this one an API user." .. ACCOUNT },
  ["00.001.003"] = { "this user has no permission for the data",
    "Ask your Accredit administrator to give the account data permissions." .. ACCOUNT },
  ["00.001.004"] = { "this user is not linked to an integration partner",
    "Ask Accredit to link the account to your integration partner." .. ACCOUNT },
  ["01.000.000"] = { "the parameters of the call are not valid",
    INPUT .. "something is missing or misspelt." },
  ["01.000.001"] = { "a mandatory value is missing", INPUT .. "one of them is empty." },
  ["01.000.002"] = { "a value could not be mapped",
    INPUT .. "one of them is not of the kind that Accredit expects." },
  ["01.000.003"] = { "the contents of a value are not valid",
    INPUT .. "the URL must be one that Accredit can reach, with https." },
  ["01.000.004"] = { "a value is too long or too short", INPUT .. "shorten the URL." },
  ["01.000.005"] = { "a country code is not valid", INPUT .. "a country code has two letters." },
  ["01.000.006"] = { "an email address is not valid", INPUT .. "none of them should hold one." },
  ["01.000.007"] = { "the tenant is not valid",
    "Check --tenant: the account must have access to it. Without --tenant the subscription is for "
      .. "the whole system." },
  ["02.003.000"] = { "there is no such subscription",
    "Subscribe first: hookward subscribe EVENT --url URL" },
  ["02.003.001"] = { "there is no such notification event",
    "`hookward events` lists the events that this account may subscribe to; upper and lower case "
      .. "matter." },
  ["02.003.002"] = { "a subscription with the same values already exists",
    "If its Signature Key is in your keys folder, there is nothing to do: all subscriptions of a "
      .. "user share one key. Otherwise save it there from where it was first shown, or ask "
      .. "Accredit for it." },
  ["02.003.003"] = { "there is no signature key for this user",
    "Ask Accredit to create a Signature Key for the account, then subscribe again." },
}

-- For codes that are not documented: what each family is about.
local families = {
  ["00.000"] = { "Accredit could not do it", AGAIN },
  ["00.001"] = { "the account may not do this", "Ask your Accredit administrator." .. ACCOUNT },
  ["01.000"] = { "a value of the call is not valid", INPUT .. "Accredit's message says which." },
  ["02.003"] = { "Accredit refuses this for its notifications",
    "`hookward events` lists the events that this account may subscribe to." },
}

local function describe(family, increment)
  local number = family .. "." .. increment
  local words = codes[number] or families[family]
    or { "a code that hookward does not know", "Look it up in Accredit's API documentation." }
  return {
    code = "ACR_" .. number,
    meaning = words[1],
    advice = words[2],
    known = codes[number] ~= nil,
    is_permission = family == "00.001",
  }
end

---The codes in a text, each once, in the order of the text.
---@param text string an answer's body
---@return hookward.accredit.Code[]
function M.find(text)
  local found, seen = {}, {}
  for family, increment in text:gmatch("[Aa][Cc][Rr][_%- ]?(%d%d%.%d%d%d)%.(%d%d%d)") do
    local one = describe(family, increment)
    if not seen[one.code] then found[#found + 1] = one end
    seen[one.code] = true
  end
  return found
end

---All documented codes, sorted.
---@return string[]
function M.documented()
  local all = {}
  for number in pairs(codes) do all[#all + 1] = "ACR_" .. number end
  table.sort(all)
  return all
end

return M
