#!/usr/bin/env bash
# Builds a program from crates.io into a user cache and prints its path on stdout; progress goes to stderr. A second run, in
# this clone or another, finds it and returns at once.
#
#   cargo-tool.sh cargo-deny | mdbook
#   PODIDENTITY_CACHE_DIR  where the cache lives (default: $XDG_CACHE_HOME or ~/.cache, then podidentity)
set -euo pipefail
case ${1:-} in
  cargo-deny) version=0.20.2 flags=() ;;
  mdbook) version=0.5.4 flags=(--debug --no-default-features --features search) ;;
  *) echo "usage: cargo-tool.sh cargo-deny | mdbook" >&2; exit 2 ;;
esac
tool=$1
cache=${PODIDENTITY_CACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/podidentity}
root=$cache/$tool-$version
if [ -x "$root/bin/$tool" ]; then echo "$root/bin/$tool"; exit 0; fi
mkdir -p "$root"
# Two callers at once: the second waits, then finds it built.
exec 9>"$root/.lock"
if ! flock -n 9; then printf '%s: another build is under way, waiting for it\n' "$tool" >&2; flock 9; fi
if [ ! -x "$root/bin/$tool" ]; then
  printf '%s: building %s from source into %s, which takes some minutes\n' "$tool" "$version" "$root" >&2
  cargo install "$tool" --locked --version "$version" ${flags[@]+"${flags[@]}"} --root "$root" --target-dir "$root/target" >"$root/build.log" 2>&1 || {
    printf '%s: building failed; the end of %s:\n' "$tool" "$root/build.log" >&2
    tail -n 20 "$root/build.log" >&2
    exit 1
  }
  rm -rf "$root/target"
fi
echo "$root/bin/$tool"
