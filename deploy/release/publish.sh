#!/usr/bin/env bash
# Releases the tag TAG of this commit: image, chart, signatures, and a page of the release with its files.
#
#   REGISTRY=registry.example/team GH_TOKEN=… publish.sh TAG
#
# Needs Docker with buildx and a login at the registry (login.sh), and gh. A call that failed can be repeated.
set -euo pipefail
[ "${1:-}" != --help ] || { sed -n '2,6s/^# \{0,1\}//p' "$0"; exit 0; }
tag=${1:?publish.sh TAG}
: "${REGISTRY:?REGISTRY is where images go, such as registry.example/team}"
cd "$(dirname "$0")/../.."
for program in docker gh; do
  command -v "$program" >/dev/null || { echo "publish: $program is needed" >&2; exit 1; }
done
version=$(deploy/release/check-version.sh "$tag")
[ "$(git rev-parse "$tag^{commit}")" = "$(git rev-parse HEAD)" ] || { echo "publish: the checkout is not $tag" >&2; exit 1; }

out=$(mktemp -d)
trap 'rm -r "$out"' EXIT
IMAGE=$REGISTRY/custom-metrics-adapter:$version PUSH=1 deploy/release/image.sh "$out/image"
image=$(<"$out/image")
deploy/release/assets.sh "$image" "$out/files"
deploy/release/push-chart.sh "$out/files/custom-metrics-adapter-$version.tgz" "$out/chart"
deploy/release/sign.sh "${image/:$version@/@}" "$out/files/sbom.cdx.json"
deploy/release/sign.sh "$(<"$out/chart")"
deploy/release/notes.sh "$version" >"$out/notes"
gh release view "$tag" >/dev/null 2>&1 || gh release create "$tag" --verify-tag --title "$version" --notes-file "$out/notes"
gh release upload "$tag" --clobber "$out/files"/*
