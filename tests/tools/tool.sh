#!/usr/bin/env bash
# Prints the path of a program that only tests and releases need, such as helm.
#
#   tool.sh NAME      NAME is a folder of modules/, whose go.mod pins the version
#
# The first call builds it with Go into a cache under ${XDG_CACHE_HOME:-~/.cache}; later calls answer at once. The cache is
# keyed by the pin, so a bump of the version builds anew.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
name=${1:?the name of a tool}
module=$here/modules/$name
[ -f "$module/go.mod" ] || { echo "no tool $name in $here/modules" >&2; exit 2; }

package=$(sed -n 's/^tool //p' "$module/go.mod")
pin=$(cat "$module/go.mod" "$module/go.sum" | sha256sum | cut -c1-8)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/custom-metrics-adapter
binary=$cache/tools/$pin/$name
mkdir -p "$(dirname "$binary")"
# One build at a time: tests that start together share it.
exec 9>"$binary.lock"
flock 9
if [ ! -x "$binary" ]; then
  command -v go >/dev/null || { echo "Go (1.26 or later) is needed once, to build $name" >&2; exit 1; }
  echo "building $package into $binary (once)" >&2
  (cd "$module" && CGO_ENABLED=0 GOFLAGS=-mod=readonly go build -trimpath -ldflags "-s -w" -o "$binary.new" "$package") 9>&-
  mv "$binary.new" "$binary"
fi
echo "$binary"
