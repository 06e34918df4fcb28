#!/bin/sh
# ack.sh -- ack-first handlers: their rate beside ordinary ones, a backlog that grows, a long one
# usage: HOOKWARD=build/hookward sh spec/bench/ack.sh rate [ROUNDS=5] [SECONDS=6] [CONNECTIONS=64]
#        HOOKWARD=build/hookward sh spec/bench/ack.sh backlog [SECONDS=60] [A_SECOND=2000]
#        HOOKWARD=build/hookward sh spec/bench/ack.sh rows [ROWS...]
#
# rate     A trivial handler, ordinary and ack-first, in turns on hosts of their own. The aim: the
#          answers a second of the second are at least 0.8 of those of the first.
# backlog  Handlers of 200 ms on 8 workers, A_SECOND notifications a second for SECONDS. Before that
#          an ordinary trivial handler gets the same, as a yardstick. The aims: answers under 20 ms at
#          p99 while the backlog grows, resident memory under 60 MB, for 30 s afterwards at least 0.9
#          of what 7 workers can do, and an ordinary notification waits no longer than one run.
# rows     The time from start to listening, and the time and CPU for each of 800 runs, with ROWS queued
#          in the ledger. The aim: they don't depend on ROWS.
set -eu
what=$1
shift
. "$(dirname "$0")/common.sh"
sign A.First
sign A.Last

# Lays out a project, with a port and a level of the log; its handlers are read from stdin.
project() { lay_out "$1" "listen = '127.0.0.1:$2', workers = 8, log = { level = '$3' }"; }

memory() { awk '/VmRSS/ { printf "%d", $2 / 1024 }' "/proc/$1/status"; }
runs() { stat -c %s "$w/$1/runs" 2>/dev/null || echo 0; }

rate() {
  rounds=${1:-5} secs=${2:-6} conns=${3:-64}
  echo 'require "hookward".on("A.Last", function(e) return e.BadgeId ~= nil end)' |
    project last 9104 warn
  echo 'require "hookward".on("A.First", { ack = "first" }, function(e) return e.BadgeId ~= nil end)' |
    project first 9105 warn
  start last 9104
  pid_last=$pid
  start first 9105
  pid_first=$pid
  echo "answers/s, p50 and p99 in ms, not 200, CPU us an answer:"
  for round in $(seq "$rounds"); do
    send_to "$pid_last" A.Last 9104 "$secs" "$conns" >> "$w/last.figures"
    send_to "$pid_first" A.First 9105 "$secs" "$conns" >> "$w/first.figures"
    echo "round $round: ordinary $(tail -n 1 "$w/last.figures"); ack-first $(tail -n 1 "$w/first.figures")"
  done
  last=$(cut -d' ' -f1 "$w/last.figures" | middle) first=$(cut -d' ' -f1 "$w/first.figures" | middle)
  echo "ordinary $last answers/s, ack-first $first, ratio $(echo "scale=2; $first / $last" | bc)"
  echo "left queued: $(sqlite3 "$w/first/hookward.db" "SELECT value FROM counters")"
}

