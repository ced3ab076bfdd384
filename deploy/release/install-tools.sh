#!/usr/bin/env bash
# Installs what the tests call besides Rust, Go and Docker, as root or by sudo: tests/setup.sh knows what.
set -euo pipefail
cd "$(dirname "$0")/../.."
[ "${1:-}" != --help ] || { sed -n '2s/^# \{0,1\}//p' "$0"; exit 0; }
if [ "$(id -u)" = 0 ]; then exec tests/setup.sh; fi
exec sudo env "PATH=$PATH" "HOME=$HOME" tests/setup.sh
