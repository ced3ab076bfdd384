#!/usr/bin/env bash
# Pushes a packaged chart as an OCI artifact, and writes what it is by its digest into a file: NAME@sha256:…
#
#   REGISTRY=registry.example/team push-chart.sh PACKAGE FILE
set -euo pipefail
[ "${1:-}" != --help ] || { sed -n '2,4s/^# \{0,1\}//p' "$0"; exit 0; }
package=${1:?push-chart.sh PACKAGE FILE} file=${2:?push-chart.sh PACKAGE FILE}
: "${REGISTRY:?REGISTRY is where images go, such as registry.example/team}"
helm=$("$(dirname "$0")/../../tests/tools/tool.sh" helm)
# A name of its own: the image has the name without `charts`.
said=$("$helm" push "$package" "oci://$REGISTRY/charts" 2>&1) || { echo "$said" >&2; exit 1; }
digest=$(sed -n 's/^Digest: *\(sha256:[0-9a-f]*\)$/\1/p' <<<"$said")
[ -n "$digest" ] || { echo "push-chart: helm does not say which digest it pushed: $said" >&2; exit 1; }
echo "$REGISTRY/charts/custom-metrics-adapter@$digest" >"$file"
