#!/usr/bin/env bash
# The bill of materials (CycloneDX) of one crate for one target: sbom.sh CRATE TARGET FILE
#
# The same commit gives the same file: with SOURCE_DATE_EPOCH it has no time and no serial number of its own.
set -euo pipefail
crate=$1 target=$2 file=$(realpath -m "$3")
cd "$(dirname "$0")/.."
command -v cargo-cyclonedx >/dev/null || { echo "cargo-cyclonedx is needed: image/tools.sh installs it" >&2; exit 1; }
case $crate in podidentity-operator) folder=operator ;; kubectl-podidentity) folder=cli ;; *) echo "no such crate: $crate" >&2; exit 2 ;; esac
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}
export SOURCE_DATE_EPOCH

# One file beside each Cargo.toml of the workspace is how the tool works; only one of them is wanted.
trap 'rm -f crates/*/sbom.cdx.json e2e/sbom.cdx.json' EXIT
cargo cyclonedx --format json --spec-version 1.5 --target "$target" --override-filename sbom.cdx --quiet
sed "s#path+file://$PWD/#path+file:///src/#" "crates/$folder/sbom.cdx.json" >"$file"
