{{- define "platform.mlflow" }}{{ include "kanarya.fullname" . }}-mlflow{{ end }}
{{- define "platform.postgresql" }}{{ include "kanarya.fullname" . }}-postgresql{{ end }}
{{- define "platform.minio" }}{{ include "kanarya.fullname" . }}-minio{{ end }}

{{- define "platform.databaseSecret" }}{{ .Values.postgresql.existingSecret | default (include "platform.postgresql" .) }}{{ end }}
{{- define "platform.databaseHost" }}{{ .Values.postgresql.host | default (include "platform.postgresql" .) }}{{ end }}
{{- define "platform.s3Secret" }}{{ .Values.s3.existingSecret | default (printf "%s-s3" (include "kanarya.fullname" .)) }}{{ end }}

{{- define "platform.s3Endpoint" -}}
{{ .Values.s3.endpoint | default (printf "http://%s.%s.svc.cluster.local:9000" (include "platform.minio" .) .Release.Namespace) }}
{{- end }}

{{- /* (dict "root" $ "secret" "name" "key" "k" "length" 32): what the Secret holds already, else something made up. */}}
{{- define "platform.kept" -}}
{{- $there := lookup "v1" "Secret" .root.Release.Namespace .secret -}}
{{- if and $there (hasKey $there.data .key) -}}
{{ index $there.data .key | b64dec }}
{{- else -}}
{{ randAlphaNum .length }}
{{- end -}}
{{- end }}

{{- /* Hosts that MLflow answers to: its Service by every name, and addresses by which kubelet and Prometheus call. */}}
{{- define "platform.allowedHosts" -}}
{{- $name := include "platform.mlflow" . -}}
{{- $hosts := list "localhost" "localhost:*" "127.0.0.1:*" "10.*" "192.168.*" -}}
{{- range untilStep 16 32 1 }}{{ $hosts = append $hosts (printf "172.%d.*" .) }}{{ end -}}
{{- range list "" (printf ".%s" .Release.Namespace) (printf ".%s.svc" .Release.Namespace) (printf ".%s.svc.cluster.local" .Release.Namespace) -}}
{{- $hosts = append $hosts (printf "%s%s:5000" $name .) -}}
{{- end -}}
{{- concat $hosts .Values.mlflow.allowedHosts | join "," -}}
{{- end }}

{{- /* What cannot be, said before anything is made. */}}
{{- define "platform.checked" -}}
{{- include "kanarya.renamed" . }}
{{- if and (not .Values.postgresql.enabled) (not .Values.postgresql.host) }}
{{- fail "postgresql.enabled is false and postgresql.host is empty: say where your database is" }}
{{- end }}
{{- if and (not .Values.postgresql.enabled) (not .Values.postgresql.existingSecret) }}
{{- fail "postgresql.enabled is false and postgresql.existingSecret is empty: name the Secret with your database's password" }}
{{- end }}
{{- if and .Values.postgresql.enabled .Values.postgresql.host }}
{{- fail "postgresql.host is set and postgresql.enabled is true: set postgresql.enabled to false to use yours" }}
{{- end }}
{{- if and (not .Values.minio.enabled) (not .Values.s3.endpoint) }}
{{- fail "minio.enabled is false and s3.endpoint is empty: say where your object store is" }}
{{- end }}
{{- if and (not .Values.minio.enabled) (not .Values.s3.existingSecret) }}
{{- fail "minio.enabled is false and s3.existingSecret is empty: name the Secret with your store's key" }}
{{- end }}
{{- if and .Values.minio.enabled .Values.s3.endpoint }}
{{- fail "s3.endpoint is set and minio.enabled is true: set minio.enabled to false to use yours" }}
{{- end }}
{{- end }}

{{- /* (dict "root" $ "component" "c" "persistence" …): one volume of a StatefulSet, called `data`. */}}
{{- define "platform.claim" -}}
- apiVersion: v1
  kind: PersistentVolumeClaim
  metadata:
    name: data
    labels:
      {{- include "kanarya.selector" . | nindent 6 }}
  spec:
    accessModes: [ReadWriteOnce]
    {{- with .persistence.storageClass }}
    storageClassName: {{ . }}
    {{- end }}
    resources:
      requests:
        storage: {{ .persistence.size }}
{{- end }}
