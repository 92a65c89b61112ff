#!/usr/bin/env bash
# Compares smrkv with redis-server under redis-benchmark, both on this machine and
# by turns, so that what else goes on there hits both. Prints the medians of
# requests a second, and their ratios; and of messages a second to 100 subscribers.
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
go build -o "$work/fanout" ./fanout
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

# measure SERVER PORT PIPELINE: appends a line "rate" for each test.
measure() {
  local requests=requests_$3
  redis-benchmark -p "$2" -t set,get -P "$3" -c $clients -d $size -r $keys -n "${!requests}" --csv |
    tr -d '"' | while IFS=, read -r test rate _; do
      [ "$test" = test ] || echo "$rate" >>"$work/$1.$test.$3"
    done
  "$work/fanout" -addr "127.0.0.1:$2" -pipeline "$3" -messages "${MESSAGES:-20000}" >>"$work/$1.PUB.$3"
}

for round in $(seq "$rounds"); do
  for pipeline in 1 16; do
    if ((round % 2)); then
      measure smrkv $port_smrkv $pipeline
      measure redis $port_redis $pipeline
    else
      measure redis $port_redis $pipeline
      measure smrkv $port_smrkv $pipeline
    fi
  done
  echo "round $round of $rounds" >&2
done

median() { sort -n "$1" | awk '{ v[NR] = $1 } END { print (v[int((NR + 1) / 2)] + v[int((NR + 2) / 2)]) / 2 }'; }

printf '%-5s %4s %12s %12s %7s\n' test -P smrkv redis ratio
for pipeline in 1 16; do
  for test in SET GET PUB; do
    s=$(median "$work/smrkv.$test.$pipeline") r=$(median "$work/redis.$test.$pipeline")
    awk -v t=$test -v p=$pipeline -v s="$s" -v r="$r" 'BEGIN { printf "%-5s %4d %12d %12d %7.2f\n", t, p, s, r, s / r }'
  done
done
