---@meta hookward

-- Annotations for editors (lua-language-server): everything that handlers and specs see of hookward.
-- Nothing runs this file; spec/meta_spec.lua compares it with the real API, name by name.
-- `hookward init` puts a copy into a new project.

-- ---- notifications ----

---@class hookward.Event a decoded notification
---@field Event string "Entity.Event"
---@field Timestamp string when it happened: "2024-05-10T11:09:21.248Z"
---@field [string] any null is hook.null; whole numbers up to 64 bits are integers

---@class BadgeExportZipFile.Created: hookward.Event a zip file of badge PDFs is ready
---@field Event "BadgeExportZipFile.Created"
---@field Timestamp string
---@field BadgeExportZipFileId string a UUID, for the print-queue API

---@class hookward.Job what is known of a notification, apart from its content
---@field id string X-JobId, or the first 16 digits of the digest
---@field attempt integer X-JobAttempt: 0 is the first delivery
---@field retry integer the host's own retry of this number; 0 for a delivery and for a replay
---@field run integer 1 for its first run; with a ledger that hosts share it grows with each run
---@field last boolean if this run fails, neither the sender nor the host runs it again
---@field event string its name
---@field digest string SHA-256 of the body, hex
---@field received_at number seconds since 1970
---@field redelivered boolean a handler may have begun it before
---lower-case names; values of a repeated name are joined. In a run from the ledger: what was kept, at
---most 8 KB, without authorization, proxy-authorization and cookie
---@field headers table<string, string>
---@field body string the raw bytes, as they were signed
---@field key string the name of the key that verified it
---@field client? string the verified name in the sender's TLS certificate; nil without `client_ca`, and
---when the host runs the notification again from its ledger
---@field remote? string the client's address: "203.0.113.7", "2001:db8::7", "unix"; nil when the host
---runs the notification again from its ledger

---nothing or a true value: 200; nil or false, with or without a reason: 400; the integers 200 and 400;
---hook.never(reason): 400, for good
---@alias hookward.Handler fun(event: hookward.Event, job: hookward.Job): any, any, any

---@alias BadgeExportZipFile.Created.Handler fun(event: BadgeExportZipFile.Created, job: hookward.Job): any, any, any

---@class hookward.Schema a subset of JSON Schema
---@field type? string|string[] object, array, string, number, integer, boolean, null
---@field required? string[] members that must be present
---@field properties? table<string, hookward.Schema> the schemas of members, if they are present
---@field additionalProperties? boolean|hookward.Schema are other members allowed, or their schema
---@field items? hookward.Schema the schema of each item of an array
---@field enum? any[] strings, numbers, booleans and hook.null: the allowed values
---@field format? "date-time"|"uuid" the format of a string

---@class hookward.HandlerOptions
---@field schema? boolean|hookward.Schema refuse a body that breaks the event's own schema, or this one
---@field ack? "first"|"last" "first": the sender gets 200 once it is in the ledger, then it runs; default: `ack`
---@field key? fun(event: hookward.Event): string|integer|false|nil those with one key run one after another, in order
---of arrival; a text of at most 256 bytes or an integer; nil, false: in any order. Needs ack = "first"
---@field concurrency? integer at most so many of its runs at once, 1 to 1024. Needs ack = "first"

-- ---- the module ----

---@class hookward
---@field version string "0.1.0"
---@field null userdata stands for JSON's null, decoded and encoded
---@field json hookward.json
---@field http hookward.http
---@field log hookward.log
---@field config table<string, any> `settings` of hookward.lua, read-only
local hook = {}

---Registers a handler for the events that match a pattern; the most specific one gets an event.
---@param pattern string an exact name, "Entity.*", "*.Event" or "*"
---@param options hookward.HandlerOptions
---@param fn hookward.Handler
---@overload fun(pattern: "BadgeExportZipFile.Created", fn: BadgeExportZipFile.Created.Handler)
---@overload fun(pattern: "BadgeExportZipFile.Created", options: hookward.HandlerOptions, fn: BadgeExportZipFile.Created.Handler)
---@overload fun(pattern: string, fn: hookward.Handler)
function hook.on(pattern, options, fn) end

