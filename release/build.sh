#!/usr/bin/env bash
# Builds a release into dist/: build.sh VERSION
#
#   plugin ─ binaries of every target ─► archives, bills of materials ─► krew manifest ┐
#   operator ─ binaries ─► image, an index of amd64 and arm64 ─► its digest ─► charts  ┴► checksums
#
#   REGISTRY    where image and charts will lie, for example registry.example.com/podidentity
#   SOURCE_URL  where the repository is; archives are expected under SOURCE_URL/releases/download/vVERSION
#   TARGETS     targets of the plugin (default: all; those of macOS only if target/release-parts has their binaries)
#   PLATFORMS   architectures of the image (default: amd64 arm64)
#
# Nothing is signed and nothing leaves the machine: publish.sh does that.
set -euo pipefail
cd "$(dirname "$0")/.."
version=${1:-}
version=${version#v}
release/check.sh "$version"
: "${REGISTRY:?set REGISTRY to where image and charts will lie, for example registry.example.com/podidentity}"
SOURCE_URL=${SOURCE_URL:-${GITHUB_SERVER_URL:+$GITHUB_SERVER_URL/$GITHUB_REPOSITORY}}
: "${SOURCE_URL:?set SOURCE_URL to where the repository is, for example https://git.example.com/podidentity/operator}"
export SOURCE_URL
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH

here="x86_64-unknown-linux-musl aarch64-unknown-linux-musl x86_64-pc-windows-gnu aarch64-pc-windows-gnullvm"
elsewhere="aarch64-apple-darwin x86_64-apple-darwin"
missing=
if [ -z "${TARGETS:-}" ]; then
  TARGETS=$here
  for target in $elsewhere; do
    if [ -d "target/release-parts/$target" ]; then TARGETS="$TARGETS $target"; else missing="$missing $target"; fi
  done
fi

rm -rf dist && mkdir dist
for target in $TARGETS; do
  echo "== plugin for $target"
  case $target in *-apple-*) ;; *) release/binary.sh "$target" ;; esac
  release/plugin.sh "$target" dist
done
crates/cli/krew/manifest.sh "$version" "$SOURCE_URL/releases/download/v$version" dist/kubectl-podidentity-*.tar.gz >dist/podidentity.yaml

echo "== image"
# shellcheck disable=SC2086
image/build.sh "$REGISTRY/podidentity-operator:$version" ${PLATFORMS:-amd64 arm64}
for arch in ${PLATFORMS:-amd64 arm64}; do cp "target/image/build/$arch/sbom.cdx.json" "dist/podidentity-operator-linux-$arch.cdx.json"; done
digest=$(release/digest.sh target/image/oci)
release/tar.sh target/image/oci >"dist/podidentity-operator-image.oci.tar"

echo "== charts"
release/chart.sh "$REGISTRY/podidentity-operator" "$digest" dist

echo "== notes, provenance, checksums"
release/notes.sh "$version" >dist/notes.md
release/provenance.sh "$version" >dist/provenance.json
(cd dist && sha256sum -- * >../target/checksums.txt && mv ../target/checksums.txt .)
(cd dist && du -h -- *)
echo "image: $REGISTRY/podidentity-operator:$version@$digest"
[ -z "$missing" ] || echo "NOT built, because only macOS can:$missing (make release-binary TARGET=... there; bring target/release-parts here)"
