#!/bin/sh
# Builds the image's binary and shows that it runs on an empty root: no dynamic loader, no shared library, no file.
set -eu
cd "$(dirname "$0")/.."
fail() { echo "check-static: $1" >&2; exit 1; }

channel=$(sed -n 's/^channel = "\(.*\)"$/\1/p' rust-toolchain.toml)
grep -q "rust:$channel-" deploy/Dockerfile || fail "deploy/Dockerfile builds with another Rust than rust-toolchain.toml ($channel)"

binary=$(deploy/build-static.sh)
if readelf --program-headers "$binary" | grep -q INTERP; then fail "$binary asks for a dynamic loader"; fi
if readelf --dynamic "$binary" | grep -q NEEDED; then fail "$binary needs shared libraries"; fi

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
chmod 755 "$root"
cp "$binary" "$root/"
if [ "$(id -u)" = 0 ]; then
  version=$(chroot --userspec=65532:65532 "$root" /custom-metrics-adapter --version)
else
  version=$("$root/custom-metrics-adapter" --version)
fi
echo "$version: static, $(wc -c <"$binary") bytes, starts on an empty root"
