#!/usr/bin/env bash
# Builds the image without a daemon and writes it as an OCI layout, which `skopeo copy` pushes.
#
#   build.sh NAME:TAG [ARCHITECTURE...]     -> target/image/oci
#
# One architecture (default: the machine's) is an image, several are an index of images. A binary for another architecture
# that a machine of that architecture has built (make image-binary) is used if it lies in target/image-parts/ARCHITECTURE.
# Needs buildah and cargo-cyclonedx; tools.sh installs them on Debian.
set -euo pipefail
cd "$(dirname "$0")/.."
name=$1
shift
tag=${name##*:}
out=target/image
[[ ${name##*/} == ?*:?* ]] || { echo "IMAGE has to be NAME:TAG, for example registry.example.com/podidentity-operator:TAG" >&2; exit 2; }
for tool in buildah cargo-cyclonedx; do
  command -v "$tool" >/dev/null || { echo "$tool is needed: image/tools.sh installs it on Debian" >&2; exit 1; }
done
[ $# -gt 0 ] || set -- "$(case $(uname -m) in aarch64 | arm64) echo arm64 ;; *) echo amd64 ;; esac)"

rm -rf "$out" && mkdir -p "$out"
storage=(--root "$PWD/$out/storage" --runroot "$PWD/$out/run" --storage-driver vfs)
# No image is pulled, so there is nothing to trust or not.
trust=(--signature-policy image/policy.json)
commit=$(git rev-parse HEAD)

one() {
  local arch=$1 reference=$2 build=$out/build/$1
  if [ -d "target/image-parts/$arch" ]; then
    [ "$(cat "target/image-parts/$arch/commit")" = "$commit" ] || { echo "target/image-parts/$arch is of another commit: make image-binary there, or remove it" >&2; exit 1; }
    mkdir -p "$out/build" && cp -r "target/image-parts/$arch" "$build" && chmod 755 "$build/podidentity-operator"
  else
    image/binary.sh "$build" "$arch"
  fi
  buildah "${storage[@]}" build "${trust[@]}" --isolation chroot --platform "linux/$arch" --build-context "build=$build" \
    --timestamp "$(git log -1 --format=%ct)" --tag "$reference" \
    --label "org.opencontainers.image.title=podidentity-operator" \
    --label "org.opencontainers.image.version=$tag" \
    --label "org.opencontainers.image.revision=$commit" \
    --label "org.opencontainers.image.licenses=Apache-2.0" .
}

if [ $# -eq 1 ]; then
  one "$1" "$name"
  buildah "${storage[@]}" push "${trust[@]}" "$name" "oci:$out/oci:$tag"
else
  buildah "${storage[@]}" manifest create "$name"
  for arch in "$@"; do
    one "$arch" "localhost/part:$arch"
    buildah "${storage[@]}" manifest add "$name" "localhost/part:$arch"
  done
  buildah "${storage[@]}" manifest push "${trust[@]}" --all --format oci "$name" "oci:$out/oci:$tag"
fi
rm -rf "$out/storage" "$out/run"
du -h "$out"/build/*/podidentity-operator
echo "image: $out/oci, for example: skopeo copy --all oci:$out/oci:$tag docker://$name"
