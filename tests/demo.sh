#!/usr/bin/env bash
# The main job on a real control plane: a number that is written with curl scales a Deployment up and back, and then a
# rate that is scraped from pods does. Every line after a `$` is what a user of a cluster would type.
#
#   demo.sh                shows it and leaves nothing running
#   demo.sh --monitoring   the same with a Prometheus beside it, and what that says; in a terminal waits for Enter
#   demo.sh --keep         leaves it up and says how to use it
#   demo.sh --stop         ends what --keep left
set -euo pipefail
tests=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$tests/.."
. "$tests/control-plane/processes.sh"
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
kept=$target/demo
mode=${1:-}

say() {
  printf '\n# %s\n' "$*"
}

run() { # COMMAND, as typed
  local outcome=0
  printf '\n$ %s\n' "$1"
  bash -c "$1" || outcome=$?
  [ "$outcome" = 0 ] || echo "the demo failed: exit code $outcome of: $1" >&2
  return "$outcome"
}

wait_for() { # SECONDS WHAT COMMAND...
  local seconds=$1 what=$2
  shift 2
  within "$seconds" "$@" || { echo "the demo failed: not within $seconds s: $what" >&2; return 1; }
}

stop() { # DIR
  "$tests/control-plane/control-plane.sh" stop "$1"
  rm -rf "$1"
}

finish() {
  local outcome=$? log
  trap - EXIT
  if [ "$outcome" != 0 ]; then
    for log in "$plane"/adapters/*/adapter.log; do
      [ ! -f "$log" ] || { echo "the demo failed; the end of the adapter's log:"; tail -n 30 "$log"; } >&2
    done
  fi
  if [ "$outcome" != 0 ] || [ "$mode" != --keep ]; then stop "$plane"; fi
  exit "$outcome"
}

start_cluster() {
  say "A Kubernetes control plane on this machine, with simulated kubelets"
  "$tests/control-plane/control-plane.sh" start "$plane"
  export KUBECONFIG=$plane/admin.kubeconfig KUBECACHEDIR=$plane/kubectl.cache
  # A progress meter, which curl shows when its output is not a terminal, would hide the answer.
  echo no-progress-meter >"$plane/.curlrc"
  export CURL_HOME=$plane
  run "kubectl get nodes"
}

# No container runtime is here: the binary runs on this machine with the ServiceAccount of its Deployment, and the
# APIServices are pointed at it.
install_adapter() {
  run "kubectl apply -f deploy/k8s/deployment.yaml"
  "$tests/control-plane/adapter.sh" start "$plane" demo "$target/debug/custom-metrics-adapter" \
    --scrape-allow-loopback # where simulated pods are
  "$tests/control-plane/adapter.sh" register "$plane" demo >/dev/null
  . "$plane/adapters/demo/addresses"
  run "kubectl get apiservice v1beta1.custom.metrics.k8s.io v1beta2.custom.metrics.k8s.io"
}

write() { # VALUE
  run "curl -d '\"$1\"' http://$WRITE/write-metrics/namespaces/default/deployments.apps/queue-worker/queue_depth"
}

scales_to() { # HPA REPLICAS
  run "kubectl wait hpa/$1 --for=jsonpath='{.status.currentReplicas}'=$2 --timeout=60s"
  run "kubectl get hpa,pods"
}

scale_up_and_back() {
  say "A Deployment, and an HPA that wants 100 queued jobs a replica"
  run "kubectl apply -f deploy/examples/hpa-object.yaml"
  run "kubectl rollout status deployment/queue-worker --timeout=60s"
  say "300 jobs are waiting"
  write 300
  run "kubectl get --raw /apis/custom.metrics.k8s.io/v1beta2/namespaces/default/deployments.apps/queue-worker/queue_depth"
  scales_to queue-worker 3
  say "10 jobs are left"
  write 10
  scales_to queue-worker 1
  run "kubectl describe hpa queue-worker"
}

start_prometheus() {
  "$tests/control-plane/prometheus.sh" start "$plane" demo
  PROMETHEUS=http://$(<"$plane/adapters/demo/prometheus/address")
}

ask() { # WHAT PROMQL
  say "$1"
  run "promtool query instant $PROMETHEUS '$2'"
}

show_monitoring() {
  ask "Reads of the last minute by route" \
    'sum by (route) (increase(custom_metrics_adapter_api_requests_total[1m]))'
  ask "Nine in ten reads of a value were answered within so many seconds" \
    'histogram_quantile(0.9, sum by (le) (rate(custom_metrics_adapter_api_request_duration_seconds_bucket{route="value"}[1m])))'
  ask "How old the values were that the HPA read" \
    'histogram_quantile(0.9, sum by (le) (rate(custom_metrics_adapter_api_value_age_seconds_bucket[1m])))'
  ask "Series in memory by source" custom_metrics_adapter_store_series
  ask "How much of each limit is taken, by the rules of deploy/k8s/components/monitoring" \
    'instance:custom_metrics_adapter_limit_used:ratio > 0'
  ask "Alerts that fire (none)" 'ALERTS{alertstate="firing"}'
  cat <<TEXT

Prometheus:              $PROMETHEUS/graph, /alerts, /rules
the adapter's own pages: http://$ADMIN/, /hpas, /metrics, /targets, /series
dashboards to import:    dashboards/*.json
TEXT
  [ ! -t 0 ] || read -rp "All of it is up until you press Enter. "
}

# The pods are simulated: a server on this machine answers at the address of each, and is told how busy they are.
start_exposition() {
  exposition=127.0.0.1:$(free_port)
  spawn "$plane" exposition-server "$target/debug/examples/exposition-server" "0.0.0.0:${exposition##*:}"
  wait_for 60 "the simulated pods expose metrics at $exposition" curl -sf -o /dev/null "http://$exposition/metrics"
  echo "$exposition" >"$plane/exposition"
}

receive() { # REQUESTS a second, shared by the pods
  run "curl -d get=$1 http://$exposition/load"
}

# The manifest's default would be a scrape each 15 s and a rate over a minute: too slow to watch.
scrape_quickly() {
  local quick="{\"prometheus.io/port\": \"${exposition##*:}\", \"prometheus.io/interval\": \"1s\", \"custom-metrics-adapter/window\": \"5s\"}"
  run "kubectl patch deployment shop --type merge -p '{\"spec\": {\"template\": {\"metadata\": {\"annotations\": $quick}}}}'"
  run "kubectl rollout status deployment/shop --timeout=60s"
}

# Right after a step the rates still hold what was before it, and the HPA may overshoot for a moment.
settled_at_three() {
  [[ $(seen_by_hpa) =~ ^3\ 3\ (9[0-9]|10[0-9])([0-9]{3}m)?$ ]]
}

seen_by_hpa() { # current replicas, wanted replicas, requests a second of each pod
  local seen='{.status.currentReplicas} {.status.desiredReplicas} {.status.currentMetrics[0].pods.current.averageValue}'
  kubectl get hpa shop -o jsonpath="$seen"
}

scale_on_a_rate_and_back() {
  say "A Deployment whose pods expose Prometheus metrics, and an HPA that wants 100 requests a second of each"
  start_exposition
  run "grep prometheus.io/ deploy/examples/hpa-scraped.yaml"
  run "kubectl apply -f deploy/examples/hpa-scraped.yaml"
  scrape_quickly
  say "300 requests a second come in"
  receive 300
  # On a busy machine scrapes are late, and the HPA goes past three and comes back.
  wait_for 180 "three replicas with 100 requests a second each" settled_at_three ||
    { echo "the HPA sees (replicas, wanted, requests a second each): $(seen_by_hpa)" >&2; return 1; }
  scales_to shop 3
  run "curl '$ADMIN/targets?format=json'"
  run "kubectl get --raw '/apis/custom.metrics.k8s.io/v1beta2/namespaces/default/pods/*/http_requests_per_second'"
  say "20 are left"
  receive 20
  scales_to shop 1
}

