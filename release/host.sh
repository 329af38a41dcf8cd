#!/usr/bin/env bash
# Makes the release on GitHub, from a tag that is there already, with the files of dist/: host.sh VERSION
#
# The only step that needs GitHub itself. Runs in the workflow release, where gh is part of the machine and GH_TOKEN is set.
set -euo pipefail
cd "$(dirname "$0")/.."
version=${1:-}
version=${version#v}
command -v gh >/dev/null || { echo "gh is needed, and a token in GH_TOKEN; elsewhere make the release by hand, of the files in dist/" >&2; exit 1; }
kind=()
[[ $version != *-* ]] || kind=(--prerelease)
# The image lies in the registry; its archive is for those who mirror it.
gh release create "v$version" --verify-tag --title "v$version" --notes-file dist/notes.md "${kind[@]}" dist/*
