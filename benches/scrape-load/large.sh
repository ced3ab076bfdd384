#!/usr/bin/env bash
# Many targets: do their scrapes keep up, and what do they cost? A kept connection is a file descriptor, so that a machine whose limit
# is lower than the targets has several processes scrape them together; the sum is what one would take.
#
#   benches/scrape-load/large.sh [TARGETS [SERIES [INTERVAL_SECONDS [SECONDS]]]]
set -euo pipefail
cd "$(dirname "$0")/../.."

targets=${1:-50000} series=${2:-200} interval=${3:-15} seconds=${4:-1200}
most=$(($(ulimit -Hn) - 500))
processes=$(((targets + most - 1) / most))
each=$((targets / processes))
work=$(mktemp -d)
pids=()
finish() {
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  wait 2>/dev/null || true
  rm -rf "$work"
}
trap finish EXIT
ulimit -Sn "$(ulimit -Hn)"

[ -n "${SKIP_BUILD:-}" ] || cargo build --quiet --release --example scrape-load
load=${CARGO_TARGET_DIR:-target}/release/examples/scrape-load
sources=() scrapers=()
for ((n = 0; n < processes; n++)); do
  "$load" serve 0 "$series" >"$work/serve.$n" &
  pids+=($!) sources+=($!)
  until port=$(sed -n 's/.*at port //p' "$work/serve.$n") && [ -n "$port" ]; do sleep 0.1; done
  "$load" scrape "$port" "$each" "${interval}s" auto >"$work/scrape.$n" &
  pids+=($!) scrapers+=($!)
done

ticks() { for pid in "$@"; do awk '{print $14 + $15}' "/proc/$pid/stat"; done | awk '{ sum += $1 } END { printf "%d", sum }'; }
kilobytes() { for pid in "$@"; do awk '/^VmRSS/ {print $2}' "/proc/$pid/status"; done | awk '{ sum += $1 } END { printf "%d", sum }'; }
counter() { # NAME: its sum over the processes now
  for ((n = 0; n < processes; n++)); do tail -n1 "$work/scrape.$n" | grep -o "$1=[0-9]*" | cut -d= -f2; done | awk '{ sum += $1 } END { printf "%d", sum }'
}

sleep $((interval * 4))
before=$(ticks "${scrapers[@]}") source_before=$(ticks "${sources[@]}")
samples=$(counter samples) good=$(counter good) failed=$(counter failed) skipped=$(counter skipped)
sleep "$seconds"
cpu=$(($(ticks "${scrapers[@]}") - before)) source=$(($(ticks "${sources[@]}") - source_before))
samples=$(($(counter samples) - samples)) good=$(($(counter good) - good))
failed=$(($(counter failed) - failed)) skipped=$(($(counter skipped) - skipped))
due=$((each * processes * seconds / interval))
awk -v cpu="$cpu" -v source="$source" -v hertz="$(getconf CLK_TCK)" -v seconds="$seconds" -v samples="$samples" -v series="$series" \
  -v kilobytes="$(kilobytes "${scrapers[@]}")" -v good="$good" -v due="$due" -v failed="$failed" -v skipped="$skipped" \
  -v targets="$((each * processes))" -v processes="$processes" -v interval="$interval" 'BEGIN {
    printf "%d targets of %d series every %d s for %d s, %d processes: %d of %d scrapes due, %d failed, %d intervals skipped\n",
      targets, series, interval, seconds, processes, good, due, failed, skipped
    printf "scraping: %.3f µs a sample, %.0f %% of a core, %.0f MiB resident (%.0f bytes a series); the pods: %.0f %% of a core\n",
      cpu / hertz * 1e6 / samples, cpu / hertz / seconds * 100, kilobytes / 1024, kilobytes * 1024 / targets / series, source / hertz / seconds * 100
  }'
for ((n = 0; n < processes; n++)); do tail -n1 "$work/scrape.$n" | grep -o 'duration_p50.*lag_p99=[^ ]*'; done
