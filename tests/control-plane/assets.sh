#!/usr/bin/env bash
# Prints a directory that holds etcd, kube-apiserver, kube-controller-manager, kube-scheduler, kubectl and kwok.
#
# KUBEBUILDER_ASSETS names one that exists already. Without it the first call builds them with Go from the versions
# pinned in modules/ (about ten minutes on two cores) into a cache under ${XDG_CACHE_HOME:-~/.cache}; later calls
# answer at once. The cache is keyed by the pins, so a bump of a version builds anew.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
programs=(etcd kube-apiserver kube-controller-manager kube-scheduler kubectl kwok)

missing_from() { # DIR
  local program
  for program in "${programs[@]}"; do
    [ -x "$1/$program" ] || printf '%s ' "$program"
  done
}

build() { # MODULE OUTPUT PACKAGE...
  local module=$here/modules/$1 output=$2 started=$SECONDS
  shift 2
  echo "building $* ..." >&2
  # The version is stamped because kubectl and discovery compare it, and an unstamped build calls itself v0.0.0.
  (cd "$module" && CGO_ENABLED=0 GOFLAGS=-mod=readonly go build -trimpath -ldflags "-s -w $(stamp)" -o "$output" "$@")
  echo "  took $((SECONDS - started)) s" >&2
}

stamp() {
  local numbers=${kubernetes#v} package=k8s.io/component-base/version
  local minor=${numbers#*.}
  echo "-X $package.gitVersion=$kubernetes -X $package.gitMajor=${numbers%%.*} -X $package.gitMinor=${minor%%.*}"
}

build_all() { # DIR
  build etcd "$1/etcd" go.etcd.io/etcd/server/v3
  build kwok "$1/" sigs.k8s.io/kwok/cmd/kwok
  build kubernetes "$1/" k8s.io/kubernetes/cmd/{kube-apiserver,kube-controller-manager,kube-scheduler,kubectl}
}

if [ -n "${KUBEBUILDER_ASSETS:-}" ]; then
  missing=$(missing_from "$KUBEBUILDER_ASSETS")
  [ -z "$missing" ] || { echo "KUBEBUILDER_ASSETS=$KUBEBUILDER_ASSETS lacks: $missing" >&2; exit 1; }
  echo "$KUBEBUILDER_ASSETS"
  exit 0
fi

kubernetes=$(sed -n 's/^require k8s\.io\/kubernetes //p' "$here/modules/kubernetes/go.mod")
pins=$(cat "$here"/modules/*/go.mod | sha256sum | cut -c1-8)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/custom-metrics-adapter
assets=$cache/kubernetes-$kubernetes-$pins
mkdir -p "$cache"
# One build at a time: two test runs that start together share the ten minutes instead of doubling them.
exec 9>"$assets.lock"
flock 9
if [ ! -d "$assets" ]; then
  command -v go >/dev/null || { echo "Go (1.26 or later) is needed once, to build the control plane" >&2; exit 1; }
  echo "building a Kubernetes $kubernetes control plane into $assets (once; about ten minutes)" >&2
  building=$(mktemp -d "$assets.XXXXXX")
  trap 'rm -rf "$building"' EXIT
  build_all "$building"
  mv "$building" "$assets"
fi
echo "$assets"
