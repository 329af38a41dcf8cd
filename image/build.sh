#!/usr/bin/env bash
# Builds the image without a daemon and writes it as an OCI layout, which `skopeo copy` pushes.
#
#   build.sh NAME:TAG      -> target/image/oci
# Needs buildah and cargo-cyclonedx; tools.sh installs them on Debian.
set -euo pipefail
cd "$(dirname "$0")/.."
name=$1
tag=${name##*:}
out=target/image
[[ ${name##*/} == ?*:?* ]] || { echo "IMAGE has to be NAME:TAG, for example registry.example.com/podidentity-operator:0.1.0" >&2; exit 2; }
for tool in buildah cargo-cyclonedx; do
  command -v "$tool" >/dev/null || { echo "$tool is needed: image/tools.sh installs it on Debian" >&2; exit 1; }
done

rm -rf "$out" && mkdir -p "$out"
image/binary.sh "$out/build"

storage=(--root "$PWD/$out/storage" --runroot "$PWD/$out/run" --storage-driver vfs)
# No image is pulled, so there is nothing to trust or not.
trust=(--signature-policy image/policy.json)
commit=$(git rev-parse HEAD)
buildah "${storage[@]}" build "${trust[@]}" --isolation chroot --build-context "build=$out/build" \
  --timestamp "$(git log -1 --format=%ct)" --tag "$name" \
  --label "org.opencontainers.image.title=podidentity-operator" \
  --label "org.opencontainers.image.version=$tag" \
  --label "org.opencontainers.image.revision=$commit" \
  --label "org.opencontainers.image.licenses=Apache-2.0" .
buildah "${storage[@]}" push "${trust[@]}" "$name" "oci:$out/oci:$tag"
rm -rf "$out/storage" "$out/run"
du -h "$out/build/podidentity-operator" | awk '{print "binary: " $1}'
echo "image: $out/oci, for example: skopeo copy oci:$out/oci:$tag docker://$name"