backlog() {
  secs=${1:-60} rate=${2:-2000}
  project slow 9104 info <<'HANDLERS'
local hook, socket = require "hookward", require "socket"
local runs = io.open("runs", "a")
runs:setvbuf("no")
hook.on("A.First", { ack = "first" }, function() socket.sleep(0.2) runs:write(".") end)
hook.on("A.Last", function() end)
HANDLERS
  port=9104
  start slow $port
  echo "an ordinary trivial handler: answers/s, p50, p99 in ms, not 200: $(send A.Last "$port" 10 64 "$rate")"
  echo "memory before: $(memory "$pid") MB"
  send A.First "$port" "$secs" 64 "$rate" > "$w/figures" &
  wrk=$!
  for i in $(seq "$secs"); do
    sleep 1
    curl -s -o /dev/null -w '%{time_total} %{http_code}\n' -H "X-JobId: ordinary-$i" -H "X-JobAttempt: 0" \
      -H "X-Signature: $(cat "$w/signature.A.Last")" --data-binary "@$w/body.A.Last" \
      "http://127.0.0.1:$port/baseWebhookNotification" >> "$w/ordinary"
    memory "$pid" >> "$w/memory"
    echo >> "$w/memory"
  done
  wait $wrk
  echo "ack-first, 200 ms a run: answers/s, p50, p99 in ms, not 200: $(cat "$w/figures")"
  echo "memory while it grew: $(tr '\n' ' ' < "$w/memory") MB"
  echo "an ordinary one meanwhile: longest $(sort -n "$w/ordinary" | tail -n 1 | cut -d' ' -f1) s of $(wc -l < "$w/ordinary"), not 200: $(grep -vc ' 200$' "$w/ordinary" || true)"
  before=$(runs slow) at=$(now)
  sleep 30
  after=$(runs slow) took=$((($(now) - at) / 1000000))
  echo "worked off afterwards: $(echo "scale=2; ($after - $before) * 1000 / $took" | bc)/s, of 35/s: $(echo "scale=3; ($after - $before) * 1000 / $took / 35" | bc); left $(sqlite3 "$w/slow/hookward.db" "SELECT value FROM counters"); memory $(memory "$pid") MB"
}

# Fills the ledger with COUNT rows in STATE.
fill() {
  sqlite3 "$w/$1/hookward.db" > "$w/ignored" <<SQL
PRAGMA synchronous = OFF;
BEGIN;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $2)
INSERT INTO notifications (job_id, digest, event, state, attempt, deliveries, runs, received_at, settled_at,
  next_run_at, key, body, accepted)
SELECT 'row-$(now)-' || i, randomblob(32), 'A.First', $3, 0, 1, $3 = 1, 1e12, 1e12, iif($3 = 5, cast(1e12 + i AS INTEGER), NULL),
  'public', iif($3 = 5, readfile('$w/body.A.First'), NULL), 1 FROM n;
UPDATE counters SET value = iif($3 = 5, $2, 0) WHERE name = 'backlog';
COMMIT;
SQL
}

# While there is no file "go" a handler waits: so the host has read its ledger before one is timed.
HANDLERS='local hook = require "hookward"
local runs = io.open("runs", "a")
runs:setvbuf("no")
local going
hook.on("A.First", { ack = "first" }, function()
  while not going do
    going = io.open("go")
    if not going then os.execute("exec sleep 0.1") end
  end
  runs:write(".")
end)'

# Waits until so many have run.
until_run() {
  until [ "$(runs "$1")" -ge "$2" ]; do sleep 0.01; done
}

rows() {
  [ $# -gt 0 ] || set -- 1000 1000000
  echo "     rows   all done: ms to listening   all queued: ms to listening   ms a run   CPU ms a run"
  for count; do
    for state in 1 5; do
      name=rows-$count-$state
      echo "$HANDLERS" | project "$name" 9104 info
      touch "$w/$name/go"
      start "$name" 9104
      end "$pid"
      fill "$name" "$count" "$state"
      for _ in 1 2 3 4 5; do start "$name" 9104; end "$pid"; echo "$ms"; done | middle > "$w/ms.$state"
    done
    fill "$name" 1000 5
    rm "$w/$name/go"
    start "$name" 9104
    sleep 15
    touch "$w/$name/go"
    until_run "$name" $(($(runs "$name") + 100))
    first=$(runs "$name") at=$(now) cpu=$(cpu_ms "$pid")
    until_run "$name" $((first + 800))
    ran=$(($(runs "$name") - first)) took=$((($(now) - at) / 1000)) cpu=$(($(cpu_ms "$pid") - cpu))
    printf '%9d %27s %29s %10s %14s\n' "$count" "$(cat "$w/ms.1")" "$(cat "$w/ms.5")" \
      "$(echo "scale=3; $took / 1000 / $ran" | bc)" "$(echo "scale=3; $cpu / $ran" | bc)"
    end "$pid"
    rm -r "$w/rows-$count-"*
  done
}

"$what" "$@"
