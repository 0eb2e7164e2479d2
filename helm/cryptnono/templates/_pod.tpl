{{- /* securityContext of the container. What contradicts `privileged` would be refused by Kubernetes, and is left out. */}}
{{- define "cryptnono.securityContext" -}}
{{- $context := deepCopy .Values.containerSecurityContext -}}
{{- if $context.privileged -}}
{{- $context = omit $context "allowPrivilegeEscalation" "capabilities" "seccompProfile" -}}
{{- else if and .Values.appArmorProfile (semverCompare ">=1.30-0" .Capabilities.KubeVersion.Version) -}}
{{- $_ := set $context "appArmorProfile" .Values.appArmorProfile -}}
{{- end -}}
{{- toYaml $context -}}
{{- end }}

{{- /* The annotation for AppArmor before Kubernetes 1.30; nothing from then on. */}}
{{- define "cryptnono.appArmorAnnotation" -}}
{{- $profile := .Values.appArmorProfile -}}
{{- if and $profile (not .Values.containerSecurityContext.privileged) (semverCompare "<1.30-0" .Capabilities.KubeVersion.Version) -}}
{{- $value := dict "Unconfined" "unconfined" "RuntimeDefault" "runtime/default" "Localhost" (printf "localhost/%s" ($profile.localhostProfile | default "")) -}}
container.apparmor.security.beta.kubernetes.io/execwhacker: {{ get $value $profile.type | quote }}
{{- end -}}
{{- end }}

{{- /* A scalar as it was written; toString would make 1e+06 of 1000000. */}}
{{- define "cryptnono.text" -}}
{{- if kindIs "string" . }}{{ . }}{{ else }}{{ toJson . }}{{ end -}}
{{- end }}

{{- /* CPU in thousandths, from a quantity. */}}
{{- define "cryptnono.milliCpu" -}}
{{- $text := include "cryptnono.text" . -}}
{{- if not (regexMatch "^[0-9]+([.][0-9]*)?m?$" $text) }}{{ fail (printf "resources: %q is no quantity that can be added up" $text) }}{{ end -}}
{{- if hasSuffix "m" $text }}{{ trimSuffix "m" $text | float64 | ceil | int64 }}{{ else }}{{ mulf (float64 $text) 1000 | ceil | int64 }}{{ end -}}
{{- end }}

{{- /* Bytes, from a quantity. */}}
{{- define "cryptnono.bytes" -}}
{{- $text := include "cryptnono.text" . -}}
{{- $number := regexFind "^[0-9.]+([eE][0-9]+)?" $text -}}
{{- $units := dict "" 1.0 "m" 0.001 "k" 1e3 "M" 1e6 "G" 1e9 "T" 1e12 "P" 1e15 "Ki" 1024.0 "Mi" 1048576.0 "Gi" 1073741824.0 "Ti" 1099511627776.0 "Pi" 1125899906842624.0 -}}
{{- $unit := trimPrefix $number $text -}}
{{- if not (hasKey $units $unit) }}{{ fail (printf "resources: %q is no quantity that can be added up" $text) }}{{ end -}}
{{- mulf (float64 $number) (get $units $unit) | ceil | int64 -}}
{{- end }}

