#!/bin/bash
# Applies deploy/k8s and the examples to a cluster and shows that they are what they say: a second apply changes
# nothing, Pod Security lets the pod in, and the rights are those that are needed and no others.
# It leaves the objects there: for a cluster that may be thrown away, such as the one of the e2e tests.
#
#   KUBECONFIG=… deploy/check-manifests.sh      kubectl comes from KUBEBUILDER_ASSETS, else from PATH
set -euo pipefail
cd "$(dirname "$0")/.."
PATH=${KUBEBUILDER_ASSETS:+$KUBEBUILDER_ASSETS:}$PATH
examples=(hpa-object hpa-pods hpa-external watch-your-resource write-from-cronjob write-from-pod)
fail() { echo "check-manifests: $1" >&2; exit 1; }

manifests=(-f deploy/k8s/deployment.yaml -f deploy/k8s/components/external-metrics/external-metrics.yaml)
kubectl apply "${manifests[@]}" >/dev/null
for example in "${examples[@]}"; do kubectl apply --validate=strict -f "deploy/examples/$example.yaml" >/dev/null; done
changed=$(kubectl apply "${manifests[@]}" | grep -v ' unchanged$' || true)
[ -z "$changed" ] || fail "a second apply changes something: $changed"

deploy/k8s/generate.sh --check || fail "deploy/k8s/deployment.yaml is not generated from deploy/k8s/base"
deploy/helm/generate.sh --check || fail "the chart's copies are not those of deploy/k8s"

