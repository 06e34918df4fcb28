#!/bin/sh
# ledger.sh -- lists of a long ledger, as the admin page asks for them, and a start on it
# usage: HOOKWARD=build/hookward sh spec/bench/ledger.sh [ROWS=1000000]
#        HOOKWARD=build/hookward sh spec/bench/ledger.sh fill FILE [ROWS=1000000]
#
# fill  Only makes FILE, an ordinary ledger: of ROWS rows 3 % did not succeed.
#
# The aims, with a million rows: the first page is there within 200 ms, a filter by state or event
# within 500 ms or at its bound of 200 ms, and a start takes as long as on an empty ledger.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
bin=$(cd "$(dirname "$HOOKWARD")" && pwd)/$(basename "$HOOKWARD")
w=$(mktemp -d)
trap 'rm -rf "$w"' EXIT
mkdir "$w/keys" "$w/handlers"
"$bin" keygen "$w/key" > /dev/null
cp "$w/key/public.pem" "$w/keys"
echo 'require "hookward".on("Event0.Created", function() end)' > "$w/handlers/bench.lua"

configure() { echo "return { listen = '127.0.0.1:0', keys = { 'keys/*' }, ledger = '$1', log = { level = 'info' } }" > "$w/hookward.lua"; }

# Starts a host and stops it; prints the milliseconds until it listened.
start() {
  began=$(date +%s%N)
  (cd "$w" && exec "$bin" serve > "$w/log" 2>&1) &
  pid=$!
  until grep -q 'listening on' "$w/log" 2> /dev/null; do
    kill -0 "$pid" || { cat "$w/log" >&2; exit 1; }
    sleep 0.002
  done
  echo "$((($(date +%s%N) - began) / 1000000))"
  kill "$pid"
  wait "$pid" 2> /dev/null || true
  rm -f "$w/log"
}

fill() {
  configure "$1"
  start > /dev/null
  sqlite3 "$1" > /dev/null <<SQL
PRAGMA synchronous = OFF;
PRAGMA cache_size = -200000;
BEGIN;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $2)
INSERT INTO notifications (job_id, digest, event, state, attempt, deliveries, runs, received_at, settled_at,
  error, reason, detail, key, place, version, body)
SELECT i, randomblob(32), event, state, state = 4, 1, 1, at, at + 20, error,
  CASE WHEN error IS NOT NULL THEN 'connection refused by 10.0.0.' || i % 250 END,
  CASE WHEN error IS NOT NULL THEN 'handlers/badges.lua:17: connection refused' || hex(zeroblob(400)) END,
  'accredit.pem', 'handlers/badges.lua:4', 'f5479ef3b3301a4c',
  CASE WHEN error IS NOT NULL THEN zeroblob(600) END
FROM (SELECT i, (unixepoch() - ($2 - i) / 20) * 1000 AS at,
    CASE WHEN i = 1000 THEN 'Rare.Event' ELSE 'Event' || (i / 7 % 40) || '.Created' END AS event,
    CASE WHEN i % 50 = 0 THEN 2 WHEN i % 200 = 1 THEN 3 WHEN i % 200 = 3 THEN 4 ELSE 1 END AS state,
    CASE WHEN i % 50 = 0 OR i % 200 = 3 THEN 'handler_error' END AS error FROM n);
UPDATE totals SET upto = (SELECT max(seq) FROM notifications), rows = (SELECT count(*) FROM notifications),
  failed = (SELECT count(*) FROM notifications WHERE state = 2),
  unhandled = (SELECT count(*) FROM notifications WHERE state = 3),
  dead = (SELECT count(*) FROM notifications WHERE state = 4);
COMMIT;
PRAGMA wal_checkpoint(TRUNCATE);
SQL
}

if [ "${1:-}" = fill ]; then
  fill "$(realpath -m "$2")" "${3:-1000000}"
  exit
fi
rows=${1:-1000000}
configure "$w/empty.db"
start > /dev/null
echo "start on an empty ledger: $(start) $(start) $(start) ms"
fill "$w/hookward.db" "$rows"
echo "start with $rows rows: $(start) $(start) $(start) ms"
echo "of them succeeded: $(sqlite3 "$w/hookward.db" 'SELECT rows - failed - unhandled - dead FROM totals'); $(
  stat -c %s "$w/hookward.db") bytes"
cp "$here/ledger.lua" "$w/handlers/bench.lua"
(cd "$w" && BENCH_LEDGER="$w/hookward.db" "$bin" check > "$w/out" 2>&1) || true
grep -E ' ms | rows|rror' "$w/out"