---Registers a function to be called when this version of the scripts is no longer used.
---@param fn fun()
function hook.on_unload(fn) end

---Gives a notification up for good, as in `return hook.never("the badge was deleted")`: it is dead at
---once (400 given_up). Neither the host nor a later delivery runs it again; a replay does.
---@param reason? string as of `return nil, reason`
---@return nil
---@return string? reason
---@return userdata mark tells the host that this is for good
function hook.never(reason) end

---Sets the delay before the host's next retry, in place of the one that `retries` has, should this run
---fail. It has no effect while Accredit will deliver the notification again, nor after the last retry.
---Raises an error outside a handler.
---@param delay hookward.Time from 1 ms to 30 days
function hook.retry_after(delay) end

---Gives an event of your own a schema, for `schema = true` and for `validate` in hookward.lua.
---@param event string the exact name
---@param schema hookward.Schema
function hook.schema(event, schema) end

---Starts a host that runs beside the program, with its own threads and Lua states. Not allowed in a
---handler. Returns nil and one line for each mistake in the configuration.
---@param options hookward.Options|string a table as hookward.lua returns it, or the file's name
---@return hookward.Host? host
---@return string? why
function hook.start(options) end

---Runs a host until it is told to stop (by a signal, if `signals` is true). Not allowed in a handler.
---@param options hookward.Options|string a table as hookward.lua returns it, or the file's name
---@return boolean? ok it drained, and nothing was cut off
---@return string? why
function hook.serve(options) end

---@class hookward.json
hook.json = {}

---@param text string
---@return any value null is hook.null; arrays have a metatable, which keeps [] from becoming {}
---@return string? why "... at byte N" when the value is nil
function hook.json.decode(text) end

---@param value any a table with __pairs (hook.config, a job) is encoded by what that iterates over; an
---empty table is {}, unless it was [] in JSON or comes from hook.json.array
---@return string? text
---@return string? why "cannot encode ... at PLACE"
function hook.json.encode(value) end

---Marks a table to be encoded as [] when it is empty. Raises an error if it has another metatable.
---@generic T: table
---@param table T
---@return T table the same table
function hook.json.array(table) end

---@class hookward.http outgoing HTTP and HTTPS; certificates are verified, redirects not followed
hook.http = {}

---@class hookward.http.Options
---@field headers? table<string, string|number>
---@field timeout? number seconds, for the whole exchange; default: 10
---@field unix? string the path of a Unix socket to connect to instead of the url's host
---@field connect? string "host:port" to connect to instead of the url's; the certificate must be for the url's
---@field proxy_protocol? boolean begin the connection with a header of the PROXY protocol
---@field answer_max? integer bytes of the answer's body; a longer one is an error
---@field ca? string a file of certificates (PEM): only these are trusted
---@field client_cert? string the client certificate to show; a PEM file
---@field client_key? string its private key, not encrypted; a PEM file; default: it is in client_cert
---@field expect? number seconds to wait for a 100 Continue before the body is sent
---@field send_rate? integer bytes of the body to send per second

---@class hookward.http.Request: hookward.http.Options
---@field url string http://... or https://...
---@field method? string default: GET, or POST with a body
---@field body? string|table a table is sent as JSON

---@class hookward.http.Answer
---@field status integer
---@field headers table<string, string> lower-case names
---@field body string

---@alias hookward.http.Failure "resolve"|"connect"|"timeout"|"tls"|"closed"|"proxy"|"failed"

---@param request hookward.http.Request
---@return hookward.http.Answer? answer
---@return string? why
---@return hookward.http.Failure? kind
function hook.http.request(request) end

---@param url string
---@param options? hookward.http.Options
---@return hookward.http.Answer? answer
---@return string? why
---@return hookward.http.Failure? kind
function hook.http.get(url, options) end

---@param url string
---@param body? string|table a table is sent as JSON
---@param options? hookward.http.Options
---@return hookward.http.Answer? answer
---@return string? why
---@return hookward.http.Failure? kind
function hook.http.post(url, body, options) end

---@class hookward.log writes lines of the host's log; `print` writes one of level info
hook.log = {}

