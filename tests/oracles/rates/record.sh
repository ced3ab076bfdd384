#!/usr/bin/env bash
# Compares our rates and those of Prometheus with the truth of simulated counters (tests/truth), and prints the table
# of docs/scraping.md. `record.sh vectors` instead writes what Prometheus answers to the cases of tests/vectors/rates.json
# into that file. Needs python3 and go, which fetches Prometheus, pinned. `cargo test` needs none of it.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
(cd "$here/prometheus" && CGO_ENABLED=0 go build -mod=readonly -trimpath -o "$work/prometheus" .)
if [ "${1:-}" = vectors ]; then
  exec python3 "$here/vectors.py" "$here/../../vectors/rates.json" "$work/prometheus"
fi
(cd "$here" && TRUTH_FILE=$work/histories cargo test --quiet --test truth -- --ignored histories_are_written >&2)
"$work/prometheus" < "$work/histories" > "$work/answers"
python3 "$here/table.py" "$work/histories" "$work/answers"
