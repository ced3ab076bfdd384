#!/usr/bin/env bash
# Builds the image for amd64 and arm64, and pushes it if PUSH=1. Needs Docker with buildx.
#
#   IMAGE=registry.example/team/custom-metrics-adapter:1.2.3 PUSH=1 image.sh [FILE]
#
#   FILE       where the pushed image goes by its digest: NAME:TAG@sha256:…
#   PLATFORMS  others than linux/amd64,linux/arm64
#   SOURCE     the URL of the repository, for the image's label
#
# The base of the build is pinned by its digest in deploy/Dockerfile; the image itself starts empty. The commit and its date are
# those of the checkout, and the files of the image are of that date.
set -euo pipefail
[ "${1:-}" != --help ] || { sed -n '2,11s/^# \{0,1\}//p' "$0"; exit 0; }
fail() { echo "image: $1" >&2; exit 1; }
image=${IMAGE:?IMAGE is the name and tag to build}
file=$(realpath "${1:-/dev/null}")
cd "$(dirname "$0")/../.."
version=$(deploy/release/check-version.sh)
docker buildx version >/dev/null 2>&1 || fail "docker buildx is needed"
commit=$(git rev-parse HEAD)
[ -z "$(git status --porcelain)" ] || commit+=-dirty
[ "${PUSH:-}" != 1 ] || [ "${commit%-dirty}" = "$commit" ] || fail "the checkout is not clean: an image of it could not be built again"
epoch=$(git log -1 --format=%ct)
created=$(date --utc --date "@$epoch" +%Y-%m-%dT%H:%M:%SZ)

# The default builder of Docker builds for one platform only.
builder=custom-metrics-adapter
docker buildx inspect "$builder" >/dev/null 2>&1 || docker buildx create --name "$builder" --driver docker-container >/dev/null
metadata=$(mktemp)
trap 'rm "$metadata"' EXIT
output=type=cacheonly
if [ "${PUSH:-}" = 1 ]; then output=type=image,push=true,rewrite-timestamp=true; fi
docker buildx build . --builder "$builder" --file deploy/Dockerfile --tag "$image" \
  --platform "${PLATFORMS:-linux/amd64,linux/arm64}" --output "$output" --metadata-file "$metadata" --provenance mode=max \
  --build-arg "CMA_GIT_COMMIT=$commit" --build-arg "SOURCE_DATE_EPOCH=$epoch" --build-arg "VERSION=$version" \
  --build-arg "CREATED=$created" --build-arg "SOURCE=${SOURCE:-}" >&2
[ "${PUSH:-}" = 1 ] || exit 0
digest=$(sed -n 's/.*"containerimage.digest": *"\(sha256:[0-9a-f]*\)".*/\1/p' "$metadata")
[ -n "$digest" ] || fail "buildx does not say which digest it pushed"
if [ "$file" = /dev/null ]; then echo "$image@$digest"; else echo "$image@$digest" >"$file"; fi
