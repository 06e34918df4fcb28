#!/bin/sh
# The whole way of a notification on this machine: the sandbox stands in for Accredit, examples/hello
# is served, subscribed, and gets one sample. Ctrl-C ends both.
# usage: HOOKWARD=build/hookward DEV=build/development sh examples/run.sh
#        LISTEN, SANDBOX: other addresses than 127.0.0.1:8080 and :8090; ONCE=1: end after the sample
set -eu
here=$(cd "$(dirname "$0")/hello" && pwd)
project=$DEV/run
rm -rf "$project"
"$HOOKWARD" init "$project" >/dev/null # with a key for development, since no host starts without one
listen=${LISTEN:-127.0.0.1:8080}
sandbox=${SANDBOX:-127.0.0.1:8090}
url=http://$listen/baseWebhookNotification
event=BadgeExportZipFile.Created
export HOOKWARD_ACCREDIT_USER=sandbox HOOKWARD_ACCREDIT_PASSWORD=sandbox # the sandbox's account

started=
end() {
  trap - INT TERM EXIT
  [ -z "$started" ] || kill -TERM $started 2>/dev/null || true
  wait
  exit "$1"
}
trap 'end 0' INT TERM
trap 'end 1' EXIT

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
[ -t 1 ] || say() { printf '\n%s\n' "$*"; }

cat >"$project/hookward.lua" <<CONFIG
-- Written by examples/run.sh.
return {
  listen = "$listen",
  handlers = "$here/handlers",
  keys = { "keys/*" },
  ledger = "hookward.db",
  accredit = { url = "http://$sandbox" },
}
CONFIG

# Tries until it succeeds; gives up when the process that it needs has ended.
until_done() {
  process=$1
  shift
  tries=400 # 20 s
  until "$@"; do
    kill -0 "$process" 2>/dev/null || exit 1
    tries=$((tries - 1))
    [ $tries -gt 0 ] || { echo "waited in vain for: $*" >&2; exit 1; }
    sleep 0.05
  done
}
reload() { "$HOOKWARD" reload -c "$project/hookward.lua" >/dev/null 2>&1; }
is_handled() {
  "$HOOKWARD" jobs list -c "$project/hookward.lua" --state succeeded --json | grep -q "$event"
}
list_events() { events=$("$HOOKWARD" events -c "$project/hookward.lua" --retries 0 2>/dev/null); }

say "1. A stand-in for Accredit: hookward sandbox --listen $sandbox"
"$HOOKWARD" sandbox --listen "$sandbox" --url "$url" --key "$project/sandbox.pem" &
started=$!
until_done $! list_events

say "2. Which events are there? hookward events"
echo "$events"

say "3. The host with the handlers of examples/hello: hookward serve --dev"
"$HOOKWARD" serve --dev -c "$project/hookward.lua" &
host=$!
started="$started $host"
until_done $host reload

say "4. Subscribe, and save the Signature Key: hookward subscribe $event --url $url"
"$HOOKWARD" subscribe "$event" -c "$project/hookward.lua" --url "$url"
until_done $host reload # it takes a new key by itself; this waits for it

say "5. A sample notification: hookward trigger $event --url $url"
"$HOOKWARD" trigger "$event" -c "$project/hookward.lua" --url "$url"
until_done $host is_handled

say "6. Look at it: hookward dash"
"$HOOKWARD" dash -c "$project/hookward.lua"

say "That was a signed notification, verified and handled. Edit $here/handlers/badges.lua: it is live
when it is saved. One more sample, from another terminal:"
# No other program prints this: a Ctrl-C would strike it as well.
printf '\n  HOOKWARD_ACCREDIT_USER=sandbox HOOKWARD_ACCREDIT_PASSWORD=sandbox \\\n'
printf '    %s trigger %s -c %s --url %s\n' "$HOOKWARD" "$event" "$project/hookward.lua" "$url"
printf '\nCtrl-C ends both.\n'
[ -z "${ONCE:-}" ] || end 0
code=130
while [ $code -gt 128 ]; do # a Ctrl-C ends this wait before it ends the host
  code=0
  wait $host || code=$?
done
end $code
