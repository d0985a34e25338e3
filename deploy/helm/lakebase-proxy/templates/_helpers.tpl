{{- define "labels" -}}
{app.kubernetes.io/name: lakebase-proxy, app.kubernetes.io/instance: {{ .Release.Name }}}
{{- end }}

{{- define "metricsLabels" -}}
{app.kubernetes.io/name: lakebase-proxy, app.kubernetes.io/instance: {{ .Release.Name }}, app.kubernetes.io/component: metrics}
{{- end }}

{{- define "proxy.ini" -}}
[proxy]
listen = 0.0.0.0:6432
http_listen = 0.0.0.0:9090
auth_file = /etc/lakebase/users/userlist.txt
client_tls_cert_file = /etc/lakebase/tls/tls.crt
client_tls_key_file = /etc/lakebase/tls/tls.key
drain_delay = {{ .Values.drainDelay }}
drain_timeout = {{ .Values.drainTimeout }}
{{- range $key, $value := .Values.settings }}
{{ $key }} = {{ if kindIs "float64" $value }}{{ $value | int64 }}{{ else }}{{ $value }}{{ end }}
{{- end }}
{{- range $name, $target := .Values.targets }}
[target {{ $name }}]
{{- range $key, $value := $target }}
{{ $key }} = {{ $value }}
{{- end }}
{{- end }}
{{- end }}
