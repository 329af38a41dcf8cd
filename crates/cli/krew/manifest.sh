#!/usr/bin/env bash
# The krew manifest of a release: manifest.sh VERSION URL ARCHIVE...
#
# Each ARCHIVE is kubectl-podidentity-OS-ARCH.tar.gz with kubectl-podidentity and kubectl_complete-podidentity in it, and
# lies under URL once it is released. Prints the manifest.
set -euo pipefail
[ $# -ge 3 ] || { sed -n 2,5p "$0" | cut -c3- >&2; exit 2; }
version=$1 url=${2%/}
shift 2

cat <<YAML
apiVersion: krew.googlecontainertools.github.com/v1alpha2
kind: Plugin
metadata:
  name: podidentity
spec:
  version: v${version#v}
  homepage: ${url%/releases/download/*}
  shortDescription: Tells why pods have their AWS IAM role, or have not
  description: |
    Looks at service accounts that are linked to AWS IAM roles, by PodIdentityBindings or by annotation, and at every pod
    that runs as one: whether it has the role, and if not, why, and what to do next. Needs neither the operator nor its
    custom resource. Also lints manifests and injects roles without a cluster.
  caveats: |
    For completion in kubectl, copy kubectl_complete-podidentity from the plugin's folder to a folder of your PATH.
  platforms:
YAML
for archive in "$@"; do
  name=$(basename "$archive" .tar.gz)
  platform=${name#kubectl-podidentity-}
  os=${platform%-*} arch=${platform##*-}
  [[ "$name" = kubectl-podidentity-* && "$os" != "$platform" ]] || { echo "$archive is not named kubectl-podidentity-OS-ARCH.tar.gz" >&2; exit 2; }
  bin=kubectl-podidentity
  [ "$os" != windows ] || bin=$bin.exe
  sum=$(sha256sum "$archive" | cut -d' ' -f1)
  cat <<YAML
  - selector:
      matchLabels:
        os: $os
        arch: $arch
    uri: $url/$name.tar.gz
    sha256: $sum
    bin: $bin
YAML
done