# A wrong name, as it happens at night: `explain` says it in its second line.
explain() {
  say "Why does an HPA not scale? One command says it, of one that works and of one whose metric is misspelt"
  run "custom-metrics-adapter explain hpa/shop --adapter http://$ADMIN"
  run "kubectl patch hpa shop --type json -p '[{\"op\": \"replace\", \"path\": \"/spec/metrics/0/pods/metric/name\", \"value\": \"http_request_per_second\"}]'"
  run "custom-metrics-adapter explain hpa/shop --adapter http://$ADMIN || echo exit code \$?"
  run "kubectl patch hpa shop --type json -p '[{\"op\": \"replace\", \"path\": \"/spec/metrics/0/pods/metric/name\", \"value\": \"http_requests_per_second\"}]'"
  run "curl http://$ADMIN/hpas"
}

explain_kept() {
  cat <<TEXT

It is up. In your shell:
  export KUBECONFIG=$KUBECONFIG PATH=$KUBEBUILDER_ASSETS:\$PATH
  curl -d '"500"' http://$WRITE/write-metrics/namespaces/default/deployments.apps/queue-worker/queue_depth
  curl -d get=500 http://$exposition/load
  kubectl get hpa --watch
Every HPA, and why one does not scale: http://$ADMIN/hpas
What is scraped: http://$ADMIN/targets, what is stored: http://$ADMIN/series
The adapter's log is $plane/adapters/demo/adapter.log, its admin port http://$ADMIN/metrics
\`make demo-stop\` ends it.
TEXT
}

case $mode in
  "" | --monitoring) plane=$(mktemp -d "${TMPDIR:-/tmp}/demo.XXXXXX") ;;
  --keep) plane=$kept ;;
  --stop) [ ! -d "$kept" ] || stop "$kept"; exit ;;
  *) echo "demo.sh [--keep|--monitoring|--stop]" >&2; exit 2 ;;
esac
[ ! -e "$plane/port" ] || { echo "the demo is up already; \`make demo-stop\` ends it" >&2; exit 1; }
trap finish EXIT
trap 'exit 130' INT TERM

cargo build --bins --example exposition-server
KUBEBUILDER_ASSETS=$("$tests/control-plane/assets.sh")
export KUBEBUILDER_ASSETS PATH=$KUBEBUILDER_ASSETS:$target/debug:$PATH
[ "$mode" = --keep ] || export OWNER_PID=$$
SECONDS=0
start_cluster
install_adapter
[ "$mode" != --monitoring ] || start_prometheus
scale_up_and_back
scale_on_a_rate_and_back
explain
say "That took $SECONDS seconds"
[ "$mode" != --monitoring ] || show_monitoring
[ "$mode" != --keep ] || explain_kept
