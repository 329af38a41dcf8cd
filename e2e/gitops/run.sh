#!/usr/bin/env bash
# Tests with the libraries that Argo CD, Flux and Helm themselves are made of.
#
#   run.sh build           compiles them (once; later runs find the packages in Go's build cache)
#   run.sh test [FLAGS]    runs them, on the cluster that KUBECONFIG names, over the statuses in E2E_STATUSES;
#                          FLAGS are those of Go's test binaries, for example -test.run=Helm
#   run.sh fleet           runs the rehearsal of one Git for two clusters, each with a control plane of its own
set -euo pipefail
self=$(realpath "$0")
cd "$(dirname "$0")"
bin=${CARGO_TARGET_DIR:-../../target}/gitops
mkdir -p "$bin"
bin=$(realpath "$bin")

build() {
  # The flags of controlplane/build.sh, so that what both need is compiled once.
  export CGO_ENABLED=0
  local module
  for module in . argocd; do (cd "$module" && go test -trimpath -ldflags '-s -w' -c -o "$bin/" ./...); done
  ../tools/build.sh helm > /dev/null
}

test_all() {
  HELM=$(../tools/build.sh helm)/helm
  export HELM
  # The pages have kubectl run the plugin.
  PATH=$(realpath "${CARGO_TARGET_DIR:-../../target}/debug"):$PATH
  export PATH
  local package failed=0
  declare -A running
  for package in kstatus flux helm argocd pages; do
    (cd "$package" && "$bin/$package.test" -test.timeout=10m "$@") > "$bin/$package.log" 2>&1 &
    running[$package]=$!
  done
  for package in "${!running[@]}"; do
    if wait "${running[$package]}"; then
      printf '%s: %s\n' "$package" "$(tail -n 1 "$bin/$package.log")"
    else
      failed=1
      printf '%s failed:\n' "$package"
      cat "$bin/$package.log"
    fi
  done
  return "$failed"
}

# One control plane inside of the other's lifetime.
fleet() {
  local with=$bin/../debug/with-cluster one=111122223333 two=444455556666
  if [ -z "${FLEET_ONE:-}" ]; then
    exec "$with" --operator=--aws-account=$one bash -c 'FLEET_ONE=$KUBECONFIG exec "$0" fleet' "$self"
  elif [ -z "${FLEET_TWO:-}" ]; then
    exec "$with" --operator=--aws-account=$two bash -c 'FLEET_TWO=$KUBECONFIG exec "$0" fleet' "$self"
  fi
  export FLEET=$one=$FLEET_ONE,$two=$FLEET_TWO
  local package
  for package in flux argocd; do
    (cd "$package" && "$bin/$package.test" -test.timeout=10m -test.run=TestFleetBy -test.v) | grep -E '^ *(---|PASS|FAIL|ok)|_test.go'
  done
}

case ${1:-} in
  build) build ;;
  fleet) fleet ;;
  test) shift; test_all "$@" ;;
  *) echo "usage: run.sh build | test [FLAGS] | fleet" >&2; exit 2 ;;
esac
