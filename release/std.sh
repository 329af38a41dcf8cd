#!/usr/bin/env bash
# Makes sure that Rust's standard library is there for a target: std.sh TARGET
set -euo pipefail
[ -d "$(rustc --print target-libdir --target "$1")" ] && exit 0
command -v rustup >/dev/null && rustup --quiet target add "$1" && exit 0
echo "Rust's standard library for $1 cannot be had here: build this target on a machine of its own kind" >&2
exit 1
