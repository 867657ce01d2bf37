{{- define "posefleet.name" -}}
{{- if contains "posefleet" .Release.Name }}{{ .Release.Name | trunc 40 | trimSuffix "-" }}{{ else }}{{ printf "%s-posefleet" .Release.Name | trunc 40 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "posefleet.operatorName" -}}
{{ include "posefleet.name" . }}-operator
{{- end }}

{{- define "posefleet.serviceAccount" -}}
{{ .Values.serviceAccount.name | default (include "posefleet.operatorName" .) }}
{{- end }}

{{- define "posefleet.selectorLabels" -}}
app.kubernetes.io/name: posefleet
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: operator
{{- end }}

{{- define "posefleet.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
app.kubernetes.io/name: posefleet
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- /* The full name of an image: list of context and image values. */ -}}
{{- define "posefleet.image" -}}
{{- $context := index . 0 }}{{ $image := index . 1 }}
{{- $name := $image.repository }}
{{- with $context.Values.imageRegistry }}{{ $name = printf "%s/%s" (trimSuffix "/" .) $name }}{{ end }}
{{- if $image.digest }}{{ $name }}@{{ $image.digest }}{{ else }}{{ $name }}:{{ $image.tag | default $context.Chart.AppVersion }}{{ end }}
{{- end }}

{{- /* Namespaces whose jobs the operator runs, as a YAML list. The list is empty for the whole cluster. */ -}}
{{- define "posefleet.served" -}}
{{- $names := .Values.watchNamespaces }}
{{- if $names }}{{ range .Values.namespaces }}{{ $names = append $names .name }}{{ end }}{{ end }}
{{- toYaml (uniq $names) }}
{{- end }}

{{- /* Namespaces of jobs that the values list, as a YAML list. */ -}}
{{- define "posefleet.jobNamespaces" -}}
{{- $names := .Values.watchNamespaces }}
{{- range .Values.namespaces }}{{ $names = append $names .name }}{{ end }}
{{- if include "posefleet.testUri" . }}{{ $names = append $names (include "posefleet.testNamespace" .) }}{{ end }}
{{- toYaml (uniq $names) }}
{{- end }}

{{- /* The folder of `helm test`. By default it is in the trial store, if that is enabled. */ -}}
{{- define "posefleet.testUri" -}}
{{- if .Values.test.uri }}{{ trimSuffix "/" .Values.test.uri }}
{{- else if .Values.trialStore.enabled }}s3://{{ last .Values.trialStore.buckets }}/helm-test
{{- end }}
{{- end }}

{{- define "posefleet.testNamespace" -}}
{{- $namespace := .Values.test.namespace | default .Release.Namespace }}
{{- $served := include "posefleet.served" . | fromYamlArray }}
{{- if and $served (not (has $namespace $served)) }}
{{- fail (printf "test.namespace: the operator does not serve %s, only %s; name one of them" $namespace (join ", " $served)) }}
{{- end }}
{{- $namespace }}
{{- end }}

{{- /* The Secret of the trial store. */ -}}
{{- define "posefleet.trialSecret" -}}posefleet-store{{- end }}

{{- /* The store of jobs that do not specify one, as YAML. */ -}}
{{- define "posefleet.storage" -}}
{{- if .Values.trainer.storage }}
{{- toYaml .Values.trainer.storage }}
{{- else if .Values.trialStore.enabled }}
endpoint: http://{{ include "posefleet.name" . }}-store.{{ .Release.Namespace }}:9000
credentialsSecretRef: {name: {{ include "posefleet.trialSecret" . }}}
{{- end }}
{{- end }}

{{- define "posefleet.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "posefleet.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{- define "posefleet.scrapeAnnotations" -}}
prometheus.io/scrape: "true"
prometheus.io/path: /metrics
{{- end }}
