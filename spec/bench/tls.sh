#!/bin/sh
# tls.sh -- measures what TLS costs: notifications over http and https, and handshakes beside nginx's
# usage: HOOKWARD=build/hookward sh spec/bench/tls.sh [ROUNDS=5] [SECONDS=3] [CONNECTIONS=64]
#
# First, one host with a plain and a TLS listener and a durable ledger takes signed notifications over
# connections that stay open (TLS 1.3). Then clients make full handshakes with one certificate (ECDSA
# P-256), one request each, with the same host and with nginx (one worker). The rounds alternate, so
# that the machine's noise affects all alike. A row shows the median rate a second, and the server's
# processor time for each notification or handshake. The aims: https at least 0.8 of http, handshakes
# at least 0.8 of nginx's.
set -eu
rounds=${1:-5} secs=${2:-3} conns=${3:-64}
here=$(cd "$(dirname "$0")" && pwd)
bin=$(cd "$(dirname "$HOOKWARD")" && pwd)/$(basename "$HOOKWARD")
w=$(mktemp -d)
pid='' nginx=''
trap 'kill $pid $nginx 2>/dev/null || true; rm -rf "$w"' EXIT

mkdir "$w/handlers" "$w/keys" "$w/temp"
"$bin" keygen "$w/key" >/dev/null
cp "$w/key/public.pem" "$w/keys/"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$w/tls.key" \
  -out "$w/tls.pem" -days 30 -subj /CN=localhost -addext subjectAltName=DNS:localhost 2>/dev/null
printf '{"Event":"A.Done","Timestamp":"2024-05-10T11:09:21.248Z"}' > "$w/body"
echo 'require "hookward".on("A.Done", function() end)' > "$w/handlers/a.lua"
cat > "$w/hookward.lua" <<CONFIG
return { log = { level = "info" }, listen = {
  "127.0.0.1:0", { "127.0.0.2:0", tls = { cert = "$w/tls.pem", key = "$w/tls.key" } } } }
CONFIG
SIGNATURE=$(openssl dgst -sha256 -sign "$w/key/private.pem" "$w/body" | base64 -w0)
export SIGNATURE BODY="$w/body"

(cd "$w" && exec "$bin" serve 2>log) &
pid=$!
until [ "$(grep -c 'listening on' "$w/log")" = 2 ]; do sleep 0.05; done
port_of() { sed -n "s/.*listening on $1:[^ ]*:\([0-9]*\)\/.*/\1/p" "$w/log"; }
http=$(port_of http) https=$(port_of https)

free_port() {
  lua5.4 -e 'local s = require "socket".bind("127.0.0.1", 0); print((select(2, s:getsockname())))'
}
port=$(free_port)
cat > "$w/nginx.conf" <<CONFIG
worker_processes 1; daemon off; pid $w/nginx.pid; error_log /dev/null;
events { worker_connections 2000; }
http {
  access_log off; client_body_temp_path $w/temp;
  server {
    listen 127.0.0.1:$port ssl; ssl_certificate $w/tls.pem; ssl_certificate_key $w/tls.key;
    ssl_protocols TLSv1.2 TLSv1.3; location / { return 404; }
  }
}
CONFIG
nginx -p "$w" -c "$w/nginx.conf" 2>/dev/null &
nginx=$!
until curl -sk -o /dev/null "https://127.0.0.1:$port/"; do sleep 0.05; done
worker=$(pgrep -P $nginx)

# The processor time of a process, in hundredths of a second.
spent() { awk '{ print $14 + $15 }' "/proc/$1/stat"; }

# Prints "RATE MICROSECONDS" to $w/NAME: what happened in SECONDS, and the server's time for each.
note() { # NAME COUNT SECONDS TICKS
  awk -v n="$2" -v s="$3" -v t="$4" 'BEGIN { printf "%.0f %.1f\n", n / s, t * 10000 / n }' >> "$w/$1"
}

notifications() { # NAME URL SALT
  before=$(spent $pid)
  # shellcheck disable=SC2046
  set -- "$1" $(SALT=$3 wrk -t1 -c"$conns" -d"${secs}s" -s "$here/notify.lua" "$2" | sed -n 's/^figures: //p')
  [ "$5" = 0 ] || echo "$1: $5 requests failed" >&2
  note "$1" "$(($2 * secs))" "$secs" "$(($(spent $pid) - before))"
}

# Two clients at once, each with one handshake after another.
handshakes() { # NAME ADDRESS PID VERSION
  before=$(spent "$3")
  for i in 1 2; do
    openssl s_time -connect "$2" "-$4" -www /none -new -time "$secs" > "$w/s_time.$i" 2>/dev/null &
    eval "client$i=\$!"
  done
  # shellcheck disable=SC2154
  wait "$client1" "$client2" || true
  total=$(awk '/real seconds/ { n += $1 } END { print n }' "$w"/s_time.?)
  note "$1" "$total" "$secs" "$(($(spent "$3") - before))"
}

for round in $(seq "$rounds"); do
  notifications http "http://127.0.0.1:$http" "a$round"
  notifications https "https://127.0.0.2:$https" "b$round"
done
for round in $(seq "$rounds"); do
  for version in tls1_3 tls1_2; do
    handshakes "hookward-$version" "127.0.0.2:$https" $pid $version
    handshakes "nginx-$version" "127.0.0.1:$port" "$worker" $version
  done
done

median() { cut -d' ' -f"$2" "$w/$1" | sort -n | awk '{ a[NR] = $1 } END { print a[int((NR + 1) / 2)] }'; }
row() { # TITLE NAME OTHER
  awk -v title="$1" -v a="$(median "$2" 1)" -v b="$(median "$3" 1)" -v c="$(median "$2" 2)" \
    -v d="$(median "$3" 2)" 'BEGIN { printf "%-44s %8d %8d %6.2f %9.1f %9.1f\n", title, a, b, a / b, c, d }'
}
echo "                                                   a, /s    b, /s    a/b  a, us each  b, us each"
row "notifications: a https, b http" https http
row "full handshakes, TLS 1.3: a hookward, b nginx" hookward-tls1_3 nginx-tls1_3
row "full handshakes, TLS 1.2: a hookward, b nginx" hookward-tls1_2 nginx-tls1_2
