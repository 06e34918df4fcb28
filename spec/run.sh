#!/bin/sh
# run.sh -- runs tests in parallel, since most of them wait most of the time.
#
#   JOBS=4 sh spec/run.sh units PROGRAM...
#   JOBS=4 sh spec/run.sh specs [FILE | FOLDER | OPTION OF BUSTED]...
#
# Each program is a job, and so is each spec file, in a busted of its own; JOBS of them run at a
# time; without a file it is all of spec/, but not spec/browser/. The output of a job is printed as a
# whole when it has ended. For specs, the last line is the total in busted's words; a busted that ends
# without its closing line counts as an error. Exit 1 if a job failed.

set -u

# One job, in a process of its own: `sh run.sh one NAME COMMAND...`.
if [ "$1" = one ]; then
  name=$2; shift 2
  out=$KEPT/out/$(echo "$name" | tr / _)
  "$@" </dev/null >"$out" 2>&1
  code=$?
  # Only the closing line shows that all specs of a file were run.
  if [ "$KIND" = specs ] && ! grep -Eq "$CLOSING" "$out"; then
    echo "$name: busted ended without its closing line (exit $code)" >>"$out"
    echo "0 successes / 0 failures / 1 error / 0 pending : 0 seconds" >>"$out"
    code=1
  fi
  [ $code = 0 ] || echo "$name" >>"$KEPT/failed"
  { flock 9; echo "---- $name"; cat "$out"; } 9>"$KEPT/lock"
  exit 0 # so that xargs goes on; failed jobs are in the list
fi

KIND=$1; shift
CLOSING='^[0-9]+ success(es)? / [0-9]+ failures? / [0-9]+ errors? / [0-9]+ pending'
KEPT=$(mktemp -d) && mkdir "$KEPT/out" || exit 1
export KIND CLOSING KEPT
trap 'rm -rf "$KEPT"' EXIT
trap 'exit 130' INT TERM
jobs=${JOBS:-$(nproc)}
began=$(date +%s)

# Words that name existing files are what to run; the others are options for each busted.
for word; do
  shift
  if [ -d "$word" ]; then find "$word" -name '*_spec.lua' >>"$KEPT/names"
  elif [ -e "$word" ]; then echo "$word" >>"$KEPT/names"
  elif [ "$KIND" = specs ]; then
    case $word in *_spec.lua) echo "$word: no such file" >&2; exit 1 ;; esac
    set -- "$@" "$word"
  else echo "$word: no such program" >&2; exit 1
  fi
done
[ -e "$KEPT/names" ] || find spec -maxdepth 1 -name '*_spec.lua' >"$KEPT/names"

# The largest first, so that no long job is left for the end.
by_size() { sort -u | xargs -d '\n' ls -S; }

if [ "$KIND" = units ]; then
  by_size <"$KEPT/names" | xargs -d '\n' -P "$jobs" -I{} sh "$0" one {} {}
else
  by_size <"$KEPT/names" | xargs -d '\n' -P "$jobs" -I{} sh "$0" one {} busted {} "$@"
  echo "---- all of them"
  grep -rhE "$CLOSING" "$KEPT/out" | awk -v seconds=$(($(date +%s) - began)) '
    function words(count, one, more) { return count + 0 " " (count == 1 ? one : more) }
    { successes += $1; failures += $4; errors += $7; pending += $10 }
    END { print words(successes, "success", "successes") " / " words(failures, "failure", "failures") \
      " / " words(errors, "error", "errors") " / " pending + 0 " pending : " seconds " seconds" }'
fi

[ ! -e "$KEPT/failed" ] || { echo "failed: $(sort "$KEPT/failed" | tr '\n' ' ')"; exit 1; }
