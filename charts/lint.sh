#!/usr/bin/env bash
# Lints the charts: helm's own rules, the metadata that an index of charts shows, and a schema for every value.
set -euo pipefail
cd "$(dirname "$0")"
helm=$(../e2e/tools/build.sh helm)/helm
problems=0
problem() { printf '%s\n' "$*" >&2; problems=1; }

for chart in podidentity-operator podidentity-crds; do
  "$helm" lint --strict --quiet "$chart" >&2 || problems=1
  for field in description: version: appVersion: kubeVersion: keywords: "  artifacthub.io/category:" "  artifacthub.io/license:"; do
    grep -q "^$field ." "$chart/Chart.yaml" || problem "charts/$chart/Chart.yaml has no $field"
  done
  for file in README.md values.schema.json templates/NOTES.txt .helmignore; do
    [ -s "$chart/$file" ] || problem "charts/$chart has no $file"
  done
  # helm lint has validated the defaults, so a schema that forbids what it does not list knows every value.
  python3 - "$chart/values.schema.json" <<'END' || problems=1
import json, sys

file, found = sys.argv[1], []
# Kubernetes' own types, which the API server validates.
FOREIGN = {"podSecurityContext", "resources", "affinity", "global", "extraEnv[]", "tolerations[]", "topologySpreadConstraints[]",
           "networkPolicy.metricsFrom[]", "networkPolicy.extraEgress[]"}

def visit(path, schema):
    if "type" not in schema and "enum" not in schema:
        found.append(f"{path}: has neither type nor enum")
    if schema.get("type") == "object" and path not in FOREIGN and "additionalProperties" not in schema:
        found.append(f"{path or 'the whole'}: accepts fields that it does not list")
    if schema.get("type") == "array" and "items" not in schema:
        found.append(f"{path}: says nothing about its items")
    for name, child in schema.get("properties", {}).items():
        visit(f"{path}.{name}".lstrip("."), child)
    if "items" in schema:
        visit(f"{path}[]", schema["items"])

visit("", json.load(open(file)))
for problem in found:
    print(f"charts/{file}: {problem}", file=sys.stderr)
sys.exit(bool(found))
END
done
# An index of charts shows the definition's versions: those that the definition serves.
served=$(sed -n 's/^    name: \(v[0-9].*\)$/\1/p; s/^  - name: \(v[0-9].*\)$/\1/p' podidentity-operator/files/crd.yaml | sort -u)
for version in $served; do
  grep -q "^      version: $version$" podidentity-operator/Chart.yaml || problem "charts/podidentity-operator/Chart.yaml: artifacthub.io/crds lacks $version"
done
[ -n "$served" ] || problem "charts/podidentity-operator/files/crd.yaml: no version found"
exit $problems
