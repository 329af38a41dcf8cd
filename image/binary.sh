#!/usr/bin/env bash
# Builds the operator as one static binary and writes it, with its bill of materials (CycloneDX), to a folder.
#
#   binary.sh FOLDER [ARCHITECTURE]     amd64 or arm64 (default: the machine's)
#   PODIDENTITY_COMMIT  what the binary says that it was built from (default: asked of git)
#
# arm64 on an amd64 machine needs Debian's cross compiler: tools.sh arm64.
set -euo pipefail
folder=$(realpath -m "$1")
cd "$(dirname "$0")/.."
host=$(rustc -vV | sed -n 's/^host: //p')
case ${2:-} in
  '') target=$host ;;
  amd64) target=x86_64-unknown-linux-gnu ;;
  arm64) target=aarch64-unknown-linux-gnu ;;
  *) echo "no such architecture: $2; there are amd64 and arm64" >&2; exit 2 ;;
esac
if [ "$target" != "$host" ]; then
  [ "$target" = aarch64-unknown-linux-gnu ] || { echo "$2 is built on a machine of that architecture" >&2; exit 1; }
  command -v aarch64-linux-gnu-gcc >/dev/null || { echo "aarch64-linux-gnu-gcc is needed: image/tools.sh arm64 installs it on Debian; or build on an arm64 machine" >&2; exit 1; }
  release/std.sh "$target"
  export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
fi

if [ -z "${PODIDENTITY_COMMIT:-}" ]; then
  PODIDENTITY_COMMIT=$(git describe --always --abbrev=12 --exclude='*' --dirty=-modified)
fi
export PODIDENTITY_COMMIT
# Neither the time nor the folder of the build is in what is built: the same commit gives the same files.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}
export SOURCE_DATE_EPOCH
remap="--remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=/cargo --remap-path-prefix=$PWD=/src"
# Static and position-independent. Name resolution is a part of glibc itself since 2.34 and needs no file at run time.
RUSTFLAGS="-C target-feature=+crt-static -C relocation-model=pic $remap" \
  cargo build --release --locked --target "$target" -p podidentity-operator
mkdir -p "$folder"
cp "${CARGO_TARGET_DIR:-target}/$target/release/podidentity-operator" "$folder/"
if readelf -d "$folder/podidentity-operator" | grep NEEDED; then echo "the binary is not static" >&2; exit 1; fi

release/sbom.sh podidentity-operator "$target" "$folder/sbom.cdx.json"
