#!/usr/bin/env bash
# A real Prometheus beside an adapter of adapter.sh. It scrapes the adapter each second and evaluates the rules of
# deploy/k8s/components/monitoring as often.
#
#   prometheus.sh start PLANE NAME   returns once it is ready
#   prometheus.sh stop PLANE NAME
#
# Everything about it is in PLANE/adapters/NAME/prometheus: prometheus.log, its data, and `address` with HOST:PORT.
# control-plane.sh stop ends it too.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/processes.sh"
rules=$(realpath "$here/../../deploy/k8s/components/monitoring/rules.yaml")

configure() {
  . "$dir/../addresses"
  cat >"$dir/prometheus.yml" <<YAML
global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: ["$rules"]
scrape_configs:
  - job_name: custom-metrics-adapter
    static_configs: [{targets: ["$ADMIN"]}]
YAML
  echo "127.0.0.1:$(free_port)" >"$dir/address"
}

ready() {
  [ "$(curl -s -o /dev/null -w '%{http_code}' "http://$(<"$dir/address")/-/ready")" = 200 ]
}

ready_or_gone() {
  ready || gone "$dir" prometheus
}

start() {
  mkdir -p "$dir"
  configure
  spawn "$dir" prometheus prometheus --config.file=prometheus.yml --storage.tsdb.path=data \
    --web.listen-address="$(<"$dir/address")" --log.level=warn
  within 30 ready_or_gone && running "$dir" prometheus && return
  echo "Prometheus is not ready; the end of $dir/prometheus.log:" >&2
  tail -n 20 "$dir/prometheus.log" >&2
  return 1
}

verb=${1:?start or stop}
plane=$(cd "${2:?the directory of the control plane}" && pwd -P)
dir=$plane/adapters/${3:?the name of the adapter}/prometheus
case $verb in
  start) start ;;
  stop) halt "$dir" prometheus ;;
  *) echo "unknown verb $verb" >&2; exit 2 ;;
esac
