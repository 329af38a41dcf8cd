#!/usr/bin/env bash
# Builds programs from their Go modules into a user cache and prints the folder that holds them on stdout.
# Progress goes to stderr. A second run, in this clone or another, finds the cache and returns at once.
#
#   build.sh [TOOL...]     only these; programs of several modules cannot be named together
#   PODIDENTITY_CACHE_DIR  where the cache lives (default: $XDG_CACHE_HOME or ~/.cache, then podidentity)
#
# helm and helm-docs share a module. Every other program has one of its own, in the folder of its name, so that none
# changes the versions of another's dependencies.
set -euo pipefail
cd "$(dirname "$0")"

[ $# -gt 0 ] || set -- helm helm-docs
declare -A packages=(
  [helm]=helm.sh/helm/v4/cmd/helm
  [helm-docs]=github.com/norwoodj/helm-docs/cmd/helm-docs
  [actionlint]=github.com/rhysd/actionlint/cmd/actionlint
  [cosign]=github.com/sigstore/cosign/v3/cmd/cosign
  [crane]=github.com/google/go-containerregistry/cmd/crane
  [krew]=sigs.k8s.io/krew/cmd/krew
  [kube-state-metrics]=k8s.io/kube-state-metrics/v2
)

say() { printf 'tools: %s\n' "$*" >&2; }

module_of() { case $1 in helm | helm-docs) echo . ;; *) echo "$1" ;; esac; }

module=$(module_of "$1")
for tool in "$@"; do
  [ -n "${packages[$tool]:-}" ] || { say "no such tool: $tool; there are ${!packages[*]}"; exit 2; }
  [ "$(module_of "$tool")" = "$module" ] || { say "$* are of several modules: ask for each by itself"; exit 2; }
done
cd "$module"

cache=${PODIDENTITY_CACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/podidentity}
name=tools; [ "$module" = . ] || name=tools-$module
bin=$cache/$name-$(cat go.mod go.sum | sha256sum | cut -c1-16)

complete() { local tool; for tool in "$@"; do [ -x "$bin/$tool" ] || return 1; done; }

build() {
  local tool=$1 package=${packages[$1]}
  local version; version=$(go list -f '{{.Module.Version}}' "$package")
  say "building $tool $version from source into $bin"
  # helm asks for this stamp; for the others it does nothing.
  local stamp="-X helm.sh/helm/v4/internal/version.version=$version"
  CGO_ENABLED=0 go build -trimpath -ldflags "-s -w $stamp" -o "$bin/.$tool.partial" "$package" >"$bin/$tool.log" 2>&1 || {
    say "building $tool failed; the end of $bin/$tool.log:"
    tail -n 20 "$bin/$tool.log" >&2
    return 1
  }
  mv "$bin/.$tool.partial" "$bin/$tool"
}

if complete "$@"; then echo "$bin"; exit 0; fi
command -v go >/dev/null || { say "Go is needed to build $* and is not on the PATH: install Go 1.26 or newer"; exit 1; }
mkdir -p "$bin"

# Two callers at once: the second waits, then finds everything built.
exec 9>"$bin/.lock"
if ! flock -n 9; then say "another build is under way, waiting for it"; flock 9; fi
for tool in "$@"; do [ -x "$bin/$tool" ] || build "$tool"; done
say "built in $((SECONDS / 60)):$(printf '%02d' $((SECONDS % 60)))"
echo "$bin"
