#!/bin/sh
# admin.sh -- what the admin listener costs, and how fast its page shows a long ledger
# usage: HOOKWARD=build/hookward sh spec/bench/admin.sh rate [ROUNDS=10] [SECONDS=6] [CONNECTIONS=64]
#        HOOKWARD=build/hookward sh spec/bench/admin.sh rows [ROWS=1000000]
#
# rate  The same binary with an admin listener and without, on hosts of their own, in turns. During the
#       turns of the first, a page's stream is open and /metrics is scraped each second; both are read by
#       curl, on the same machine. The aim: the median of the first is not below the lowest round of
#       the second.
# rows  A ledger of ROWS rows: milliseconds until a host listens, beside those on an empty ledger; then
#       to the first page's rows, and with each filter. The aims: the same for both ledgers, the first
#       page under 200 ms, a filter by state or event under 500 ms.
set -eu
what=$1
shift
. "$(dirname "$0")/common.sh"
token=0123456789abcdef0123456789abcdef
sign Badge.Printed

# Lays out a project: its name, port, and further keys of its configuration.
project() {
  echo 'require "hookward".on("Badge.*", function(e) return e.BadgeId ~= nil end)' |
    lay_out "$1" "listen = '127.0.0.1:$2', log = { level = 'warn' }, $3"
}

ADMIN="admin = { listen = '127.0.0.1:9107', token = '$token' }"
admin=http://127.0.0.1:9107

ask() { curl -s --max-time 60 -H "Authorization: Bearer $token" "$@"; }

column() { cut -d' ' -f"$2" "$w/$1.figures" | sort -n; }

# Sends to the host of a pid, on a port, and keeps the figures under a name.
record() { send_to "$2" Badge.Printed "$3" "$4" "$5" >> "$w/$1.figures"; }

without() { record without "$pid_without" 9104 "$@"; }

with() {
  curl -s -N -H "Authorization: Bearer $token" "$admin/api/stream" > "$w/stream" &
  stream=$!
  while sleep 1; do ask -o "$w/metrics" "$admin/metrics"; echo >> "$w/scrapes"; done &
  scraper=$!
  pids="$pids $stream $scraper"
  record with "$pid_with" 9105 "$@"
  kill -0 $stream 2>/dev/null || { echo "the stream has ended" >&2; exit 1; }
  kill $stream $scraper
  wait $stream $scraper 2>/dev/null || true
  cat "$w/stream" >> "$w/streamed"
}

rate() {
  rounds=${1:-10} secs=${2:-6} conns=${3:-64}
  project without 9104 ""
  project with 9105 "$ADMIN"
  start without 9104
  pid_without=$pid
  start with 9107
  pid_with=$pid
  without 2 "$conns"
  with 2 "$conns"
  rm "$w/with.figures" "$w/without.figures" # that was to warm up
  for round in $(seq "$rounds"); do
    order="without with"
    [ $((round % 2)) = 0 ] || order="with without"
    for one in $order; do $one "$secs" "$conns"; done
    echo "round $round: without $(tail -n 1 "$w/without.figures"); with $(tail -n 1 "$w/with.figures")"
  done
  echo "(answers/s, p50 and p99 in ms, not 200, CPU us an answer)"
  for one in without with; do
    echo "$one: median $(column $one 1 | middle) answers/s, from $(column $one 1 | head -n 1) to" \
      "$(column $one 1 | tail -n 1); p99 median $(column $one 3 | middle) ms; CPU median $(column $one 5 | middle) us an answer;" \
      "not 200: $(column $one 4 | awk '{ n += $1 } END { print n }')"
  done
  echo "read meanwhile: $(wc -l < "$w/scrapes") scrapes, the last of $(wc -c < "$w/metrics") bytes;" \
    "$(grep -c '^event: deliveries' "$w/streamed") pieces with deliveries"
  with=$(column with 1 | middle) without=$(column without 1 | middle) lowest=$(column without 1 | head -n 1)
  echo "ratio of the medians $(echo "scale=3; $with / $without" | bc);" \
    "the lowest round without is $(echo "scale=3; $lowest / $without" | bc) of its median"
}

