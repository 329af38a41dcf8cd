{{/* Settings as variables. An empty setting is left to the operator. */}}
{{- define "podidentity-operator.env" -}}
{{- $settings := .Values.settings -}}
{{- $name := include "podidentity-operator.name" . -}}
{{- $listen := printf "%s:%v" .Values.http.address .Values.http.port -}}
{{- range $variable, $value := dict
  "PODIDENTITY_LOG_FORMAT" $settings.logFormat
  "RUST_LOG" $settings.logLevel
  "PODIDENTITY_NAMESPACES" (join "," .Values.namespaces)
  "PODIDENTITY_NAMESPACE_SELECTOR" $settings.namespaceSelector
  "PODIDENTITY_REQUIRE_GRANTS" .Values.grants.required
  "PODIDENTITY_MAX_CONCURRENT_ROLLOUTS" $settings.maxConcurrentRollouts
  "OTEL_EXPORTER_OTLP_ENDPOINT" $settings.otlpEndpoint
  "PODIDENTITY_LISTEN" (ternary "" $listen (eq $listen "[::]:8080"))
  "PODIDENTITY_STALLED_AFTER" $settings.stalledAfter
  "PODIDENTITY_LEASE_NAME" (ternary "" $name (eq $name "podidentity-operator"))
  "PODIDENTITY_LEASE_DURATION" .Values.leaderElection.leaseDuration
  "PODIDENTITY_LEASE_RENEW_DEADLINE" .Values.leaderElection.renewDeadline
  "PODIDENTITY_LEASE_RETRY_PERIOD" .Values.leaderElection.retryPeriod
  "PODIDENTITY_DRY_RUN" (ternary "" $settings.dryRun (eq $settings.dryRun "off"))
  "PODIDENTITY_CONCURRENCY" $settings.concurrency
  "PODIDENTITY_METRICS_PER_BINDING" $settings.metricsPerBinding
  "PODIDENTITY_ISSUER" $settings.issuer
  "PODIDENTITY_ANNOTATION_DOMAIN" $settings.annotationDomain
  "PODIDENTITY_TOKEN_AUDIENCE" $settings.tokenAudience
  "PODIDENTITY_TOKEN_MOUNT_PATH" $settings.tokenMountPath
  "PODIDENTITY_TOKEN_EXPIRATION" $settings.tokenExpiration
  "PODIDENTITY_AWS_DEFAULT_REGION" $settings.awsDefaultRegion
  "PODIDENTITY_STS_REGIONAL_ENDPOINT" $settings.stsRegionalEndpoint
  "PODIDENTITY_COMPOSE_ROLE_ARN" $settings.composeRoleArn
  "PODIDENTITY_AWS_ACCOUNT" $settings.awsAccount
  "PODIDENTITY_AWS_PARTITION" $settings.awsPartition
  "PODIDENTITY_ROLE_REFERENCES" (join "," $settings.roleReferences)
  "PODIDENTITY_IMDS_OPEN_TO_PODS" $settings.imdsOpenToPods
  "PODIDENTITY_PREFLIGHT" .Values.preflight.policy
  "PODIDENTITY_PREFLIGHT_ON_UNAVAILABLE" .Values.preflight.onUnavailable
  "PODIDENTITY_PREFLIGHT_RECHECK" .Values.preflight.recheck
  "PODIDENTITY_STS_REGION" .Values.preflight.stsRegion
  "PODIDENTITY_STS_ENDPOINT" .Values.preflight.stsEndpoint
}}
{{- if $value }}
- name: {{ $variable }}
  value: {{ $value | toString | quote }}
{{- end }}
{{- end }}
{{- end -}}

{{/* The port that traces go to: the URL's, or else the default of its scheme. */}}
{{- define "podidentity-operator.otlpPort" -}}
{{- $url := urlParse .Values.settings.otlpEndpoint -}}
{{- regexFind "[0-9]+$" (regexFind ":[0-9]+$" $url.host) | default (ternary "443" "80" (eq $url.scheme "https")) -}}
{{- end -}}