# A kustomization in a folder of its own, as its users write it.
overlay=$(mktemp -d)
trap 'rm -r "$overlay"' EXIT
cp -r deploy dashboards "$overlay"
render() { # COMPONENT...
  mkdir -p "$overlay/mine"
  { printf 'resources: [../deploy/k8s/base]\ncomponents:\n'; printf -- '- ../deploy/k8s/components/%s\n' "$@"; } >"$overlay/mine/kustomization.yaml"
  kubectl kustomize "$overlay/mine"
}
count() { grep -c -- "$1" <<<"$rendered" || true; }
without_labels() { # every object of the cluster that the rendered manifests make has the label
  local objects labelled
  objects=$(count '^kind: ') labelled=$(count '^    app.kubernetes.io/version: ')
  [ "$labelled" = "$objects" ] || fail "$1: $objects objects, and $labelled have the recommended labels"
}
for component in deploy/k8s/components/*/; do
  rendered=$(render "$(basename "$component")") || fail "$component does not render"
  without_labels "$component"
done

rendered=$(render external-metrics cert-manager)
[ "$(count '^kind: APIService$')" = 3 ] || fail "external-metrics and cert-manager have not all three APIServices"
[ "$(count 'cert-manager.io/inject-ca-from:')" = 3 ] || fail "an APIService gets no CA of cert-manager's"
[ "$(count 'CMA_SERVING_CERT_SECRET\|serving-cert$')" = 3 ] || fail "cert-manager leaves something of the adapter's own CA"
! grep -rn --include='*.yaml' 'insecureSkipTLSVerify: true' deploy || fail "an APIService is not verified"
rendered=$(render monitoring service-monitor)
[ "$(count '^kind: PodMonitor$')$(count '^kind: ServiceMonitor$')" = 01 ] || fail "service-monitor takes no PodMonitor's place"
rendered=$(render cert-manager durable)
[ "$(count '^kind: Deployment$')$(count '^kind: StatefulSet$')" = 01 ] || fail "durable takes no Deployment's place"
[ "$(count 'mountPath: ')" = 2 ] || fail "the volumes of cert-manager and durable are not both mounted"
rendered=$(render high-availability shared-journal)
[ "$(count '^kind: Deployment$')$(count '^kind: StatefulSet$')" = 11 ] || fail "shared-journal has not a Deployment and servers"
[ "$(count 'app.kubernetes.io/name: custom-metrics-nats$')" = 13 ] || fail "the servers of shared-journal have labels of the adapter"
rendered=$(render side-by-side)
[ "$(count '^kind: APIService$')" = 0 ] || fail "side-by-side has an APIService"

kubectl -n custom-metrics wait --for=jsonpath='{.status.replicas}'=1 deployment/custom-metrics-adapter --timeout=60s >/dev/null ||
  fail "no pod was admitted: $(kubectl -n custom-metrics get events)"

render high-availability network-policy | kubectl apply --validate=strict -f - >/dev/null
kubectl -n custom-metrics rollout status deployment/custom-metrics-adapter --timeout=120s >/dev/null ||
  fail "two replicas are not ready: $(kubectl -n custom-metrics get events)"

# The same with a shared journal; the simulated kubelets start no server.
kubectl -n custom-metrics create secret generic custom-metrics-nats --from-literal=password=12e4 >/dev/null
render high-availability shared-journal | kubectl apply --validate=strict -f - >/dev/null
kubectl -n custom-metrics rollout status deployment/custom-metrics-adapter --timeout=120s >/dev/null ||
  fail "two replicas with a shared journal are not ready: $(kubectl -n custom-metrics get events)"
kubectl -n custom-metrics wait --for=jsonpath='{.status.replicas}'=3 statefulset/custom-metrics-nats --timeout=60s >/dev/null ||
  fail "Pod Security lets no server in: $(kubectl -n custom-metrics get events)"
kubectl -n custom-metrics delete statefulset/custom-metrics-nats >/dev/null
[ "$(kubectl -n custom-metrics get pdb custom-metrics-adapter -o jsonpath='{.status.disruptionsAllowed}')" = 1 ] ||
  fail "with two replicas a drain may not take one"

# Values in a file: the claim waits for a volume, which such a cluster has none of, but the pod is admitted.
kubectl -n custom-metrics delete deployment custom-metrics-adapter --timeout=60s >/dev/null
render durable | kubectl apply --validate=strict -f - >/dev/null
# kubectl calls it configured, because kube-apiserver adds a status to the template of the claim; the generation tells.
generation() { kubectl -n custom-metrics get statefulset custom-metrics-adapter -o jsonpath='{.metadata.generation}'; }
applied=$(generation)
render durable | kubectl apply -f - >/dev/null
[ "$(generation)" = "$applied" ] || fail "a second apply of durable changes the StatefulSet"
kubectl -n custom-metrics wait --for=jsonpath='{.status.replicas}'=1 statefulset/custom-metrics-adapter --timeout=60s >/dev/null ||
  fail "no pod of the StatefulSet was admitted: $(kubectl -n custom-metrics get events)"
kubectl -n custom-metrics get pvc journal-custom-metrics-adapter-0 >/dev/null || fail "the StatefulSet has no claim"
kubectl -n custom-metrics delete statefulset custom-metrics-adapter --timeout=60s >/dev/null
kubectl -n custom-metrics delete pvc journal-custom-metrics-adapter-0 --wait=false >/dev/null
kubectl apply "${manifests[@]}" >/dev/null

# The answer of a SubjectAccessReview; `kubectl auth can-i` guesses at resources that the cluster does not have.
allowed() { # user verb group resource[/subresource] namespace
  kubectl create -f - -o jsonpath='{.status.allowed}' <<REVIEW
{"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": {"user": "$1", "resourceAttributes":
 {"verb": "$2", "group": "$3", "resource": "${4%%/*}", "subresource": "$(cut -s -d/ -f2 <<<"$4")", "namespace": "$5",
  "name": "${6:-}"}}}
REVIEW
}
expect() { # true|false user verb group resource namespace [name]
  local want=$1; shift
  [ "$(allowed "$@")" = "$want" ] || fail "expected $want: $*"
}

adapter=system:serviceaccount:custom-metrics:custom-metrics-adapter
hpa=system:serviceaccount:kube-system:horizontal-pod-autoscaler
for verb in list watch; do
  expect true "$adapter" $verb "" pods ""
  expect true "$adapter" $verb "" nodes ""
  expect true "$adapter" $verb apps deployments ""
  expect true "$adapter" $verb networking.k8s.io ingresses ""
  expect true "$adapter" $verb kafka.strimzi.io kafkatopics ""
  for resource in secrets configmaps serviceaccounts; do
    expect false "$adapter" $verb "" $resource ""
    expect false "$adapter" $verb "" $resource custom-metrics
  done
done
for verb in get create update patch delete; do
  expect false "$adapter" $verb "" pods ""
  expect false "$adapter" $verb apps deployments ""
  expect false "$adapter" $verb "" secrets custom-metrics
done
for verb in get list watch update; do expect true "$adapter" $verb "" secrets custom-metrics custom-metrics-adapter-serving-cert; done
for verb in create delete; do expect false "$adapter" $verb "" secrets custom-metrics custom-metrics-adapter-serving-cert; done
for verb in list watch; do expect true "$adapter" $verb autoscaling horizontalpodautoscalers ""; done
for verb in update patch delete; do expect false "$adapter" $verb autoscaling horizontalpodautoscalers default; done
expect true "$adapter" get apps deployments/scale default
expect false "$adapter" update apps deployments/scale default
for verb in get list watch patch; do expect true "$adapter" $verb apiregistration.k8s.io apiservices "" v1beta1.external.metrics.k8s.io; done
expect false "$adapter" patch apiregistration.k8s.io apiservices "" v1.apps
expect false "$adapter" get apiregistration.k8s.io apiservices "" v1.apps
expect true "$adapter" create authentication.k8s.io tokenreviews ""
expect true "$adapter" create authorization.k8s.io subjectaccessreviews ""
expect true "$adapter" watch "" configmaps kube-system extension-apiserver-authentication
expect false "$adapter" watch "" configmaps kube-system some-other-configmap
for verb in get list; do expect true "$hpa" $verb custom.metrics.k8s.io pods/requests_per_second default; done
kubectl -n default create rolebinding check-manifests-reader --clusterrole=custom-metrics-adapter:external-metrics-reader \
  --user=reader --dry-run=client -o yaml | kubectl apply -f - >/dev/null
for user in "$hpa" reader; do expect true "$user" list external.metrics.k8s.io jobs_waiting default; done
kubectl -n default create rolebinding check-manifests-viewer --clusterrole=view --user=viewer \
  --dry-run=client -o yaml | kubectl apply -f - >/dev/null
expect true viewer get custom.metrics.k8s.io pods/requests_per_second default
expect true viewer list external.metrics.k8s.io jobs_waiting default
expect false viewer get custom.metrics.k8s.io pods/requests_per_second kube-system
expect false reader list external.metrics.k8s.io jobs_waiting kube-system
expect false reader get external.metrics.k8s.io jobs_waiting default
expect false stranger list external.metrics.k8s.io jobs_waiting default
kubectl -n default create rolebinding check-manifests-writer --clusterrole=custom-metrics-adapter:metrics-writer \
  --user=writer --dry-run=client -o yaml | kubectl apply -f - >/dev/null
expect true writer create custom.metrics.k8s.io pods/requests_per_second default web-0
expect true writer delete external.metrics.k8s.io jobs_waiting default
expect false writer create custom.metrics.k8s.io pods/requests_per_second kube-system web-0
expect false writer get custom.metrics.k8s.io pods/requests_per_second default web-0
queue=system:serviceaccount:default:queue-writer
expect true $queue create custom.metrics.k8s.io deployments.apps/queue_depth default worker
expect false $queue create custom.metrics.k8s.io deployments.apps/queue_depth default web
expect false viewer create custom.metrics.k8s.io pods/requests_per_second default
expect false "$hpa" update custom.metrics.k8s.io pods/requests_per_second default
echo "manifests: apply cleanly and again, the pod is admitted, the rights are as written"
