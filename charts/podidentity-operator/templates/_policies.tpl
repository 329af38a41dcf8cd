{{/*
A file of policies, as objects of this release. Argument: a list of the root and of the file's name.

Its text gets the annotation domain, the operator's user and, for injection, the region and the prefix of roles. What does not follow the domain:
the folder of the token, and the label by which a pod opts out, which the webhook's configuration names.
*/}}
{{- define "podidentity-operator.policies" -}}
{{- $root := index . 0 -}}
{{- $text := $root.Files.Get (printf "files/%s.yaml" (index . 1)) -}}
{{- with $root.Values.settings.annotationDomain -}}
{{- $text = regexReplaceAll `([^/\\])eks\.amazonaws\.com` $text (printf "${1}%s" .) -}}
{{- $text = replace (printf "%s/skip-pod-identity-webhook" .) "eks.amazonaws.com/skip-pod-identity-webhook" $text -}}
{{- end -}}
{{- if eq (index . 1) "injection" -}}
{{- with $root.Values.settings.awsDefaultRegion -}}
{{- $text = regexReplaceAll `(name: region\n +expression: )"''"` $text (printf `${1}"'%s'"` .) -}}
{{- end -}}
{{- with $root.Values.settings.composeRoleArn -}}
{{- $account := splitList ":" (contains ":" . | ternary . (printf "aws:%s" .)) -}}
{{- $prefix := printf "arn:%s:iam::%s:role/" (first $account) (last $account) -}}
{{- $text = regexReplaceAll `(name: rolePrefix\n +expression: )"''"` $text (printf `${1}"'%s'"` $prefix) -}}
{{- end -}}
{{- end -}}
{{- $text = replace "system:serviceaccount:podidentity-system:podidentity-operator" (include "podidentity-operator.user" $root) $text -}}
{{- $suffix := include "podidentity-operator.suffix" $root -}}
{{- range $document := regexSplit `(?m)^---$` $text -1 }}
{{- $object := fromYaml $document }}
{{- if $object }}
{{- $_ := set $object.metadata "name" (printf "%s%s" $object.metadata.name $suffix) }}
{{- if hasSuffix "PolicyBinding" $object.kind }}
{{- $_ := set $object.spec "policyName" (printf "%s%s" $object.spec.policyName $suffix) }}
{{- end }}
{{- $_ := set $object.metadata "labels" (merge (include "podidentity-operator.labels" $root | fromYaml) ($object.metadata.labels | default dict)) }}
---
{{ toYaml $object }}
{{- end }}
{{- end }}
{{- end -}}
