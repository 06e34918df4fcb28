#!/bin/sh
# floods.sh -- a good client's answer times and the host's memory during a flood, beside nginx.
# usage: HOOKWARD=build/hookward FLOOD=build/flood sh spec/bench/floods.sh [SECONDS=5] [KIND...]
#
# The kinds of flood are those of flood.c. Each gets a host of its own, whose resident memory is
# read before the flood, at its highest, and ten seconds after it. nginx answers the same path with
# 200 at once and verifies nothing: it shows what the machine, the kernel and the flood itself cost.
# Everything goes over the loopback, with a fixed number of connections, for SECONDS. The aims: p99
# under 100 ms, no failures, under 300 MB during the flood, and at most 20 MB more after it than
# before.
set -eu
secs=${1:-5}
[ $# -gt 0 ] && shift
kinds=${*:-none forged pipelined body-gets slow-head slow-body idle resets 413 held-back}
bin=$(cd "$(dirname "$HOOKWARD")" && pwd)/$(basename "$HOOKWARD")
flood=$(cd "$(dirname "$FLOOD")" && pwd)/$(basename "$FLOOD")
w=$(mktemp -d)
pid=
trap 'kill $pid 2>/dev/null || true; rm -rf "$w"' EXIT
ulimit -n "$(ulimit -Hn)"

mkdir "$w/handlers" "$w/keys" "$w/temp"
"$bin" keygen "$w/key" >/dev/null
cp "$w/key/public.pem" "$w/keys/"
printf '{"Event":"A.Done","Timestamp":"2024-05-10T11:09:21.248Z"}' > "$w/body"
echo 'require "hookward".on("A.Done", function() end)' > "$w/handlers/a.lua"
echo 'return { listen = "127.0.0.1:0", log = { level = "info" } }' > "$w/hookward.lua"
SIGNATURE=$(openssl dgst -sha256 -sign "$w/key/private.pem" "$w/body" | base64 -w0)
export SIGNATURE BODY="$w/body"

memory() { awk -v name="$1:" '$1 == name { printf "%d", $2 / 1024 }' "/proc/$pid/status"; }

end() {
  kill "$pid"
  wait "$pid" 2>/dev/null || true
  pid=
}

# Sets row to p50, p99, notifications, failures, and the MB before, at most and afterwards.
flood_hookward() {
  rm -f "$w"/hookward.db*
  (cd "$w" && exec "$bin" serve 2>log) &
  pid=$!
  until grep -q 'listening on' "$w/log"; do sleep 0.05; done
  port=$(sed -n 's/.*listening on http:[^ ]*:\([0-9]*\)\/.*/\1/p' "$w/log")
  before=$(memory VmRSS)
  row=$("$flood" "$1" "$port" "$secs")
  high=$(memory VmHWM)
  sleep 10
  row="$row $before $high $(memory VmRSS)"
  end
}

free_port() {
  lua5.4 -e 'local s = require "socket".bind("127.0.0.1", 0); print((select(2, s:getsockname())))'
}

flood_nginx() {
  port=$(free_port)
  cat > "$w/nginx.conf" <<CONFIG
worker_processes auto; daemon off; pid $w/nginx.pid; error_log /dev/null; worker_rlimit_nofile 65536;
events { worker_connections 20000; }
http {
  access_log off; client_max_body_size 1m; client_body_temp_path $w/temp; keepalive_requests 1000000;
  client_header_timeout 10s; client_body_timeout 30s; keepalive_timeout 120s;
  server {
    listen 127.0.0.1:$port backlog=4096;
    location = /baseWebhookNotification { return 200; }
    location / { return 404; }
  }
}
CONFIG
  nginx -p "$w" -c "$w/nginx.conf" 2>/dev/null &
  pid=$!
  until curl -s -o /dev/null "http://127.0.0.1:$port/"; do sleep 0.05; done
  row=$("$flood" "$1" "$port" "$secs")
  end
}

echo "                    hookward                            nginx                      hookward's memory, MB"
echo "flood           p50 ms   p99 ms   sent  failed     p50 ms   p99 ms   sent  failed   before   most  after 10 s"
for kind in $kinds; do
  flood_hookward "$kind"
  ours=$row
  flood_nginx "$kind"
  # shellcheck disable=SC2086
  set -- $ours $row
  printf '%-12s %9s %8s %6s %7s  %9s %8s %6s %7s  %7s %6s %11s\n' "$kind" "$1" "$2" "$3" "$4" "$8" "$9" \
    "${10}" "${11}" "$5" "$6" "$7"
done
