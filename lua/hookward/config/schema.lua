-- Every key of hookward.lua: its kind, default, range and purpose.
--
-- This one table checks a configuration and generates its documentation. An entry:
--   key      its name; `fields` are the keys inside it
--   kind     how it is read: see kinds.lua
--   default  as a user would write it; without one, the key may be left out
--   min,max  the range, as a user would write it
--   most     how many a list may have
--   choices  the texts that are allowed
--   example  for messages, if the default is not a good example
--   as       its name in the table that the host gets, if that differs
--   unix     networks may name "unix"
--   secret   its value is never shown
--   flag     the flag of `hookward serve` that overrides it
--   doc      one or two sentences

-- A fleet's tests don't wait for a real lease.
local SHORTEST_LEASE = os.getenv "HOOKWARD_TEST" == "1" and "1s" or "5s"

return {
  { key = "listen", kind = "listen", default = "127.0.0.1:8080", flag = "--listen",
    doc = 'Where to listen: "host:port", "[::]:8443", "unix:/run/hookward.sock", "systemd" '
      .. '(all sockets that systemd hands over), "systemd:NAME" (those with this '
      .. "FileDescriptorName=), or a list of these. With port 0 the kernel chooses a port, and the "
      .. "log names it. A Unix socket may have a mode and a group: "
      .. '"unix:/run/hookward.sock,mode=0660,group=www-data". A listener with options '
      .. 'of its own is a table: { "0.0.0.0:8443", tls = { ... }, proxy_protocol = true } or '
      .. '{ "unix:h.sock", mode = "0660", group = "www-data" }. tls = false exempts it '
      .. 'from `tls` below.' },
  { key = "path", kind = "url_path", default = "/baseWebhookNotification",
    doc = "The path to which notifications are posted. Every other path is a 404." },
  { key = "control", kind = "control", default = ".hookward.sock",
    doc = "The socket through which commands such as `hookward reload` reach the host; only for "
      .. 'the host\'s own user. "systemd" means control.sock in the unit\'s RuntimeDirectory, else '
      .. "in /run/hookward." },
  { key = "handlers", kind = "path", default = "handlers", flag = "--handlers",
    doc = "The folder of your scripts. All *.lua files in it are loaded, in name order." },
  { key = "keys", kind = "patterns", default = { "keys/*" }, as = "key_patterns", flag = "--keys",
    doc = "The public keys that may have signed a notification: files, or patterns of files. Any "
      .. "of them may verify it. To rotate a key, add a file, and later remove the old one." },
  { key = "min_key_bits", kind = "integer", default = 2048, min = 2048, max = 16384,
    doc = "A shorter RSA key is refused when the host starts." },
  { key = "ledger", kind = "ledger", default = "hookward.db", flag = "--ledger",
    doc = "Where the host records what was processed: a file; or a database on PostgreSQL that "
      .. 'several hosts share, as libpq takes it: "postgres://user@host/database" ("postgres://" '
      .. "alone means what the environment says: PGHOST, PGDATABASE, PGSERVICE and so on). "
      .. '"memory:" is for tests: nothing is kept.' },
  { key = "lease", kind = "time", default = "15s", min = SHORTEST_LEASE, max = "5m",
    as = "lease_ms",
    doc = "With a ledger on PostgreSQL: how long a host that has died may hold its notifications, "
      .. "before another host takes them. All hosts of a ledger should have the same." },
  { key = "ledger_schema", kind = "identifier", default = "hookward",
    doc = "With a ledger on PostgreSQL: the schema in the database that has its tables. Small "
      .. "letters, digits and _." },
  { key = "host_name", kind = "name", example = "web-3",
    doc = "With a ledger on PostgreSQL: what this host is called in `hookward jobs hosts` and for "
      .. "other hosts. The default is the machine's name." },
  { key = "workers", kind = "integer", default = 8, min = 1, max = 1024, flag = "--workers",
    doc = "Lua VMs: how many handlers may block at the same time." },
  { key = "handler_timeout", kind = "time", default = 30, min = "10ms", max = "1d",
    as = "handler_timeout_ms",
    doc = "How long a handler may take before the sender is answered 400. The time starts when "
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
    doc = "Connections at the same time. When a further one arrives, the one that was idle longest "
      .. "is closed. If none is idle, a stuck one is closed; else new ones wait." },
  { key = "max_connections_per_address", kind = "integer", example = 2500, min = 1, max = 1000000,
    doc = "Connections of one IPv4 address, or of one IPv6 /64; more are closed at once. The "
      .. "default is a quarter of max_connections (at least 16). Loopback, Unix sockets and "
      .. "trusted_proxies are exempt." },
  { key = "max_unfinished", kind = "integer", default = 1000, min = 1, max = 1000000,
    doc = "Requests that have begun and are still incomplete. Over it, the one that began first is "
      .. "answered 400. One address has the same share of these as of the connections." },
  { key = "max_memory_bodies", kind = "size", default = "256MB", min = "1MB", max = "1024GB",
    doc = "Memory for the bodies of all requests under way. Over it, the largest incomplete one is "
      .. "answered 400. Two messages of max_body and max_header always fit." },
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
    doc = "How long a stopping host waits for what has begun." },
  { key = "retries", kind = "times", default = { 60, 300, 1800, 7200, 21600 }, min = "1s",
    max = "30d", most = 100, as = "retries_ms",
    doc = "When the host itself runs again what failed and Accredit does not deliver again: after "
      .. "each of these times, give or take a tenth. Then it is dead. {} turns this off; with "
      .. 'ledger = "memory:" it is off.' },
  { key = "unhandled", kind = "choice", default = "reject", choices = { "reject", "accept" },
    doc = 'An event without a handler: "reject" answers 400, "accept" records it, answers 200.' },
  { key = "ack", kind = "choice", default = "last", choices = { "last", "first" },
    doc = 'When a sender gets its 200: "last", when the handler has succeeded; "first", when the '
      .. "notification is in the ledger, before its handler runs. The host then runs it until it "
      .. 'succeeds or `retries` are used up. A handler can say otherwise: hook.on(event, { ack = '
      .. '"first" }, fn).' },
  { key = "max_backlog", kind = "integer", default = 1000000, min = 1, max = 1000000000,
    doc = "How many notifications may be accepted ack-first and not have run to their end yet. "
      .. "Over it the answer is 400 overloaded." },
  { key = "min_disk_free", kind = "size", default = "256MB", min = "1MB", max = "1024GB",
    doc = "With less room than that on the ledger's disk nothing more is accepted ack-first: the "
      .. "answer is 400 overloaded. With a ledger on PostgreSQL nobody looks." },
  { key = "answers", kind = "choice", default = "reasons", choices = { "reasons", "codes" },
    doc = 'What a refusal tells the sender: with "reasons", the error code and why, such as the '
      .. 'text of a handler\'s `return nil, reason`; with "codes", only the code and its fixed '
      .. "text." },
  { key = "validate", kind = "boolean", default = false,
    doc = "Refuse a body that breaks its event's schema (400 schema_violation). Schemas come from "
      .. "hookward's catalogue and from hook.schema. An event without a schema passes." },
  { key = "duplicates", kind = "choice", default = "by-job", choices = { "by-job", "by-body" },
    doc = 'Which notifications count as the same: "by-job", those with the same job id and body; '
      .. '"by-body", those with the same body.' },
  { key = "max_age", kind = "time", example = "1h", min = "1s", max = "3650d", as = "max_age_ms",
    doc = "Refuse a notification whose Timestamp is older than this, or as far ahead. Off by "
      .. "default." },
  { key = "keep_bodies", kind = "boolean", default = false,
    doc = "Also keep the bodies of notifications that succeeded, so that they can be replayed." },
  { key = "retention", kind = "time", default = "30d", min = "1s", max = "3650d",
    as = "retention_ms",
    doc = "How long the ledger remembers a notification; one that is dead as dead_retention says, "
      .. "and one that is to run again until it has." },
  { key = "dead_retention", kind = "time_or_never", default = "never", min = "1s", max = "3650d",
    as = "dead_retention_ms",
    doc = 'How long the ledger keeps what is dead, with its body: a time, but never less than '
      .. '`retention`; or "never": until `hookward jobs purge` removes it.' },
  { key = "tls", kind = "tls", fields = {
    { key = "cert", kind = "path", example = "cert.pem",
      doc = "The certificate, followed by those that signed it, PEM." },
    { key = "key", kind = "path", example = "key.pem",
      doc = "Its private key, without a passphrase, PEM." },
    { key = "client_ca", kind = "path", example = "ca.pem",
      doc = "Accept only clients with a certificate that one of these authorities signed, PEM." },
    { key = "client_names", kind = "patterns", example = { "sender.example" },
      doc = "Accept only client certificates with one of these names (subjectAltName)." },
    { key = "crl", kind = "path", example = "crl.pem",
      doc = "The authorities' lists of revoked client certificates, PEM." },
  }, doc = "Speak TLS on every TCP listener without a `tls` of its own: { cert = ..., key = ... }, "
      .. "or a list of such pairs. Each client gets the pair for the name that it asks for (SNI), "
      .. "or else the first." },
  { key = "allow", kind = "networks", example = { "203.0.113.0/24" }, default = {},
    doc = "The addresses and networks that may send; everybody else gets 403 not_allowed. An empty "
      .. "list allows all. Loopback and Unix sockets are always allowed." },
  { key = "trusted_proxies", kind = "networks", unix = true,
    example = { "10.0.0.0/8" }, default = {},
    doc = "Proxies and load balancers whose X-Forwarded-For is believed: the address that it names "
      .. 'counts for `allow`, max_failures_per_address, the log and job.remote. "unix" stands for '
      .. "the peers of Unix sockets." },
  { key = "max_failures_per_address", kind = "integer", example = 100, min = 1,
    max = 1000000,
    doc = "How many requests of one address may fail verification within a minute. Over the limit, "
      .. "its requests are verified last, after everybody else's. Off by default." },
  { key = "admin", kind = "admin", flag = "--admin", example = "127.0.0.1:9464",
    doc = "The address for health checks, metrics and the admin page: "
      .. '"127.0.0.1:9464", "unix:admin.sock", or a table { listen = "0.0.0.0:9464", token = '
      .. '"...", read_token = "...", tls = { ... }, hosts = { "hooks.example.com" } }. Whoever '
      .. "has token may change things; whoever has read_token may only look. "
      .. "HOOKWARD_ADMIN_TOKEN and HOOKWARD_ADMIN_READ_TOKEN in the environment do the same. A "
      .. "listener that other machines can reach needs a token. hosts are the names that browsers "
      .. "may use for it. Off by default, but on with `serve --dev`; false turns it off there "
      .. "too." },
  { key = "mask", kind = "events", example = { "Person.*" }, default = {},
    doc = "Events whose bodies are hidden: the admin page and the log never show them, `jobs show` "
      .. 'only with --unmask. Names, or "Entity.*", "*.Event", "*".' },
  { key = "log", kind = "table", fields = {
    { key = "level", kind = "choice", default = "info", as = "log_level", flag = "--log-level",
      choices = { "debug", "info", "warn", "error" }, doc = "The lowest level that is logged." },
    { key = "format", kind = "choice", default = "text", as = "log_format", flag = "--log-format",
      choices = { "text", "json" }, doc = 'Text for people, or JSON objects for machines.' },
  }, doc = "The log, which goes to stderr." },
  { key = "accredit", kind = "table", secret = true, fields = {
    { key = "url", kind = "string", example = "https://accredit.example.com", as = "accredit_url",
      doc = "The address of the Accredit API." },
    { key = "token", kind = "string", example = "...", as = "accredit_token", secret = true,
      doc = "A token for the API. Prefer HOOKWARD_ACCREDIT_TOKEN in the environment." },
  }, doc = "The Accredit API, for `hookward events`, `subscribe` and `trigger`." },
  { key = "settings", kind = "settings", default = {},
    doc = "Your own: handlers see it as hook.config. Strings, numbers, booleans and tables." },
}
