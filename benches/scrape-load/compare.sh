#!/usr/bin/env bash
# Scrapes the same pods with the adapter's scraper and with Prometheus, side by side, and compares what the kernel
# says that each took: CPU time a sample, resident memory a series.
#
#   benches/scrape-load/compare.sh [TARGETS [SERIES [INTERVAL_SECONDS [SECONDS [gzip|auto]]]]]
#
# $PROMETHEUS is the Prometheus to compare with; none means the one in $PATH, and without one the adapter runs alone.
set -euo pipefail
cd "$(dirname "$0")/../.."

targets=${1:-200} series=${2:-1016} interval=${3:-5} seconds=${4:-120} encoding=${5:-gzip}
warm_up=$((interval * 6 + 10))
prometheus=${PROMETHEUS:-$(command -v prometheus || true)}
work=$(mktemp -d)
pids=()
finish() {
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  wait 2>/dev/null || true
  rm -rf "$work"
}
trap finish EXIT

[ -n "${SKIP_BUILD:-}" ] || cargo build --quiet --release --example scrape-load
load=${CARGO_TARGET_DIR:-target}/release/examples/scrape-load

"$load" serve 0 "$series" >"$work/serve.out" &
pids+=($!)
until port=$(sed -n 's/.*at port //p' "$work/serve.out") && [ -n "$port" ]; do sleep 0.1; done

"$load" scrape "$port" "$targets" "${interval}s" "$encoding" >"$work/scrape.out" &
ours=$!
pids+=("$ours")

theirs=
if [ -n "$prometheus" ]; then
  {
    printf 'global: {scrape_interval: %ss, scrape_timeout: %ss}\n' "$interval" "$interval"
    printf 'scrape_configs:\n- job_name: pods\n  static_configs:\n  - targets:\n'
    for ((n = 1; n <= targets; n++)); do printf '    - 127.1.%d.%d:%d\n' $((n / 256)) $((n % 256)) "$port"; done
  } >"$work/prometheus.yml"
  "$prometheus" --config.file="$work/prometheus.yml" --storage.tsdb.path="$work/tsdb" \
    --web.listen-address=127.0.0.1:0 --log.level=error 2>"$work/prometheus.err" &
  theirs=$!
  pids+=("$theirs")
fi

# CPU ticks of user and system time; resident kilobytes
cpu() { awk '{print $14 + $15}' "/proc/$1/stat"; }
resident() { awk '/^VmRSS/ {print $2}' "/proc/$1/status"; }
samples() { tail -n1 "$work/scrape.out" | sed 's/samples=\([0-9]*\).*/\1/'; }

sleep "$warm_up"
ours_before=$(cpu "$ours") samples_before=$(samples)
[ -z "$theirs" ] || theirs_before=$(cpu "$theirs")
sleep "$seconds"
ours_after=$(cpu "$ours") samples_after=$(samples)
[ -z "$theirs" ] || theirs_after=$(cpu "$theirs")

hertz=$(getconf CLK_TCK)
scraped=$((samples_after - samples_before))
report() {
  awk -v name="$1" -v ticks="$2" -v kilobytes="$3" -v hertz="$hertz" -v samples="$scraped" \
    -v series=$((targets * series)) -v seconds="$seconds" 'BEGIN {
      printf "%-12s %7.3f µs CPU a sample  %8.1f bytes resident a series  %7.1f MiB resident  %5.2f %% of a core\n",
        name, ticks / hertz * 1e6 / samples, kilobytes * 1024 / series, kilobytes / 1024, ticks / hertz / seconds * 100
    }'
}
echo "$targets targets of $series series every ${interval}s ($encoding) for ${seconds}s: $scraped samples"
ours_resident=$(resident "$ours")
report adapter $((ours_after - ours_before)) "$ours_resident"
if [ -n "$theirs" ]; then
  theirs_resident=$(resident "$theirs")
  report prometheus $((theirs_after - theirs_before)) "$theirs_resident"
  awk -v a=$((ours_after - ours_before)) -v b=$((theirs_after - theirs_before)) -v c="$ours_resident" -v d="$theirs_resident" \
    'BEGIN { printf "ratio        %7.1f times the CPU           %8.1f times the memory\n", b / a, d / c }'
  "$prometheus" --version 2>&1 | head -n1
fi
tail -n1 "$work/scrape.out"
