#!/usr/bin/env bash
# What a careful person does without the operator: annotate, restart, wait, look into every container of every pod.
# Arguments: NAMESPACE/NAME=ROLE for each service account; its Deployments carry the label part of its name.
set -euo pipefail
for argument in "$@"; do
  identity=${argument%%=*} role=${argument#*=}
  namespace=${identity%/*} account=${identity#*/}
  kubectl annotate --namespace "$namespace" serviceaccount "$account" --overwrite "eks.amazonaws.com/role-arn=$role" > /dev/null
  deployments=$(kubectl get deployments --namespace "$namespace" -o \
    jsonpath="{range .items[?(@.spec.template.spec.serviceAccountName=='$account')]}{.metadata.name} {end}")
  for deployment in $deployments; do
    kubectl rollout restart --namespace "$namespace" "deployment/$deployment" > /dev/null
    kubectl rollout status --namespace "$namespace" "deployment/$deployment" --timeout=60s > /dev/null
    roles=$(kubectl get pods --namespace "$namespace" --selector "app.kubernetes.io/name=$deployment" -o \
      jsonpath="{range .items[*].spec.containers[*]}{.env[?(@.name=='AWS_ROLE_ARN')].value}{'\n'}{end}")
    [ -n "$roles" ] && ! grep -qvFx "$role" <<< "$roles" || { echo "$identity: $deployment lacks the role" >&2; exit 1; }
  done
done