---@param message any shown as tostring makes it
---@param fields? table<string, any> shown as name=value, or under "fields" in JSON; tables as JSON
function hook.log.debug(message, fields) end

---@param message any
---@param fields? table<string, any>
function hook.log.info(message, fields) end

---@param message any
---@param fields? table<string, any>
function hook.log.warn(message, fields) end

---@param message any
---@param fields? table<string, any>
function hook.log.error(message, fields) end

-- ---- configuration ----

---@alias hookward.Time number|string seconds, or "500ms", "90s", "10m", "1h", "30d"
---@alias hookward.Size integer|string bytes, or "64KB", "1MB"

---@class hookward.TlsPair
---@field cert string the certificate, then those that signed it; a PEM file
---@field key string its private key; a PEM file

---@class hookward.TlsClients
---@field client_ca? string only clients with a certificate that one of these authorities signed; a PEM file
---@field crl? string revoked client certificates; a PEM file
---@field client_names? string|string[] only clients with one of these names

---@class hookward.TlsOne: hookward.TlsPair, hookward.TlsClients
---@class hookward.TlsMany: hookward.TlsClients the pairs are at [1], [2], ...
---@field [integer] hookward.TlsPair
---@alias hookward.TlsSettings hookward.TlsOne|hookward.TlsMany

---@class hookward.ListenTable
---@field [1] string the address
---@field tls? hookward.TlsSettings|false
---@field mode? string a Unix socket's, such as "0660"
---@field group? string a Unix socket's
---@field proxy_protocol? boolean each connection begins with a header of the PROXY protocol
---@alias hookward.Listen string|hookward.ListenTable

---@class hookward.Settings what hookward.lua returns
---@field listen? hookward.Listen|hookward.Listen[] "127.0.0.1:8080",
---"unix:/run/hookward.sock,mode=0660,group=www", "systemd", "systemd:NAME"
---@field path? string default: "/baseWebhookNotification"
---@field control? string the control socket: a path, or "systemd"; default: ".hookward.sock"
---@field handlers? string the folder of the scripts; default: "handlers"
---@field keys? string|string[] files of public keys, or patterns; default: "keys/*"
---@field min_key_bits? integer default: 2048
---@field ledger? string a file, "postgres://user@host/database", or "memory:"; default: "hookward.db"
---@field lease? hookward.Time on PostgreSQL: how long a host that died may hold what it had; default: 15
---@field ledger_schema? string on PostgreSQL: the schema that has the tables; default: "hookward"
---@field host_name? string on PostgreSQL: what this host is called; default: the machine's name
---@field workers? integer how many handlers may block at once; default: 8
---@field handler_timeout? hookward.Time default: 30
---@field queue_timeout? hookward.Time default: 30
---@field vm_memory? hookward.Size default: "64MB"
---@field max_body? hookward.Size default: "1MB"
---@field max_header? hookward.Size default: "16KB"
---@field max_connections? integer default: 10000
---@field max_connections_per_address? integer default: a quarter of max_connections, 16 at least
---@field max_unfinished? integer default: 1000
---@field max_memory_bodies? hookward.Size default: "256MB"
---@field max_backlog? integer accepted ack-first, and not run to its end yet; default: 1000000
---@field min_disk_free? hookward.Size under it nothing is accepted ack-first; default: "256MB"
---@field max_queue? integer default: 10000
---@field header_timeout? hookward.Time default: 10
---@field body_timeout? hookward.Time default: 30
---@field idle_timeout? hookward.Time default: 120
---@field drain_timeout? hookward.Time default: 30
---@field retries? hookward.Time[] the delays before the host's own retries, at most 100, each from 1 s
---to 30 days; {}: none; default: { 60, 300, 1800, 7200, 21600 }
---@field unhandled? "reject"|"accept" an event without a handler: 400 or 200
---@field ack? "last"|"first" when a sender gets its 200: after the handler, or before it; default: "last"
---@field answers? "reasons"|"codes" whether a refusal tells the sender why; default: "reasons"
---@field validate? boolean check every event that has a schema
---@field duplicates? "by-job"|"by-body"
---@field max_age? hookward.Time refuse a Timestamp that is older, or as far ahead
---@field keep_bodies? boolean also keep the bodies of successes
---@field retention? hookward.Time default: "30d"
---@field dead_retention? hookward.Time|"never" how long what is dead is kept; default: "never"
---@field tls? hookward.TlsSettings
---@field allow? string|string[] addresses and networks that may send; {}: all
---@field trusted_proxies? string|string[] those whose X-Forwarded-For is believed
---@field max_failures_per_address? integer a minute; over it, requests are verified last
---@field admin? string|table|false where the admin page, health and metrics are
---@field mask? string[] events, and patterns of events, whose bodies are hidden
---@field log? { level?: "debug"|"info"|"warn"|"error", format?: "text"|"json" }
---@field accredit? { url?: string, token?: string }
---@field settings? table<string, any> your own: hook.config

