#!/usr/bin/env bash
# Says whether everything that names a version names the one of Cargo.toml, and prints it.
#
#   check-version.sh [TAG]      TAG (v1.2.3) has to be that version too, and CHANGELOG.md has to have a section of it
set -euo pipefail
cd "$(dirname "$0")/../.."
[ "${1:-}" != --help ] || { sed -n '2,4s/^# \{0,1\}//p' "$0"; exit 0; }
fail() { echo "check-version: $1" >&2; exit 1; }

version=$(sed -n '/^\[package\]/,/^\[/s/^version = "\(.*\)"$/\1/p' Cargo.toml)
[ -n "$version" ] || fail "Cargo.toml has no version"
chart=deploy/helm/custom-metrics-adapter/Chart.yaml
for line in "version: $version" "appVersion: $version"; do
  grep -qxF "$line" "$chart" || fail "$chart has no line \`$line\`"
done
grep -qF "app.kubernetes.io/version: $version" deploy/k8s/labels/kustomization.yaml || fail "deploy/k8s/labels has another version than $version"
grep -qF "image: custom-metrics-adapter:$version" deploy/k8s/deployment.yaml || fail "deploy/k8s/deployment.yaml has another image than $version"

if [ $# -gt 0 ]; then
  [ "$1" = "v$version" ] || fail "the tag is $1, and Cargo.toml says $version"
  deploy/release/notes.sh "$version" >/dev/null
fi
echo "$version"
