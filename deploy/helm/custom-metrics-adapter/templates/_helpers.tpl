{{- define "cma.labels" -}}
app.kubernetes.io/name: custom-metrics-adapter
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/component: metrics-apiserver
app.kubernetes.io/part-of: custom-metrics-adapter
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "cma.image" -}}
{{- with .Values.image -}}
{{ .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}
{{- end }}
{{- end }}

{{/* The objects of a file that deploy/k8s has too, in the release's namespace and with its labels. Takes root, file, and names
     to leave out. */}}
{{- define "cma.objects" -}}
{{- $root := .root }}
{{- $without := .without | default list }}
{{- $text := $root.Files.Get .file | replace ".custom-metrics.svc" (printf ".%s.svc" $root.Release.Namespace) }}
{{- range regexSplit "(?m)^---$" $text -1 }}
{{- $object := fromYaml . }}
{{- if and $object (not (has $object.metadata.name $without)) }}
{{- if eq ($object.metadata.namespace | default "") "custom-metrics" }}
{{- $_ := set $object.metadata "namespace" $root.Release.Namespace }}
{{- end }}
{{- $_ := set $object.metadata "labels" (merge (include "cma.labels" $root | fromYaml) ($object.metadata.labels | default dict)) }}
{{- range $object.subjects }}
{{- if eq .namespace "custom-metrics" }}{{ $_ := set . "namespace" $root.Release.Namespace }}{{ end }}
{{- end }}
{{- if eq $object.kind "APIService" }}
{{- $_ := set $object.spec.service "namespace" $root.Release.Namespace }}
{{- if $root.Values.certManager.enabled }}
{{- $ca := printf "%s/custom-metrics-apiserver" $root.Release.Namespace }}
{{- $_ := set $object.metadata "annotations" (dict "cert-manager.io/inject-ca-from" $ca) }}
{{- end }}
{{- end }}
---
{{ toYaml $object }}
{{- end }}
{{- end }}
{{- end }}

{{/* What has the pod. */}}
{{- define "cma.workload" -}}
{{ .Values.durable.enabled | ternary "StatefulSet" "Deployment" }}
{{- end }}

{{/* Every flag by its environment name. */}}
{{- define "cma.env" -}}
{{- $env := deepCopy .Values.env }}
{{- $_ := set $env "CMA_SERVICE_NAME" "custom-metrics-apiserver" }}
{{- if .Values.certManager.enabled }}
{{- $_ := set $env "CMA_TLS_CERT_FILE" "/run/serving-cert/tls.crt" }}
{{- $_ := set $env "CMA_TLS_PRIVATE_KEY_FILE" "/run/serving-cert/tls.key" }}
{{- else }}
{{- $_ := set $env "CMA_SERVING_CERT_SECRET" "custom-metrics-adapter-serving-cert" }}
{{- end }}
{{- if ne (int .Values.securePort) 6443 }}{{ $_ := set $env "CMA_SECURE_LISTEN" (printf "[::]:%d" (int .Values.securePort)) }}{{ end }}
{{- if .Values.monitors.enabled }}{{ $_ := set $env "CMA_SCRAPE_MONITORS" "true" }}{{ end }}
{{- if .Values.durable.enabled }}{{ $_ := set $env "CMA_JOURNAL" "file:/var/lib/custom-metrics-adapter" }}{{ end }}
{{- with .Values.sharedJournal }}
{{- if .servers }}{{ $_ := set $env "CMA_JOURNAL" .servers }}{{ end }}
{{- if and .secret .user }}
{{- $_ := set $env "CMA_JOURNAL_USER" .user }}
{{- $_ := set $env "CMA_JOURNAL_PASSWORD_FILE" "/etc/custom-metrics-nats/password" }}
{{- else if .secret }}{{ $_ := set $env "CMA_JOURNAL_CREDENTIALS_FILE" "/etc/custom-metrics-nats/adapter.creds" }}{{ end }}
{{- if .ca }}{{ $_ := set $env "CMA_JOURNAL_CA_FILE" "/etc/custom-metrics-nats/ca.crt" }}{{ end }}
{{- end }}
{{- if eq .Values.writes.port "closed" }}{{ $_ := set $env "CMA_WRITE_AUTH" "kubernetes" }}{{ end }}
{{- if eq .Values.writes.port "off" }}{{ $_ := set $env "CMA_WRITE_LISTEN" "off" }}{{ end }}
{{- range $name, $value := $env }}
- name: {{ $name }}
  value: {{ $value | toString | quote }}
{{- end }}
- name: CMA_SERVICE_NAMESPACE
  valueFrom:
    fieldRef:
      fieldPath: metadata.namespace
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}
