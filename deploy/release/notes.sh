#!/usr/bin/env bash
# Prints what CHANGELOG.md says of a version.
#
#   notes.sh VERSION      such as 1.2.3, for the section `## [1.2.3] - 2026-01-31`
set -euo pipefail
cd "$(dirname "$0")/../.."
[ "${1:-}" != --help ] || { sed -n '2,4s/^# \{0,1\}//p' "$0"; exit 0; }
version=${1:?notes.sh VERSION}

notes=$(awk -v heading="## [$version]" '
  index($0, "## [") == 1 { inside = index($0, heading) == 1; next }
  inside' CHANGELOG.md)
[ -n "${notes//[[:space:]]/}" ] || { echo "notes: CHANGELOG.md has no section [$version]" >&2; exit 1; }
echo "$notes"
