#!/usr/bin/env bash
# Prints the install.yaml of a version: deploy/k8s/deployment.yaml with the image that was released.
#
#   install-yaml.sh VERSION IMAGE      IMAGE such as registry.example/team/custom-metrics-adapter:1.2.3@sha256:…
set -euo pipefail
cd "$(dirname "$0")/../.."
[ "${1:-}" != --help ] || { sed -n '2,4s/^# \{0,1\}//p' "$0"; exit 0; }
version=${1:?install-yaml.sh VERSION IMAGE} image=${2:?install-yaml.sh VERSION IMAGE}
fail() { echo "install-yaml: $1" >&2; exit 1; }
[[ $image =~ ^[A-Za-z0-9._:/@-]+$ ]] || fail "no image's name: $image"

manifest=deploy/k8s/deployment.yaml
grep -qF "app.kubernetes.io/version: $version" "$manifest" || fail "$manifest is not of version $version"
[ "$(grep -c '^ *image: ' "$manifest")" = 1 ] || fail "$manifest has not one line \`image:\`"
echo "# custom-metrics-adapter $version:   kubectl apply -f install.yaml"
# The head of the manifest says how to set an image.
sed -n '/^---$/,$p' "$manifest" | sed "s|^\( *image: \).*|\1$image|"
