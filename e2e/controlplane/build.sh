#!/usr/bin/env bash
# Builds the local control plane (etcd, kube-apiserver, kube-controller-manager, kube-scheduler, kubectl,
# kwok) from its Go modules into a user cache and prints the folder that holds the binaries on stdout.
# Progress goes to stderr. A second run, in this clone or another, finds the cache and returns at once.
#
#   K8S                    the minor version to build, a folder of kubernetes/ (default: the newest);
#                          add-version.sh adds one
#   KUBEBUILDER_ASSETS     binaries found in this folder are used instead of being built
#   PODIDENTITY_CACHE_DIR  where the cache lives (default: $XDG_CACHE_HOME or ~/.cache, then podidentity)
set -euo pipefail
cd "$(dirname "$0")"

cache=${PODIDENTITY_CACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/podidentity}
say() { printf 'control plane: %s\n' "$*" >&2; }

newest=$(ls kubernetes | sort -V | tail -n 1)
K8S=${K8S:-$newest}
[ -d "kubernetes/$K8S" ] || { say "Kubernetes $K8S is not known; known are: $(ls kubernetes | sort -V | xargs)"; exit 2; }

# etcd and kwok are the same for all versions.
sums=("kubernetes/$newest" kwok)
[ "$K8S" = "$newest" ] || sums=("kubernetes/$K8S" "${sums[@]}")
folder_of() {
  local sum files=()
  for sum; do files+=("$sum/go.mod" "$sum/go.sum"); done
  printf '%s/controlplane-%s' "$cache" "$(cat "${files[@]}" | sha256sum | cut -c1-16)"
}
bin=$(folder_of "${sums[@]}")
shared=$(folder_of "kubernetes/$newest" kwok)

# name, module folder, package, expected time of a cold build on two cores
tools=(
  "etcd kubernetes/$newest go.etcd.io/etcd/server/v3 1-min"
  "kube-apiserver kubernetes/$K8S k8s.io/kubernetes/cmd/kube-apiserver 7-min"
  "kube-controller-manager kubernetes/$K8S k8s.io/kubernetes/cmd/kube-controller-manager 3-min"
  "kube-scheduler kubernetes/$K8S k8s.io/kubernetes/cmd/kube-scheduler 15-s"
  "kubectl kubernetes/$K8S k8s.io/kubernetes/cmd/kubectl 40-s"
  "kwok kwok sigs.k8s.io/kwok/cmd/kwok 2-min"
)

complete() {
  local tool
  for tool in "${tools[@]}"; do [ -x "$bin/${tool%% *}" ] || return 1; done
  [ -f "$bin/stages/pod-fast.yaml" ]
}

if complete; then echo "$bin"; exit 0; fi
command -v go >/dev/null || { say "Go is needed to build it and is not on the PATH: install Go 1.26 or newer"; exit 1; }
mkdir -p "$bin"

# Two callers at once (tests of two clones, say): the second waits, then finds everything built.
exec 9>"$bin/.lock"
if ! flock -n 9; then say "another build is under way, waiting for it"; flock 9; fi
if complete; then echo "$bin"; exit 0; fi

began=$SECONDS
elapsed() { local s=$((SECONDS - began)); printf '%d:%02d' $((s / 60)) $((s % 60)); }

# Shows that the build goes on: a live line on a terminal, otherwise a line every half minute.
watch_build() {
  local pid=$1 what=$2 last=$SECONDS
  while kill -0 "$pid" 2>/dev/null; do
    if [ -t 2 ]; then printf '\rcontrol plane: %s  %s elapsed ' "$what" "$(elapsed)" >&2
    elif ((SECONDS - last >= 30)); then last=$SECONDS; say "$what, $(elapsed) elapsed"; fi
    sleep 1
  done
  [ -t 2 ] && printf '\r\033[K' >&2
  wait "$pid"
}

version=$(cd "kubernetes/$K8S" && go list -m -f '{{.Version}}' k8s.io/kubernetes)
say "building Kubernetes $version from source into $bin"
say "the first build takes about 13 minutes on two cores; later runs find it there"

n=0
for tool in "${tools[@]}"; do
  read -r name module package cold <<<"$tool"
  n=$((n + 1))
  [ -x "$bin/$name" ] && continue
  if [ -n "${KUBEBUILDER_ASSETS:-}" ] && [ -x "$KUBEBUILDER_ASSETS/$name" ]; then
    say "[$n/${#tools[@]}] $name: taken from KUBEBUILDER_ASSETS"
    ln -sf "$KUBEBUILDER_ASSETS/$name" "$bin/$name"
    continue
  fi
  if [[ $name = etcd || $name = kwok ]] && [ -x "$shared/$name" ]; then
    ln -f "$shared/$name" "$bin/$name"
    continue
  fi
  what="[$n/${#tools[@]}] building $name (cold: about ${cold/-/ })"
  say "$what"
  # Without the version stamp kubectl cannot parse the server's version.
  ldflags="-s -w"
  [ "$module" = "kubernetes/$K8S" ] && ldflags+=" -X k8s.io/component-base/version.gitVersion=$version"
  (cd "$module" && CGO_ENABLED=0 go build -trimpath -ldflags "$ldflags" -o "$bin/.$name.partial" "$package") >"$bin/$name.log" 2>&1 &
  if ! watch_build $! "$what"; then
    say "building $name failed; the end of $bin/$name.log:"
    tail -n 20 "$bin/$name.log" >&2
    exit 1
  fi
  mv "$bin/.$name.partial" "$bin/$name"
done

# kwok does nothing without its stages, which lie in its module.
mkdir -p "$bin/stages"
kwok=$(cd kwok && go list -m -f '{{.Dir}}' sigs.k8s.io/kwok)
for stage in node/fast node/heartbeat-with-lease pod/fast; do
  target=$bin/stages/${stage/\//-}.yaml
  : >"$target.partial"
  for file in "$kwok/kustomize/stage/$stage"/*.yaml; do
    case $file in */kustomization.yaml) continue ;; esac
    cat "$file" >>"$target.partial"
    printf -- '---\n' >>"$target.partial"
  done
  mv "$target.partial" "$target"
done
say "built in $(elapsed)"
echo "$bin"