-- ---- a host in a program ----

---@class hookward.Options: hookward.Settings paths start from the current folder
---@field config? string a configuration file to read first; the table takes precedence
---@field signals? boolean SIGTERM and SIGINT drain this host, SIGHUP reloads it; default: false

---@class hookward.Stats counts since the start; each is read at a slightly different moment
---@field state "running"|"stopping"|"stopped"
---@field received integer notifications that arrived complete, copies included
---@field succeeded integer handled, recorded and answered 200
---@field unhandled integer answered 200 without a handler (unhandled = "accept")
---@field duplicates integer answered from the ledger
---@field joined integer copies of a notification in flight, which got its answer
---@field errors table<string, integer> refused or failed, by error code; every code is a key
---@field replayed integer recorded notifications that ran again and succeeded
---@field replays_failed integer recorded notifications that ran again and failed
---@field acked_first integer answered 200 before they ran (ack-first)
---@field retried integer the host's own retries that succeeded
---@field retries_failed integer the host's own retries that failed
---@field verified_last integer notifications that were verified after others (max_failures_per_address)
---@field stuck integer handlers that did not return within handler_timeout
---@field replaced integer workers that were replaced because their handler could not be stopped
---@field unreplaced integer workers lost in the same way after `workers` replacements: restart the host
---@field in_flight integer complete requests that are under way now
---@field connections integer connections that are open now
---@field accepted integer connections that were accepted
---@field turned_away integer connections that were closed at once: their address had too many, or no
---file was left
---@field bad_proxy_headers integer connections closed because they had no proper PROXY protocol header
---@field made_room integer idle connections that were closed for new ones
---@field out_of_files integer how often no file or memory was left for a new connection
---@field handshakes integer TLS handshakes that were completed
---@field handshakes_resumed integer completed handshakes that resumed an earlier session
---@field handshakes_failed integer TLS handshakes that failed: the log says why
---@field version string the version of the scripts and settings in use: 16 hex digits
---@field release integer 1 at the start, one more with each version since
---@field reloads integer versions that took effect since the start
---@field reloads_failed integer attempts to reload that changed nothing
---@field reload_error? string why the last attempt failed; nil if it succeeded

---@class hookward.Host a host that runs until it is stopped, closed (`<close>`) or collected
local Host = {}

---Waits until it has stopped.
---@param seconds? number the longest time to wait (default: for ever)
---@return boolean? ok nothing was cut off
---@return string? why "it is still running", or what did not end
function Host:wait(seconds) end

---Drains and waits for the end; may be called again.
---@return boolean? ok nothing was cut off
---@return string? why
function Host:stop() end

---Reads configuration, keys and handlers again and waits for the outcome. (The host also notices
---changed files by itself.)
---@return string? live what is in use now, one line
---@return string? why it failed; the old version goes on
function Host:reload() end

---@return string[] addresses as `listen` takes them, with the ports that the kernel chose
function Host:addresses() end

---@return hookward.Stats
function Host:stats() end

-- ---- hookward.app: in a module that answers requests of its own, as the sandbox does ----

---@class hookward.AppRequest what an app's handle gets
---@field method string
---@field path string
---@field query string without the question mark
---@field headers table<string, string> lower-case names
---@field body string
---@field peer string the address that it came from