{{- /*
The one container's resources: `resources`, or else what its detectors ask for, added up, or else requests as measured (docs/privileges.md): without any it would
be the first to go when the node's memory is short. Limits were made for the predecessor's containers; below these the daemon would not start in time.
*/}}
{{- define "cryptnono.resources" -}}
{{- if .Values.resources -}}
{{- toYaml .Values.resources -}}
{{- else -}}
{{- $enabled := list -}}
{{- range list "execwhacker" "monero" "tcpflowkiller" -}}
{{- $detector := get $.Values.detectors . -}}
{{- if $detector.enabled }}{{ $enabled = append $enabled $detector.resources }}{{ end -}}
{{- end -}}
{{- $out := dict -}}
{{- range $kind := list "requests" "limits" -}}
{{- range $name := list "cpu" "memory" -}}
{{- $sum := int64 0 -}}
{{- $count := 0 -}}
{{- range $enabled -}}
{{- $said := dig $kind $name "" . -}}
{{- if not (eq (toString $said) "") -}}
{{- $count = add1 $count -}}
{{- $sum = add $sum (include (ternary "cryptnono.milliCpu" "cryptnono.bytes" (eq $name "cpu")) $said | int64) -}}
{{- end -}}
{{- end -}}
{{- $all := eq (int $count) (len $enabled) -}}
{{- if eq $kind "limits" }}{{ $sum = max $sum (ternary 500 268435456 (eq $name "cpu")) }}{{ end -}}
{{- if and $count (or (eq $kind "requests") $all) -}}
{{- $text := printf "%d" $sum -}}
{{- if eq $name "cpu" }}{{ $text = printf "%dm" $sum }}
{{- else if eq 0 (mod $sum 1048576) }}{{ $text = printf "%dMi" (div $sum 1048576) }}{{ end -}}
{{- $_ := set $out $kind (merge (get $out $kind | default dict) (dict $name $text)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $out | default (dict "requests" (dict "cpu" "5m" "memory" "64Mi")) | toYaml -}}
{{- end -}}
{{- end }}

{{- /* env of the container. */}}
{{- define "cryptnono.env" -}}
- name: NODE_NAME
  valueFrom:
    fieldRef:
      fieldPath: spec.nodeName
- name: POD_UID
  valueFrom:
    fieldRef:
      fieldPath: metadata.uid
{{- $sockets := include "cryptnono.sockets" . | fromJson }}
{{- /* Set to nothing: no runtime of this kind is asked. */}}
{{- if not $sockets.containerd }}
- name: CONTAINER_RUNTIME_ENDPOINT
  value: ""
{{- end }}
{{- if not $sockets.docker }}
- name: DOCKER_HOST
  value: ""
{{- end }}
{{- $given := dict }}
{{- range list "tcpflowkiller" "execwhacker" }}
{{- $detector := get $.Values.detectors . }}
{{- if $detector.enabled }}{{ $given = mergeOverwrite $given (deepCopy $detector.env) }}{{ end }}
{{- end }}
{{- range $name, $value := omit $given "NODE_NAME" "POD_UID" "CONTAINER_RUNTIME_ENDPOINT" "DOCKER_HOST" }}
- name: {{ $name }}
  value: {{ include "cryptnono.text" $value | quote }}
{{- end }}
{{- end }}

{{- /* What the daemon reads, in its order: a list of {path, ...} that gives arguments, mounts and volumes, as JSON. */}}
{{- define "cryptnono.sources" -}}
{{- $fullname := include "cryptnono.fullname" . -}}
{{- $out := list -}}
{{- if .Values.detectors.execwhacker.enabled -}}
{{- $out = append $out (dict "name" "execwhacker" "path" "/etc/cryptnono/execwhacker" "volume" (dict "secret" (dict "secretName" (printf "%s-execwhacker" $fullname) "defaultMode" 256))) -}}
{{- end -}}
{{- if .Values.detectors.tcpflowkiller.enabled -}}
{{- $out = append $out (dict "name" "tcpflowkiller" "path" "/etc/cryptnono/tcpflowkiller" "volume" (dict "secret" (dict "secretName" (printf "%s-tcpflowkiller" $fullname) "defaultMode" 256))) -}}
{{- end -}}
{{- range $kind := list "secret" "configMap" -}}
{{- range $index, $source := get $.Values.rules (ternary "existingSecrets" "existingConfigMaps" (eq $kind "secret")) -}}
{{- $volume := dict (ternary "secretName" "name" (eq $kind "secret")) $source.name "defaultMode" 256 -}}
{{- if $source.optional }}{{ $_ := set $volume "optional" true }}{{ end -}}
{{- with $source.keys -}}
{{- $items := list -}}
{{- range . }}{{ $items = append $items (dict "key" . "path" .) }}{{ end -}}
{{- $_ := set $volume "items" $items -}}
{{- end -}}
{{- $out = append $out (dict "name" (printf "rules-%s-%d" (lower $kind) $index) "path" (printf "/etc/cryptnono/rules/%s-%s" (lower $kind) $source.name) "volume" (dict $kind $volume)) -}}
{{- end -}}
{{- end -}}
{{- if .Values.rules.sealed -}}
{{- $out = append $out (dict "name" "rules-sealed" "path" "/etc/cryptnono/rules/sealed" "volume" (dict "secret" (dict "secretName" (printf "%s-sealed" $fullname) "defaultMode" 256))) -}}
{{- end -}}
{{- $out = append $out (dict "name" "config" "path" "/etc/cryptnono/config" "volume" (dict "secret" (dict "secretName" (printf "%s-config" $fullname) "defaultMode" 256))) -}}
{{- $out | mustToJson -}}
{{- end }}

{{- /* Directories of the node that hold sockets and are not below /run, as JSON. */}}
{{- define "cryptnono.socketDirectories" -}}
{{- $sockets := include "cryptnono.sockets" . | fromJson -}}
{{- $out := list -}}
{{- range concat $sockets.containerd $sockets.docker -}}
{{- if not (or (hasPrefix "/run/" .) (hasPrefix "/var/run/" .)) }}{{ $out = append $out (dir .) }}{{ end -}}
{{- end -}}
{{- uniq $out | mustToJson -}}
{{- end }}
