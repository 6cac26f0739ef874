{{- /*
The same file in every chart (tests/charts/test_charts.py holds them to it): names, labels, images, and what a namespace that
enforces `restricted` admits. Most take (dict "root" $ "component" "name").
*/}}

{{- /* The release's name, with the chart's where it does not say it. */}}
{{- define "kanarya.fullname" -}}
{{- ternary .Release.Name (printf "%s-%s" .Release.Name .Chart.Name) (contains .Chart.Name .Release.Name) | trunc 50 | trimSuffix "-" -}}
{{- end }}

{{- define "kanarya.selector" -}}
app.kubernetes.io/name: {{ .component }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
{{- end }}

{{- define "kanarya.labels" -}}
{{ include "kanarya.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: kanarya
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end }}

{{- /* (dict "root" $ "image" .Values.image): by digest where one is given, else by tag, else by the chart's appVersion. */}}
{{- define "kanarya.image" -}}
{{- $of := ternary (printf "@%s" .image.digest) (printf ":%s" (.image.tag | default .root.Chart.AppVersion)) (ne .image.digest "") -}}
{{ printf "%s/%s%s" .image.registry .image.repository $of }}
{{- end }}

{{- define "kanarya.pullSecrets" -}}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- /* (dict "user" 10001) */}}
{{- define "kanarya.podSecurity" -}}
runAsNonRoot: true
runAsUser: {{ .user }}
runAsGroup: {{ .user }}
fsGroup: {{ .user }}
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "kanarya.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{- /* Where a pod runs: spread over nodes as far as there are any, and what the values say. */}}
{{- define "kanarya.scheduling" -}}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "kanarya.selector" . | nindent 8 }}
{{- with .root.Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- /* Egress to the cluster's DNS, a rule of a NetworkPolicy. */}}
{{- define "kanarya.dns" -}}
- to:
    - namespaceSelector: {}
      podSelector:
        matchLabels:
          k8s-app: kube-dns
  ports:
    - {port: 53, protocol: UDP}
    - {port: 53, protocol: TCP}
{{- end }}

{{- /* Fails on a value that has another name now (renamed.yaml). */}}
{{- define "kanarya.renamed" -}}
{{- range $old, $new := .Files.Get "renamed.yaml" | fromYaml }}
{{- if hasKey $.Values $old }}
{{- fail (printf "CHANGED: %s is now %s; rename it in your values" $old $new) }}
{{- end }}
{{- end }}
{{- end }}
