#!/bin/sh
# Builds the static release binary that the image ships, and prints its path. The Dockerfile and
# deploy/check-static.sh both call this, so what is checked is what is shipped.
#
#   deploy/build-static.sh [amd64|arm64]      default: this machine's
#
# Static glibc: `--target` keeps the flag away from build scripts and procedural macros, which need a dynamic
# libc. Since glibc 2.34 the name services `files` and `dns` are part of libc.a, so host names resolve without
# any file in the image but the /etc/resolv.conf and /etc/hosts that the kubelet puts there.
set -eu
cd "$(dirname "$0")/.."
case ${1:-$(uname -m)} in
  amd64 | x86_64) target=x86_64-unknown-linux-gnu cross=x86_64-linux-gnu-gcc ;;
  arm64 | aarch64) target=aarch64-unknown-linux-gnu cross=aarch64-linux-gnu-gcc ;;
  *) echo "build-static: amd64 or arm64, not $1" >&2; exit 2 ;;
esac
if [ "$(rustc -vV | sed -n 's/^host: //p')" != "$target" ]; then
  variable=$(echo "$target" | tr 'a-z-' 'A-Z_')
  export "CARGO_TARGET_${variable}_LINKER=$cross"
fi
RUSTFLAGS='-C target-feature=+crt-static' cargo build --locked --release --bin custom-metrics-adapter --target "$target" >&2
echo "${CARGO_TARGET_DIR:-target}/$target/release/custom-metrics-adapter"
