#!/usr/bin/env bash
# Fails unless HEAD is this release: check.sh VERSION
set -euo pipefail
cd "$(dirname "$0")/.."
version=${1:-}
version=${version#v}
problems=()
problem() { problems+=("$1"); }

[ -n "$version" ] || { echo "say which release: make release VERSION=0.2.0" >&2; exit 2; }
grep -qP '^\d+\.\d+\.\d+(-[0-9A-Za-z]+(\.[0-9A-Za-z]+)*)?$' <<<"$version" ||
  { echo "VERSION=$version is no version: write MAJOR.MINOR.PATCH or MAJOR.MINOR.PATCH-rc.N" >&2; exit 2; }

prepare="run make release-prepare VERSION=$version and commit what it writes"
now=$(release/version.sh)
[ "$now" = "$version" ] || problem "Cargo.toml says $now, not $version: $prepare"
release/version.sh --check 2>/dev/null || problem "a page or a chart has another version than Cargo.toml: run release/version.sh --write and commit it"
release/notes.sh "$version" >/dev/null 2>&1 || problem "CHANGELOG.md has nothing under '## $version': $prepare"
changed=$(git status --porcelain)
[ -z "$changed" ] || problem "the work tree is not clean, so nobody could build this again: commit or remove
$(head -n 5 <<<"$changed" | sed 's/^/    /')"
tagged=$(git rev-parse --quiet --verify "refs/tags/v$version^{commit}" || true)
if [ -z "$tagged" ]; then problem "there is no tag v$version: git tag --sign v$version"
elif [ "$tagged" != "$(git rev-parse HEAD)" ]; then problem "the tag v$version is at $(git rev-parse --short "$tagged"), not at HEAD: check it out"; fi

if [ ${#problems[@]} -gt 0 ]; then
  printf '%s cannot be released from here:\n' "$version" >&2
  printf '  - %s\n' "${problems[@]}" >&2
  exit 1
fi