---What an app's module returns, by itself or as `handle`; it must not block. The status is 200 to 599;
---a table as body is sent as JSON. Instead of an answer it may return the object of app.later().
---@alias hookward.AppHandler fun(request: hookward.AppRequest): integer|hookward.AppLater, hookward.AppHeaders?, string|table?
---@alias hookward.AppHeaders table<string, string|number|(string|number)[]>

---@class hookward.AppModule
---@field handle hookward.AppHandler
---@field start? fun(addresses: string[]) called once, when the listeners are open

---An answer that comes later, in one piece (answer) or in many (begin, send, finish). Its functions
---raise an error after the last piece. Without any reference to it, or when the handler fails, the
---client gets 500, or its connection is closed in the middle.
---@class hookward.AppLater
local Later = {}

---Answers, as a handler would by returning the same values.
---@param status integer 200 to 599
---@param headers? hookward.AppHeaders
---@param body? string|table
---@return boolean done
---@return "gone"? why the client has left, or its 30 s were up
function Later:answer(status, headers, body) end

---Sends the head of an answer in pieces. The 30 s don't concern these.
---@param status integer 200 to 599
---@param headers? hookward.AppHeaders
---@return boolean done
---@return "gone"|"full"? why "full": 100 of these answers are under way
function Later:begin(status, headers) end

---Sends a piece.
---@param text string at most 256 KB
---@return boolean done
---@return "gone"|"full"? why "full": over 256 KB wait for the client to read them; nothing was taken
function Later:send(text) end

---Ends an answer in pieces.
---@return boolean done
---@return "gone"? why
function Later:finish() end

---@return boolean gone nobody waits for the answer any more
function Later:gone() end

---@class hookward.app
---@field settings table<string, any> what the app was started with
local app = {}

---Calls a function once, later.
---@param seconds number 0 to 1e9
---@param fn fun()
---@return integer number for cancel
function app.after(seconds, fn) end

---@param number integer of after
---@return boolean cancelled true if it had not been called yet
function app.cancel(number) end

---Sends a request and returns at once. The function gets later what hook.http.request would return.
---@param options hookward.http.Request
---@param fn fun(answer: hookward.http.Answer?, why: string?, kind: hookward.http.Failure?)
---@return boolean? begun
---@return string? why it failed; the function is not called then
---@return hookward.http.Failure? kind
function app.request(options, fn) end

---While a request is handled, makes the object that its handler returns to answer later.
---@return hookward.AppLater later
function app.later() end

-- ---- hookward.testing ----

---@class hookward.testing
local testing = {}

---@class hookward.testing.Options: hookward.Settings
---@field config? string a configuration file to read first; the other options take precedence
---@field clock? number|string the time at which the clock stands, as for app:clock; default: the real clock
---@field http? table<string, hookward.testing.Stub> "GET https://..." -> answer: stubs from the start

---Loads a set of handlers as a host does. Raises an error if it does not load.
---@param handlers? string the folder; default: what `config` says, else "handlers"
---@param options? hookward.testing.Options
---@return hookward.testing.App app
function testing.load(handlers, options) end

---@class hookward.testing.Answer what a call of hook.http gets
---@field status? integer default: 200
---@field headers? table<string, string>
---@field body? string|table a table is sent as JSON
---@field error? string no answer: what hook.http returns after nil
---@field kind? hookward.http.Failure with error; default: "failed"

---@alias hookward.testing.Answerer fun(call: hookward.testing.HttpCall): hookward.testing.Answer?

---one answer, a list of them for one call after the other, or a function
---@alias hookward.testing.Stub
---| hookward.testing.Answer
---| hookward.testing.Answer[]
---| hookward.testing.Answerer

---@class hookward.testing.HttpCall what a handler asked of hook.http
---@field method string
---@field url string
---@field headers table<string, string> lower-case names
---@field body? string
---@field timeout number seconds
---@field unix? string

---@class hookward.testing.Log a line of the log
---@field level "debug"|"info"|"warn"|"error"
---@field message string
---@field fields table<string, any>

---@class hookward.testing.Post
---@field body string the raw body
---@field signature? string|false Base64; default: made with the throw-away key; false: none
---@field id? string|false X-JobId; default: a new one; false: none
---@field attempt? integer|false X-JobAttempt; default: 0
---@field headers? table<string, string|number|false> false leaves a header out
---@field at? number|string the time of this delivery, as for app:clock
---@field client? string job.client: the verified name in the sender's certificate; default: none
---@field remote? string job.remote: an address or "unix"; default: "127.0.0.1"

