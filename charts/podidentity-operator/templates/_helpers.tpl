{{/* Name of the objects in the release's namespace: that of the release, with the chart's behind it unless it is in it. */}}
{{- define "podidentity-operator.name" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride -}}
{{- else if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* Name of objects outside of the release's namespace, where a release of this name in another namespace may have its own. */}}
{{- define "podidentity-operator.clusterName" -}}
{{- $name := include "podidentity-operator.name" . -}}
{{- if ne .Release.Namespace "podidentity-system" -}}
{{- $name = printf "%s-%s" $name .Release.Namespace | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- $name -}}
{{- end -}}

{{/* What policies of another than the usual release have behind their names. */}}
{{- define "podidentity-operator.suffix" -}}
{{- $name := include "podidentity-operator.clusterName" . -}}
{{- if ne $name "podidentity-operator" -}}-{{ $name }}{{- end -}}
{{- end -}}

{{/* The Deployment selects by these labels, so they can never change. `kubectl podidentity check` looks for the first. */}}
{{- define "podidentity-operator.selectorLabels" -}}
app.kubernetes.io/name: podidentity-operator
{{- if ne (include "podidentity-operator.name" .) "podidentity-operator" }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}
{{- end -}}

{{- define "podidentity-operator.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/name: podidentity-operator
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- define "podidentity-operator.serviceAccountName" -}}
{{- .Values.serviceAccount.name | default (include "podidentity-operator.name" .) -}}
{{- end -}}

{{- define "podidentity-operator.user" -}}
{{- printf "system:serviceaccount:%s:%s" .Release.Namespace (include "podidentity-operator.serviceAccountName" .) -}}
{{- end -}}

{{- define "podidentity-operator.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* The subject of every binding. */}}
{{- define "podidentity-operator.subjects" -}}
- kind: ServiceAccount
  name: {{ include "podidentity-operator.serviceAccountName" . }}
  namespace: {{ .Release.Namespace }}
{{- end -}}
