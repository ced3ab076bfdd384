#!/usr/bin/env bash
# Makes the files of a release in FOLDER: install.yaml, the packaged chart, the SBOM, SHA256SUMS. Nothing is pushed.
#
#   assets.sh IMAGE FOLDER      IMAGE as the release has it, NAME:TAG@sha256:…
set -euo pipefail
[ "${1:-}" != --help ] || { sed -n '2,4s/^# \{0,1\}//p' "$0"; exit 0; }
image=${1:?assets.sh IMAGE FOLDER} folder=${2:?assets.sh IMAGE FOLDER}
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$folder"
version=$("$here/check-version.sh")
"$here/install-yaml.sh" "$version" "$image" >"$folder/install.yaml"
"$here/chart.sh" "$version" "$image" "$folder" >/dev/null
"$here/sbom.sh" "$folder/sbom.cdx.json"
(cd "$folder" && sha256sum install.yaml "custom-metrics-adapter-$version.tgz" sbom.cdx.json >SHA256SUMS)
