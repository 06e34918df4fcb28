-- Every key of hookward.lua: its kind, default, range and what it is for.
--
-- This one table checks a configuration and generates its documentation. An entry:
--   key      its name; `fields` are the keys inside it
--   kind     how it is read: see kinds.lua
--   default  as a user would write it; none: the key may be left out
--   min,max  the range, as a user would write it       choices  the texts that are allowed
--   example  for messages, when the default is not a good one
--   as       its name in the table that the host gets, when that differs
--   secret   its value is never shown
--   flag     the flag of `hookward serve` that overrides it
--   not_yet  known, but this version refuses it
--   doc      one or two sentences

return {
  { key = "listen", kind = "listen", default = "127.0.0.1:8080", flag = "--listen",
    doc = 'Where to listen: "host:port", "[::]:8443", "unix:/run/hookward.sock", "systemd" '
      .. "(socket activation), or a list of these. Port 0 lets the kernel choose; the log says "
      .. "what it chose. A Unix socket may have a mode and a group: "
      .. '"unix:/run/hookward.sock,mode=0660,group=www-data".' },
  { key = "path", kind = "url_path", default = "/baseWebhookNotification",
    doc = "The path that notifications are posted to. Every other path is a 404." },
  { key = "control", kind = "control", default = ".hookward.sock",
    doc = "The socket that commands such as `hookward reload` reach the host by, for its own user. "
      .. '"systemd": control.sock in the unit\'s RuntimeDirectory, else in /run/hookward.' },
  { key = "handlers", kind = "path", default = "handlers", flag = "--handlers",
    doc = "The folder of your scripts. All *.lua files in it are loaded in name order." },
  { key = "keys", kind = "patterns", default = { "keys/*" }, as = "key_patterns", flag = "--keys",
    doc = "The public keys that may have signed a notification: files, or patterns of files. Any "
      .. "of them will do; rotating a key is adding a file and later removing the old one." },
  { key = "min_key_bits", kind = "integer", default = 2048, min = 2048, max = 16384,
    doc = "A shorter RSA key is refused when the host starts." },
  { key = "ledger", kind = "ledger", default = "hookward.db", flag = "--ledger",
    doc = 'The file that remembers what was processed. "memory:" is for tests: it forgets.' },
  { key = "workers", kind = "integer", default = 8, min = 1, max = 1024, flag = "--workers",
    doc = "Lua VMs: how many handlers may block at the same time." },
  { key = "handler_timeout", kind = "time", default = 30, min = "10ms", max = "1d",
    as = "handler_timeout_ms",
    doc = "How long a handler may take before the sender is answered 400. Its clock starts when "
      .. "the handler does." },
  { key = "queue_timeout", kind = "time", default = 30, min = "10ms", max = "1d",
    as = "queue_timeout_ms",
    doc = "How long a notification may wait for a worker before the sender is answered 400." },
  { key = "vm_memory", kind = "size", default = "64MB", min = "1MB", max = "64GB",
    doc = "Memory that one Lua VM may use." },
  { key = "max_body", kind = "size", default = "1MB", min = "1KB", max = "1GB",
    doc = "The largest body of a notification; over it the answer is 413." },
  { key = "max_header", kind = "size", default = "16KB", min = "1KB", max = "1MB",
    doc = "Request line, header and trailers together; over it the answer is 431." },
  { key = "max_connections", kind = "integer", default = 10000, min = 1, max = 1000000,
    doc = "Connections at the same time; over it the one that was idle longest is closed for each "
      .. "that comes. When none is idle it is one that is stuck, else new ones wait." },
  { key = "max_connections_per_address", kind = "integer", example = 2500, min = 1, max = 1000000,
    doc = "Connections of one IPv4 address, or of one IPv6 /64; more are closed at once. A quarter "
      .. "of max_connections by default (16 at least). A proxy in front is one address: raise it "
      .. "there. Unix sockets are exempt." },
  { key = "max_unfinished", kind = "integer", default = 1000, min = 1, max = 1000000,
    doc = "Requests that have begun and are not whole yet. Over it the one that is under way "
      .. "longest is answered 400. One address has the same share of these as of the "
      .. "connections." },
  { key = "max_memory_bodies", kind = "size", default = "256MB", min = "1MB", max = "1024GB",
    doc = "Memory for the bodies of all requests that are under way. Over it the largest that is "
      .. "not whole yet is answered 400. Two messages of max_body and max_header always fit." },
  { key = "max_queue", kind = "integer", default = 10000, min = 1, max = 1000000,
    doc = "Notifications that may wait or run; over it the answer is 400, and Accredit retries." },
  { key = "header_timeout", kind = "time", default = 10, min = "10ms", max = "1d",
    as = "header_timeout_ms", doc = "How long a request's header may take to arrive." },
  { key = "body_timeout", kind = "time", default = 30, min = "10ms", max = "1d",
    as = "body_timeout_ms", doc = "How long a body may take to arrive." },
  { key = "idle_timeout", kind = "time", default = 120, min = "10ms", max = "1d",
    as = "idle_timeout_ms",
    doc = "How long a connection may stay open without a request. .NET keeps idle ones for 100s." },
  { key = "drain_timeout", kind = "time", default = 30, min = 0, max = "1d",
    as = "drain_timeout_ms",
    doc = "How long a host that is stopping waits for what has begun." },
  { key = "retries", kind = "times", default = { 60, 300, 1800, 7200, 21600 }, min = "1s",
    max = "30d", not_yet = true,
    doc = "The host's own retries of what failed and will not be delivered again." },
  { key = "unhandled", kind = "choice", default = "reject", choices = { "reject", "accept" },
    doc = 'An event without a handler: "reject" is a 400, "accept" a 200 that is recorded.' },
  { key = "answers", kind = "choice", default = "reasons", choices = { "reasons", "codes" },
    doc = 'What a refusal tells the sender: "reasons", the error code and why, such as the text of '
      .. 'a handler\'s `return nil, reason`; "codes", the code and its fixed text alone.' },
  { key = "validate", kind = "boolean", default = false,
    doc = "Refuse what breaks its event's schema (400 schema_violation): the catalogue's, and "
      .. "those that handlers register with hook.schema. An event without a schema passes." },
  { key = "duplicates", kind = "choice", default = "by-job", choices = { "by-job", "by-body" },
    doc = 'What makes two notifications the same: "by-job", the job id and the body; "by-body", '
      .. "the body alone." },
  { key = "max_age", kind = "time", example = "1h", min = "1s", max = "3650d", as = "max_age_ms",
    doc = "Refuse a notification whose Timestamp is older than this. Off by default." },
  { key = "keep_bodies", kind = "boolean", default = false,
    doc = "Keep the bodies of what succeeded too, so that it can be replayed." },
  { key = "retention", kind = "time", default = "30d", min = "1s", max = "3650d",
    as = "retention_ms", doc = "How long the ledger remembers a notification." },
  { key = "tls", kind = "table", not_yet = true, fields = {
    { key = "cert", kind = "path", doc = "The certificate chain, PEM." },
    { key = "key", kind = "path", doc = "Its private key, PEM." },
    { key = "client_ca", kind = "path", doc = "Ask clients for a certificate of this authority." },
  }, doc = "Speak TLS on every TCP address of `listen`." },
  { key = "admin", kind = "listen", not_yet = true, example = "127.0.0.1:9090",
    doc = "Where the admin pages listen: health, metrics, dashboard." },
  { key = "log", kind = "table", fields = {
    { key = "level", kind = "choice", default = "info", as = "log_level", flag = "--log-level",
      choices = { "debug", "info", "warn", "error" }, doc = "The least level that is logged." },
    { key = "format", kind = "choice", default = "text", as = "log_format", flag = "--log-format",
      choices = { "text", "json" }, doc = 'Lines for people, or JSON objects for machines.' },
  }, doc = "What the log looks like. It goes to stderr." },
  { key = "accredit", kind = "table", secret = true, fields = {
    { key = "url", kind = "string", example = "https://accredit.example.com", as = "accredit_url",
      doc = "The address of the Accredit API." },
    { key = "token", kind = "string", example = "...", as = "accredit_token", secret = true,
      doc = "A token for it; HOOKWARD_ACCREDIT_TOKEN is better." },
  }, doc = "The Accredit API, for `hookward events`, `subscribe` and `trigger`." },
  { key = "settings", kind = "settings", default = {},
    doc = "Yours: what handlers see as hook.config. Strings, numbers, booleans and tables." },
}
