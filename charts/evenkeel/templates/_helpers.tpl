{{/* What the templates share: the name, labels, images and the rules of RBAC. */}}

{{/* Fixed, whatever the release is called: no pool may be named operator, so no object of a pool has this name. */}}
{{- define "evenkeel.name" -}}evenkeel-operator{{- end }}

{{/* For cluster-wide objects of which each installation has one. */}}
{{- define "evenkeel.clusterName" -}}
{{ include "evenkeel.name" . }}.{{ .Release.Namespace }}
{{- end }}

{{/* Fixed for ever: a Deployment's selector cannot be changed. */}}
{{- define "evenkeel.selector" -}}
app.kubernetes.io/name: {{ include "evenkeel.name" . }}
{{- end }}

{{- define "evenkeel.labels" -}}
{{- $own := dict
  "app.kubernetes.io/name" (include "evenkeel.name" .)
  "app.kubernetes.io/instance" .Release.Name
  "app.kubernetes.io/version" .Chart.AppVersion
  "app.kubernetes.io/managed-by" .Release.Service
  "app.kubernetes.io/part-of" "evenkeel"
  "helm.sh/chart" (printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_") -}}
{{- toYaml (merge $own .Values.commonLabels) }}
{{- end }}

{{/* image (dict "image" IMAGE "default" TAG): by digest, else by tag. */}}
{{- define "evenkeel.image" -}}
{{- if .image.digest -}}
{{ .image.repository }}@{{ .image.digest }}
{{- else -}}
{{ .image.repository }}:{{ .image.tag | default .default }}
{{- end -}}
{{- end }}

{{/* The API server's name of the operator's account. */}}
{{- define "evenkeel.user" -}}
system:serviceaccount:{{ .Release.Namespace }}:{{ include "evenkeel.name" . }}
{{- end }}

{{/* The one subject of every binding. */}}
{{- define "evenkeel.subjects" -}}
- kind: ServiceAccount
  name: {{ include "evenkeel.name" . }}
  namespace: {{ .Release.Namespace }}
{{- end }}

{{/*
What the operator may do in a namespace that it serves. It can grant proxies only what it holds itself: hence get, list
and watch of ConfigMaps, which its cache needs as well.
*/}}
{{- define "evenkeel.rules" -}}
- apiGroups: [evenkeel.dev]
  resources: [balancerpools]
  verbs: [get, list, watch]
- apiGroups: [evenkeel.dev]
  resources: [balancerpools/status]
  verbs: [patch]
- apiGroups: [discovery.k8s.io]
  resources: [endpointslices]
  verbs: [list, watch]
- apiGroups: [""]
  resources: [pods]
  verbs: [list, watch]
- apiGroups: [""]
  resources: [configmaps]
  verbs: [get, list, watch, create, update, delete]
- apiGroups: [""]
  resources: [services, serviceaccounts]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [apps]
  resources: [deployments]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [rbac.authorization.k8s.io]
  resources: [roles, rolebindings]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end }}

{{/*
What the operator may do where it runs itself: one Lease, by which its replicas agree on who writes. RBAC cannot limit
"create" by name; the admission policy does. Tests read these rules as plain YAML: keep them free of templates.
*/}}
{{- define "evenkeel.ownRules" -}}
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  verbs: [create]
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  resourceNames: [evenkeel-operator]
  verbs: [get, list, watch, update]
{{- end }}

{{/* Also there, if it serves the webhook: one Secret, which holds the certificates for all replicas. */}}
{{- define "evenkeel.certificateRules" -}}
- apiGroups: [""]
  resources: [secrets]
  verbs: [create]
- apiGroups: [""]
  resources: [secrets]
  resourceNames: [evenkeel-operator]
  verbs: [get, list, watch, update]
{{- end }}

{{/* To tell the API server who signs those certificates. The name is that of this installation's configuration. */}}
{{- define "evenkeel.webhookRules" -}}
- apiGroups: [admissionregistration.k8s.io]
  resources: [mutatingwebhookconfigurations]
  resourceNames: ['{{ include "evenkeel.clusterName" . }}']
  verbs: [get, list, watch, patch]
{{- end }}
