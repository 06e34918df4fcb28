-- Requests for wrk: one signed body, with a new job id each time.
local file = io.open(os.getenv("BODY"))
local body = file:read("*a")
file:close()
local signature, salt, n = os.getenv("SIGNATURE"), os.getenv("SALT"), 0

function request()
  n = n + 1
  return wrk.format("POST", "/baseWebhookNotification", {
    ["X-Signature"] = signature, ["X-JobId"] = salt .. "-" .. n, ["X-JobAttempt"] = "0",
  }, body)
end
