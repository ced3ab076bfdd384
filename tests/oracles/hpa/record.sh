#!/usr/bin/env bash
# Records tests/vectors/hpa.jsonl: what the HPA controller of the pinned Kubernetes does with generated HPAs.
# Its package is copied beside oracle.go, because what computes is not exported.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp "$here"/../../control-plane/modules/kubernetes/go.{mod,sum} "$work"
cd "$work"
go mod download k8s.io/kubernetes
source=$(go list -m -f '{{.Dir}}' k8s.io/kubernetes)/pkg/controller/podautoscaler
mkdir podautoscaler cmd
cp "$source"/*.go "$here/oracle.go" podautoscaler
rm -f podautoscaler/*_test.go
chmod -R u+w podautoscaler
printf 'package main\n\nimport "kubeassets/podautoscaler"\n\nfunc main() { podautoscaler.Record(%d) }\n' "${1:-400}" >cmd/main.go
CGO_ENABLED=0 go build -trimpath -mod=mod -o record ./cmd
./record >"$here/../../vectors/hpa.jsonl" 2>log || { tail -5 log >&2; exit 1; }
