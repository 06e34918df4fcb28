# common.sh -- what the benches share; sourced by them, with HOOKWARD set
#
# Sets here (this folder), bin (the program), and w: a folder of this run with a key in it. At the end
# the processes in `pids` are ended, and the folder is removed.
here=$(cd "$(dirname "$0")" && pwd)
bin=$(cd "$(dirname "$HOOKWARD")" && pwd)/$(basename "$HOOKWARD")
w=$(mktemp -d)
pids=
trap 'kill $pids 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$w"' EXIT
"$bin" keygen "$w/key" >/dev/null

# Writes the body and the signature of a notification: its event.
sign() {
  printf '{"Event":"%s","Timestamp":"2024-05-10T11:09:21.248Z","BadgeId":"3fa85f64"}' "$1" > "$w/body.$1"
  openssl dgst -sha256 -sign "$w/key/private.pem" "$w/body.$1" | base64 -w0 > "$w/signature.$1"
}

# Lays out a project: its name, and the inside of its configuration's table; its handlers are read
# from stdin. With LEDGER=postgres://… it has a schema of its own there, which stays.
lay_out() {
  mkdir -p "$w/$1/handlers" "$w/$1/keys"
  cp "$w/key/public.pem" "$w/$1/keys/"
  cat > "$w/$1/handlers/a.lua"
  echo "return { ${LEDGER:+ledger = '$LEDGER', ledger_schema = 'bench_$1_$$', }$2 }" > "$w/$1/hookward.lua"
}

now() { date +%s%N; }

# Starts the host of a project that listens on PORT; sets pid, and ms, from its start until it listens.
start() {
  : > "$w/$1/log"
  began=$(now)
  (cd "$w/$1" && exec "$bin" serve 2>log) &
  pid=$!
  pids="$pids $pid"
  lua5.4 - "$2" <<'LUA' || { cat "$w/$1/log" >&2; exit 1; }
    local socket = require "socket"
    local until_time = socket.gettime() + 30
    repeat
      socket.sleep(0.001)
      assert(socket.gettime() < until_time, "the host does not listen")
    until socket.connect("127.0.0.1", arg[1])
LUA
  ms=$((($(now) - began) / 1000000))
}

end() {
  kill "$1"
  wait "$1" 2>/dev/null || true
}

# The median of the numbers on stdin.
middle() { sort -n | awk '{ a[NR] = $1 } END { print (a[int((NR + 1) / 2)] + a[int(NR / 2) + 1]) / 2 }'; }
cpu_ms() { awk '{ print ($14 + $15) * 10 }' "/proc/$1/stat"; }

# Sends EVENT to PORT for SECONDS over CONNECTIONS, at most A_SECOND; prints answers/s, p50 and p99 in
# ms, and how many were not 200.
send() {
  SIGNATURE=$(cat "$w/signature.$1") BODY="$w/body.$1" SALT=$(now) RATE="${5:-0}" \
    wrk -t1 -c"$4" -d"${3}s" -s "$here/notify.lua" "http://127.0.0.1:$2" | sed -n 's/^figures: //p'
}

# The same after the host's PID; prints the host's CPU microseconds an answer too, which a busy machine
# disturbs less.
send_to() {
  of=$1
  shift
  cpu=$(cpu_ms "$of")
  figures=$(send "$@")
  echo "$figures" | awk -v cpu="$(($(cpu_ms "$of") - cpu))" -v secs="$3" \
    '{ printf "%s %.1f\n", $0, cpu * 1000 / ($1 * secs) }'
}
