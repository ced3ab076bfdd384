#!/usr/bin/env bash
# Two replicas that share written values by three NATS servers, on a real control plane: a value that was written to one is read
# from the other, and neither the end of an adapter nor that of a server is seen by the HPA. It leaves nothing running.
set -euo pipefail
tests=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$tests/.."
. "$tests/control-plane/processes.sh"
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
component=deploy/k8s/components/shared-journal

say() {
  printf '\n# %s\n' "$*"
}

run() { # COMMAND, as typed
  printf '\n$ %s\n' "$1"
  bash -c "$1" || { echo "failed with $?: $1" >&2; return 1; }
}

finish() {
  local outcome=$? log
  trap - EXIT
  if [ "$outcome" != 0 ]; then
    for log in "$plane"/adapters/*/adapter.log "$plane"/nats-*.log; do
      [ ! -f "$log" ] || { echo "the demo failed; the end of $log:"; tail -n 20 "$log"; } >&2
    done
  fi
  "$tests/control-plane/control-plane.sh" stop "$plane"
  rm -rf "$plane"
  exit "$outcome"
}

# The configuration of the component's pods, with addresses of this machine.
nats_config() { # NUMBER
  sed -n '/nats.conf: |/,$p' "$component/nats-config.yaml" | sed -e 1d \
    -e "s/\$POD_NAME/nats-$1/; s|/data|$plane/nats-$1|; s|/var/run/nats|$plane/nats-$1|" \
    -e "s/port: 4222/port: ${clients[$1]}/; s/port: 6222/port: ${routes[$1]}/; s/http_port: 8222/http_port: ${monitors[$1]}/"
}

start_servers() {
  say "Three NATS servers, with the configuration of $component"
  local number binary
  binary=$("$tests/tools/tool.sh" nats-server)
  export POD_IP="'127.0.0.1'" NATS_PASSWORD="'demo'"
  echo demo >"$plane/nats-password"
  for number in 0 1 2; do clients[number]=$(free_port) routes[number]=$(free_port) monitors[number]=$(free_port); done
  for number in 0 1 2; do export "NATS_ROUTE_$number='nats://server:demo@127.0.0.1:${routes[number]}'"; done
  for number in 0 1 2; do
    mkdir -p "$plane/nats-$number"
    nats_config "$number" >"$plane/nats-$number.conf"
    spawn "$plane" "nats-$number" "$binary" -c "$plane/nats-$number.conf"
  done
  for number in 0 1 2; do
    within 60 curl -sf -o /dev/null "http://127.0.0.1:${monitors[number]}/healthz" ||
      { echo "nats-$number is not well: $plane/nats-$number.log" >&2; return 1; }
  done
}

start_replica() { # NAME
  "$tests/control-plane/adapter.sh" start "$plane" "$1" "$target/debug/custom-metrics-adapter" --journal-user=adapter \
    "--journal=nats://127.0.0.1:${clients[0]},127.0.0.1:${clients[1]},127.0.0.1:${clients[2]}" \
    "--journal-password-file=$plane/nats-password"
}

queue=namespaces/default/deployments.apps/queue-worker/queue_depth

scales_to() { # REPLICAS
  run "kubectl wait hpa/queue-worker --for=jsonpath='{.status.currentReplicas}'=$1 --timeout=60s"
  run "kubectl get hpa"
}

# An election among the servers that are left takes some seconds, and until then a write is answered 503.
write_to() { # ADDRESS VALUE
  run "curl --retry 20 --retry-delay 1 --fail-with-body -d '\"$2\"' http://$1/write-metrics/$queue"
}

cargo build
plane=$(mktemp -d)
declare -a clients routes monitors
trap finish EXIT
say "A Kubernetes control plane on this machine, with simulated kubelets"
OWNER_PID=$$ "$tests/control-plane/control-plane.sh" start "$plane"
export KUBECONFIG=$plane/admin.kubeconfig KUBECACHEDIR=$plane/kubectl.cache CURL_HOME=$plane
echo no-progress-meter >"$plane/.curlrc"
PATH=$("$tests/control-plane/assets.sh"):$PATH
run "kubectl apply -f deploy/k8s/deployment.yaml"
start_servers
say "Two replicas; kube-apiserver asks the second"
start_replica one
start_replica two
"$tests/control-plane/adapter.sh" register "$plane" two >/dev/null
one=$(. "$plane/adapters/one/addresses" && echo "$WRITE")
two=$(. "$plane/adapters/two/addresses" && echo "$WRITE")
run "kubectl apply -f deploy/examples/hpa-object.yaml"
run "kubectl rollout status deployment/queue-worker --timeout=60s"
say "300 jobs are waiting, says a write to the first"
write_to "$one" 300
run "kubectl get --raw /apis/custom.metrics.k8s.io/v1beta2/$queue"
scales_to 3
say "The first replica and a server are killed"
run "kill -9 $(<"$plane/adapters/one/adapter.pid") $(<"$plane/nats-0.pid")"
run "kubectl get --raw /apis/custom.metrics.k8s.io/v1beta2/$queue"
say "10 jobs are left, says a write to the second"
write_to "$two" 10
scales_to 1
say "A replica that starts now has it too"
start_replica three
three=$(. "$plane/adapters/three/addresses" && echo "$ADMIN")
run "curl http://$three/series | grep queue_depth"
say "Done: no value was lost, and the HPA read one all the while."
