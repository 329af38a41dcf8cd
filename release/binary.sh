#!/usr/bin/env bash
# Compiles the plugin for one target into target/release-parts/TARGET.
#
#   binary.sh TARGET
#
#   x86_64-unknown-linux-musl, aarch64-unknown-linux-musl    static; zig links them, on Linux
#   x86_64-pc-windows-gnu, aarch64-pc-windows-gnullvm        the same
#   aarch64-apple-darwin, x86_64-apple-darwin                on macOS only: linking needs Apple's frameworks
#
# Runs with the bash and the tools of macOS, too.
set -euo pipefail
target=${1:-}
cd "$(dirname "$0")/.."
file=kubectl-podidentity
case $target in
  *-apple-darwin)
    [ "$(uname -s)" = Darwin ] || { echo "$target is built on macOS: linking needs Apple's frameworks" >&2; exit 1; } ;;
  *-unknown-linux-musl | x86_64-pc-windows-gnu | aarch64-pc-windows-gnullvm)
    [ "$(uname -s)" = Linux ] || { echo "$target is built on Linux" >&2; exit 1; } ;;
  *) sed -n 4,8p "$0" | cut -c3- >&2; exit 2 ;;
esac
release/std.sh "$target"
command=build
case $target in
  *-apple-darwin) ;;
  *) PATH=$(e2e/tools/python.sh cargo-zigbuild):$PATH; command=zigbuild ;;
esac
case $target in *-windows-*) file=$file.exe ;; esac

SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export SOURCE_DATE_EPOCH
# The folder of the build is not in what is built: the same commit gives the same file.
RUSTFLAGS="--remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=/cargo --remap-path-prefix=$PWD=/src" \
  cargo "$command" --release --locked --target "$target" -p kubectl-podidentity
mkdir -p "target/release-parts/$target"
cp "${CARGO_TARGET_DIR:-target}/$target/release/$file" "target/release-parts/$target/"
# plugin.sh refuses a binary of another commit.
git rev-parse HEAD >"target/release-parts/$target/commit"
