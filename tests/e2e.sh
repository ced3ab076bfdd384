#!/usr/bin/env bash
# Runs the end-to-end tests against a real control plane, which it starts and stops. Arguments go to the test binary:
# `tests/e2e.sh scaling` runs the tests whose name contains "scaling".
set -euo pipefail
tests=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

plane=$(mktemp -d "${TMPDIR:-/tmp}/e2e.XXXXXX")
finish() {
  local outcome=$? dir log
  trap - EXIT
  for dir in "$plane" "$plane"/planes/*/; do
    [ ! -d "$dir" ] || "$tests/control-plane/control-plane.sh" stop "$dir"
  done
  if [ "$outcome" = 0 ]; then
    rm -rf "$plane"
  else
    for log in "$plane"/adapters/*/adapter.log "$plane"/planes/*/adapters/*/adapter.log; do
      [ ! -f "$log" ] || { echo "== the end of $log"; tail -n 30 "$log"; }
    done
    echo "== all logs are kept in $plane"
  fi
  exit "$outcome"
}
trap finish EXIT
trap 'exit 130' INT TERM

cd "$tests/.."
KUBEBUILDER_ASSETS=$("$tests/control-plane/assets.sh")
export KUBEBUILDER_ASSETS E2E_PLANE=$plane
cargo test --test e2e --no-run
OWNER_PID=$$ "$tests/control-plane/control-plane.sh" start "$plane"
"$tests/control-plane/adapter.sh" install "$plane"
# They wait most of the time, for the HPA controller above all, so more threads than cores.
cargo test --test e2e -- --test-threads 4 "$@"
