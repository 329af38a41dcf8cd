#!/usr/bin/env bash
# Writes what the charts have from elsewhere: files/ are copies of config/, which Helm cannot reach from inside of a
# chart, README.md has the comments of values.yaml, and the version is that of Cargo.toml.
#
#   generate.sh            writes it
#   generate.sh --check    fails if it is stale
set -euo pipefail
cd "$(dirname "$0")"
config=../config

# name of the copy, and what it is a copy of: a file, or the objects of a folder
crds=("crd $config/crd")
operator=(
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
  "role_references_configmap $config/role-references/configmap/cluster_role.yaml"
  "role_references_ack $config/role-references/ack/cluster_role.yaml"
  "role_references_ack-association $config/role-references/ack-association/cluster_role.yaml"
  "role_references_upbound $config/role-references/upbound/cluster_role.yaml"
  "role_references_upbound-namespaced $config/role-references/upbound-namespaced/cluster_role.yaml"
  "role_references_crossplane $config/role-references/crossplane/cluster_role.yaml"
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

# The files of one chart: folder, then copies.
copy() {
  local chart=$1 copy
  shift
  rm -rf "$chart/files" && mkdir "$chart/files"
  for copy in "$@"; do objects "${copy#* }" >"$chart/files/${copy%% *}.yaml"; done
}

write() {
  copy "$1/podidentity-crds" "${crds[@]}"
  copy "$1/podidentity-operator" "${operator[@]}"
  cp $config/prometheus/dashboard.json "$1/podidentity-operator/files/"
  "$(../e2e/tools/build.sh helm-docs)/helm-docs" --chart-search-root "$1" --template-files README.md.gotmpl \
    --sort-values-order file --log-level warning
  if grep -E '\| *\|$' "$1"/podidentity-*/README.md; then echo "these values have no comment in values.yaml" >&2; exit 1; fi
}

if [ "${1:-}" != --check ]; then ../release/version.sh --write; write .; exit 0; fi
fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT
for chart in podidentity-*; do cp -r "$chart" "$fresh"; done
write "$fresh"
for chart in podidentity-*; do
  diff -ru "$chart" "$fresh/$chart" || { echo "charts/$chart is stale: run make generate and commit it" >&2; exit 1; }
done
