{{- /*
At the top of every template. Where null took a map or list away there is an empty one from then on (templates share the values), and what the schema
cannot say is checked.
*/}}
{{- define "cryptnono.prepare" -}}
{{- $maps := list "config" "podAnnotations" "podLabels" "containerSecurityContext" "detectors.execwhacker.configs" "detectors.execwhacker.env" "detectors.execwhacker.resources" "detectors.monero.resources" "detectors.tcpflowkiller.bannedIpv4ConfigMaps" "detectors.tcpflowkiller.config" "detectors.tcpflowkiller.env" "detectors.tcpflowkiller.resources" "rules.sealed" }}
{{- $lists := list "detectors.execwhacker.lookupEnvs" "rules.existingSecrets" "rules.existingConfigMaps" "networkPolicy.egress" }}
{{- range concat $maps $lists }}
{{- $at := $.Values }}
{{- $names := splitList "." . }}
{{- range initial $names }}{{ $at = get $at . }}{{ end }}
{{- if not (get $at (last $names)) }}{{ $_ := set $at (last $names) (ternary dict list (has . $maps)) }}{{ end }}
{{- end }}
{{- include "cryptnono.validate" . }}
{{- end }}

{{- define "cryptnono.validate" -}}
{{- /* Removed by the predecessor already. */}}
{{- if .Values.image.name }}
{{- fail "\n\nimage.name has been replaced: set image.repository, and image.tag if it is not the chart's own." }}
{{- end }}
{{- if dig "image" "name" "" (.Values.fetchKernelHeaders | default dict) }}
{{- fail "\n\nfetchKernelHeaders.image.name has been replaced by fetchKernelHeaders.image.repository, and neither has an effect any more: nothing needs kernel headers. Remove it." }}
{{- end }}
{{- if hasKey .Values.detectors.execwhacker.metrics "enabled" }}
{{- fail "\n\ndetectors.execwhacker.metrics.enabled has moved: set metrics.enabled." }}
{{- end }}
{{- /* What would be refused by Kubernetes, or lose rules without a word. */}}
{{- $seen := dict }}
{{- range $name, $key := .Values.detectors.tcpflowkiller.bannedIpv4ConfigMaps }}
{{- if hasKey $seen $key }}
{{- fail (printf "\n\ndetectors.tcpflowkiller.bannedIpv4ConfigMaps: %s and %s both have the key %s, and there can be only one file of that name." (get $seen $key) $name $key) }}
{{- end }}
{{- $_ := set $seen $key $name }}
{{- end }}
{{- range $kind := list "existingSecrets" "existingConfigMaps" }}
{{- $names := list }}
{{- range get $.Values.rules $kind }}
{{- if has .name $names }}{{ fail (printf "\n\nrules.%s: %s is there twice; name all its keys in one place." $kind .name) }}{{ end }}
{{- $names = append $names .name }}
{{- end }}
{{- end }}
{{- if and .Values.rules.sealed (not .Values.rules.identity.existingSecret) }}
{{- fail "\n\nrules.sealed needs rules.identity.existingSecret: without an identity nobody can open these files." }}
{{- end }}
{{- end }}
