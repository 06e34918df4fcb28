#!/bin/sh
# Two hosts with one ledger on PostgreSQL, behind HAProxy. One is killed while orders come in; then it
# is counted how often each order was done.
# usage: HOOKWARD=build/hookward DEV=build/development sh examples/fleet/run.sh
#        PORT: the first of five free ports, by default 8080; ORDERS: how many, by default 200
set -eu
example=$(cd "$(dirname "$0")" && pwd)
hookward=$(realpath "$HOOKWARD")
orders=${ORDERS:-200}
port=${PORT:-8080}
folder=$DEV/fleet
rm -rf "$folder"
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
[ -t 1 ] || say() { printf '\n%s\n' "$*"; }

say "Two hosts of hookward share one ledger. One of them is killed while orders come in, and in the end it
is counted how often each order was done. That takes half a minute to a minute; Ctrl-C ends it."

for taken in $port $((port + 1)) $((port + 2)) $((port + 3)) $((port + 4)); do
  code=0
  curl -s -o "$folder/none" -m 1 "http://127.0.0.1:$taken/" || code=$?
  [ $code = 7 ] || { # 7: nobody listens there
    echo "Port $taken is taken. Choose five free ones in a row, by the first: make fleet-demo PORT=18080" >&2
    exit 1
  }
done

# ---- what is started, and how it ends ----

pg=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1)
[ -x "$pg/initdb" ] || pg=$(dirname "$(command -v initdb)") || { echo "PostgreSQL is missing" >&2; exit 1; }
as_postgres= # PostgreSQL refuses to run as root
[ "$(id -u)" != 0 ] || as_postgres="runuser -u postgres --"
data=$(mktemp -d /tmp/hookward-fleet.XXXXXX)
[ -z "$as_postgres" ] || chown postgres "$data"

started= # processes, and the group of the senders as a negative number
end() {
  trap '' INT HUP TERM
  trap - EXIT
  exec 2>/dev/null
  [ -z "$started" ] || kill -s TERM -- $started || true
  [ -z "$started" ] || kill -s CONT -- $started || true # what is stopped does not end
  wait || true
  $as_postgres "$pg/pg_ctl" stop -s -m fast -D "$data/db" >/dev/null || true
  rm -rf "$data"
  exit "$1"
}
trap 'end 130' INT HUP TERM
trap 'end 1' EXIT

until_done() { # COMMAND: tries until it succeeds
  tries=600
  until "$@" >/dev/null 2>&1; do
    tries=$((tries - 1))
    [ $tries -gt 0 ] || { echo "waited in vain for: $*" >&2; exit 1; }
    sleep 0.05
  done
}

# ---- PostgreSQL ----

say "1. A database of PostgreSQL for the ledger"
$as_postgres "$pg/initdb" -D "$data/db" -U postgres -A trust -E UTF8 --locale=C.UTF-8 --no-instructions \
  >"$folder/postgres.log" 2>&1 || { cat "$folder/postgres.log" >&2; exit 1; }
$as_postgres "$pg/pg_ctl" start -s -w -D "$data/db" -l "$data/log" \
  -o "-c listen_addresses='' -c unix_socket_directories=$data"
ledger="postgres://postgres@/postgres?host=$data"
echo "   $ledger"

# ---- the hosts ----

say "2. Two hosts, web-1 and web-2, with that one ledger: hookward serve"
"$hookward" keygen "$folder/keys" >/dev/null # it signs the orders, and the hosts know its public half
for n in 1 2; do
  mkdir -p "$folder/web-$n"
  cat >"$folder/web-$n/hookward.lua" <<CONFIG
-- Written by examples/fleet/run.sh.
return {
  listen = "127.0.0.1:$((port + n))",
  admin = "127.0.0.1:$((port + 2 + n))",
  handlers = "$example/handlers",
  keys = { "$folder/keys/public.pem" },
  ledger = "$ledger",
  lease = "5s",          -- a host that died holds nothing up for longer than that
  host_name = "web-$n",
}
CONFIG
done
FLEET_DONE=$folder/done
export FLEET_DONE
: >"$FLEET_DONE"

launch() { # N: starts web-N, and leaves its process in `host`
  FLEET_NAME=web-$1 "$hookward" serve -c "$folder/web-$1/hookward.lua" >"$folder/web-$1/log" 2>&1 &
  host=$!
  started="$started $host"
}
is_ready() { # N: web-N, whose process is `host`; what keeps it from starting is shown
  kill -0 $host 2>/dev/null || { cat "$folder/web-$1/log" >&3; exit 1; }
  curl -fsS "http://127.0.0.1:$((port + 2 + $1))/readyz"
}
for n in 2 1; do
  launch $n
  until_done is_ready $n 3>&2
  echo "   web-$n listens on 127.0.0.1:$((port + n))"
done
web_1=$host

# ---- the load balancer ----