# Milliseconds to the whole answer of each of so many requests; then how many rows the last had.
measure() {
  for _ in $(seq 9); do
    ask -o "$w/answer" -w '%{time_total}\n' "$admin/api/deliveries?limit=100$1"
  done | awk '{ print $1 * 1000 }' | sort -n > "$w/times"
  printf '%-34s %9.1f %9.1f %6d   %s\n' "${1:-(none)}" "$(middle < "$w/times")" "$(tail -n 1 "$w/times")" \
    "$(grep -o '"digest":' "$w/answer" | wc -l)" "$(grep -o '"searched_to":{[^}]*}' "$w/answer" || true)"
}

# Fills a ledger with so many rows of ten days: of a thousand, five failed, one is dead, two have no
# handler, and the rest succeeded; two thirds are of one event, one in 100,000 is of a rare one.
fill() {
  sqlite3 "$w/rows/hookward.db" > "$w/ignored" <<SQL
PRAGMA synchronous = OFF;
PRAGMA cache_size = -200000;
BEGIN;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $1)
INSERT INTO notifications (job_id, digest, event, state, attempt, deliveries, runs, received_at, settled_at,
  error, reason, detail, key, place, version, body)
SELECT 'row-' || i, randomblob(32),
  CASE WHEN i % 100000 = 0 THEN 'Person.Removed' WHEN i % 3 = 0 THEN 'Person.Updated' ELSE 'Badge.Printed' END,
  CASE WHEN i % 200 = 0 THEN 2 WHEN i % 1000 = 1 THEN 4 WHEN i % 500 = 2 THEN 3 ELSE 1 END,
  0, 1, 1, $2 + i * 864000 / $1 * 1000, $2 + i * 864000 / $1 * 1000,
  CASE WHEN i % 200 = 0 OR i % 1000 = 1 THEN 'handler_refused' END,
  CASE WHEN i % 200 = 0 OR i % 1000 = 1 THEN 'the printer is offline: ' || i END,
  CASE WHEN i % 200 = 0 OR i % 1000 = 1 THEN 'handlers/a.lua:1: offline ' || hex(zeroblob(400)) END,
  'public.pem', 'handlers/a.lua:1', '0123456789abcdef',
  CASE WHEN i % 200 = 0 OR i % 1000 = 1 THEN zeroblob(600) END FROM n;
UPDATE totals SET (upto, rows, failed, unhandled, dead) = (SELECT max(seq), count(*), sum(state = 2),
  sum(state = 3), sum(state = 4) FROM notifications);
COMMIT;
SQL
}

# Milliseconds of three starts, one after the other.
starts() { for _ in 1 2 3; do start rows 9107; end "$pid"; printf '%s ' "$ms"; done; }

rows() {
  count=${1:-1000000}
  project rows 9105 "$ADMIN"
  empty=$(starts)
  fill "$count" $((($(date +%s) - 864000) * 1000))
  echo "ms until the host listens: ${empty}on an empty ledger, $(starts)on $count rows"
  start rows 9107
  echo "$count rows, $(($(stat -c %s "$w/rows/hookward.db") / 1048576)) MB:" \
    "$(ask "$admin/api/state" | grep -o '"rows":{[^}]*}')"
  printf '%-34s %9s %9s %6s   %s\n' filter 'ms, median' longest rows 'searched no further than'
  for filter in "" "&before=$((count / 2))" "&state=failed" "&state=dead" "&state=failed,dead" "&state=succeeded" \
    "&event=Badge.Printed" "&event=Badge.*" "&event=Person.Removed" "&event=No.Such" \
    "&state=failed&event=Person.Updated" "&id=row-$((count / 2))" "&error=offline" "&error=no+such+text" \
    "&since=$(($(date +%s) - 3600))" "&until=$(($(date +%s) - 432000))"; do
    measure "$filter"
  done
}

"$what" "$@"
