{{- define "sluice.name" -}}
{{ contains .Chart.Name .Release.Name | ternary .Release.Name (printf "%s-%s" .Release.Name .Chart.Name) | trunc 50 | trimSuffix "-" }}
{{- end }}

{{- define "sluice.selector" -}}
app.kubernetes.io/name: sluice
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "sluice.labels" -}}
{{ include "sluice.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- /* What the templates need of the gateway file, as YAML: its ports and whether they speak TLS. */ -}}
{{- define "sluice.gateway" -}}
{{- $file := required "gateway: the text of a gateway file is needed: --set-file gateway=gateway.yaml" .Values.gateway | fromYaml }}
{{- if hasKey $file "Error" }}{{ fail (printf "gateway: not YAML: %s" $file.Error) }}{{ end }}
{{- $listen := $file.listen | default "127.0.0.1:8080" }}
{{- if hasPrefix "127." $listen }}{{ fail (printf "gateway: listen: %s is reachable inside of the pod only: use 0.0.0.0:8080" $listen) }}{{ end }}
port: {{ $listen | splitList ":" | last }}
tls: {{ if $file.tls }}true{{ else }}false{{ end }}
mutual: {{ if ($file.tls | default dict).client_ca }}true{{ else }}false{{ end }}
{{- with $file.admin }}
{{- $admin := .listen | default "127.0.0.1:8081" }}
{{- if not (hasPrefix "127." $admin) }}
adminPort: {{ $admin | splitList ":" | last }}
{{- end }}
adminTls: {{ if .tls }}true{{ else }}false{{ end }}
{{- end }}
{{- if and $.Values.serviceMonitor.enabled (not ($file.admin | default dict).listen) }}{{ fail "serviceMonitor: needs admin: { listen: 0.0.0.0:8081, … } in the gateway file" }}{{ end }}
{{- if and $.Values.redis.enabled (not $file.redis) }}{{ fail "redis: needs redis: { url: \"http://127.0.0.1:7379\" } in the gateway file" }}{{ end }}
{{- end }}

{{- /* A probe of a path; with client certificates the kubelet can only connect. */ -}}
{{- define "sluice.probe" -}}
{{- if .gateway.mutual -}}
tcpSocket: { port: http }
{{- else -}}
httpGet: { path: {{ .path }}, port: http, scheme: {{ if .gateway.tls }}HTTPS{{ else }}HTTP{{ end }} }
{{- end }}
{{- end }}

{{- define "sluice.container" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: { drop: [ALL] }
{{- end }}

{{- /* Not empty if the chart runs a Redis. */ -}}
{{- define "sluice.ownRedis" -}}
{{- if and .Values.redis.enabled (not .Values.redis.host) (not .Values.redis.webdisSecret) }}true{{ end }}
{{- end }}
