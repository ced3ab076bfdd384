#!/usr/bin/env bash
# Runs a part of what CI checks, on any machine.
#
#   ci.sh lint|unit|e2e      together they are `make test`
#   ci.sh static             the static binary, on an empty root
#   ci.sh image              the image for all platforms, which needs Docker with buildx; nothing is pushed
set -euo pipefail
cd "$(dirname "$0")/../.."
case ${1:-} in
  lint) make lint docs ;;
  unit) deploy/release/install-tools.sh && cargo test ;;
  e2e) deploy/release/install-tools.sh && tests/e2e.sh ;;
  static) deploy/check-static.sh ;;
  image) IMAGE=custom-metrics-adapter:$(deploy/release/check-version.sh) deploy/release/image.sh ;;
  --help) sed -n '2,6s/^# \{0,1\}//p' "$0" ;;
  *) echo "ci.sh lint|unit|e2e|static|image" >&2; exit 2 ;;
esac
