#!/usr/bin/env bash
# Signs what was pushed, by its digest, with the identity of the workflow (keyless), or with the key file COSIGN_KEY.
#
#   sign.sh NAME@sha256:… [SBOM]      the SBOM is attached as an attestation that is signed as well
#
# cosign is built from its pinned module (tests/tools).
set -euo pipefail
[ "${1:-}" != --help ] || { sed -n '2,6s/^# \{0,1\}//p' "$0"; exit 0; }
what=${1:?sign.sh NAME@sha256:… [SBOM]}
fail() { echo "sign: $1" >&2; exit 1; }
[[ $what =~ @sha256:[0-9a-f]{64}$ ]] || fail "$what has no digest: a tag can be moved after it was signed"
cosign=$("$(dirname "$0")/../../tests/tools/tool.sh" cosign)
key=()
[ -z "${COSIGN_KEY:-}" ] || key=(--key "$COSIGN_KEY")
# Recursive: a node pulls the image of its platform, which has a digest of its own.
"$cosign" sign --yes --recursive "${key[@]}" "$what"
[ $# -lt 2 ] || "$cosign" attest --yes "${key[@]}" --type cyclonedx --predicate "$2" "$what"
