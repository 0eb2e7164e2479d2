{{- /* Why `helm test` would find nothing killed, or nothing at all if it would. */}}
{{- define "cryptnono.whyNoTest" -}}
{{- $config := .Values.config -}}
{{- $own := .Release.Namespace -}}
{{- $protected := dig "protect" "namespaces" (list "kube-system") $config -}}
{{- if not (dig "execwhacker" "enabled" .Values.detectors.execwhacker.enabled $config) -}}
execwhacker is not enabled
{{- else if dig "dryRun" false $config -}}
config.dryRun is true, so nothing is killed
{{- else if has $own $protected -}}
the namespace {{ $own }} is protected
{{- else if eq "report" (dig "namespaces" $own "action" "" $config) -}}
config.namespaces only reports in {{ $own }}
{{- else if eq "report" (dig "execwhacker" "action" "" $config) -}}
config.execwhacker.action is report
{{- end -}}
{{- end }}
