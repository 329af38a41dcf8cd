#!/usr/bin/env bash
# Installs a program from its Python package, with the digests in python/TOOL.txt, into a user cache and prints the folder
# that holds it on stdout. Progress goes to stderr. A second run, in this clone or another, finds it and returns at once.
#
#   python.sh zizmor | cargo-zigbuild
#   PODIDENTITY_CACHE_DIR  where the cache lives (default: $XDG_CACHE_HOME or ~/.cache, then podidentity)
set -euo pipefail
cd "$(dirname "$0")"
tool=${1:-}
[ -f "python/$tool.txt" ] || { printf 'usage: python.sh TOOL, where TOOL is one of: %s\n' "$(cd python && echo *.txt | sed 's/\.txt//g')" >&2; exit 2; }

cache=${PODIDENTITY_CACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/podidentity}
root=$cache/$tool-$(sha256sum "python/$tool.txt" | cut -c1-16)
if [ -x "$root/bin/$tool" ]; then echo "$root/bin"; exit 0; fi
command -v python3 >/dev/null || { printf '%s: python3 is needed and is not on the PATH\n' "$tool" >&2; exit 1; }
mkdir -p "$root"
# Two callers at once: the second waits, then finds it installed.
exec 9>"$root/.lock"
flock 9
if [ ! -x "$root/bin/$tool" ]; then
  printf '%s: installing it into %s\n' "$tool" "$root" >&2
  { python3 -m venv "$root" && "$root/bin/python" -m pip install --quiet --disable-pip-version-check --only-binary=:all: \
    --no-deps --require-hashes --requirement "python/$tool.txt"; } >"$root/install.log" 2>&1 || {
    printf '%s: installing it failed; the end of %s:\n' "$tool" "$root/install.log" >&2
    tail -n 20 "$root/install.log" >&2
    exit 1
  }
fi
echo "$root/bin"
