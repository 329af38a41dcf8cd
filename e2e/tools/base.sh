#!/usr/bin/env bash
# Builds the operator of another commit into target/base, to compare with: base.sh COMMIT
set -euo pipefail
cd "$(dirname "$0")/../.."

commit=$(git rev-parse --verify --quiet "$1^{commit}") || { echo "$1 is not a commit" >&2; exit 2; }
folder=$(realpath target)/base
source=$folder/source
mkdir -p "$folder"
[ "$(cat "$folder/commit" 2> /dev/null)" = "$commit" ] && [ -x "$folder/podidentity-operator" ] && exit 0

git worktree prune
git worktree remove --force "$source" 2> /dev/null || true
git worktree add --quiet --detach "$source" "$commit"
trap 'git worktree remove --force "$source"' EXIT
CARGO_TARGET_DIR=$folder/target cargo build --release --manifest-path "$source/Cargo.toml" -p podidentity-operator
cp "$folder/target/release/podidentity-operator" "$folder/podidentity-operator"
echo "$commit" > "$folder/commit"
