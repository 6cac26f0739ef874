{{- /* The Job's spec, which a Job and a CronJob share. */}}
{{- define "training-job.spec" -}}
{{- $of := dict "root" $ "component" "kanarya-training-job" -}}
backoffLimit: {{ .Values.backoffLimit }}
activeDeadlineSeconds: {{ .Values.activeDeadlineSeconds }}
ttlSecondsAfterFinished: {{ .Values.ttlSecondsAfterFinished }}
podFailurePolicy:
  rules:
    - action: FailJob # 1 refused by the comparison, 2 bad input: it would end the same again
      onExitCodes: {containerName: train, operator: In, values: [1, 2]}
    - action: Ignore # the node went away, not the training
      onPodConditions: [{type: DisruptionTarget, status: "True"}]
    - action: Count # 3 MLflow was away, or a fault: again, later
      onExitCodes: {containerName: train, operator: NotIn, values: [0]}
template:
  metadata:
    labels:
      {{- include "kanarya.labels" $of | nindent 6 }}
      kanarya.dev/model: {{ include "training-job.model" . }}
  spec:
    restartPolicy: Never
    automountServiceAccountToken: false
    enableServiceLinks: false
    {{- include "kanarya.pullSecrets" . | nindent 4 }}
    securityContext:
      {{- include "kanarya.podSecurity" (dict "user" 10001) | nindent 6 }}
    {{- include "kanarya.scheduling" $of | nindent 4 }}
    containers:
      - name: train
        image: {{ include "kanarya.image" (dict "root" $ "image" .Values.image) }}
        imagePullPolicy: {{ .Values.image.pullPolicy }}
        args:
          - /etc/kanarya/config/training.yaml
          {{- range .Values.extraArgs }}
          - {{ . | quote }}
          {{- end }}
        env:
          - {name: MLFLOW_TRACKING_URI, value: {{ .Values.mlflow.url | quote }}}
          - {name: KANARYA_WORK_DIR, value: /tmp/work}
          - {name: KANARYA_OUTCOME_FILE, value: /dev/termination-log}
          {{- with .Values.extraEnv }}
          {{- toYaml . | nindent 10 }}
          {{- end }}
        {{- if or .Values.mlflow.existingSecret .Values.storage.existingSecret }}
        envFrom:
          {{- range list .Values.mlflow.existingSecret .Values.storage.existingSecret | compact | uniq }}
          - secretRef: {name: {{ . }}}
          {{- end }}
        {{- end }}
        securityContext:
          {{- include "kanarya.containerSecurity" . | nindent 10 }}
        resources:
          {{- toYaml .Values.resources | nindent 10 }}
        terminationMessagePolicy: FallbackToLogsOnError
        volumeMounts:
          - {name: tmp, mountPath: /tmp}
          - {name: configuration, mountPath: /etc/kanarya, readOnly: true}
    volumes:
      - name: tmp
        emptyDir: {sizeLimit: {{ .Values.scratch }}}
      - name: configuration
        projected:
          sources:
            - configMap:
                name: {{ include "training-job.configuration" . }}
                items: [{key: training.yaml, path: config/training.yaml}]
            {{- if or .Values.data .Values.existingDataConfigMap }}
            - configMap:
                name: {{ .Values.existingDataConfigMap | default (include "training-job.configuration" .) }}
                {{- if not .Values.existingDataConfigMap }}
                items:
                  {{- range $name, $_ := .Values.data }}
                  - {key: {{ $name | quote }}, path: {{ printf "data/%s" $name | quote }}}
                  {{- end }}
                {{- end }}
            {{- end }}
{{- end }}

{{- /* The ConfigMap, named after what is in it, so that a Job always finds the one that it was made for. */}}
{{- define "training-job.configuration" -}}
{{- printf "%s-%s" (include "kanarya.fullname" .) (list (include "training-job.config" .) .Values.data | toJson | sha256sum | trunc 8) -}}
{{- end }}

{{- /* The training configuration as text. */}}
{{- define "training-job.config" -}}
{{- .Values.configFile | default (toYaml .Values.config) -}}
{{- end }}

{{- define "training-job.model" -}}
{{- required "configFile: names no model" (include "training-job.config" . | fromYaml).model -}}
{{- end }}
