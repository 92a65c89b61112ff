#!/usr/bin/env bash
# Compares smrkv with redis-server under redis-benchmark, both on this machine and
# by turns, so that what else goes on there hits both. Prints the medians of
# requests a second, and their ratios; of messages a second to 100 subscribers (PUB); and of
# transactions a second, of ten SETs each (MULTI).
#
#	cmd/smrkv/bench.sh [rounds]		(default 5)
#
# SMRKV_FLAGS are added to smrkv's command line.
set -euo pipefail
cd "$(dirname "$0")"

rounds=${1:-5}
clients=50 size=64 keys=100000
requests_1=${REQUESTS_1:-300000}   # at -P 1
requests_16=${REQUESTS_16:-2000000} # at -P 16
kinds=${KINDS:-1 16}                # and sizes of large values, such as "1048576 16777216"
large_bytes=${LARGE_BYTES:-500000000} # of each size

for tool in go redis-server redis-benchmark redis-cli; do
  if ! command -v $tool >/dev/null; then
    echo "needs $tool" >&2
    exit 1
  fi
done

work=$(mktemp -d)
pids=()
cleanup() {
  kill "${pids[@]}" 2>/dev/null || true
  wait
  rm -rf "$work"
}
trap cleanup EXIT

port_smrkv=${PORT:-17380}
port_redis=$((port_smrkv + 1))
go build -o "$work/smrkv" .
go build -o "$work/load" ./load
# shellcheck disable=SC2086 # flags are words
"$work/smrkv" -addr 127.0.0.1:$port_smrkv -loglevel error ${SMRKV_FLAGS:-} &
pids+=($!)
redis-server --port $port_redis --save "" --appendonly no --dir "$work" >/dev/null &
pids+=($!)
for port in $port_smrkv $port_redis; do
  for _ in $(seq 50); do
    redis-cli -p $port ping >/dev/null 2>&1 && continue 2
    sleep 0.1
  done
  echo "nobody answers on port $port" >&2
  exit 1
done

# measure SERVER PORT KIND: appends a line "rate" for each test. A kind is -P 1 or 16, or a size of
# large values, which one client writes and reads.
measure() {
  local options
  case $3 in
    1 | 16)
      local requests=requests_$3
      options=(-P "$3" -c $clients -d $size -r $keys -n "${!requests}")
      ;;
    *) options=(-c 1 -d "$3" -n $((large_bytes / $3))) ;;
  esac
  redis-benchmark -p "$2" -t set,get "${options[@]}" --csv |
    tr -d '"' | while IFS=, read -r test rate _; do
      [ "$test" = test ] || echo "$rate" >>"$work/$1.$test.$3"
    done
  [ "$3" -gt 16 ] && return
  local load=("$work/load" -addr "127.0.0.1:$2" -pipeline "$3" -size $size)
  "${load[@]}" -n "${MESSAGES:-20000}" >>"$work/$1.PUB.$3"
  "${load[@]}" -n "${TRANSACTIONS:-100000}" -clients $clients -multi 10 >>"$work/$1.MULTI.$3"
}

for round in $(seq "$rounds"); do
  for kind in $kinds; do
    if ((round % 2)); then
      measure smrkv $port_smrkv "$kind"
      measure redis $port_redis "$kind"
    else
      measure redis $port_redis "$kind"
      measure smrkv $port_smrkv "$kind"
    fi
  done
  echo "round $round of $rounds" >&2
done

median() { sort -n "$1" | awk '{ v[NR] = $1 } END { print (v[int((NR + 1) / 2)] + v[int((NR + 2) / 2)]) / 2 }'; }

printf '%-5s %8s %12s %12s %7s\n' test kind smrkv redis ratio
for kind in $kinds; do
  for test in SET GET PUB MULTI; do
    [ -f "$work/smrkv.$test.$kind" ] || continue
    s=$(median "$work/smrkv.$test.$kind") r=$(median "$work/redis.$test.$kind")
    awk -v t=$test -v p="$kind" -v s="$s" -v r="$r" 'BEGIN { printf "%-5s %8d %12.1f %12.1f %7.2f\n", t, p, s, r, s / r }'
  done
done
