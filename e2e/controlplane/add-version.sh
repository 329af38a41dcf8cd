#!/usr/bin/env bash
# Adds a version of Kubernetes that the harness can build: writes kubernetes/MINOR with its modules and their checksums.
#
#   e2e/controlplane/add-version.sh 1.33.4
set -euo pipefail
cd "$(dirname "$0")"

version=${1:-}
[[ $version =~ ^1\.[0-9]+\.[0-9]+$ ]] || { echo "give a version of Kubernetes, for example: $0 1.33.4" >&2; exit 2; }
folder=kubernetes/${version%.*}
mkdir -p "$folder"
cd "$folder"
rm -f go.mod go.sum

upstream=$(cd "$(mktemp -d)" && go mod download -json "k8s.io/kubernetes@v$version" | sed -n 's/.*"GoMod": "\(.*\)".*/\1/p')
{
  printf 'module podidentity.dev/e2e/controlplane/kubernetes\n\ngo 1.26.0\n\n'
  echo '// k8s.io/kubernetes requires its staging modules as v0.0.0 and finds them in its own tree: pin them here.'
  echo 'replace ('
  sed -n "s,^\s*\(k8s.io/[a-z-]*\) v0.0.0\( // indirect\)\?$,\t\1 => \1 v0.${version#1.},p" "$upstream"
  echo ')'
} > go.mod
for command in kube-apiserver kube-controller-manager kube-scheduler kubectl; do
  go get -tool "k8s.io/kubernetes/cmd/$command@v$version"
done
# The newest version brings the etcd of all.
if [ "$(ls .. | sort -V | tail -n 1)" = "${version%.*}" ]; then
  go get -tool "go.etcd.io/etcd/server/v3@$(go list -m -f '{{.Version}}' go.etcd.io/etcd/api/v3)"
fi
echo "wrote e2e/controlplane/$folder; build it with: make e2e K8S=${version%.*}"
