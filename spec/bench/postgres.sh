#!/bin/sh
# postgres.sh -- a ledger in PostgreSQL beside one in a file, in turns: answers a second, times, the host's CPU
# usage: HOOKWARD=build/hookward LEDGER=postgres://… sh spec/bench/postgres.sh [ROUNDS=5] [SECONDS=6] [CONNECTIONS...]
#
# The handler is trivial, and each notification new. Its schemas stay there: bench_postgres_…. The aims,
# with wrk, the host and PostgreSQL on the same two cores: at 64 connections at least 0.45 of the file's
# answers a second, at 256 at least 0.55; at one connection a p50 of at most 3 times the file's; at most
# 1.1 times its host's CPU for an answer.
set -eu
rounds=${1:-5} secs=${2:-6}
if [ $# -gt 2 ]; then shift 2; else set -- 1 64 256; fi
url=${LEDGER:?LEDGER=postgres://… is not set}
. "$(dirname "$0")/common.sh"
sign A.Last

handler='require "hookward".on("A.Last", function(e) return e.BadgeId ~= nil end)'
LEDGER=
echo "$handler" | lay_out file "listen = '127.0.0.1:9104', workers = 8, log = { level = 'warn' }"
LEDGER=$url
echo "$handler" | lay_out postgres "listen = '127.0.0.1:9105', workers = 8, log = { level = 'warn' }"

start file 9104
pid_file=$pid
start postgres 9105
pid_postgres=$pid
of() { cut -d' ' -f"$2" "$w/$1.figures" | middle; }
compare() { echo "$(of postgres "$1") $(of file "$1")" | awk '{ printf "%.2f", $1 / $2 }'; }
echo "answers/s, p50 and p99 in ms, not 200, CPU us an answer:"
for conns; do
  : > "$w/file.figures"
  : > "$w/postgres.figures"
  for round in $(seq "$rounds"); do
    send_to "$pid_file" A.Last 9104 "$secs" "$conns" >> "$w/file.figures"
    send_to "$pid_postgres" A.Last 9105 "$secs" "$conns" >> "$w/postgres.figures"
    echo "$conns connections, round $round: file $(tail -n 1 "$w/file.figures"); PostgreSQL $(tail -n 1 "$w/postgres.figures")"
  done
  echo "$conns connections: answers/s $(of postgres 1) of $(of file 1), ratio $(compare 1); p50 $(compare 2) times; CPU $(compare 5) times"
done
