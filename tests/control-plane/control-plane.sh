#!/usr/bin/env bash
# A real Kubernetes control plane on 127.0.0.1: etcd, kube-apiserver with the aggregation layer, the controllers (HPA
# among them), the scheduler, and kwok in the role of the kubelets. Pods get an IP out of 127.1.0.0/16: a server on
# 0.0.0.0:PORT answers at the address of every pod.
#
#   control-plane.sh start DIR            DIR then has admin.kubeconfig, the certificates and the logs
#   control-plane.sh stop DIR             ends everything that runs for DIR, adapter.sh's and prometheus.sh's included
#   control-plane.sh stop-apiserver DIR   ends kube-apiserver as a crash would ...
#   control-plane.sh start-apiserver DIR  ... and brings it back at the same address; returns once it is ready
#
# Several can run at once: etcd listens on a unix socket in DIR, kube-apiserver on a port that was free, the others
# nowhere. A start that fails leaves nothing behind but DIR with its logs.
#
# OWNER_PID: when that process ends, however it ends, the control plane is stopped. NODES (2): simulated nodes.
# HPA_SYNC (2s): how often the HPA controller looks. IP_FAMILY (ipv4): ipv6 for a cluster that has [::1] alone, whose pods
# have addresses where nobody answers. APISERVER_FLAGS: more flags of kube-apiserver, separated by blanks.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/processes.sh"

# What a URL names the loopback address by is in DIR/host.
family() { # ipv4 or ipv6
  case $1 in
    ipv4) ip=127.0.0.1 host=127.0.0.1 service_ip=10.0.0.1 services=10.0.0.0/24 pods=127.1.0.1/16 ;;
    ipv6) ip=::1 host=[::1] service_ip=fd00:10::1 services=fd00:10::/112 pods=fd00:1::1/64 ;;
    *) echo "no IP family: $1" >&2; exit 2 ;;
  esac
  echo "$host" >"$dir/host"
}

authority() { # NAME
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 -subj "/CN=$1" \
    -keyout "$1.key" -out "$1.crt" 2>/dev/null
}

certificate() { # NAME AUTHORITY SUBJECT EXTENSION
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "$3" -keyout "$1.key" -out "$1.csr" 2>/dev/null
  openssl x509 -req -in "$1.csr" -CA "$2.crt" -CAkey "$2.key" -CAcreateserial -days 30 -out "$1.crt" \
    -extfile <(echo "$4") 2>/dev/null
}

certificates() {
  authority ca
  authority front-proxy-ca
  certificate apiserver ca "/CN=kube-apiserver" "subjectAltName=DNS:localhost,DNS:kubernetes,IP:$ip,IP:$service_ip"
  certificate admin ca "/O=system:masters/CN=admin" "extendedKeyUsage=clientAuth"
  certificate controllers ca "/O=system:masters/CN=system:kube-controller-manager" "extendedKeyUsage=clientAuth"
  certificate scheduler ca "/O=system:masters/CN=system:kube-scheduler" "extendedKeyUsage=clientAuth"
  certificate front-proxy-client front-proxy-ca "/CN=front-proxy-client" "extendedKeyUsage=clientAuth"
  openssl ecparam -name prime256v1 -genkey -noout -out service-accounts.key
  openssl ec -in service-accounts.key -pubout -out service-accounts.pub 2>/dev/null
}

kubeconfig() { # USER
  cat >"$1.kubeconfig" <<YAML
apiVersion: v1
kind: Config
current-context: default
contexts: [{name: default, context: {cluster: default, user: $1}}]
clusters: [{name: default, cluster: {server: "https://$(<host):$(<port)", certificate-authority-data: $(base64 -w0 <ca.crt)}}]
users: [{name: $1, user: {client-certificate-data: $(base64 -w0 <"$1.crt"), client-key-data: $(base64 -w0 <"$1.key")}}]
YAML
}

start_etcd() {
  # Durability is not wanted here, and fsync dominates on a slow disk.
  spawn "$dir" etcd "$assets/etcd" --data-dir etcd.data --unsafe-no-fsync --log-level warn \
    --listen-client-urls unix://localhost:1 --advertise-client-urls unix://localhost:1 \
    --listen-peer-urls unix://localhost:2 --initial-advertise-peer-urls unix://localhost:2 \
    --initial-cluster default=unix://localhost:2
}

spawn_apiserver() {
  # The adapter is found as `localhost`, which many a machine has in IPv4 only.
  local with_hosts=()
  if [ "$ip" = ::1 ]; then
    echo "::1 localhost" >hosts
    with_hosts=(unshare --map-root-user --mount sh -c 'mount --bind hosts /etc/hosts && exec "$@"' -)
  fi
  # shellcheck disable=SC2086
  spawn "$dir" apiserver "${with_hosts[@]}" "$assets/kube-apiserver" ${APISERVER_FLAGS:-} --etcd-servers unix://localhost:1 \
    --bind-address "$ip" --secure-port "$(<port)" --advertise-address "$ip" --endpoint-reconciler-type none \
    --tls-cert-file apiserver.crt --tls-private-key-file apiserver.key --client-ca-file ca.crt \
    --authorization-mode RBAC --disable-admission-plugins ServiceAccount --allow-privileged \
    --service-cluster-ip-range "$services" --service-account-issuer https://kubernetes.default.svc \
    --service-account-key-file service-accounts.pub --service-account-signing-key-file service-accounts.key \
    --requestheader-client-ca-file front-proxy-ca.crt --requestheader-allowed-names front-proxy-client \
    --requestheader-username-headers X-Remote-User --requestheader-group-headers X-Remote-Group \
    --requestheader-uid-headers X-Remote-Uid --requestheader-extra-headers-prefix X-Remote-Extra- \
    --proxy-client-cert-file front-proxy-client.crt --proxy-client-key-file front-proxy-client.key
}

