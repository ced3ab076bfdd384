#!/usr/bin/env bash
# Logs Docker in at the registry; helm and cosign use that login.
#
#   REGISTRY=registry.example/team REGISTRY_USER=… REGISTRY_PASSWORD=… login.sh
set -euo pipefail
[ "${1:-}" != --help ] || { sed -n '2,4s/^# \{0,1\}//p' "$0"; exit 0; }
: "${REGISTRY:?REGISTRY is where images go, such as registry.example/team}" "${REGISTRY_USER:?}" "${REGISTRY_PASSWORD:?}"
docker login "${REGISTRY%%/*}" --username "$REGISTRY_USER" --password-stdin <<<"$REGISTRY_PASSWORD"
