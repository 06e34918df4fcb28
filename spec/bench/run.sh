#!/bin/sh
# run.sh -- requests a second of the real host with real signatures; verifications of one core
# usage: HOOKWARD=build/hookward sh spec/bench/run.sh [SECONDS=5] [CONNECTIONS=64] [LEDGER=memory:]
# LEDGER may be postgres://… too; the schema in which it is kept stays: hookward_bench_run.
# Quote the ratio, not the number: machines differ, and the load generator shares the cores.
set -eu
secs=${1:-5} conns=${2:-64} ledger=${3:-${LEDGER:-memory:}}
here=$(cd "$(dirname "$0")" && pwd)
bin=$(cd "$(dirname "$HOOKWARD")" && pwd)/$(basename "$HOOKWARD")
w=$(mktemp -d)
trap 'kill $pid 2>/dev/null || true; rm -rf "$w"' EXIT
mkdir "$w/handlers" "$w/keys"
"$bin" keygen "$w/key" >/dev/null
cp "$w/key/public.pem" "$w/keys/"
cat > "$w/hookward.lua" <<CONFIG
return { listen = "127.0.0.1:9104", ledger = "$ledger", ledger_schema = "hookward_bench_run", log = { level = "warn" } }
CONFIG
cat > "$w/handlers/bench.lua" <<'HANDLER'
local hook = require "hookward"
hook.on("BadgeExportZipFile.Created", function(event) return event.BadgeExportZipFileId ~= nil end)
HANDLER
printf '{"Event":"BadgeExportZipFile.Created","Timestamp":"2024-05-10T11:09:21.248Z","BadgeExportZipFileId":"3fa85f64-5717-4562-b3fc-2c963f66afa6"}' > "$w/body"
SIGNATURE=$(openssl dgst -sha256 -sign "$w/key/private.pem" "$w/body" | base64 -w0)
export SIGNATURE BODY="$w/body" SALT="$$"
(cd "$w" && exec "$bin" serve 2>"$w/log") &
pid=$!
until grep -q . "$w/log" 2>/dev/null || curl -s -o /dev/null http://127.0.0.1:9104/; do :; done
wrk -t1 -c"$conns" -d"${secs}s" --latency -s "$here/notify.lua" http://127.0.0.1:9104 | grep -E 'Requests/sec|50%|99%|Non-2xx' || true
awk '/VmRSS/{print "resident memory (kB):", $2}' /proc/$pid/status
openssl speed -seconds 2 rsa2048 2>/dev/null | awk '/rsa 2048/{print "openssl verifies/s on one core:", $NF}'
