#!/usr/bin/env bash
# Builds the operator as one static binary and writes it, with its bill of materials (CycloneDX), to a folder.
#
#   binary.sh FOLDER
#   PODIDENTITY_COMMIT  what the binary says that it was built from (default: asked of git)
set -euo pipefail
folder=$(realpath -m "$1")
cd "$(dirname "$0")/.."
target=$(rustc -vV | sed -n 's/^host: //p')

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
cp "target/$target/release/podidentity-operator" "$folder/"
if ldd "$folder/podidentity-operator" 2>/dev/null | grep '=>'; then echo "the binary is not static" >&2; exit 1; fi

# One file beside each Cargo.toml of the workspace is how the tool works; only the operator's is wanted.
trap 'rm -f crates/*/sbom.cdx.json e2e/sbom.cdx.json' EXIT
cargo cyclonedx --format json --spec-version 1.5 --target "$target" --override-filename sbom.cdx --quiet
sed "s#path+file://$PWD/#path+file:///src/#" crates/operator/sbom.cdx.json >"$folder/sbom.cdx.json"
