#!/usr/bin/env bash
# Writes what the chart has from elsewhere: files/ are copies of config/, which Helm cannot reach from inside of the
# chart, and README.md has the comments of values.yaml.
#
#   generate.sh            writes it
#   generate.sh --check    fails if it is stale
set -euo pipefail
cd "$(dirname "$0")"
chart=podidentity-operator
config=../config

# name of the copy, and what it is a copy of: a file, or the objects of a folder
copies=(
  "crd $config/crd"
  "cluster_role $config/rbac/cluster_role.yaml"
  "role $config/namespaced/rights/role.yaml"
  "finalizers_role $config/namespaced/finalizers/cluster_role.yaml"
  "lease_role $config/account/lease_role.yaml"
  "injection $config/injection"
  "enforcement $config/enforcement"
  "grants $config/grants"
  "guard $config/guard"
  "people $config/people"
  "preflight $config/preflight"
  "preflight_bound $config/preflight/bound"
  "preflight_role $config/preflight/rights/role.yaml"
  "alerts $config/prometheus/alerts.yaml"
)

objects() {
  local file first=1
  for file in $([ -d "$1" ] && ls "$1"/*.yaml || echo "$1"); do
    case $file in */kustomization.yaml) continue ;; esac
    [ -n "$first" ] || echo ---
    first=
    cat "$file"
  done
}

write() {
  rm -rf "$1/files" && mkdir "$1/files"
  local copy
  for copy in "${copies[@]}"; do objects "${copy#* }" >"$1/files/${copy%% *}.yaml"; done
  cp $config/prometheus/dashboard.json "$1/files/"
  "$(../e2e/tools/build.sh helm-docs)/helm-docs" --chart-search-root "$1" --template-files README.md.gotmpl \
    --sort-values-order file --log-level warning
  if grep -E '\| *\|$' "$1/README.md"; then echo "these values have no comment in values.yaml" >&2; exit 1; fi
}

if [ "${1:-}" != --check ]; then write $chart; exit 0; fi
fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT
cp -r $chart "$fresh"
write "$fresh/$chart"
diff -ru $chart "$fresh/$chart" || { echo "charts/$chart is stale: run make generate and commit it" >&2; exit 1; }
