#!/usr/bin/env bash
# Makes sure that the programs are there which the tests and the demo call besides Rust and Go. On a Debian machine as
# root it installs what is missing; anywhere else it says what to install.
#
#   setup.sh        for the tests
#   setup.sh demo   for the demo, which needs less
set -euo pipefail

declare -A package=([cc]=gcc [make]=make [git]=git [curl]=curl [openssl]=openssl [flock]=util-linux [setsid]=util-linux)
[ "${1:-}" = demo ] || package+=([prometheus]=prometheus [promtool]=prometheus [chromium]=chromium)
declare -A missing=()
for program in "${!package[@]}"; do
  command -v "$program" >/dev/null || missing[${package[$program]}]=$program
done

if [ ${#missing[@]} -gt 0 ]; then
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${!missing[@]}" ca-certificates
  else
    echo "please install first: ${!missing[*]} (missing: ${missing[*]})" >&2
    exit 1
  fi
fi

command -v cargo >/dev/null || { echo "Rust is needed (rustup picks the version of rust-toolchain.toml)" >&2; exit 1; }
command -v go >/dev/null || [ -n "${KUBEBUILDER_ASSETS:-}" ] ||
  { echo "Go 1.26 or later is needed, to build the control plane of the tests and the demo once" >&2; exit 1; }
