#!/usr/bin/env bash
# Builds the Prometheus that is pinned in prometheus/go.mod, once, into ${XDG_CACHE_HOME:-~/.cache}, and prints its path.
# About ten minutes on two cores.
set -euo pipefail
module=$(cd "$(dirname "${BASH_SOURCE[0]}")/prometheus" && pwd)
pin=$(sha256sum "$module/go.sum" | cut -c1-12)
program=${XDG_CACHE_HOME:-$HOME/.cache}/custom-metrics-adapter/prometheus-$pin
mkdir -p "$(dirname "$program")"
exec 9>"$program.lock"
flock 9
[ -x "$program" ] ||
  (cd "$module" && CGO_ENABLED=0 go build -mod=readonly -trimpath -ldflags "-s -w" -o "$program" \
    github.com/prometheus/prometheus/cmd/prometheus >&2)
echo "$program"
