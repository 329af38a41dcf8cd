#!/usr/bin/env bash
# Writes what a release needs in the repository: the version everywhere, the changelog's section, the stored definition.
# Commits nothing: prepare.sh VERSION
set -euo pipefail
cd "$(dirname "$0")/.."
version=${1:-}
version=${version#v}
[ -n "$version" ] || { echo "say which release: make release-prepare VERSION=0.2.0" >&2; exit 2; }
[ -z "$(git status --porcelain)" ] || { echo "the work tree is not clean: commit first, so that the release is a commit of its own" >&2; exit 1; }
if git rev-parse --quiet --verify "refs/tags/v$version" >/dev/null; then echo "v$version is tagged already: take the next version" >&2; exit 1; fi
grep -q "^## $version\( \|$\)" CHANGELOG.md && { echo "CHANGELOG.md has a section $version already: take the next version" >&2; exit 1; }
release/notes.sh Unreleased >/dev/null || { echo "write what users notice under '## Unreleased' first" >&2; exit 1; }

release/version.sh --set "$version"
sed -i "s/^## Unreleased$/## Unreleased\n\n## $version - $(date --utc +%F)/" CHANGELOG.md
charts/generate.sh
# What this version stores is what later ones have to read (docs/api-stability.md).
if [[ $version != *-* ]]; then
  stored=crates/api/tests/stored
  latest=$(ls $stored | sort --version-sort | tail -n 1)
  mkdir -p "$stored/$version"
  cp config/crd/podidentity.dev_podidentitybindings.yaml "$stored/$version/definition.yaml"
  [ "$latest" = "$version" ] || cp "$stored/$latest/bindings.yaml" "$stored/$version/"
fi
git --no-pager diff --stat
cat <<END

Read the diff, then:
  git add --all && git commit --message "Release $version"
  git tag --sign v$version
  git push --atomic origin HEAD v$version      # starts the workflow release
END
