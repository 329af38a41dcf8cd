#!/usr/bin/env bash
# Prints the actions in the form that argocd-cm wants; make generate writes them to component/actions.yaml.
set -euo pipefail
cd "$(dirname "$0")/resource_customizations/podidentity.dev/PodIdentityBinding/actions"
indented() { sed "s/^/$1/" "$2"; }
echo "discovery.lua: |"
indented '  ' discovery.lua
echo "definitions:"
for action in */action.lua; do
  echo "- name: $(dirname "$action")"
  echo "  action.lua: |"
  indented '    ' "$action"
done
