#!/bin/sh
# The whole way of a notification on this machine: the sandbox stands in for Accredit, examples/hello
# is served, subscribed, and gets one sample. Ctrl-C ends both.
# usage: HOOKWARD=build/hookward DEV=build/development sh examples/run.sh
#        LISTEN, SANDBOX: other addresses than 127.0.0.1:8080 and :8090; ONCE=1: end after the sample
set -eu
here=$(cd "$(dirname "$0")/hello" && pwd)
project=$DEV/run
mkdir -p "$project/keys"
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
  ledger = "memory:",
  accredit = { url = "http://$sandbox" },
}
CONFIG

# Tries until it succeeds; gives up when the process that it needs has ended.
until_done() {
  process=$1
  shift
  until "$@"; do
    kill -0 "$process" 2>/dev/null || exit 1
    sleep 0.05
  done
}
list_events() { events=$("$HOOKWARD" events -c "$project/hookward.lua" --retries 0 2>/dev/null); }

say "1. A stand-in for Accredit: hookward sandbox --listen $sandbox"
"$HOOKWARD" sandbox --listen "$sandbox" --url "$url" --key "$project/sandbox.pem" &
started=$!
until_done $! list_events

say "2. Which events are there? hookward events"
echo "$events"

say "3. Subscribe, and save the Signature Key: hookward subscribe $event --url $url"
"$HOOKWARD" subscribe "$event" -c "$project/hookward.lua" --url "$url"

say "4. The host with the handlers of examples/hello: hookward serve"
rm -f "$project/.hookward.sock" # made anew once the host listens
"$HOOKWARD" serve -c "$project/hookward.lua" &
host=$!
started="$started $host"
until_done $host test -S "$project/.hookward.sock"

say "5. A sample notification: hookward trigger $event --url $url"
"$HOOKWARD" trigger "$event" -c "$project/hookward.lua" --url "$url"
sleep 0.5 # its delivery is shown by the two above

say "That was a signed notification, verified and handled. Edit $here/handlers/badges.lua: it is live
when it is saved. One more sample, from another terminal:"
cat <<TEXT

  HOOKWARD_ACCREDIT_USER=sandbox HOOKWARD_ACCREDIT_PASSWORD=sandbox \\
    $HOOKWARD trigger $event -c $project/hookward.lua --url $url

Ctrl-C ends both.
TEXT
[ -z "${ONCE:-}" ] || end 0
wait $host || end $?
end 0