---@class hookward.testing.Delivery
---@field body? string in place of the body made from event and fields
---@field signature? string|false
---@field id? string|false
---@field attempt? integer|false
---@field headers? table<string, string|number|false>
---@field at? number|string
---@field client? string
---@field remote? string

---@class hookward.testing.Result the result of a delivery
---@field status integer of the answer
---@field body string of the answer: JSON
---@field error? string the code: "handler_refused", "handler_error", "no_handler", ...
---@field message? string the text that the sender gets
---@field reason? string what the handler returned after nil, in full
---@field detail? string the error with its traceback, which only log and ledger get
---@field logs hookward.testing.Log[]
---@field http_calls hookward.testing.HttpCall[]
---@field ran? boolean the handler ran
---@field accepted boolean it was answered 200 before it ran (ack = "first"); error and message are of the run then
---@field duplicate? boolean it was answered from the ledger
---@field unhandled? boolean accepted without a handler
---@field place? string where the handler is: "handlers/badges.lua:8"
---@field event? string
---@field id? string
---@field attempt? integer
---@field retry? integer the host's own retry of this number; 0: a delivery
---@field state? "succeeded"|"failed"|"queued"|"dead"|"unhandled" in the ledger; nil: it is not recorded
---@field next_run_at? number when the host runs it again by itself, seconds since 1970; nil: it does not
---@field digest? string
---@field key? string
---@field sent table what was sent, for app:redeliver
local Result = {}

---Fails the spec, with all that is known of the delivery, unless it had this answer.
---@param status integer
---@param error_code? string
---@return hookward.testing.Result self
function Result:expect(status, error_code) end

---The first line of the log whose message matches.
---@param pattern string a Lua pattern
---@param level? "debug"|"info"|"warn"|"error"
---@return hookward.testing.Log? log
function Result:logged(pattern, level) end

---@class hookward.testing.App a set of handlers
---@field http_calls hookward.testing.HttpCall[] all since the app was loaded
---@field logs hookward.testing.Log[] all since the app was loaded
local App = {}

---Delivers a notification, signed by the throw-away key.
---@param event string its name
---@param fields? table<string, any> of the body, besides Event and Timestamp (the clock's time)
---@param options? hookward.testing.Delivery
---@return hookward.testing.Result
function App:deliver(event, fields, options) end

---Delivers the same bytes again, as the sender's retry does: the same id, the next attempt.
---@param result hookward.testing.Result
---@param options? { attempt?: integer, at?: number|string }
---@return hookward.testing.Result
function App:redeliver(result, options) end

---Posts a body, as a sender would.
---@param options hookward.testing.Post
---@return hookward.testing.Result
function App:post(options) end

---Signs a body with the throw-away key; returns the signature in Base64.
---@param body string
---@return string
function App:sign(body) end

---Says what a call of hook.http gets. A call without a stub fails the spec.
---@param method string "GET"; "*" is any
---@param url string the whole url; a star stands for any characters
---@param answer hookward.testing.Stub
function App:stub_http(method, url, answer) end

---Returns the time, or stops the clock at a time: job.received_at, os.time(), os.date() and max_age.
---@param at? number|string seconds since 1970, or UTC as in "2024-05-10T11:09:21Z"
---@return number seconds since 1970
function App:clock(at) end

---Moves the clock forward, and stops it there. On the way the host's own retries run, each when it is due; one that
---fails may be due again in this time. They come exactly after the times of `retries`.
---@param amount hookward.Time below 0: back, and nothing runs
---@return hookward.testing.Result[] results of what ran, in order
function App:advance(amount) end

---The patterns of the handlers, the most specific first.
---@return { pattern: string, place: string, schema: "its own"|"the event's"|"each event's"|nil, way: string? }[]
function App:routes() end

---Ends the app: calls the functions of hook.on_unload. May be called again.
---@return hookward.testing.Log[] logs of these functions
function App:unload() end

return hook, testing, Result, App, Host, app, Later
