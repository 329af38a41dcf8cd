#!/usr/bin/env bash
# Builds helm and helm-docs from their Go modules into a user cache and prints the folder that holds them on stdout.
# Progress goes to stderr. A second run, in this clone or another, finds the cache and returns at once.
#
#   build.sh [TOOL...]     only these
#   PODIDENTITY_CACHE_DIR  where the cache lives (default: $XDG_CACHE_HOME or ~/.cache, then podidentity)
set -euo pipefail
cd "$(dirname "$0")"

cache=${PODIDENTITY_CACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/podidentity}
bin=$cache/tools-$(cat go.mod go.sum | sha256sum | cut -c1-16)
declare -A packages=([helm]=helm.sh/helm/v4/cmd/helm [helm-docs]=github.com/norwoodj/helm-docs/cmd/helm-docs)
[ $# -gt 0 ] || set -- helm helm-docs

say() { printf 'tools: %s\n' "$*" >&2; }

complete() { local tool; for tool in "$@"; do [ -x "$bin/$tool" ] || return 1; done; }

build() {
  local tool=$1 package=${packages[$1]}
  local version; version=$(go list -f '{{.Module.Version}}' "$package")
  say "building $tool $version from source into $bin"
  # helm asks for this stamp; for the other it does nothing.
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
