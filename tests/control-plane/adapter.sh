#!/usr/bin/env bash
# Runs the adapter beside a control plane as its Deployment would: as the ServiceAccount of deploy/k8s/deployment.yaml,
# with no right that the manifest does not give.
#
#   adapter.sh install PLANE                      applies the manifests as a user would
#   adapter.sh run PLANE NAME BINARY [FLAG...]    becomes the adapter (in the foreground)
#   adapter.sh start PLANE NAME BINARY [FLAG...]  the same in the background; returns once it is ready
#   adapter.sh register PLANE NAME                points the APIServices at this adapter; returns once they are Available
#   adapter.sh ca PLANE NAME                      writes certificates/ca.crt: the CA that the adapter keeps in its Secret
#
# APISERVER: where the adapter finds kube-apiserver, if not at its own address.
#
# Everything about an adapter is in PLANE/adapters/NAME: adapter.log, certificates/ca.crt, kubeconfig, and `addresses`
# with a line NAME=HOST:PORT for SECURE, WRITE and ADMIN. control-plane.sh stop ends it.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/processes.sh"
manifests=$here/../../deploy/k8s
namespace=custom-metrics
service=custom-metrics-apiserver

# A cache of its own, because the shared one in ~/.kube is keyed by address and ports are used again.
kubectl() {
  KUBECACHEDIR=$plane/kubectl.cache "$assets/kubectl" --kubeconfig "$plane/admin.kubeconfig" "$@"
}

install() {
  kubectl apply -f "$manifests/deployment.yaml" -f "$manifests/components/external-metrics/external-metrics.yaml"
}

kubeconfig() {
  local account token server
  account=$(kubectl -n "$namespace" get deployments,statefulsets -o jsonpath='{.items[0].spec.template.spec.serviceAccountName}')
  token=$(kubectl -n "$namespace" create token "$account" --duration 24h)
  server=${APISERVER:-https://$(<"$plane/host"):$(<"$plane/port")}
  cat <<YAML
apiVersion: v1
kind: Config
current-context: default
contexts: [{name: default, context: {cluster: default, user: adapter}}]
clusters: [{name: default, cluster: {server: "$server", certificate-authority-data: $(base64 -w0 <"$plane/ca.crt")}}]
users: [{name: adapter, user: {token: $token}}]
YAML
}

prepare() {
  mkdir -p "$dir"
  kubeconfig >"$dir/kubeconfig"
  local listener
  for listener in SECURE WRITE ADMIN; do echo "$listener=$(<"$plane/host"):$(free_port)"; done >"$dir/addresses"
}

command_line() { # FLAG...: sets `command`
  . "$dir/addresses"
  # As in the image.
  export MIMALLOC_PURGE_DELAY=10 MIMALLOC_GENERIC_COLLECT=200
  command=("$binary" --kubeconfig kubeconfig --serving-cert-secret custom-metrics-adapter-serving-cert
    --service-name "$service" --service-namespace "$namespace"
    --secure-listen "$SECURE" --write-listen "$WRITE" --admin-listen "$ADMIN" "$@")
}

run() {
  prepare
  command_line "$@"
  cd "$dir"
  echo $$ >adapter.pid
  exec "${command[@]}"
}

ready() {
  [ "$(curl -sk -o /dev/null -w '%{http_code}' "https://$SECURE/readyz")" = 200 ]
}

ready_or_gone() {
  ready || gone "$dir" adapter
}

start() {
  prepare
  command_line "$@"
  spawn "$dir" adapter "${command[@]}"
  within 30 ready_or_gone && running "$dir" adapter && return
  echo "the adapter is not ready; the end of $dir/adapter.log:" >&2
  tail -n 20 "$dir/adapter.log" >&2
  return 1
}

# There is no cluster network here: kube-apiserver finds the adapter through a Service of type ExternalName, and still
# verifies its certificate for SERVICE.NAMESPACE.svc.
register() {
  . "$dir/addresses"
  local apiservice only_of_a_cluster_ip
  for apiservice in $(registered); do
    kubectl patch "apiservice/$apiservice" --type merge --patch "{\"spec\": {\"service\": {\"port\": ${SECURE##*:}}}}"
  done
  only_of_a_cluster_ip='"clusterIP": null, "clusterIPs": null, "ipFamilies": null, "ipFamilyPolicy": null, "internalTrafficPolicy": null'
  kubectl -n "$namespace" patch service "$service" --type merge --patch \
    "{\"spec\": {\"type\": \"ExternalName\", \"externalName\": \"localhost\", \"selector\": null, \"ports\": null, $only_of_a_cluster_ip}}"
  for apiservice in $(registered); do
    kubectl wait --for=condition=Available "apiservice/$apiservice" --timeout 60s
  done
}

ca() {
  mkdir -p "$dir/certificates"
  kubectl -n "$namespace" get secret custom-metrics-adapter-serving-cert -o 'jsonpath={.data.ca\.crt}' |
    base64 -d >"$dir/certificates/ca.crt"
}

registered() {
  kubectl get apiservices -o jsonpath="{range .items[?(@.spec.service.name==\"$service\")]}{.metadata.name}{\"\n\"}{end}"
}

verb=${1:?install, run, start, register or ca}
plane=$(cd "${2:?the directory of the control plane}" && pwd -P)
assets=$("$here/assets.sh")
dir=$plane/adapters/${3:-}
binary=${4:-}
case $verb in
  install) install ;;
  run | start) shift 4; "$verb" "$@" ;;
  register) register ;;
  ca) ca ;;
  *) echo "unknown verb $verb" >&2; exit 2 ;;
esac
