#!/usr/bin/env bash
# Builds the documentation as a site with search into target/site/book, and checks its links.
#
#   site.sh            this version
#   site.sh --all      this version and, below it, every released one, in a folder of its name, with a page to switch
set -euo pipefail
cd "$(dirname "$0")/.."
mdbook=$(e2e/tools/cargo-tool.sh mdbook)
out=$PWD/target/site
version=$(release/version.sh)

# The pages of a work tree, as a site in a folder; and how its pages reach the root of the whole site.
build() {
  local tree=$1 to=$2 title=$3 root=$4
  rm -rf "$out/source" && mkdir -p "$out/source"
  (cd "$tree" && cargo run --quiet -p podidentity-docs -- site "$out/source/src")
  if [ -s "$out/versions" ]; then
    { printf '# Versions\n\nThese pages are of %s.\n\n| | |\n|---|---|\n' "$title"; sed "s,@,$root,g" "$out/versions"; } >"$out/source/src/versions.md"
    printf '%s\n' '- [Versions](versions.md)' >>"$out/source/src/SUMMARY.md"
  fi
  cat >"$out/source/book.toml" <<END
[book]
title = "Pod identity operator $title"
src = "src"
[build]
build-dir = "$to"
create-missing = false
[output.html]
no-section-label = true
[output.html.search]
limit-results = 20
END
  "$mdbook" build "$out/source" >"$out/build.log" 2>&1 || { cat "$out/build.log" >&2; exit 1; }
  if grep -E '\[?WARN' "$out/build.log" >&2; then echo "mdbook warns, see above" >&2; exit 1; fi
}

rm -rf "$out" && mkdir -p "$out"
# Of a run that was interrupted; Git would refuse to lay another work tree there.
git worktree prune
tags=()
if [ "${1:-}" = --all ]; then mapfile -t tags < <(git tag --list 'v*' --sort=-version:refname); fi
if [ ${#tags[@]} -gt 0 ]; then
  { echo "| [$version](@index.html) | from the main branch |"; printf '%s\n' "${tags[@]}" | sed -E 's,^(v(.*))$,| [\2](@\1/index.html) | released |,'; } >"$out/versions"
fi
build . "$out/book" "$version" ""
for tag in ${tags[@]+"${tags[@]}"}; do
  git worktree add --quiet --detach "$out/tree" "$tag"
  # The versions share their dependencies, and none takes the program of this work tree for its own.
  CARGO_TARGET_DIR=$out/target build "$out/tree" "$out/book/$tag" "${tag#v}" ../
  git worktree remove --force "$out/tree"
done
cargo run --quiet -p podidentity-docs -- site-check "$out/book"
echo "site: $out/book/index.html"
