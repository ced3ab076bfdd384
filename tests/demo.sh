#!/usr/bin/env bash
# The main job on a real control plane: a number that is written with curl scales a Deployment up and back. Every line
# after a `$` is what a user of a cluster would type.
#
#   demo.sh                shows it and leaves nothing running
#   demo.sh --monitoring   the same with a Prometheus beside it, and what that says; in a terminal waits for Enter
#   demo.sh --keep         leaves it up and says how to use it
#   demo.sh --stop         ends what --keep left
set -euo pipefail
tests=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$tests/.."
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
kept=$target/demo
mode=${1:-}

say() {
  printf '\n# %s\n' "$*"
}

run() { # COMMAND, as typed
  printf '\n$ %s\n' "$1"
  bash -c "$1"
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
  "$tests/control-plane/adapter.sh" start "$plane" demo "$target/debug/custom-metrics-adapter"
  "$tests/control-plane/adapter.sh" register "$plane" demo >/dev/null
  . "$plane/adapters/demo/addresses"
  run "kubectl get apiservice v1beta1.custom.metrics.k8s.io v1beta2.custom.metrics.k8s.io"
}

write() { # VALUE
  run "curl -d '\"$1\"' http://$WRITE/write-metrics/namespaces/default/deployments.apps/queue-worker/queue_depth"
}

scales_to() { # REPLICAS
  run "kubectl wait hpa/queue-worker --for=jsonpath='{.status.currentReplicas}'=$1 --timeout=60s"
  run "kubectl get hpa,pods"
}

scale_up_and_back() {
  say "A Deployment, and an HPA that wants 100 queued jobs a replica"
  run "kubectl apply -f deploy/examples/hpa-object.yaml"
  run "kubectl rollout status deployment/queue-worker --timeout=60s"
  say "300 jobs are waiting"
  write 300
  run "kubectl get --raw /apis/custom.metrics.k8s.io/v1beta2/namespaces/default/deployments.apps/queue-worker/queue_depth"
  scales_to 3
  say "10 jobs are left"
  write 10
  scales_to 1
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
  ask "Nine in ten of them were answered within so many seconds" \
    'histogram_quantile(0.9, sum by (le) (rate(custom_metrics_adapter_api_request_duration_seconds_bucket{route="value"}[1m])))'
  ask "How old the values were that the HPA read" \
    'histogram_quantile(0.9, sum by (le) (rate(custom_metrics_adapter_api_value_age_seconds_bucket[1m])))'
  ask "Series in memory by source" custom_metrics_adapter_store_series
  ask "How much of each limit is taken, by the rules of deploy/monitoring" \
    'instance:custom_metrics_adapter_limit_used:ratio > 0'
  ask "Alerts that fire or are about to (none)" ALERTS
  cat <<TEXT

Prometheus:              $PROMETHEUS/graph, /alerts, /rules
the adapter's own pages: http://$ADMIN/, /metrics, /targets, /series
dashboards to import:    dashboards/*.json
TEXT
  [ ! -t 0 ] || read -rp "All of it is up until you press Enter. "
}

explain_kept() {
  cat <<TEXT

It is up. In your shell:
  export KUBECONFIG=$KUBECONFIG PATH=$KUBEBUILDER_ASSETS:\$PATH
  curl -d '"500"' http://$WRITE/write-metrics/namespaces/default/deployments.apps/queue-worker/queue_depth
  kubectl get hpa queue-worker --watch
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

cargo build
KUBEBUILDER_ASSETS=$("$tests/control-plane/assets.sh")
export KUBEBUILDER_ASSETS PATH=$KUBEBUILDER_ASSETS:$PATH
[ "$mode" = --keep ] || export OWNER_PID=$$
SECONDS=0
start_cluster
install_adapter
[ "$mode" != --monitoring ] || start_prometheus
scale_up_and_back
say "That took $SECONDS seconds"
[ "$mode" != --monitoring ] || show_monitoring
[ "$mode" != --keep ] || explain_kept
