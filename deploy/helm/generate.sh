#!/usr/bin/env bash
# Copies into the chart what it shares with deploy/k8s and dashboards/, because a chart reads nothing outside of its folder, and
# writes the table of the chart's README from values.yaml. With --check it says what is not as it would be.
set -euo pipefail
cd "$(dirname "$0")/.."
chart=helm/custom-metrics-adapter
shared=(base/{rbac,rbac-optional,apiservices,service,namespace}
  components/external-metrics/external-metrics components/network-policy/network-policy
  components/monitors/monitors components/shared-journal/lease/lease components/high-availability/pod-disruption-budget components/cert-manager/certificate
  components/monitoring/{podmonitor,prometheusrule} components/service-monitor/servicemonitor)

table() { # of values.yaml: each key with a comment, its default and that comment
  awk '
    /^ *#/ { line = $0; sub(/^ *# ?/, "", line); comment = comment (comment == "" ? "" : " ") line; next }
    /^ *$/ { comment = ""; next }
    match($0, /^ *[A-Za-z_]+:/) {
      indent = match($0, /[^ ]/) - 1; key = $0; sub(/^ */, "", key); value = key; sub(/:.*/, "", key); sub(/^[^:]*: ?/, "", value)
      depth = indent / 2; path[depth] = key; name = path[0]; for (i = 1; i <= depth; i++) name = name "." path[i]
      if (value != "") printf "| `%s` | `%s` | %s |\n", name, value, comment
      else if (comment != "") printf "| `%s` | | %s |\n", name, comment
      comment = ""
    }' "$chart/values.yaml"
}

readme() {
  cat <<'HEAD'
# custom-metrics-adapter

Puts any number in front of the Kubernetes Horizontal Pod Autoscaler. [What it does](../../../README.md),
[how to install it](../../../docs/installing.md).

```sh
helm install custom-metrics-adapter deploy/helm/custom-metrics-adapter --namespace custom-metrics --create-namespace \
  --set image.repository=YOUR/custom-metrics-adapter
```

One release a cluster: the APIServices and the names of the objects are those of `deploy/k8s/base`. `helm uninstall` removes all of them.

## Values

| value | default | meaning |
|---|---|---|
HEAD
  table
}

write() { # CHART
  local file
  mkdir -p "$1/files/dashboards"
  for file in "${shared[@]}"; do cp "k8s/$file.yaml" "$1/files/"; done
  cp ../dashboards/*.json "$1/files/dashboards/"
  readme >"$1/README.md"
}

case ${1:-} in
  --check)
    made=$(mktemp -d)
    trap 'rm -r "$made"' EXIT
    cp -r "$chart/." "$made"
    write "$made"
    diff -r "$chart" "$made" >&2 || { echo "the chart is not what deploy/k8s gives: deploy/helm/generate.sh" >&2; exit 1; }
    ;;
  "") write "$chart" ;;
  *) echo "generate.sh [--check]" >&2; exit 2 ;;
esac
