{{- /* "yes" where the Prometheus operator is to be told. */}}
{{- define "monitoring.operator" -}}
{{- $known := .Capabilities.APIVersions.Has "monitoring.coreos.com/v1" -}}
{{- if or (eq .Values.operator.mode "true") (and (eq .Values.operator.mode "auto") $known) }}yes{{ end -}}
{{- end }}

{{- define "monitoring.labels" -}}
{{ include "kanarya.labels" (dict "root" $ "component" "kanarya-monitoring") }}
{{- with .Values.operator.labels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "monitoring.namespaces" -}}
namespaceSelector:
  {{- if .Values.namespaces }}
  matchNames: {{ toJson .Values.namespaces }}
  {{- else }}
  any: true
  {{- end }}
{{- end }}
