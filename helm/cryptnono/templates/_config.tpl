{{- /* What the values of the chart come to as settings of the daemon. */}}

{{- /* The traits of the predecessor's flowkiller, as JSON; whatever else stands beside them had no effect there. */}}
{{- define "cryptnono.flowkiller" -}}
{{- $known := list "debug" "banned_ipv4_file_globs" "log_connects" "log_container_info" "log_container_envs" "lookback_duration_seconds" "metrics_port" "unique_destinations_threshold" -}}
{{- $traits := dict -}}
{{- range $key, $value := (.Values.detectors.tcpflowkiller.config.FlowKiller | default dict) -}}
{{- if and (has $key $known) (not (kindIs "invalid" $value)) }}{{ $_ := set $traits $key $value }}{{ end -}}
{{- end -}}
{{- dict "FlowKiller" $traits | mustToPrettyJson -}}
{{- end }}

{{- /* Where the node's path is in the container: its /run is at /host/run, and /var/run leads there. */}}
{{- define "cryptnono.hostPath" -}}
{{- $path := . -}}
{{- if hasPrefix "/var/run/" $path }}{{ $path = trimPrefix "/var" $path }}{{ end -}}
{{- printf "/host%s" $path -}}
{{- end }}

{{- /* {containerd: [...], docker: [...]}: the nodes' sockets that are asked, as JSON. The default stands for every known one. */}}
{{- define "cryptnono.sockets" -}}
{{- $containerd := list -}}
{{- $docker := list -}}
{{- range $name := list "execwhacker" "tcpflowkiller" -}}
{{- $detector := get $.Values.detectors $name -}}
{{- if $detector.enabled -}}
{{- if eq $detector.containerdHostPath "/run/containerd/containerd.sock" -}}
{{- $containerd = concat $containerd (list $detector.containerdHostPath "/run/k3s/containerd/containerd.sock" "/run/crio/crio.sock" "/run/cri-dockerd.sock" "/run/host-containerd/containerd.sock") -}}
{{- else if $detector.containerdHostPath -}}
{{- $containerd = append $containerd $detector.containerdHostPath -}}
{{- end -}}
{{- if eq $detector.dockerHostPath "/var/run/docker.sock" -}}
{{- $docker = concat $docker (list $detector.dockerHostPath "/run/dind/docker.sock") -}}
{{- else if $detector.dockerHostPath -}}
{{- $docker = append $docker $detector.dockerHostPath -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- dict "containerd" (uniq $containerd) "docker" (uniq $docker) | mustToJson -}}
{{- end }}

{{- /* The addresses that serve metrics. */}}
{{- define "cryptnono.ports" -}}
{{- $ports := list -}}
{{- if .Values.metrics.enabled -}}
{{- $ports = append $ports (int .Values.detectors.execwhacker.metrics.port) -}}
{{- if .Values.metrics.collector.enabled }}{{ $ports = append $ports (int .Values.metrics.collector.port) }}{{ end -}}
{{- end -}}
{{- uniq $ports | mustToJson -}}
{{- end }}

{{- /* The settings that follow from the chart's own values; what `config` says is read after them. */}}
{{- define "cryptnono.settings" -}}
{{- $detectors := .Values.detectors -}}
{{- $out := dict
  "scope" (dict "processes" "containers")
  "execwhacker" (dict "enabled" $detectors.execwhacker.enabled)
  "monero" (dict "enabled" $detectors.monero.enabled)
  "tcpflowkiller" (dict "enabled" $detectors.tcpflowkiller.enabled) -}}
{{- if $detectors.execwhacker.debug }}{{ $_ := set $out "log" (dict "level" "debug") }}{{ end -}}
{{- $sockets := include "cryptnono.sockets" . | fromJson -}}
{{- $containers := dict -}}
{{- range $key, $paths := dict "endpoints" $sockets.containerd "dockerEndpoints" $sockets.docker -}}
{{- $there := list -}}
{{- range $paths }}{{ $there = append $there (include "cryptnono.hostPath" .) }}{{ end -}}
{{- if $there }}{{ $_ := set $containers $key $there }}{{ end -}}
{{- end -}}
{{- $variables := list -}}
{{- if $detectors.execwhacker.enabled }}{{ $variables = concat $variables $detectors.execwhacker.lookupEnvs }}{{ end -}}
{{- if $detectors.tcpflowkiller.enabled -}}
{{- $variables = concat $variables ((include "cryptnono.flowkiller" . | fromJson).FlowKiller.log_container_envs | default list) -}}
{{- end -}}
{{- with uniq $variables }}{{ $_ := set $containers "environment" . }}{{ end -}}
{{- with $containers }}{{ $_ := set $out "containers" . }}{{ end -}}
{{- if .Values.pins.enabled }}{{ $_ := set $out "pins" (dict "directory" "/sys/fs/bpf/cryptnono" "onStop" .Values.pins.onStop "unattended" .Values.pins.unattended) }}{{ end -}}
{{- if .Values.guard.enabled }}{{ $_ := set $out "guard" (dict "enabled" true) }}{{ end -}}
{{- with include "cryptnono.ports" . | fromJsonArray -}}
{{- $listen := list -}}
{{- range . }}{{ $listen = append $listen (printf ":%d" (int .)) }}{{ end -}}
{{- $_ := set $out "metrics" (dict "listen" $listen) -}}
{{- end -}}
{{- toYaml $out -}}
{{- end }}
