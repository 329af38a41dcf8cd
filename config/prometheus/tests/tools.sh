#!/usr/bin/env bash
# Prints the folder that has promtool and prometheus: the one in PATH, or what Debian's package prometheus has in it, which
# is unpacked into a cache and not installed.
set -euo pipefail

if command -v promtool > /dev/null && command -v prometheus > /dev/null; then
  dirname "$(command -v promtool)"
  exit
fi
cache=${XDG_CACHE_HOME:-$HOME/.cache}/podidentity/promtool
if [ ! -x "$cache/usr/bin/prometheus" ]; then
  if ! command -v apt-get > /dev/null; then
    echo "promtool and prometheus are missing: install Prometheus (https://prometheus.io/docs/prometheus/latest/installation/)" >&2
    exit 1
  fi
  echo "prometheus: unpacking Debian's package into $cache" >&2
  download=$(mktemp -d)
  trap 'rm -rf "$download"' EXIT
  get() { (cd "$download" && apt-get -qq download prometheus 2> "$download/log"); }
  # A machine that has never asked for lists of packages knows none.
  get || { [ "$(id -u)" = 0 ] && apt-get -qq update && get; } || {
    cat "$download/log" >&2
    echo "prometheus is missing and cannot be had: run apt-get update, or install the package, as root" >&2
    exit 1
  }
  mkdir -p "$cache"
  dpkg -x "$download"/prometheus_*.deb "$cache"
fi
echo "$cache/usr/bin"
