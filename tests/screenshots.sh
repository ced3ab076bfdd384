#!/usr/bin/env bash
# Makes the pictures of README.md: the demo with two HPAs that work and one that does not, as Chromium shows the pages.
set -euo pipefail
tests=$(cd "$(dirname "$0")" && pwd)
cd "$tests/.."
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
trap '"$tests/demo.sh" --stop; rm -rf "${profile:-}"' EXIT
"$tests/demo.sh" --keep
. "$target/demo/adapters/demo/addresses"
export KUBECONFIG=$target/demo/admin.kubeconfig
KUBEBUILDER_ASSETS=$("$tests/control-plane/assets.sh")
kubectl=$KUBEBUILDER_ASSETS/kubectl
"$kubectl" get hpa shop -o json |
  sed 's/"name": "shop"/"name": "checkout"/' |
  "$kubectl" create -f - >/dev/null
profile=$(mktemp -d)
shoot() { # PAGE FILE SIZE
  chromium --headless --no-sandbox --disable-gpu --hide-scrollbars --no-proxy-server --user-data-dir="$profile" \
    --window-size="$3" --screenshot="docs/pictures/$2" "http://$ADMIN$1" >/dev/null 2>&1
}
mkdir -p docs/pictures
for load in 60 150 280 420 300; do # a line worth to look at
  curl -s -o /dev/null -d "get=$load" "http://$(<"$target/demo/exposition")/load"
  sleep 20
done
shoot / status.png 1280,900
shoot /hpas hpas.png 1280,640
shoot /hpas/default/shop hpa.png 1280,1240
shoot /targets targets.png 1280,480
