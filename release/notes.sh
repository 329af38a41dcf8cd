#!/usr/bin/env bash
# Prints what CHANGELOG.md says of a version, without its heading; fails if that is nothing: notes.sh VERSION | Unreleased
set -euo pipefail
cd "$(dirname "$0")/.."
text=$(VERSION=$1 awk '/^## / { on = ($2 == ENVIRON["VERSION"]); next } on' CHANGELOG.md)
grep -q '^- ' <<<"$text" || { echo "CHANGELOG.md has nothing under '## $1'" >&2; exit 1; }
# Links of the changelog are from the root of the repository; blank lines at the ends go.
sed -e '/./,$!d' <<<"$text"
