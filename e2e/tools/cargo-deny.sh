#!/usr/bin/env bash
# Builds cargo-deny into a user cache and prints its path on stdout; progress goes to stderr. A second run, in this clone or
# another, finds it and returns at once.
#
#   PODIDENTITY_CACHE_DIR  where the cache lives (default: $XDG_CACHE_HOME or ~/.cache, then podidentity)
set -euo pipefail
version=0.20.2

cache=${PODIDENTITY_CACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/podidentity}
root=$cache/cargo-deny-$version
if [ -x "$root/bin/cargo-deny" ]; then echo "$root/bin/cargo-deny"; exit 0; fi
mkdir -p "$root"
# Two callers at once: the second waits, then finds it built.
exec 9>"$root/.lock"
if ! flock -n 9; then printf 'cargo-deny: another build is under way, waiting for it\n' >&2; flock 9; fi
if [ ! -x "$root/bin/cargo-deny" ]; then
  printf 'cargo-deny: building %s from source into %s, which takes some minutes\n' "$version" "$root" >&2
  cargo install cargo-deny --locked --version "$version" --root "$root" --target-dir "$root/target" >"$root/build.log" 2>&1 || {
    printf 'cargo-deny: building failed; the end of %s:\n' "$root/build.log" >&2
    tail -n 20 "$root/build.log" >&2
    exit 1
  }
  rm -rf "$root/target"
fi
echo "$root/bin/cargo-deny"
