#!/bin/sh
# Serves examples/hello with the development key and delivers one signed sample to it.
# usage: HOOKWARD=build/hookward DEV=build/development sh examples/run.sh
set -eu
here=$(cd "$(dirname "$0")/hello" && pwd)
dev=$(cd "$DEV" && pwd)
listen=${LISTEN:-127.0.0.1:8080}
send="$HOOKWARD send BadgeExportZipFile.Created --key $DEV/private.pem --to http://$listen/baseWebhookNotification"

(
  tries=100
  until $send >/dev/null 2>&1; do
    tries=$((tries - 1))
    [ $tries -gt 0 ] || exit 1
    sleep 0.1
  done
  printf '\n  That was a signed notification, verified and handled. To send one more, paste this into\n  another terminal, in this folder:\n\n    %s\n\n  Ctrl-C stops the host.\n\n' "$send"
) &
exec "$HOOKWARD" serve -c "$here/hookward.lua" --listen "$listen" --keys "$dev/public.pem" --ledger memory:
