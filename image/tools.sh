#!/usr/bin/env bash
# Installs what `make image` and `make image-test` need, on Debian; with --check only says what is missing.
#
#   tools.sh [--check] [arm64]     arm64: the cross compiler as well, for an image of both architectures
set -euo pipefail
check=
[ "${1:-}" != --check ] || { check=1; shift; }
wanted=(buildah umoci runc cargo-cyclonedx)
[ "${1:-}" != arm64 ] || [ "$(uname -m)" = aarch64 ] || wanted+=(aarch64-linux-gnu-gcc)
missing=() packages=()
for tool in "${wanted[@]}"; do command -v "$tool" >/dev/null || missing+=("$tool"); done
[ ${#missing[@]} -gt 0 ] || exit 0
if [ -n "$check" ]; then echo "missing: ${missing[*]} (image/tools.sh installs them on Debian)"; exit 1; fi
echo "missing, and installed now by apt-get and cargo install: ${missing[*]}" >&2
for tool in "${missing[@]}"; do
  case $tool in
    cargo-cyclonedx) cargo install --quiet --debug --locked --version 0.5.9 cargo-cyclonedx ;;
    aarch64-linux-gnu-gcc) packages+=(gcc-aarch64-linux-gnu libc6-dev-arm64-cross) ;;
    *) packages+=("$tool") ;;
  esac
done
if [ ${#packages[@]} -gt 0 ]; then
  as_root=; [ "$(id -u)" = 0 ] || as_root=sudo
  $as_root apt-get update -qq
  DEBIAN_FRONTEND=noninteractive $as_root apt-get install -qq -y --no-install-recommends "${packages[@]}" >/dev/null
fi