apiserver_answers() {
  [ "$(curl -s -o /dev/null -w '%{http_code}' --cacert ca.crt "https://$(<host):$(<port)/readyz")" = 200 ]
}

apiserver_answers_or_died() {
  apiserver_answers || gone "$dir" apiserver
}

start_apiserver() {
  spawn_apiserver
  within 120 apiserver_answers_or_died || { explain apiserver "is not ready after 120 s"; return 1; }
  running "$dir" apiserver || { explain apiserver "exited"; return 1; }
}

# Another process may bind the port between the look and the start, so a lost race is tried again with another port.
start_apiserver_on_a_free_port() {
  for _ in 1 2 3; do
    free_port >port
    : >apiserver.log
    start_apiserver 2>start.err && return
    grep -q "address already in use" apiserver.log || break
  done
  cat start.err >&2
  return 1
}

start_controllers() {
  spawn "$dir" controllers "$assets/kube-controller-manager" --kubeconfig controllers.kubeconfig --secure-port 0 \
    --leader-elect=false --use-service-account-credentials --root-ca-file ca.crt \
    --service-account-private-key-file service-accounts.key \
    --horizontal-pod-autoscaler-sync-period "${HPA_SYNC:-2s}" --horizontal-pod-autoscaler-downscale-stabilization 5s \
    --horizontal-pod-autoscaler-initial-readiness-delay 1s --horizontal-pod-autoscaler-cpu-initialization-period 1s
  spawn "$dir" scheduler "$assets/kube-scheduler" --kubeconfig scheduler.kubeconfig --secure-port 0 --leader-elect=false
}

start_nodes() {
  spawn "$dir" kwok "$assets/kwok" --kubeconfig admin.kubeconfig --config "$here/kwok.yaml" --manage-all-nodes \
    --cidr "$pods" --node-ip "$ip" --node-port 0
  local node room='{"cpu": "1000", "memory": "4Ti", "pods": "100000"}'
  for node in $(seq "${NODES:-2}"); do
    cat <<YAML
---
apiVersion: v1
kind: Node
metadata: {name: node-$node, labels: {kubernetes.io/hostname: node-$node, kubernetes.io/os: linux}}
status: {capacity: $room, allocatable: $room}
YAML
  done | kubectl apply -f - >/dev/null
  kubectl wait --for=condition=Ready node --all --timeout=60s >/dev/null || { explain kwok "made no node ready"; return 1; }
}

# A cache of its own, because the shared one in ~/.kube is keyed by address and ports are used again.
kubectl() {
  KUBECACHEDIR=$dir/kubectl.cache "$assets/kubectl" --kubeconfig admin.kubeconfig "$@"
}

explain() { # NAME WHAT
  echo "$1 $2; the end of $dir/$1.log:" >&2
  tail -n 20 "$dir/$1.log" >&2
}

watch_owner() {
  spawn "$dir" owner-watch bash -c 'tail --pid="$1" -f /dev/null; exec "$2" stop "$3"' - \
    "$OWNER_PID" "$here/control-plane.sh" "$dir"
}

start() {
  trap stop EXIT
  trap 'exit 130' INT TERM
  [ ! -e port ] || { echo "$dir holds a control plane already; stop it and remove the directory first" >&2; exit 1; }
  [ -z "${OWNER_PID:-}" ] || watch_owner
  certificates
  start_etcd
  start_apiserver_on_a_free_port
  local user
  for user in admin controllers scheduler; do kubeconfig "$user"; done
  start_controllers
  start_nodes
  trap - EXIT
}

stop() {
  local adapter prometheus name
  for prometheus in "$dir"/adapters/*/prometheus/; do halt "${prometheus%/}" prometheus; done
  for adapter in "$dir"/adapters/*/; do halt "${adapter%/}" adapter; done
  for name in exposition-server kwok scheduler controllers apiserver etcd; do halt "$dir" "$name"; done
  # The owner-watch itself may be who is asking (its pid stays when it turns into this script).
  if running "$dir" owner-watch && [ "$(<"$dir/owner-watch.pid")" != $$ ]; then
    kill -- "-$(<"$dir/owner-watch.pid")"
  fi
  rm -f "$dir/owner-watch.pid"
}

verb=${1:?start, stop, stop-apiserver or start-apiserver}
mkdir -p "${2:?the directory of the control plane}"
dir=$(cd "$2" && pwd -P)
cd "$dir"
family "${IP_FAMILY:-ipv4}"
case $verb in
  start) assets=$("$here/assets.sh") && start ;;
  stop) stop ;;
  stop-apiserver) crash "$dir" apiserver ;;
  start-apiserver) assets=$("$here/assets.sh") && start_apiserver ;;
  *) echo "unknown verb $verb" >&2; exit 2 ;;
esac
