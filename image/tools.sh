#!/usr/bin/env bash
# Installs what `make image` and `make image-test` need, on Debian and as root; with --check only says what is missing.
set -euo pipefail
missing=() packages=()
for tool in buildah umoci runc cargo-cyclonedx; do command -v "$tool" >/dev/null || missing+=("$tool"); done
[ ${#missing[@]} -gt 0 ] || exit 0
if [ "${1:-}" = --check ]; then echo "missing: ${missing[*]} (image/tools.sh installs them on Debian)"; exit 1; fi
echo "missing, and installed now by apt-get and cargo install: ${missing[*]}" >&2
for tool in "${missing[@]}"; do
  case $tool in
    cargo-cyclonedx) cargo install --quiet --debug --locked --version 0.5.9 cargo-cyclonedx ;;
    *) packages+=("$tool") ;;
  esac
done
if [ ${#packages[@]} -gt 0 ]; then
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "${packages[@]}" >/dev/null
fi
