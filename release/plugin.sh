#!/usr/bin/env bash
# Packs the plugin for one target, with completions, manual pages and a bill of materials: plugin.sh TARGET FOLDER
#
#   target/release-parts/TARGET/  ──►  FOLDER/kubectl-podidentity-OS-ARCH.tar.gz
#                                      FOLDER/kubectl-podidentity-OS-ARCH.cdx.json
set -euo pipefail
target=$1 out=$(realpath -m "$2")
cd "$(dirname "$0")/.."
case $target in *-linux-*) os=linux ;; *-windows-*) os=windows ;; *-darwin) os=darwin ;; *) echo "no such target: $target" >&2; exit 2 ;; esac
case $target in x86_64-*) arch=amd64 ;; aarch64-*) arch=arm64 ;; esac
program=target/release-parts/$target/kubectl-podidentity
[ "$os" != windows ] || program=$program.exe
[ -f "$program" ] || { echo "$program is missing: make release-binary TARGET=$target" >&2; exit 1; }
[ "$(cat "target/release-parts/$target/commit")" = "$(git rev-parse HEAD)" ] ||
  { echo "$program is of another commit: make release-binary TARGET=$target" >&2; exit 1; }
name=kubectl-podidentity-$os-$arch

stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
mkdir -p "$stage/man" "$stage/completions" "$out"
cp "$program" crates/cli/krew/kubectl_complete-podidentity LICENSE "$stage/"
cp docs/man/*.1 "$stage/man/"
cp crates/cli/completions/* "$stage/completions/"
chmod -R u=rwX,go=rX "$stage"
chmod 755 "$stage/$(basename "$program")" "$stage/kubectl_complete-podidentity"

SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)} release/tar.sh "$stage" | gzip -9n >"$out/$name.tar.gz"
release/sbom.sh kubectl-podidentity "$target" "$out/$name.cdx.json"