say "3. HAProxy in front of them"
FLEET_EXAMPLE=$example FLEET_LISTEN=127.0.0.1:$port FLEET_WEB_1=127.0.0.1:$((port + 1)) \
  FLEET_WEB_2=127.0.0.1:$((port + 2)) FLEET_ADMIN_1=$((port + 3)) FLEET_ADMIN_2=$((port + 4)) \
  haproxy -f "$example/haproxy.cfg" >"$folder/haproxy.log" 2>&1 &
balancer=$!
started="$started $balancer"
balances() {
  kill -0 $balancer 2>/dev/null || { cat "$folder/haproxy.log" >&3; exit 1; }
  curl -sS "http://127.0.0.1:$port/"
}
until_done balances 3>&2
echo "   it listens on 127.0.0.1:$port, and sends each request to one of them"

# ---- orders ----

say "4. $orders orders come in, eight at a time, every fifth of them twice at once"
seq "$orders" | awk '{ print } $1 % 5 == 0 { print }' >"$folder/to-send"
deliveries=$(wc -l <"$folder/to-send")
deliver() { # the orders are on the standard input; --retries does as Accredit: again until a 200
  exec setsid xargs -P 8 -I{} "$hookward" send --to "http://127.0.0.1:$port" --key "$folder/keys/private.pem" \
    -c "$folder/web-1/hookward.lua" --job-id order-{} --retries 5 --json \
    --data '{"Event":"Order.Created","Timestamp":"2026-01-01T12:00:00Z","Order":{}}'
}
deliver <"$folder/to-send" >"$folder/answers" 2>"$folder/errors" &
sender=$!
started="$started -$sender"

count() { grep -c "$1" "$FLEET_DONE" || true; }
tell() {
  printf '   done so far: %s by web-1, %s by web-2\n' "$(count '^done .* web-1$')" "$(count '^done .* web-2$')"
}
reached() { [ "$(count '^done ')" -ge "$1" ]; }
begun_by_web_1() { # the orders that it has begun and not done
  awk '$3 == "web-1" { if ($1 == "begun") open[$2] = 1; else delete open[$2] }
    END { for (order in open) print order }' "$FLEET_DONE" | sort -n
}
catch_web_1() { # stopped in the middle of two orders or more, which it then can't end before it is killed
  kill -STOP $web_1
  [ "$(begun_by_web_1 | wc -l)" -lt 2 ] || return 0
  kill -CONT $web_1
  return 1
}
for part in 10 5; do
  until_done reached $((orders / part))
  tell
done
until_done reached $((orders / 3))
until_done catch_web_1

say "5. web-1 is killed: kill -9"
kill -KILL $web_1
wait $web_1 2>/dev/null || true
begun_by_web_1 >"$folder/cut-short"
cut=$(wc -l <"$folder/cut-short")
tell
echo "   It died with $cut orders that it had begun:" $(cat "$folder/cut-short")
echo "   HAProxy sends them to web-2. It waits until web-1's lease has run out (5 seconds at most), and"
echo "   nobody can think any more that web-1 is still at it; then web-2 does them. All others go on."

until_done reached $((orders * 2 / 3))
tell
wait $sender || true
tell

# ---- what came of it ----

say "6. What the sender saw"
answered=$(grep -c '"ok":true' "$folder/answers" || true)
echo "   $deliveries deliveries, $answered of them were answered 200"

say "7. Which hosts are there? hookward jobs hosts"
until_gone() { "$hookward" jobs hosts -c "$folder/web-2/hookward.lua" | grep -q gone; }
until_done until_gone
"$hookward" jobs hosts -c "$folder/web-2/hookward.lua" | sed 's/^/   /'

say "8. How often was each order done?"
awk -v orders="$orders" -v short="$(tr '\n' ' ' <"$folder/cut-short")" '
  $1 == "done" { times[$2]++; by[$3]++; where[$2] = where[$2] " " $3 }
  END {
    for (order = 1; order <= orders; order++) {
      if (!times[order]) never++
      else if (times[order] == 1) once++
      else if (where[order] == " web-1 web-2") window++
      else more++
    }
    printf "   %d by web-1, %d by web-2\n", by["web-1"], by["web-2"]
    n = split(short, cut, " ")
    for (i = 1; i <= n; i++) if (where[cut[i]] == " web-2") taken++
    if (n) printf "   Of the %d that web-1 died with, web-2 did %d.\n", n, taken
    printf "   Once: %d.  Never: %d.  More than once: %d.\n", once, never, window + more
    if (window) {
      print "   web-1 had done " window " and died before that was recorded, so web-2 did it again: it could not"
      print "   know. That moment is there with a single host, too; its handler sees job.redelivered."
    }
    exit never + more > 0
  }' "$FLEET_DONE" || failed=1
[ -z "${failed:-}" ] && [ "$answered" = "$deliveries" ] || { say "That should not be: see $folder"; exit 1; }

say "That was a fleet: any host takes any notification, one ledger knows them all, and a host that dies
holds nothing up for longer than its lease. Read on with: $HOOKWARD help fleet"
end 0
