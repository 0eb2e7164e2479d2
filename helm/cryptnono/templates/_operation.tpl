{{- /*
Annotations of the pod. checksum/config-* are the predecessor's keys, of which a change restarts the pods. They change here only with what the daemon
cannot load while it runs: the addresses that it serves and its control socket. Rules and all other settings are loaded live, and are in no annotation.
*/}}
{{- define "cryptnono.podAnnotations" -}}
{{- $config := .Values.config -}}
{{- $annotations := deepCopy .Values.podAnnotations -}}
{{- $listen := dict "ports" (include "cryptnono.ports" .) "listen" (dig "metrics" "listen" "" $config) "control" (dig "control" "socket" "" $config) -}}
{{- if .Values.detectors.execwhacker.enabled }}{{ $_ := set $annotations "checksum/config-execwhacker" ($listen | mustToJson | sha256sum) }}{{ end -}}
{{- if .Values.detectors.tcpflowkiller.enabled -}}
{{- $_ := set $annotations "checksum/config-tcpflowkiller" ((include "cryptnono.flowkiller" . | fromJson).FlowKiller.metrics_port | default 0 | toString | sha256sum) -}}
{{- end -}}
{{- if .Values.metrics.enabled -}}
{{- if .Values.metrics.collector.enabled }}{{ $_ := set $annotations "checksum/config-collector" (toString .Values.metrics.collector.port | sha256sum) }}{{ end -}}
{{- if and .Values.metrics.collector.prometheusScrapeAnnotation (not .Values.metrics.podMonitor.enabled) -}}
{{- $port := ternary .Values.metrics.collector.port .Values.detectors.execwhacker.metrics.port .Values.metrics.collector.enabled -}}
{{- $annotations = merge $annotations (dict "prometheus.io/scrape" "true" "prometheus.io/port" (toString $port) "prometheus.io/path" "/metrics") -}}
{{- end -}}
{{- end -}}
{{- with $annotations }}{{ toYaml . }}{{ end }}
{{- with include "cryptnono.appArmorAnnotation" . }}
{{ . }}
{{- end }}
{{- end }}

{{- define "cryptnono.priorityClassName" -}}
{{- if .Values.priorityClassName -}}
{{ .Values.priorityClassName }}
{{- else if .Values.priorityClass.create -}}
{{ .Values.priorityClass.name | default (include "cryptnono.fullname" .) }}
{{- end -}}
{{- end }}

{{- /* By HTTP where there are metrics, else over the control socket. */}}
{{- define "cryptnono.probes" -}}
{{- $out := dict -}}
{{- $socket := dig "control" "socket" "/run/cryptnono/control.sock" .Values.config -}}
{{- if or .Values.metrics.enabled $socket -}}
{{- range $kind, $times := dict "startup" .Values.probes.startup "liveness" .Values.probes.liveness "readiness" .Values.probes.readiness -}}
{{- if $times -}}
{{- $alive := ne $kind "readiness" -}}
{{- $probe := deepCopy $times -}}
{{- if $.Values.metrics.enabled -}}
{{- $_ := set $probe "httpGet" (dict "path" (ternary "/healthz" "/readyz" $alive) "port" "metrics") -}}
{{- else -}}
{{- $_ := set $probe "exec" (dict "command" (concat (list "/usr/bin/cryptnono" "status" "--socket" $socket) (ternary (list "--alive") list $alive))) -}}
{{- end -}}
{{- $_ := set $out (printf "%sProbe" $kind) $probe -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- with $out }}{{ toYaml . }}{{ end -}}
{{- end }}
