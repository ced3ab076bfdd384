#!/usr/bin/env bash
# Writes the SBOM of the binary, in CycloneDX 1.5 JSON: the crates of Cargo.lock that it is built from, with their licences.
#
#   sbom.sh FILE
#
# The same commit gives the same file. The first call builds cargo-cyclonedx, pinned below, into a cache.
set -euo pipefail
[ "${1:-}" != --help ] || { sed -n '2,6s/^# \{0,1\}//p' "$0"; exit 0; }
file=$(realpath "${1:?sbom.sh FILE}")
pinned=0.5.9
cd "$(dirname "$0")/../.."
tools=${XDG_CACHE_HOME:-$HOME/.cache}/custom-metrics-adapter/tools/cargo-cyclonedx-$pinned
[ -x "$tools/bin/cargo-cyclonedx" ] || cargo install --locked --root "$tools" --version "=$pinned" cargo-cyclonedx >&2

# It writes beside Cargo.toml, and under a name that it chooses: from a copy, so that nothing is left here.
work=$(mktemp -d)
trap 'rm -r "$work"' EXIT
cp -r Cargo.toml Cargo.lock build.rs README.md src benches tests "$work/"
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export SOURCE_DATE_EPOCH
(cd "$work" && "$tools/bin/cargo-cyclonedx" cyclonedx --format json --spec-version 1.5 --no-build-deps \
  --target x86_64-unknown-linux-gnu --override-filename sbom) >&2
# The name of the copy would be in it.
sed "s|file://$work|file:///src|g" "$work/sbom.json" >"$file"
