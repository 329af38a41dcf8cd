#!/usr/bin/env bash
# Builds the operator of another commit into target/base, to compare with.
#
#   base.sh COMMIT
#   base.sh yesterday    the newest commit that is a day older than HEAD
set -euo pipefail
cd "$(dirname "$0")/../.."

if [ "$1" = yesterday ]; then
  # Older than HEAD, not than now: after quiet days, too, the last changes are compared with what was before them. Of
  # merges the first parent, since the others were never what the branch had.
  head=$(git show --no-patch --format=%ct HEAD)
  commit=$(git rev-list --max-count=1 --first-parent --before="$((head - 86400))" HEAD)
  [ -n "$commit" ] || { echo "HEAD has no commit that is a day older; a shallow clone gets its own by git fetch --unshallow" >&2; exit 2; }
  git show --no-patch --format='base: %h of %ci, %s' "$commit"
else
  commit=$(git rev-parse --verify --quiet "$1^{commit}") || { echo "$1 is not a commit" >&2; exit 2; }
fi
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
